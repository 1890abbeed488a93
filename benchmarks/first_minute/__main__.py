"""What an answer is worth after 30 seconds, one minute, and more: plain baselines and `xautolm fit`, on one core.

    python -m benchmarks.first_minute --data FOLDER [--core 0] [--seeds 0,1,2] [--sets hwu64,...] [--minutes 5,15]
    python -m benchmarks.first_minute --report

FOLDER has a folder for each set, with `train.parquet` and `test.parquet`, columns `text` and `label`. Each system runs
in a process of its own, whose clock starts with it: imports count. Measurements are appended to `first_minute.jsonl`;
what is there is not measured again, also by another commit: begin another file with `--lines`, or take the lines of
`ours` out. `--report` writes `first_minute.md` from them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.first_minute.measurements import (
    Checkpoint,
    Measurement,
    RunFacts,
    System,
    append,
    read,
    read_checkpoints,
    wanted_keys,
)
from benchmarks.first_minute.processes import ROOT, Place, end, start, tail
from benchmarks.first_minute.report import TIMES, markdown
from benchmarks.first_minute.rows import TEST, TRAIN, VALIDATION, draw_rows
from benchmarks.first_minute.searches import Search, measure
from benchmarks.ftbench.tasks import family_of
from benchmarks.machine import commit_of, machine_description
from xautolm.settings import PACKAGED_ENCODER, sentence_encoder

SETS = "hwu64,tweet_emoji,sst2,ag_news,meld,liar,subj,sst5"
LINES = ROOT / "benchmarks" / "first_minute.jsonl"
PAGE = ROOT / "benchmarks" / "first_minute.md"
BASELINE_PATIENCE = 2.0
"""A baseline is ended after so many times the last time of the table: scoring on the test split does not count."""


def main() -> None:
    """Measure what is not there yet, or write the page."""
    options = parsed()
    if options.report:
        options.page.write_text(markdown(read(options.lines)), encoding="utf-8")
        print(f"wrote {options.page.name}")
        return
    if options.data is None:
        sys.exit("--data is missing: the folder of the sets.")
    if options.work is not None:
        options.work.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="first-minute-", dir=options.work))
    try:
        measure_missing(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def parsed() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the sets")
    parser.add_argument("--core", type=int, default=0, help="the only core that a system may use")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--systems", default=",".join(System))
    parser.add_argument("--minutes", default="5,15", help="budgets of searches")
    parser.add_argument("--train-rows", type=int, default=2_000)
    parser.add_argument("--validation-rows", type=int, default=500)
    parser.add_argument("--test-rows", type=int, default=2_000, help="at most so many")
    parser.add_argument(
        "--setfit-python", help="an interpreter with setfit; without it, SetFit is left out"
    )
    parser.add_argument(
        "--old-source", type=Path, help="src folder of an earlier version, for ours-before"
    )
    parser.add_argument(
        "--old-python", default=sys.executable, help="interpreter for the earlier version"
    )
    parser.add_argument(
        "--stores",
        type=Path,
        help="folder where ours-refit leaves its experiences, and where ours-experienced finds them",
    )
    parser.add_argument("--work", type=Path, help="where temporary files go")
    parser.add_argument("--lines", type=Path, default=LINES, help="the file of measurements")
    parser.add_argument("--page", type=Path, default=PAGE, help="the file that --report writes")
    parser.add_argument(
        "--report",
        action="store_true",
        help="write the page from the measurements, measure nothing",
    )
    return parser.parse_args()


def measure_missing(options: argparse.Namespace, work: Path) -> None:
    """Measure what the file of measurements lacks, and append it."""
    known = {measurement.key for measurement in read(options.lines)}
    machine, commit = machine_description(), commit_of(ROOT)
    systems = [
        system for system in map(System, options.systems.split(",")) if is_there(system, options)
    ]
    minutes = [float(text) for text in options.minutes.split(",")]
    seeds = [int(text) for text in options.seeds.split(",")]
    for dataset, seed, system, budget in wanted_keys(
        options.sets.split(","), seeds, systems, minutes
    ):
        if (dataset, seed, system, budget, options.train_rows) in known:
            continue
        rows = work / f"{dataset}-{seed}"
        counts = draw_rows(
            options.data / dataset,
            rows,
            seed=seed,
            train_rows=options.train_rows,
            validation_rows=options.validation_rows,
            test_rows=options.test_rows,
        )
        folder = Path(tempfile.mkdtemp(prefix=f"{system}-", dir=work))
        load = os.getloadavg()[0]
        name = f"{dataset} seed {seed} {system} {budget or ''}"
        try:
            checkpoints, facts = run_system(system, options, dataset, rows, folder, seed, budget)
        except RuntimeError as error:
            # Hours of other measurements should not fall with it; the next start tries it again.
            print(f"{name}: not measured: {error}", flush=True)
            continue
        measurement = Measurement(
            dataset=dataset,
            seed=seed,
            system=system,
            minutes=budget,
            train_rows=options.train_rows,
            validation_rows=counts[VALIDATION],
            test_rows=counts[TEST],
            checkpoints=checkpoints,
            facts=facts,
            machine=machine,
            commit=commit_of(options.old_source) if system is System.OURS_BEFORE else commit,
            load=round(load, 1),
        )
        append(options.lines, measurement)
        print(f"{name}: {shown(measurement, counts[TRAIN])}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)


def run_system(
    system: System,
    options: argparse.Namespace,
    dataset: str,
    rows: Path,
    folder: Path,
    seed: int,
    minutes: float | None,
) -> tuple[tuple[Checkpoint, ...], RunFacts | None]:
    """Run a system in a process of its own; return its answers, and of searches how the budget was spent."""
    if minutes is None:
        return run_baseline(system, options, rows, folder, seed), None
    is_before = system is System.OURS_BEFORE
    place = Place(
        python=options.old_python if is_before else sys.executable,
        core=options.core,
        source=options.old_source.absolute() if is_before else None,
    )
    hidden = None
    if system is System.OURS_STARTED:
        hidden = family_of(dataset)
    is_experienced = system is System.OURS_EXPERIENCED
    past: list[Path] = []
    if is_experienced:
        past = past_of(dataset, seed, options.stores)
    left = None
    if system is System.OURS_REFIT and options.stores is not None:
        left = options.stores / f"{dataset}-{seed}.db"
    search = Search(
        place=place,
        rows=rows,
        work=folder / "search",
        seed=seed,
        hidden=hidden,
        is_refit=system is System.OURS_REFIT or is_experienced,
        past=past,
        left=left,
    )
    return measure(search, minutes)


def past_of(dataset: str, seed: int, stores: Path) -> list[Path]:
    """Return the stores that searches of the same seed left on the sets that share no sentences with one.

    Raises:
        RuntimeError: There are none.
    """
    family = family_of(dataset)
    files = []
    for file in sorted(stores.glob(f"*-{seed}.db")):
        name, _, _ = file.stem.rpartition("-")
        if name not in family:
            files.append(file)
    if not files:
        raise RuntimeError(f"No search of seed {seed} has left its experiences in {stores}.")
    return files


def run_baseline(
    system: System, options: argparse.Namespace, rows: Path, folder: Path, seed: int
) -> tuple[Checkpoint, ...]:
    """Run a baseline; return its answers.

    Raises:
        RuntimeError: It failed; the end of what it printed is in the message.
    """
    is_setfit = system is System.SETFIT
    python = options.setfit_python if is_setfit else sys.executable
    program = (
        ["benchmarks.first_minute.setfit_baseline"]
        if is_setfit
        else ["benchmarks.first_minute.baselines", system]
    )
    out, log = folder / "answers.jsonl", folder / "baseline.log"
    settings = [
        "--rows",
        str(rows),
        "--model",
        str(encoder_folder()),
        "--out",
        str(out),
        "--seed",
        str(seed),
    ]
    started = ["--started", repr(time.monotonic())]
    process = start(
        [python, "-m", *program, *settings, *started],
        Place(python=python, core=options.core),
        {},
        log,
    )
    try:
        code = process.wait(BASELINE_PATIENCE * TIMES[-1])
    except subprocess.TimeoutExpired:
        code = 0
    finally:
        end(process)
    if code != 0:
        raise RuntimeError(f"{system} failed:\n{tail(log)}")
    return read_checkpoints(out)


def is_there(system: System, options: argparse.Namespace) -> bool:
    """Return whether a system can be run; say so if not."""
    needs = {
        System.SETFIT: "setfit_python",
        System.OURS_BEFORE: "old_source",
        System.OURS_EXPERIENCED: "stores",
    }
    name = needs.get(system)
    if name is None or getattr(options, name) is not None:
        return True
    print(f"{system} is left out: it needs --{name.replace('_', '-')}")
    return False


def encoder_folder() -> Path:
    """Return the folder of MiniLM, as xautolm finds it."""
    folder = sentence_encoder()
    if folder is None:
        sys.exit(
            f"The package {PACKAGED_ENCODER}, which carries MiniLM, is not installed, or is switched off."
        )
    return folder


def shown(measurement: Measurement, train_rows: int) -> str:
    """Return the answers of a measurement in a line."""
    answers = [
        f"{checkpoint.f1_macro:.3f} @{checkpoint.seconds:.0f}"
        for checkpoint in measurement.checkpoints
    ]
    return f"{train_rows} rows, {', '.join(answers) or 'no answer'}"


if __name__ == "__main__":
    main()
