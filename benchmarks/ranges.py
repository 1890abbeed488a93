"""How many random configurations of the preset `default` learn nothing.

    python -m benchmarks.ranges --data FOLDER --ranges NAME [--trials 30] [--bodies minilm-l6] [--results FILE]
    python -m benchmarks.ranges --report [--results FILE]

FOLDER holds a folder with `train.parquet` (columns `text` and `label`) for each of `SETS`: sets on which ranges may be
chosen, none of those that `benchmarks.first_minute` reports. A trial is the next random configuration on the next set,
in this process, on one thread. Configurations are drawn by trial and parameter's name, so that another version's ranges
(PYTHONPATH names its `src`) get the same draws. The linear probe has nothing to tune, and is left out of the draws.

A training learned nothing if its validation macro-F1 is within noise of what one answer for everything gets; it fell
behind if it is `FAR_BEHIND` below the linear probe of its body, which takes seconds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
from sklearn.metrics import f1_score

from benchmarks.first_minute.processes import ROOT
from benchmarks.first_minute.rows import stratified
from benchmarks.random_configurations import random_configuration
from xautolm.data import Dataset, prepare
from xautolm.errors import TrialError
from xautolm.finetuning.run import run
from xautolm.hardware import system_profile
from xautolm.methods import METHODS
from xautolm.records import Configuration, ModelCard, Scalar, TrialSpec
from xautolm.search_space import build_space, data_needs
from xautolm.space import Parameter, Space
from xautolm.tasks import TASKS
from xautolm.testing import trial_spec
from xautolm.zoo import ZOO, find_models

RESULTS = ROOT / "benchmarks" / "ranges.jsonl"
SETS = ("cr", "mpqa", "mr", "tweet_hate", "tweet_offensive")
BODIES = ("minilm-l2", "minilm-l3")
"""Cut bodies: they train in seconds, and their upper layers are the ones that know least of whole texts."""
PROBE = "probe.v1"
FAR_BEHIND = 0.1
"""Points of macro-F1."""
NOISE = 2.0
"""Standard errors of a score on the validation rows that count as noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeTrial:
    """A random configuration, and what it learned."""

    ranges: str
    """Whose ranges it was drawn from."""
    number: int
    data: str
    values: dict[str, Scalar]
    score: float
    """Macro-F1 on the validation rows; 0 for a failure."""
    probe: float
    """The same of the body's linear probe."""
    constant: float
    """The same of the answer that is most frequent in training."""
    validation_rows: int
    seconds: float

    @property
    def learned_nothing(self) -> bool:
        """Return whether the score is within noise of a constant answer's."""
        standard_error = 0.5 / self.validation_rows**0.5
        return self.score <= self.constant + NOISE * standard_error

    @property
    def fell_behind(self) -> bool:
        """Return whether the body's probe is better by far."""
        return self.score < self.probe - FAR_BEHIND


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A data set in its folder, the space over it, and the scores to compare with."""

    folder: Path
    data: Dataset
    space: Space
    cards: dict[str, ModelCard]
    constant: float
    probes: dict[str, float]
    """By body."""


def main() -> None:
    """Run trials, or print the table of those that were run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--ranges", default="today", help="a name for the ranges of this version")
    parser.add_argument("--bodies", nargs="+", default=BODIES)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train-rows", type=int, default=600)
    parser.add_argument("--validation-rows", type=int, default=400)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true", help="only print the table of the results")
    options = parser.parse_args()
    if not options.report:
        if options.data is None:
            parser.error("--data FOLDER is needed, or --report")
        measure(options)
    print(table(read_trials(options.results)))


def measure(options: argparse.Namespace) -> None:
    """Run the trials that the results do not have yet, each written as soon as it has ended."""
    known = {(trial.ranges, trial.number) for trial in read_trials(options.results)}
    work = Path(tempfile.mkdtemp(prefix="ranges-"))
    materials: dict[str, Material] = {}
    try:
        for number in range(options.trials):
            if (options.ranges, number) in known:
                continue
            name = SETS[number % len(SETS)]
            if name not in materials:
                materials[name] = prepared(options.data / name, work / name, options)
            trial = tried(materials[name], name, number, options)
            with options.results.open("a", encoding="utf-8") as results:
                results.write(json.dumps(asdict(trial)) + "\n")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def prepared(source: Path, folder: Path, options: argparse.Namespace) -> Material:
    """Draw the rows of a data set, and score a constant answer and each body's probe on them."""
    task = TASKS.get("text-classification")
    rows = options.train_rows + options.validation_rows
    texts = stratified(
        pd.read_parquet(source / "train.parquet")[["text", "label"]], rows, options.seed
    )
    train = stratified(texts, options.train_rows, options.seed)
    validation = texts.drop(train.index)
    data = prepare({"train": train, "validation": validation}, data_needs(task), columns={})
    cards = find_models(options.bodies, ZOO.things)
    methods = [method.name for method in METHODS.things.values() if "default" in method.presets]
    trained = [name for name in methods if METHODS.get(name).trains_by_gradient]
    space = build_space(
        "default", task, cards, [*trained, PROBE], data.profile, system_profile("cpu")
    )
    folder.mkdir()
    most_frequent = data.train["label"].mode()[0]
    targets = data.validation["label"]
    constant = f1_score(targets, [most_frequent] * len(targets), average="macro", zero_division=0.0)
    material = Material(
        folder=folder,
        data=data,
        space=build_space("default", task, cards, trained, data.profile, system_profile("cpu")),
        cards={card.name: card for card in cards},
        constant=float(constant),
        probes={},
    )
    for body in options.bodies:
        probe = space.walk(fixed_or_default({"model": body, "method": PROBE}))
        material.probes[body] = score_of(material, probe)
    return material


def tried(material: Material, name: str, number: int, options: argparse.Namespace) -> RangeTrial:
    """Run the random configuration of a number."""
    configuration = random_configuration(material.space, options.seed, number)
    began = time.process_time()
    score = score_of(material, configuration)
    return RangeTrial(
        ranges=options.ranges,
        number=number,
        data=name,
        values=dict(configuration.values),
        score=score,
        probe=material.probes[configuration.model],
        constant=material.constant,
        validation_rows=len(material.data.validation),
        seconds=time.process_time() - began,
    )


def score_of(material: Material, configuration: Configuration) -> float:
    """Return the validation macro-F1 of a configuration; 0 where it failed."""
    task = TASKS.get("text-classification")
    card = material.cards[configuration.model]
    spec: TrialSpec = replace(
        trial_spec(material.folder, task, material.data, card, configuration), threads=1
    )
    folder = material.folder / "trial"
    folder.mkdir()
    try:
        outcome = run(spec, folder)
    except TrialError:
        return 0.0
    finally:
        shutil.rmtree(folder)
    return float(outcome.metrics["f1_macro"])


def fixed_or_default(fixed: dict[str, Scalar]) -> Callable[[str, Parameter], Scalar]:
    """Return what walks a space along some values, and its defaults elsewhere."""
    return lambda key, parameter: fixed.get(parameter.name, parameter.default)


def read_trials(results: Path) -> list[RangeTrial]:
    """Return the trials that were run so far."""
    if not results.is_file():
        return []
    return [
        RangeTrial(**json.loads(line)) for line in results.read_text(encoding="utf-8").splitlines()
    ]


def table(trials: Sequence[RangeTrial]) -> str:
    """Return shares by ranges, method and start of the head, in Markdown."""
    groups: dict[tuple[str, str, str], list[RangeTrial]] = {}
    for trial in trials:
        method, start = str(trial.values["method"]), str(trial.values.get("head_init", "random"))
        for group in ((method, start), ("all", start), ("all", "all")):
            groups.setdefault((trial.ranges, *group), []).append(trial)
    lines = [
        "| ranges | method | head | trials | learned nothing | far behind the probe | either | mean F1 - probe |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for group in sorted(groups, key=lambda group: (group[0] != "before", *group)):
        lines.append(f"| {' | '.join([*group, *summary(groups[group])])} |")
    return "\n".join(lines)


def summary(trials: Sequence[RangeTrial]) -> list[str]:
    """Return the cells of a group of trials."""
    nothing = [trial.learned_nothing for trial in trials]
    behind = [trial.fell_behind for trial in trials]
    either = [trial.learned_nothing or trial.fell_behind for trial in trials]
    margin = sum(trial.score - trial.probe for trial in trials) / len(trials)
    return [str(len(trials)), counted(nothing), counted(behind), counted(either), f"{margin:+.3f}"]


def counted(flags: Iterable[bool]) -> str:
    """Return how many are true, and their share."""
    marked = list(flags)
    return f"{sum(marked)} ({sum(marked) / len(marked):.0%})"


if __name__ == "__main__":
    main()
