"""How much batching by length gains when answers are generated.

    python -m benchmarks.generation_throughput [--prompts 256]

A small decoder with random weights continues prompts of very different lengths, as questions with contexts have: one by
one, in batches as they come, and in batches of like length, in the same run and each twice, the better time counts.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, set_seed

from xautolm.finetuning.forms.generate import generated
from xautolm.records import ANSWERS_AT_ONCE

NEW_TOKENS = 16
VOCABULARY = 2_000
ROUNDS = 2


class Bytes:
    """As much of a tokenizer as generation asks for."""

    pad_token_id = 0
    eos_token_id = None

    def batch_decode(self, rows: torch.Tensor, skip_special_tokens: bool) -> list[str]:
        """Numbers as text."""
        return [" ".join(map(str, row)) for row in rows.tolist()]


def as_they_come(model: LlamaForCausalLM, prompts: Sequence[list[int]]) -> list[str]:
    """Batches in the order of the data: what one gets without sorting."""
    texts: list[str] = []
    for start in range(0, len(prompts), ANSWERS_AT_ONCE):
        texts += generated(
            model, Bytes(), prompts[start : start + ANSWERS_AT_ONCE], NEW_TOKENS, ANSWERS_AT_ONCE
        )
    return texts


def best_seconds(work: Callable[[], list[str]]) -> tuple[float, list[str]]:
    """The shorter of some runs, and what they said."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        said = work()
        times.append(time.perf_counter() - began)
    return min(times), said


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=256)
    options = parser.parse_args()
    set_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config).eval()
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(3.5, 0.8, options.prompts), 5, 400).astype(int)
    prompts = [rng.integers(3, VOCABULARY, length).tolist() for length in lengths]
    rows = {
        "one by one": lambda: generated(model, Bytes(), prompts, NEW_TOKENS, 1),
        "batches of 32 as they come": lambda: as_they_come(model, prompts),
        "batches of 32 of like length": lambda: generated(
            model, Bytes(), prompts, NEW_TOKENS, ANSWERS_AT_ONCE
        ),
    }
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}\n"
    )
    print("| how | answers a second | ratio |")
    print("| --- | --- | --- |")
    base = 0.0
    for name, work in rows.items():
        seconds, _ = best_seconds(work)
        base = base or seconds
        print(f"| {name} | {options.prompts / seconds:.1f} | {base / seconds:.1f} |")


if __name__ == "__main__":
    main()
