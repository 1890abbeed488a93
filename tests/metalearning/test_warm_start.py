"""Every formula of the paper's warm start by hand, and what it does to proposals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from xautolm.errors import UnknownNameError
from xautolm.metalearning import DISTANCES, PRESETS, WarmStart, Weights, knn_start, measured, warm_start
from xautolm.metalearning.similarity import normalised
from xautolm.metalearning.utility import UTILITIES, utilities
from xautolm.metalearning.warm_start import decay
from xautolm.records import Configuration, DataProfile, Experience, Failure, Limits, SystemProfile, TrialOutcome
from xautolm.space import Branch, Choice, Float, Int, Prior, Space
from xautolm.testing import success
from xautolm.vocabulary import FailureKind, TrialStatus

TASK, SYSTEM, SEMANTIC = "classification-paper.v1", "system-paper.v1", "semantic-hashed.v1"
NOW = {TASK: (99.0, 1.0), SYSTEM: (1.0,), SEMANTIC: (1.0, 0.0)}

SPACE = Space(
    "toy.v1",
    (
        Branch(
            name="model",
            branches={
                name: Space(name, (Float(name="rate", low=1e-5, high=1e-3, default=1e-4, log=True),))
                for name in ("a", "b", "c", "d")
            },
            default="a",
        ),
        Int(name="epochs", low=1, high=5, default=3),
        Choice(name="weights", options=(False, True), default=False),
    ),
)

Make = Callable[..., Experience]


@pytest.fixture
def make(profile: DataProfile, machine: SystemProfile) -> Make:
    count = iter(range(10_000))

    def build(
        f1: float | None = 0.5,
        seconds: float = 10.0,
        *,
        run: str = "r",
        features: dict | None = None,
        kind: str = "crash",
        **values: object,
    ) -> Experience:
        number = next(count)
        failed = TrialOutcome(status=TrialStatus.FAILED, failure=Failure(kind=FailureKind(kind), message=""))
        return Experience(
            id=f"{number:024d}",
            created="2026-01-01T00:00:00+00:00",
            run=run,
            trial=number,
            task="text-classification",
            data=profile,
            system=machine,
            configuration=Configuration(values={"model": "a", "method": "full.v1", **values}, space="toy.v1"),
            outcome=failed if f1 is None else success(seconds, f1_macro=f1),
            limits=Limits(),
            objectives=("f1_macro", "evaluation_time"),
            seed=0,
            versions={},
            features=NOW if features is None else features,
        )

    return build


def test_normalisation_by_hand() -> None:
    rows, row = normalised(np.array([[0.0, 5.0], [math.e - 1, 5.0]]), np.array([math.e**2 - 1, 5.0]))
    assert rows.tolist() == [[0.0, 0.0], [0.5, 0.0]] and row.tolist() == [1.0, 0.0]


def test_distances_by_hand() -> None:
    rows, row = np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([0.0, 0.0])
    assert DISTANCES["euclidean"](rows, row).tolist() == [3.0, 4.0]
    assert DISTANCES["manhattan"](np.array([[1.0, 2.0]]), np.array([3.0, -1.0])).tolist() == [5.0]
    assert DISTANCES["cosine"](np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([1.0, 0.0])) == pytest.approx(
        [0, 1 - 1 / math.sqrt(2)]
    )
    # Independent columns of variance v: the distance is the Euclidean one over the root of v (and of the ridge).
    grid = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert DISTANCES["mahalanobis"](grid, np.zeros(2)) == pytest.approx([1 / math.sqrt(0.5 + 1e-3)] * 4)


def test_the_distance_is_the_weighted_sum_of_its_parts(make: Make) -> None:
    far = make(features={TASK: (0.0, 1.0), SYSTEM: (1.0,), SEMANTIC: (0.0, 1.0)})
    near = make(features={TASK: (99.0, 1.0), SYSTEM: (1.0,), SEMANTIC: (1.0, 0.0)})
    found, incomparable = measured([far, near], NOW)
    # Task: one of two features differs by its whole range, 1; semantic: orthogonal, 1; system: equal, 0.
    assert [(one.experience.id, one.distance) for one in found] == [(near.id, 0.0), (far.id, pytest.approx(0.4 + 0.3))]
    assert incomparable == 0
    found, _ = measured([far, near], NOW, weights=Weights(task=1.0, semantic=0.0, system=0.0))
    assert found[1].distance == pytest.approx(1.0)


def test_a_missing_part_leaves_the_others_more_weight(make: Make) -> None:
    without = make(features={TASK: (0.0, 1.0), SYSTEM: (1.0,)})
    whole = make(features=dict(NOW))
    found, _ = measured([without, whole], NOW)
    assert found[1].distance == pytest.approx(0.4 / 0.7)


def test_of_two_versions_the_one_that_most_share_is_compared(make: Make) -> None:
    better = "semantic-minilm.v1"
    now = {**NOW, better: (0.0, 1.0)}
    old = [make(features=dict(NOW)) for _ in range(2)]
    new = make(features={**NOW, better: (1.0, 0.0)})
    found, _ = measured([*old, new], now)
    assert [one.distance for one in found] == [0.0] * 3  # by the old one, which all have
    found, _ = measured([new], now)
    assert found[0].distance == pytest.approx(0.3)


def test_what_cannot_be_compared_is_counted(make: Make) -> None:
    odd = [{}, {"classification-paper.v2": (1.0, 2.0)}, {TASK: (1.0,)}, {TASK: (float("nan"), 1.0)}]
    found, incomparable = measured([make(features=features) for features in odd], NOW)
    assert (found, incomparable) == ([], 4)
    assert measured([make()], {}) == ([], 1)
    with pytest.raises(UnknownNameError, match="Did you mean 'euclidean'"):
        measured([make()], NOW, metric="euclidian")


VALUES = np.array([[0.9, -10.0], [0.5, -5.0], [0.4, -20.0], [0.3, -30.0]])


def test_utilities_by_hand() -> None:
    # Fronts: {0, 1}, {2}, {3}, so F = 3.
    assert UTILITIES["linear_front"](VALUES) == pytest.approx([1, 1, 2 / 3, 1 / 3])
    assert UTILITIES["logarithmic_front"](VALUES) == pytest.approx(
        [1, 1, math.log(3) / math.log(4), math.log(2) / math.log(4)]
    )
    assert UTILITIES["weighted_sum"](VALUES)[0] == pytest.approx((1 + 0.8) / 2)
    assert UTILITIES["weighted_sum"](np.array([[0.5, -1.0]])).tolist() == [1.0]


def test_utilities_are_computed_within_the_own_run(make: Make) -> None:
    poor_but_alone, best, worst = make(0.2, run="s"), make(0.9, run="r"), make(0.8, 20.0, run="r")
    found = utilities([poor_but_alone, best, worst, make(None)], "linear_front")
    assert found == {poor_but_alone.id: 1.0, best.id: 1.0, worst.id: 0.5}


def test_decay_by_hand() -> None:
    assert decay([1.0, 3.0], WarmStart(beta_scale=2.0)) == pytest.approx(2.0 / (2.0 + 1.0))
    assert decay([1.0, 3.0], WarmStart(beta=0.7)) == 0.7
    assert decay([0.0, 0.0], WarmStart()) == decay([], WarmStart()) == 0.0


def test_learning_rates_by_hand(make: Make) -> None:
    good = make(0.9, 10.0, features={**NOW, SEMANTIC: (0.0, 1.0)})
    poor = make(0.8, 20.0)
    failed = make(None, model="b")
    found = warm_start(Prior.plain(SPACE), [good, poor, failed], NOW, WarmStart())
    rates = {one.experience.id: one.rate for one in found.influences}
    # Distances 0.3, 0, 0: mean 0.1, standard deviation 0.1414.
    beta = 1 / (0.1 + math.sqrt(0.02))
    assert rates == pytest.approx({good.id: 0.05 * math.exp(-beta * 0.3), poor.id: 0.05 * 0.5, failed.id: -0.02})
    assert [one.experience.id for one in found.influences] == [poor.id, good.id, failed.id]  # in order of the rate
    adaptive = warm_start(
        Prior.plain(SPACE), [good, poor, failed], NOW, WarmStart(positives="adaptive", negatives="adaptive", beta=0.0)
    )
    rates = {one.experience.id: one.rate for one in adaptive.influences}
    assert rates == pytest.approx({good.id: 0.5, poor.id: 0.25, failed.id: -1.0})
    none = warm_start(Prior.plain(SPACE), [good, failed], NOW, WarmStart(positives="none"))
    assert [one.experience.id for one in none.influences] == [failed.id]


def test_the_k_nearest_are_taken(make: Make) -> None:
    many = [make(0.5, features={**NOW, TASK: (99.0 - step, 1.0)}) for step in range(30)]
    found = warm_start(Prior.plain(SPACE), many, NOW, WarmStart(k_positive=5))
    assert {one.experience.id for one in found.influences} == {one.id for one in many[:5]}


def test_updates_of_a_choice_by_hand() -> None:
    prior = Prior.plain(SPACE)
    up = prior.nudged({"model": "a"}, 0.05).beliefs["model"].weights
    assert up == pytest.approx([0.30 / 1.05, 0.25 / 1.05, 0.25 / 1.05, 0.25 / 1.05])
    down = prior.nudged({"model": "a"}, -0.06).beliefs["model"].weights
    assert down == pytest.approx([0.19, 0.27, 0.27, 0.27])
    gone = prior.nudged({"model": "a"}, -1.0).beliefs["model"].weights
    assert gone[0] == pytest.approx(0.001 / 1.001) and sum(gone) == pytest.approx(1)


def test_updates_of_a_number_by_hand() -> None:
    prior = Prior.plain(SPACE)
    belief = prior.nudged({"epochs": 5}, 0.1).beliefs["epochs"]
    # Mean 3, deviation 4 at first; the value is 2 away.
    assert (belief.mean, belief.deviation) == pytest.approx((3.2, 4 + 0.1 * (2 - 4)))
    away = prior.nudged({"epochs": 5}, -0.1).beliefs["epochs"]
    assert (away.mean, away.deviation) == pytest.approx((2.8, 4.0))  # the deviation never exceeds the width
    rate = prior.nudged({"rate": 1e-3}, 0.5).beliefs["rate"]
    assert math.exp(rate.mean) == pytest.approx(math.sqrt(1e-4 * 1e-3))


def test_configurations_of_other_spaces_map_by_name(make: Make) -> None:
    stranger = make(0.9, model="unknown", rate=2e-4, epochs=9, weights=True, optimizer="sgd")
    found = warm_start(Prior.plain(SPACE), [stranger], NOW, WarmStart(beta=0.0))
    (influence,) = found.influences
    assert set(influence.unmapped) == {"model", "method", "epochs", "optimizer"}
    assert found.prior.beliefs["model"] == Prior.plain(SPACE).beliefs["model"]
    assert found.prior.beliefs["rate"].mean > Prior.plain(SPACE).beliefs["rate"].mean
    assert found.prior.beliefs["weights"].weights[1] > 0.5


def test_a_store_of_failures_of_one_model_lowers_its_share(make: Make) -> None:
    found = warm_start(
        Prior.plain(SPACE), [make(None, model="b", kind="out_of_memory") for _ in range(20)], NOW, WarmStart()
    )
    weights = dict(zip("abcd", found.prior.beliefs["model"].weights, strict=True))
    assert weights["b"] < 0.02 and weights["a"] > 0.3
    interrupted = [make(None, model="b", kind="interrupted") for _ in range(20)]
    assert warm_start(Prior.plain(SPACE), interrupted, NOW, WarmStart()).influences == ()


def test_knn_by_hand(make: Make) -> None:
    near, far = make(0.5, 10.0), make(0.9, 10.0, features={**NOW, SEMANTIC: (0.0, 1.0)})
    failed_near, failed_far = make(None), make(None, features={**NOW, SEMANTIC: (0.0, 1.0)})
    store = [near, far, failed_near, failed_far]
    found = knn_start(Prior.plain(SPACE), store, NOW, k=1)
    rates = {one.experience.id: one.rate for one in found.influences}
    # near: 0.7 * 0 + 0.3 * 1 (its F1 is the worst); far: 0.7 * 0.3 + 0.3 * 0. Of the failures the farthest is taken.
    assert rates == {far.id: 1.0, failed_far.id: -1.0}
    rates = [one.rate for one in knn_start(Prior.plain(SPACE), store, NOW, k=2).influences]
    assert sorted(rates) == [-0.5, -0.5, 0.5, 0.5]
    assert knn_start(Prior.plain(SPACE), [], NOW).influences == ()


def test_settings_and_mistakes() -> None:
    assert len(PRESETS) == 9
    for change in ({"positives": "som"}, {"utility": "linear"}):
        with pytest.raises(UnknownNameError):
            replace(WarmStart(), **change)


def test_priors_survive_json() -> None:
    prior = Prior.plain(SPACE).nudged({"model": "a", "epochs": 5}, 0.05)
    assert Prior.from_plain(SPACE, prior.to_plain()) == prior
