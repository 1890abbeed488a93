"""How long a training step and the fit of a probe take with a thread on each core.

    python -m benchmarks.thread_waits [--seconds 10]

Between the parts of a step, threads wait for the slowest. Those of OpenMP do so by looking again and again, unless
they are told to sleep (`OMP_WAIT_POLICY=passive`): where another program holds one of the cores, they keep it from the
thread that all wait for. A step is measured both ways and with one thread less, on a quiet machine and beside a program
that holds a core; each in a process of its own, in turn. Only ratios within a run count.

Probes are fitted by scikit-learn, in the threads of BLAS, which wait in a way of their own: by number of threads, in
turn, in one process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from xautolm.processes import usable_cores

WAYS = {"looking again a while, as by default": "", "asleep": "passive"}
"""What `OMP_WAIT_POLICY` is set to, by what it means."""
TEXTS, TOKENS = 16, 32
WARM_UP_STEPS = 3
HOLD = "while True: pass"
"""Program that holds a core."""
PROBES = ((200, 3), (2_000, 2), (2_000, 64), (20_000, 20), (60_000, 7))
"""Rows and classes of the data that probes are fitted to."""
WIDTH = 384
FITS = 3
"""Of each kind, in turn; the median counts."""


def main() -> None:
    """Print a table, or measure one way in this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of steps for each number")
    parser.add_argument("--threads", type=int, help="measure in this process, by its environment")
    options = parser.parse_args()
    if options.threads is not None:
        print(step_seconds(options.threads, options.seconds))
        return
    cores = usable_cores()
    print("| threads | waiting | quiet (ms) | a core is held (ms) |")
    print("| --- | --- | --- | --- |")
    for threads in (cores, cores - 1):
        for name, policy in WAYS.items():
            quiet = measured(threads, policy, options.seconds)
            with held_core():
                held = measured(threads, policy, options.seconds)
            print(f"| {threads} | {name} | {1000 * quiet:.0f} | {1000 * held:.0f} |", flush=True)
    print_fits(cores)


def print_fits(cores: int) -> None:
    """Print how long probes take to fit with a thread on each core and with one."""
    print()
    print("| rows | classes | threads | quiet (ms) | a core is held (ms) |")
    print("| --- | --- | --- | --- | --- |")
    for rows, classes in PROBES:
        features, targets = made_up_features(rows, classes)
        quiet = fit_seconds(features, targets, (1, cores))
        with held_core():
            held = fit_seconds(features, targets, (1, cores))
        for threads in quiet:
            print(
                f"| {rows:,} | {classes} | {threads} | {1000 * quiet[threads]:.0f} | {1000 * held[threads]:.0f} |",
                flush=True,
            )


def made_up_features(rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features of shape (rows, `WIDTH`) and a class for each row, around centres that lie near each other."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, WIDTH))
    targets = rng.integers(0, classes, rows)
    noise = rng.normal(size=(rows, WIDTH))
    return (0.3 * centres[targets] + noise).astype(np.float32), targets


def fit_seconds(
    features: np.ndarray, targets: np.ndarray, numbers: Sequence[int]
) -> dict[int, float]:
    """Return the median seconds of a fit, by the number of threads that BLAS has."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    from xautolm.finetuning.probe import STEPS, TOLERANCE

    seconds: dict[int, list[float]] = {number: [] for number in numbers}
    for _ in range(FITS):
        for number in numbers:
            with threadpool_limits(number, user_api="blas"):
                began = time.perf_counter()
                LogisticRegression(max_iter=STEPS, tol=TOLERANCE).fit(features, targets)
                seconds[number].append(time.perf_counter() - began)
    return {number: statistics.median(taken) for number, taken in seconds.items()}


def measured(threads: int, policy: str, seconds: float) -> float:
    """Return the seconds of a step in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    environment.pop("OMP_WAIT_POLICY", None)
    if policy:
        environment["OMP_WAIT_POLICY"] = policy
    command = [sys.executable, "-m", "benchmarks.thread_waits"]
    arguments = ["--threads", str(threads), "--seconds", str(seconds)]
    said = subprocess.check_output([*command, *arguments], env=environment, text=True)
    return float(said)


@contextmanager
def held_core() -> Iterator[None]:
    """Let another program hold a core."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD])
    try:
        yield
    finally:
        holder.kill()
        holder.wait()


def step_seconds(threads: int, seconds: float) -> float:
    """Return the mean seconds of training steps of an encoder of MiniLM's size on short texts."""
    import torch
    from transformers import BertConfig, BertModel

    torch.set_num_threads(threads)
    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    model = BertModel(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    tokens = torch.randint(0, config.vocab_size, (TEXTS, TOKENS))

    def step() -> None:
        optimizer.zero_grad()
        model(tokens).last_hidden_state.mean().backward()
        optimizer.step()

    for _ in range(WARM_UP_STEPS):
        step()
    started = time.perf_counter()
    steps = 0
    while time.perf_counter() - started < seconds:
        step()
        steps += 1
    return (time.perf_counter() - started) / steps


if __name__ == "__main__":
    main()
