"""Share of the hypervolume after some look-ups, on a public table of trials that nobody here made.

    python -m benchmarks.nmthpo --data FOLDER [--seeds 4] [--looks 20] [--methods "xautolm;tpe"]

FOLDER is a checkout of Este1le/hpo_nmt (MIT), the table of the multi-objective contest at AutoML 2022: transformers for
six translation corpora, BLEU (maximised) and decoding time (minimised). One corpus at a time is the target, the others
are the past. A method proposes any point of the space; what it is told is the nearest configuration of the table that
it has not looked up yet, ties broken by seed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna

from xautolm import XAutoLMSampler
from xautolm.integrations.table import experiences_from_rows
from xautolm.objectives import hypervolume
from xautolm.records import Experience
from xautolm.search.candidates import leaders
from xautolm.search.evidence import Evidence
from xautolm.space import Float, Int, Parameter

DIRECTIONS = ("maximize", "minimize")
SPACE: tuple[Int | Float, ...] = (
    Int(name="bpe_symbols", low=1000, high=50_000, default=10_000, log=True),
    Int(name="layers", low=1, high=6, default=2),
    Int(name="embedding", low=256, high=1024, default=512, log=True),
    Int(name="hidden", low=1024, high=2048, default=1024, log=True),
    Int(name="heads", low=8, high=16, default=8, log=True),
    Float(name="rate", low=3e-4, high=1e-3, default=5e-4, log=True),
)
"""In the order of the table's columns."""
SENTENCES = {
    "en-ja": 4e6,
    "ja-en": 4e6,
    "ru-en": 1.8e5,
    "zh-en": 1.7e5,
    "so-en": 2.4e4,
    "sw-en": 2.4e4,
}
"""Of each corpus, roughly."""
LOOKS = (1, 3, 5, 10, 20, 40)
"""After how many look-ups the hypervolume is measured."""
BEST_OF_EACH = 2
"""Configurations of each past corpus that the kNN baseline tries first."""
STARTUP_TRIALS = 8
"""Random trials of TPE."""

Values = dict[str, int | float]
Make = Callable[["Corpus", Sequence["Corpus"], int], optuna.samplers.BaseSampler]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A translation corpus, and every configuration that was trained on it."""

    name: str
    configurations: Sequence[Values]
    places: np.ndarray
    """Configurations on the parameters' own scales, 0 to 1, shape (configurations, parameters)."""
    values: np.ndarray
    """BLEU and the logarithm of seconds, shape (configurations, 2)."""
    scores: np.ndarray
    """The same from 0, the worst of the table, to 1, the best, shape (configurations, 2)."""

    @property
    def features(self) -> Mapping[str, float]:
        """Return what is known of the corpus before any training."""
        return {
            "sentences": SENTENCES[self.name],
            "english_target": float(self.name.endswith("en")),
        }


def main() -> None:
    """Play every method on every corpus and print the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--looks", type=int, default=20)
    parser.add_argument("--methods", default=";".join(METHODS))
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    corpora = [read_corpus(options.data / "datasets", name) for name in SENTENCES]
    looks = [count for count in LOOKS if count <= options.looks]
    print("| method | " + " | ".join(f"@{count}" for count in looks) + " | ms | median ms |")
    print("| --- |" + " --- |" * (len(looks) + 2))
    for method in options.methods.split(";"):
        shares: dict[int, list[float]] = {count: [] for count in looks}
        seconds: list[float] = []
        for corpus in corpora:
            past = [other for other in corpora if other is not corpus]
            for seed in range(options.seeds):
                order, seconds_of_game = play(method, corpus, past, seed, options.looks)
                seconds += seconds_of_game
                for count in looks:
                    shares[count].append(share(corpus, order[:count]))
        cells = [f"{statistics.mean(shares[count]):.3f}" for count in looks]
        cells.append(f"{1000 * statistics.mean(seconds):.0f}")
        cells.append(f"{1000 * statistics.median(seconds):.0f}")
        print(f"| {method} | {' | '.join(cells)} |")


def read_corpus(folder: Path, name: str) -> Corpus:
    """Read the table of a corpus: one line for each configuration in two files."""
    hyperparameters = np.loadtxt(folder / f"{name}.hyps")
    evaluations = np.loadtxt(folder / f"{name}.evals")
    configurations: list[Values] = []
    for row in hyperparameters:
        values: Values = {}
        for parameter, value in zip(SPACE, row, strict=True):
            values[parameter.name] = int(value) if isinstance(parameter, Int) else float(value)
        configurations.append(values)
    values = np.column_stack([evaluations[:, 0], np.log(evaluations[:, 1])])
    oriented = values * np.asarray([1.0, -1.0])
    lowest = oriented.min(axis=0)
    spread = oriented.max(axis=0) - lowest
    return Corpus(
        name=name,
        configurations=configurations,
        places=np.asarray([place_of(configuration) for configuration in configurations]),
        values=values,
        scores=(oriented - lowest) / spread,
    )


def place_of(configuration: Mapping[str, int | float]) -> list[float]:
    """Return a configuration on the parameters' own scales."""
    return [parameter.to_unit(configuration[parameter.name]) for parameter in SPACE]


def play(
    method: str, corpus: Corpus, past: Sequence[Corpus], seed: int, count: int
) -> tuple[list[int], list[float]]:
    """Return the positions of the configurations that a method looks up, in order, and the seconds of each proposal.

    Seconds are the processor's; those of the first two proposals include the learning of the past.
    """
    make = METHODS[method]
    ties = np.random.default_rng(seed)
    study = optuna.create_study(directions=list(DIRECTIONS), sampler=make(corpus, past, seed))
    if method == KNN:
        for configuration in best_of_nearest(corpus, past):
            study.enqueue_trial(configuration)
    order: list[int] = []
    seconds: list[float] = []
    for _ in range(count):
        began = time.process_time()
        trial = study.ask()
        proposed = {parameter.name: suggested(trial, parameter) for parameter in SPACE}
        seconds.append(time.process_time() - began)
        position = nearest(corpus, proposed, order, ties)
        order.append(position)
        tell(study, trial, corpus, position)
    return order, seconds


def suggested(trial: optuna.Trial, parameter: Parameter) -> int | float:
    """Return what a study proposes for a parameter."""
    if isinstance(parameter, Int):
        return trial.suggest_int(parameter.name, parameter.low, parameter.high, log=parameter.log)
    assert isinstance(parameter, Float)
    return trial.suggest_float(parameter.name, parameter.low, parameter.high, log=parameter.log)


def nearest(
    corpus: Corpus,
    proposed: Mapping[str, int | float],
    taken: Sequence[int],
    ties: np.random.Generator,
) -> int:
    """Return the configuration nearest to a proposal that was not looked up yet."""
    gaps = ((corpus.places - np.asarray(place_of(proposed))) ** 2).sum(axis=1)
    gaps += 1e-9 * ties.random(len(gaps))
    gaps[list(taken)] = np.inf
    return int(np.argmin(gaps))


def tell(study: optuna.Study, trial: optuna.Trial, corpus: Corpus, position: int) -> None:
    """Tell a study what was looked up, in place of what it proposed."""
    storage = study._storage
    distributions = storage.get_trial(trial._trial_id).distributions
    for name, value in corpus.configurations[position].items():
        distribution = distributions[name]
        internal = distribution.to_internal_repr(value)
        storage.set_trial_param(trial._trial_id, name, internal, distribution)
    study.tell(trial, corpus.values[position].tolist())


def share(corpus: Corpus, order: Sequence[int]) -> float:
    """Return the hypervolume of what was looked up over that of the whole table."""
    reference = np.zeros(2)
    return hypervolume(corpus.scores[list(order)], reference) / hypervolume(
        corpus.scores, reference
    )


def experiences_of(past: Sequence[Corpus], *, is_mirrored: bool) -> Sequence[Experience]:
    """Return tables as experiences; mirrored ones say of the worst configuration that it was the best."""
    rows = []
    for corpus in past:
        values = corpus.values
        if is_mirrored:
            values = values.min(axis=0) + values.max(axis=0) - values
        for configuration, told in zip(corpus.configurations, values.tolist(), strict=True):
            rows.append({"task": corpus.name, "params": configuration, "values": told})
    features = {corpus.name: corpus.features for corpus in past}
    return experiences_from_rows(rows, features, directions=DIRECTIONS)


def best_of_nearest(corpus: Corpus, past: Sequence[Corpus]) -> list[Values]:
    """Return leading configurations of the past: each corpus's best, the nearest one's first, then their second."""
    here = np.log1p(list(corpus.features.values()))

    def distance(other: Corpus) -> float:
        there = np.log1p(list(other.features.values()))
        return float(np.abs(there - here).sum())

    best_by_corpus = []
    for other in sorted(past, key=distance):
        trials = []
        for configuration, scores in zip(other.configurations, other.scores.tolist(), strict=True):
            trials.append(Evidence(values=configuration, scores=tuple(scores)))
        best_by_corpus.append(leaders(trials, BEST_OF_EACH))
    return [dict(best[rank].values) for rank in range(BEST_OF_EACH) for best in best_by_corpus]


def ours(*, is_mirrored: bool) -> Make:
    """Return what makes our sampler, with a past that helps or misleads."""

    def make(corpus: Corpus, past: Sequence[Corpus], seed: int) -> optuna.samplers.BaseSampler:
        experiences = experiences_of(past, is_mirrored=is_mirrored)
        return XAutoLMSampler(experiences, corpus.features, seed=seed)

    return make


def cold(corpus: Corpus, past: Sequence[Corpus], seed: int) -> optuna.samplers.BaseSampler:
    """Return our sampler without a past."""
    return XAutoLMSampler(seed=seed)


def tpe(corpus: Corpus, past: Sequence[Corpus], seed: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's TPE."""
    return optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=True, n_startup_trials=STARTUP_TRIALS
    )


def at_random(corpus: Corpus, past: Sequence[Corpus], seed: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's random sampler."""
    return optuna.samplers.RandomSampler(seed=seed)


KNN = "kNN, then TPE"
METHODS: Mapping[str, Make] = {
    "xautolm": ours(is_mirrored=False),
    "xautolm, mirrored past": ours(is_mirrored=True),
    "xautolm, no past": cold,
    KNN: tpe,
    "tpe": tpe,
    "random": at_random,
}
"""What is played, by name."""

if __name__ == "__main__":
    main()
