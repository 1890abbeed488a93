"""The contract of search strategies, in the study that real runs use; and a small space to search."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from xautolm.metrics import METRICS
from xautolm.objectives import COSTS, LATENCY, TIME, Objectives
from xautolm.records import Failure, Scalar, TrialOutcome, Values, as_float
from xautolm.search import AskedTrial, Evidence, Memory, Strategy, open_study
from xautolm.space import Branch, Float, Int, Prior, Space
from xautolm.testing.outcomes import success
from xautolm.vocabulary import FailureKind, Recall, TrialStatus

TOY_OBJECTIVES = (METRICS.get("f1_macro").objective, TIME)
USE_OBJECTIVES = (*TOY_OBJECTIVES, COSTS[LATENCY])
"""With a cost of use, which not every success has."""
SHORT_SEARCH = 6
"""Trials of a search that is resumed; PGE, for one, still draws at random then."""
LONG_SEARCH = 11
"""Trials of a search that goes on behind Optuna's ten at random."""


def _toy_method(name: str) -> Space:
    rate = Float(name="learning_rate", low=1e-5, high=1e-3, default=1e-4, log=True)
    own = (Int(name="r", low=1, high=32, default=8),) if name == "lora" else ()
    return Space(name, (rate, *own))


def _toy_model(name: str) -> Space:
    methods = {method: _toy_method(method) for method in ("full", "lora")}
    return Space(name, (Branch(name="method", branches=methods, default="full"),))


TOY_SPACE = Space(
    "toy.v1",
    (
        Branch(
            name="model",
            branches={name: _toy_model(name) for name in ("good", "bad", "broken")},
            default="good",
        ),
        Int(name="epochs", low=1, high=5, default=3),
    ),
)
"""A small conditional space of three models, of which one fails."""
TINY_SPACE = Space(
    "small.v1",
    (Int(name="a", low=1, high=3, default=2), Int(name="b", low=1, high=2, default=1)),
)
"""Six configurations."""


def play_toy(values: Values) -> TrialOutcome:
    """Return what a configuration of `TOY_SPACE` is worth: its score falls with the distance from a rate of 1e-4.

    The good model is the slower one in use; what was trained for one epoch was never timed.
    """
    if values["model"] == "broken":
        return TrialOutcome(
            status=TrialStatus.FAILED,
            wall_time=5.0,
            failure=Failure(kind=FailureKind.OUT_OF_MEMORY, message="too large"),
        )
    base = 0.8 if values["model"] == "good" else 0.4
    distance = abs(math.log10(as_float(values["learning_rate"])) + 4)
    seconds = 10.0 * as_float(values["epochs"])
    outcome = success(seconds=seconds, f1_macro=base - 0.1 * distance)
    if values["epochs"] == 1:
        return outcome
    latency = 0.02 if values["model"] == "good" else 0.005
    return replace(outcome, latency=latency)


def check_strategy(strategy: Strategy, folder: Path) -> None:
    """Check that a search strategy keeps what every strategy promises.

    A seed repeats its proposals, and another one does not. It goes on where a study is resumed, and in a small space
    until most of it was searched. It can be asked again before it is told, and searches for a single objective as for
    several, one of which may be a cost of use that was not measured of every success. If it takes anything from past
    experiences, it begins with some. That a search begins with the default, and tries nothing twice, is kept by the
    study, whatever the strategy.

    Args:
        strategy: The strategy.
        folder: For the study's database, such as pytest's `tmp_path`.

    Raises:
        AssertionError: It does not; says which promise.
    """
    with warnings.catch_warnings():
        # Of samplers that Optuna calls experimental, and of libraries on their way.
        warnings.simplefilter("ignore")
        with _works(strategy, "proposes"):
            _check_proposals(strategy)
        with _works(strategy, "goes on with a study"):
            _check_resuming(strategy, folder)
        with _works(strategy, "searches a small space"):
            _check_small_space(strategy)
        with _works(strategy, "is asked twice before it is told"):
            toy_search(strategy, SHORT_SEARCH, at_once=2)
        with _works(strategy, "has a single objective"):
            toy_search(strategy, LONG_SEARCH, objectives=TOY_OBJECTIVES[:1])
        with _works(strategy, "minimises a cost of use"):
            toy_search(strategy, LONG_SEARCH, objectives=USE_OBJECTIVES)
        if strategy.memory != Recall.NONE:
            with _works(strategy, "begins with past experiences"):
                toy_search(strategy, SHORT_SEARCH, memory=toy_memory(strategy))


@contextmanager
def _works(strategy: Strategy, situation: str) -> Iterator[None]:
    """Say of an exception where a strategy has raised it."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{strategy.name} raises where it {situation}: {error!r}") from error


def toy_memory(strategy: Strategy) -> Memory:
    """Return what a strategy takes of two past trials of `TOY_SPACE`, of which one failed."""
    good = dict(TOY_SPACE.default().values)
    # Half a deviation better than the mean of its run, after 20 seconds.
    success_of_past = Evidence(
        values=good, scores=(0.5, -math.log(20.0)), data="past", units=(0.1, 1.0)
    )
    failure_of_past = Evidence(values={**good, "model": "broken"}, scores=None, data="past")
    evidence: tuple[Evidence, ...] = ()
    if strategy.memory == Recall.EVIDENCE:
        evidence = (success_of_past, failure_of_past)
    return Memory(prior=Prior.plain(TOY_SPACE), evidence=evidence)


def toy_search(
    strategy: Strategy,
    trials: int,
    storage: str | None = None,
    seed: int = 0,
    objectives: Objectives = TOY_OBJECTIVES,
    memory: Memory | None = None,
    at_once: int = 1,
) -> list[dict[str, Scalar]]:
    """Search `TOY_SPACE`, and return the configurations that were proposed, in order.

    Args:
        strategy: Proposes.
        trials: How many.
        storage: URL of the study's database, which may hold trials already; in memory by default.
        seed: The sampler's.
        objectives: Of the search.
        memory: What the sampler begins with.
        at_once: How many trials are asked for before any of them is told.
    """
    study = open_study(
        storage,
        TOY_SPACE,
        objectives,
        lambda its_seed: strategy.make(TOY_SPACE, its_seed, memory),
        seed,
    )
    proposals: list[dict[str, Scalar]] = []
    running: list[AskedTrial] = []
    for _ in range(trials):
        asked = study.ask(lambda configuration: "")
        assert asked is not None, f"{strategy.name} ends after {len(proposals)} trials"
        proposals.append(dict(asked.configuration.values))
        running.append(asked)
        if len(running) == at_once:
            for trial in running:
                study.tell(trial.number, play_toy(trial.configuration.values))
            running.clear()
    return proposals


def _check_proposals(strategy: Strategy) -> None:
    proposals = toy_search(strategy, LONG_SEARCH, seed=3)
    default = dict(TOY_SPACE.default().values)
    assert proposals[0] == default, f"{strategy.name} begins with {proposals[0]}, not the default"
    for values in proposals:
        problems = TOY_SPACE.problems(values)
        assert problems == [], f"{strategy.name} proposes {values}: {problems}"
    again = toy_search(strategy, LONG_SEARCH, seed=3)
    assert again == proposals, f"{strategy.name}: one seed, other proposals"
    another = toy_search(strategy, LONG_SEARCH, seed=4)
    assert another != proposals, f"{strategy.name}: the seed makes no difference"


def _check_resuming(strategy: Strategy, folder: Path) -> None:
    storage = f"sqlite:///{folder / 'study.db'}"
    first = toy_search(strategy, SHORT_SEARCH, storage)
    second = toy_search(strategy, SHORT_SEARCH, storage)
    different = {str(values) for values in first + second}
    repeated = 2 * SHORT_SEARCH - len(different)
    assert repeated == 0, f"{strategy.name} repeats {repeated} configurations when it is resumed"


def _check_small_space(strategy: Strategy) -> None:
    study = open_study(
        None, TINY_SPACE, TOY_OBJECTIVES, lambda seed: strategy.make(TINY_SPACE, seed, None), 0
    )
    proposals: list[tuple[object, ...]] = []
    while (asked := study.ask(lambda configuration: "")) is not None:
        proposals.append(tuple(asked.configuration.values.values()))
        study.tell(asked.number, success(f1_macro=0.1 * len(proposals)))
    assert len(proposals) == len(set(proposals)), f"{strategy.name} repeats itself: {proposals}"
    assert len(proposals) >= 3, f"{strategy.name} ends after {proposals}"
