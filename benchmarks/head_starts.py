"""What the start of a head, its pooling and a whole schedule are worth in full fine-tuning.

    python -m benchmarks.head_starts --data FOLDER [--sets hwu64 sst2] [--seeds 0]

FOLDER holds a folder with `train.parquet` (columns `text` and `label`) for each set. MiniLM with six layers, 2,000
training and 1,000 validation rows, 3 epochs (and 2, for the schedule) of the defaults of `full.v1`, in this process on
one thread. Scores are macro-F1 on the validation rows at the end of the training, not at its best epoch.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from benchmarks.first_minute.rows import stratified
from benchmarks.machine import machine_description
from benchmarks.ranges import fixed_or_default
from xautolm.data import Dataset, prepare
from xautolm.finetuning.run import run
from xautolm.hardware import system_profile
from xautolm.records import ModelCard, Scalar, TrialOutcome
from xautolm.search_space import build_space, data_needs
from xautolm.space import Space
from xautolm.tasks import TASKS
from xautolm.testing import trial_spec
from xautolm.zoo import ZOO, find_models

TASK = TASKS.get("text-classification")
BODY = "minilm-l6"
TRAIN_ROWS, VALIDATION_ROWS = 2_000, 1_000
METRIC = "f1_macro"
PROBES: dict[str, dict[str, Scalar]] = {
    "probe, first token": {"method": "probe.v1", "pooling": "own"},
    "probe, mean": {"method": "probe.v1", "pooling": "mean"},
}
TRAININGS: dict[str, dict[str, Scalar]] = {
    "random head, first token": {"head_init": "random", "learning_rate": 1e-4, "epochs": 3},
    "head from the probe, first token": {
        "head_init": "probe",
        "pooling": "own",
        "learning_rate": 1e-4,
        "epochs": 3,
    },
    "head from the probe, mean": {
        "head_init": "probe",
        "pooling": "mean",
        "learning_rate": 1e-4,
        "epochs": 3,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A data set and the space over it."""

    folder: Path
    data: Dataset
    card: ModelCard
    space: Space
    seed: int

    def outcome(self, values: dict[str, Scalar], name: str) -> TrialOutcome:
        """Run the configuration with these values, and the defaults elsewhere."""
        configuration = self.space.walk(fixed_or_default({"method": "full.v1", **values}))
        spec = trial_spec(self.folder, TASK, self.data, self.card, configuration)
        place = self.folder / name
        place.mkdir()
        return run(replace(spec, threads=1, seed=self.seed), place)


def main() -> None:
    """Print one row for each set, seed and way to begin."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["hwu64", "sst2"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    options = parser.parse_args()
    print(
        machine_description(),
        "\n\n| set | seed | what | macro-F1 |\n| --- | --- | --- | --- |",
        flush=True,
    )
    for name in options.sets:
        for seed in options.seeds:
            with tempfile.TemporaryDirectory(prefix="head-starts-") as work:
                bench = prepared(options.data / name / "train.parquet", Path(work), seed)
                for what, score in measured(bench):
                    print(f"| {name} | {seed} | {what} | {score:.3f} |", flush=True)


def prepared(source: Path, folder: Path, seed: int) -> Bench:
    """Draw the rows of a data set."""
    texts = stratified(
        pd.read_parquet(source)[["text", "label"]], TRAIN_ROWS + VALIDATION_ROWS, seed
    )
    train = stratified(texts, TRAIN_ROWS, seed)
    data = prepare(
        {"train": train, "validation": texts.drop(train.index)}, data_needs(TASK), columns={}
    )
    (card,) = find_models([BODY], ZOO.things)
    space = build_space(
        "default", TASK, [card], ["full", "probe"], data.profile, system_profile("cpu")
    )
    return Bench(folder=folder, data=data, card=card, space=space, seed=seed)


def measured(bench: Bench) -> Iterator[tuple[str, float]]:
    """Yield the name of each way and its score."""
    for what, values in PROBES.items():
        yield what, bench.outcome(values, what).metrics[METRIC]
    for what, values in TRAININGS.items():
        history = bench.outcome(values, what).history
        yield f"{what}, 3 epochs", history[-1][METRIC]
        if what == "head from the probe, first token":
            yield "the same after 2 of its 3 epochs", history[1][METRIC]
            short = bench.outcome({**values, "epochs": 2}, "short")
            yield "the same, planned for 2 epochs", short.history[-1][METRIC]


if __name__ == "__main__":
    main()
