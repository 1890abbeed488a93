"""How long a warm search takes until its first trial computes, beside ten lines that load the same libraries.

    python -m benchmarks.first_minute.first_step --data FOLDER [--set hwu64] [--core 0] [--repeats 5]

Both run on one core, alternating. A search before them fills cache and store.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.first_minute.__main__ import encoder_folder
from benchmarks.first_minute.processes import Place, end, start, tail
from benchmarks.first_minute.rows import draw_rows
from benchmarks.first_minute.searches import Search, warm_first_step

TRAIN_ROWS, VALIDATION_ROWS, TEST_ROWS = 2_000, 500, 500


def bare_first_step(place: Place, rows: Path, log: Path) -> float:
    """Return the seconds from the start of the bare program until its first step.

    Raises:
        RuntimeError: It failed; the end of what it printed is in the message.
    """
    command = [place.python, "-m", "benchmarks.first_minute.bare_step"]
    started_at = time.monotonic()
    process = start([*command, str(rows / "train.parquet"), str(encoder_folder())], place, {}, log)
    try:
        if process.wait() != 0:
            raise RuntimeError(f"The bare program failed:\n{tail(log)}")
    finally:
        end(process)
    return float(tail(log).split()[-1]) - started_at


def main() -> None:
    """Measure both in turn, and print each pair and the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--set", default="hwu64")
    parser.add_argument("--core", type=int, default=0, help="the only core that both may use")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="first-step-"))
    try:
        measure(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def measure(options: argparse.Namespace, work: Path) -> None:
    """Measure both in turn in a folder that is thrown away afterwards."""
    rows = work / "rows"
    draw_rows(
        options.data / options.set,
        rows,
        seed=0,
        train_rows=TRAIN_ROWS,
        validation_rows=VALIDATION_ROWS,
        test_rows=TEST_ROWS,
    )
    place = Place(python=sys.executable, core=options.core)
    search = Search(place=place, rows=rows, work=work / "search", seed=0)
    search.work.mkdir()
    first_step_of(search)
    pairs = []
    for _ in range(options.repeats):
        bare, ours = bare_first_step(place, rows, work / "bare.log"), first_step_of(search)
        pairs.append((bare, ours))
        print(f"bare {bare:.2f} s, search {ours:.2f} s", flush=True)
    bare, ours = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    print(f"medians: bare {bare:.2f} s, search {ours:.2f} s, {ours / bare:.2f} of it")


def first_step_of(search: Search) -> float:
    """Return the seconds from the start of a search until its first trial computes, and throw its folder away.

    Raises:
        RuntimeError: The trial did not end well.
    """
    seconds = warm_first_step(search)
    if seconds is None:
        raise RuntimeError(f"The search had no trial:\n{tail(search.work / 'warm.log')}")
    shutil.rmtree(search.work / "warm")
    return seconds


if __name__ == "__main__":
    main()
