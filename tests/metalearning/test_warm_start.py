"""Every formula of the paper's warm start by hand, and what it does to proposals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from xautolm.errors import UnknownNameError, UsageError
from xautolm.metafeatures import FEATURES, FeatureGroup
from xautolm.metalearning import (
    DISTANCES,
    PRESETS,
    SETTINGS,
    WarmStart,
    Weights,
    knn_start,
    measured,
    warm_start,
)
from xautolm.metalearning.similarity import normalised, standardised
from xautolm.metalearning.utility import UTILITIES, utilities
from xautolm.metalearning.warm_start import decay
from xautolm.records import (
    Configuration,
    DataProfile,
    Experience,
    Failure,
    Limits,
    SystemProfile,
    TrialOutcome,
)
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
                name: Space(
                    name, (Float(name="rate", low=1e-5, high=1e-3, default=1e-4, log=True),)
                )
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
        failed = TrialOutcome(
            status=TrialStatus.FAILED, failure=Failure(kind=FailureKind(kind), message="")
        )
        return Experience(
            id=f"{number:024d}",
            created="2026-01-01T00:00:00+00:00",
            run=run,
            trial=number,
            task="text-classification",
            data=profile,
            system=machine,
            configuration=Configuration(
                values={"model": "a", "method": "full.v1", **values}, space="toy.v1"
            ),
            outcome=failed if f1 is None else success(seconds, f1_macro=f1),
            limits=Limits(),
            objectives=("f1_macro", "evaluation_time"),
            seed=0,
            versions={},
            features=NOW if features is None else features,
        )

    return build


def test_normalisation_by_hand() -> None:
    rows, row = normalised(
        np.array([[0.0, 5.0], [math.e - 1, 5.0]]), np.array([math.e**2 - 1, 5.0])
    )
    assert rows.tolist() == [[0.0, 0.0], [0.5, 0.0]] and row.tolist() == [1.0, 0.0]


def test_numbers_below_zero_are_told_apart_as_those_above_are() -> None:
    numbers = np.array([[1.0, -1.0], [3.0, -3.0]])
    rows, row = normalised(numbers, np.array([8.0, -8.0]))
    assert rows[:, 1].tolist() == (1 - rows[:, 0]).tolist()
    assert row.tolist() == [1.0, 0.0]


def test_the_standard_scaler_by_hand() -> None:
    rows, row = standardised(
        np.array([[0.0, 5.0, 0.1], [2.0, 5.0, 0.1]]), np.array([4.0, 5.0, 0.1])
    )
    # Mean 2, deviation √(8/3); what is constant becomes 0, also where rounding makes its deviation 1e-17.
    assert rows[0] == pytest.approx([-2 / math.sqrt(8 / 3), 0.0, 0.0]) and rows[1].tolist() == [
        0.0,
        0.0,
        0.0,
    ]
    assert row == pytest.approx([2 / math.sqrt(8 / 3), 0.0, 0.0])


@pytest.mark.parametrize("scaler", ["min-max", "standard"])
@pytest.mark.parametrize("metric", DISTANCES)
def test_the_distance_of_what_is_identical_is_0(make: Make, metric: str, scaler: str) -> None:
    now = {TASK: (99.0, 1.0), SYSTEM: (8.0, 16.0), SEMANTIC: (0.0, 0.0)}
    same, other = make(features=now), make(features={**now, TASK: (10.0, 1.0)})
    near, _ = measured([same, other], now, metric, scaler=scaler)
    assert near[0].experience is same and near[0].distance == pytest.approx(0.0, abs=1e-12)
    # Of the other, the machine and the texts are the same too: only the task's part counts.
    only_task, _ = measured(
        [same, other], now, metric, Weights(semantic=0.0, system=0.0), scaler=scaler
    )
    assert near[1].distance == pytest.approx(only_task[1].distance)
    assert near[1].distance > 0


def test_the_cosine_where_a_vector_has_no_length() -> None:
    rows = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert DISTANCES["cosine"](rows, np.zeros(2)).tolist() == [0.0, 1.0]
    assert DISTANCES["cosine"](rows, np.array([1.0, 0.0])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("group", FEATURES.things.values(), ids=lambda group: group.name)
def test_every_group_enters_the_distance_that_it_says(make: Make, group: FeatureGroup) -> None:
    beside = TASK if group.name != TASK else "regression.v1"
    now = {beside: (1.0,), group.name: (1.0, 0.0)}
    experience = make(features={beside: (1.0,), group.name: (0.0, 1.0)})
    parts = {
        part: Weights(**{"task": 0.0, "semantic": 0.0, "system": 0.0, part: 1.0}) for part in PARTS
    }
    distances = {
        part: measured([experience], now, weights=weights)[0][0].distance
        for part, weights in parts.items()
    }
    if group.part == "task" and group.aspect == "paper":  # stands beside another of its aspect
        assert measured([experience], {group.name: (1.0, 0.0)})[0][0].distance > 0
        return
    assert [part for part, distance in distances.items() if distance > 0] == [group.part]


PARTS = ("task", "semantic", "system")


def test_what_measuring_does_is_no_difference_between_machines(make: Make) -> None:
    limits = "system.v1"
    now = {TASK: (1.0,), limits: (0.0, 0.0, 0.0, 100.0, 20.0, 600.0)}
    same = make(features={TASK: (1.0,), limits: (0.0, 0.0, 0.0, 115.0, 21.0, 600.0)})
    near, _ = measured([same], now)
    assert near[0].distance == 0.0
    slower = make(features={TASK: (1.0,), limits: (0.0, 0.0, 0.0, 50.0, 21.0, 600.0)})
    near, _ = measured([same, slower], now, weights=Weights(system=1.0, task=0.0))
    assert near[1].experience is slower
    # Of the logarithms of 101, 116 and 51, scaled to the range between the last two.
    assert near[1].distance == pytest.approx(math.log(101 / 51) / math.log(116 / 51))


def test_aspects_of_a_part_count_alike(make: Make) -> None:
    language = "classification.v1"
    now = {TASK: (0.0, 5.0), language: (0.0, 0.0, 5.0)}
    far = make(features={TASK: (1.0, 5.0), language: (1.0, 1.0, 5.0)})
    without = make(features={TASK: (1.0, 5.0)})
    near, incomparable = measured([far, without], now, weights=Weights(task=1.0))
    distances = {item.experience.id: item.distance for item in near}
    # One of the paper's features differs by its range, two of ours do: (1 + √2) / 2; without ours, 1.
    assert distances == pytest.approx({far.id: (1 + math.sqrt(2)) / 2, without.id: 1.0})
    assert incomparable == 0


def test_imported_generation_is_compared_by_the_sizes_that_both_have(make: Make) -> None:
    sizes, ours, theirs = "generation-sizes.v1", "generation-paper.v1", "generation-autogoal.v1"
    now = {ours: (1.0,) * 11, sizes: (1.0,) * 6}
    imported = make(features={theirs: (9.0,) * 11, sizes: (1.0,) * 6})
    own = make(features={ours: (1.0,) * 10 + (3.0,), sizes: (1.0,) * 6})
    near, incomparable = measured([imported, own], now)
    assert ([item.distance for item in near], incomparable) == ([0.0, 0.0], 0)
    near, _ = measured([own], now)
    assert near[0].distance == pytest.approx(0.4)  # by all eleven, of which one differs


def test_distances_by_hand() -> None:
    rows, row = np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([0.0, 0.0])
    assert DISTANCES["euclidean"](rows, row).tolist() == [3.0, 4.0]
    assert DISTANCES["manhattan"](np.array([[1.0, 2.0]]), np.array([3.0, -1.0])).tolist() == [5.0]
    assert DISTANCES["cosine"](
        np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([1.0, 0.0])
    ) == pytest.approx([0, 1 - 1 / math.sqrt(2)])
    # Independent columns of variance v: the distance is the Euclidean one over the root of v (and of the ridge).
    grid = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert DISTANCES["mahalanobis"](grid, np.zeros(2)) == pytest.approx(
        [1 / math.sqrt(0.5 + 1e-3)] * 4
    )


def test_the_distance_is_the_weighted_sum_of_its_parts(make: Make) -> None:
    far = make(features={TASK: (0.0, 1.0), SYSTEM: (1.0,), SEMANTIC: (0.0, 1.0)})
    near = make(features={TASK: (99.0, 1.0), SYSTEM: (1.0,), SEMANTIC: (1.0, 0.0)})
    found, incomparable = measured([far, near], NOW)
    # Task: one of two features differs by its whole range, 1; semantic: orthogonal, 1; system: equal, 0.
    assert [(one.experience.id, one.distance) for one in found] == [
        (near.id, 0.0),
        (far.id, pytest.approx(0.4 + 0.3)),
    ]
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
    assert rates == pytest.approx(
        {good.id: 0.05 * math.exp(-beta * 0.3), poor.id: 0.05 * 0.5, failed.id: -0.02}
    )
    assert [one.experience.id for one in found.influences] == [
        poor.id,
        good.id,
        failed.id,
    ]  # in order of the rate
    adaptive = warm_start(
        Prior.plain(SPACE),
        [good, poor, failed],
        NOW,
        WarmStart(positives="adaptive", negatives="adaptive", beta=0.0),
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


def test_updates_of_the_method_by_hand() -> None:
    methods = ("full.v1", "partial.v1", "lora.v1", "head.v1", "x.v1")
    space = Space(
        "s.v1",
        (Branch(name="method", branches={m: Space(m, ()) for m in methods}, default="full.v1"),),
    )
    prior = Prior.plain(space)
    assert prior.beliefs["method"].probabilities == (0.2,) * 5
    up = prior.nudged({"method": "lora.v1"}, 0.05).nudged({"method": "lora.v1"}, 0.05)
    # The weight of one production of five goes from 1 to 1.1; a distribution would have gone from .2 to about .3.
    assert up.beliefs["method"].probabilities == pytest.approx(
        (1 / 5.1, 1 / 5.1, 1.1 / 5.1, 1 / 5.1, 1 / 5.1)
    )
    down = prior.nudged({"method": "lora.v1"}, -0.02)
    assert down.beliefs["method"].alternatives == pytest.approx(
        (1, 1, 0.98, 1, 1)
    )  # nothing goes to the others
    gone = prior.nudged({"method": "lora.v1"}, -3.0)
    assert gone.beliefs["method"].alternatives == (1, 1, 0.001, 1, 1)
    assert Prior.from_plain(space, up.to_plain()) == up
    earlier = Prior.from_plain(space, {"method": {"weights": [0.1, 0.2, 0.3, 0.2, 0.2]}})
    assert (
        earlier.beliefs["method"].weights[2] == 0.3
    )  # of a run folder that an earlier version wrote
    moved = prior.toward([{"method": "lora.v1"}], 0.05)
    assert moved.beliefs["method"].probabilities == pytest.approx((0.19, 0.19, 0.24, 0.19, 0.19))
    draws = [up.sample(np.random.default_rng(seed)).values["method"] for seed in range(200)]
    assert set(draws) == set(methods)


def test_updates_of_a_number_by_hand() -> None:
    prior = Prior.plain(SPACE)
    belief = prior.nudged({"epochs": 5}, 0.1).beliefs["epochs"]
    # Mean 3, deviation 4 at first; the value is 2 away.
    assert (belief.mean, belief.deviation) == pytest.approx((3.2, 4 + 0.1 * (2 - 4)))
    away = prior.nudged({"epochs": 5}, -0.1).beliefs["epochs"]
    assert (away.mean, away.deviation) == pytest.approx(
        (2.8, 4.0)
    )  # the deviation never exceeds the width
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
        Prior.plain(SPACE),
        [make(None, model="b", kind="out_of_memory") for _ in range(20)],
        NOW,
        WarmStart(),
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


def test_knn_counts_features_as_they_are(make: Make) -> None:
    now = {TASK: (100.0, 2.0), SYSTEM: (8.0,)}
    near = make(0.5, 10.0, features={TASK: (103.0, 2.0), SYSTEM: (12.0,)})  # √(3² + 4²) = 5
    middle = make(0.7, 10.0, features={TASK: (110.0, 2.0), SYSTEM: (8.0,)})  # 10
    far = make(0.9, 10.0, features={TASK: (115.0, 2.0), SYSTEM: (8.0,)})  # 15
    lost = make(0.9, 10.0, features={TASK: (100.0, 2.0)})  # has no machine
    # Features 0, ½, 1 and objectives 1, ½, 0: 0.3, 0.5, 0.7.
    order = []
    for k in (1, 2, 3):
        influences = knn_start(Prior.plain(SPACE), [near, middle, far], now, k).influences
        order.append({influence.experience.id: influence.rate for influence in influences})
    assert order[0] == {near.id: 1.0}
    assert order[1] == {near.id: 0.5, middle.id: 0.5}
    assert order[2] == pytest.approx({near.id: 1 / 3, middle.id: 1 / 3, far.id: 1 / 3})
    assert knn_start(Prior.plain(SPACE), [near, lost], now).incomparable == 1


def test_the_settings_of_the_papers_runs() -> None:
    """By the release's own table: positives, negatives, distance, whether there is decay, utility."""
    table = {
        "low-f-pos-cosine-decay": ("fixed", "none", "cosine", 0.5, "weighted_sum"),
        "low-a-neg-decay": ("none", "adaptive", "euclidean", 0.5, "linear_front"),
        "low-a-neg": ("none", "adaptive", "euclidean", 0.0, "weighted_sum"),
        "moderate-f-pos-a-neg": ("fixed", "adaptive", "euclidean", 0.0, "weighted_sum"),
        "moderate-a-pos-a-neg-decay": ("adaptive", "adaptive", "euclidean", 0.5, "weighted_sum"),
        "moderate-f-neg-cosine-decay": ("none", "fixed", "cosine", 0.5, "weighted_sum"),
        "high-f-pos-f-neg": ("fixed", "fixed", "euclidean", 0.0, "weighted_sum"),
        "high-f-neg-decay": ("none", "fixed", "euclidean", 0.5, "linear_front"),
        "high-f-pos-f-neg-logarithmic": ("fixed", "fixed", "euclidean", 0.0, "logarithmic_front"),
    }
    found = {}
    for name, setting in PRESETS.items():
        decays = decay([1.0, 3.0], setting) * 3.0  # mean 2, deviation 1
        found[name] = (
            setting.positives,
            setting.negatives,
            setting.distance,
            decays,
            setting.utility,
        )
        assert (setting.k_positive, setting.k_negative, setting.scaler) == (None, None, "standard")
        assert (setting.alpha_max, setting.alpha_min, setting.adaptive_sum) == (0.05, -0.02, 1.0)
    assert found == table


def test_all_experiences_by_hand(make: Make) -> None:
    many = [make(0.9, 10.0) for _ in range(25)] + [make(None) for _ in range(30)]
    found = warm_start(Prior.plain(SPACE), many, NOW, PRESETS["moderate-f-pos-a-neg"])
    rates = [one.rate for one in found.influences]
    # All alike: a constant objective counts 1, so each success moves by .05; the failures share 1.
    assert rates == pytest.approx([0.05] * 25 + [-1 / 30] * 30)
    found = warm_start(Prior.plain(SPACE), many, NOW, PRESETS["low-a-neg"])
    assert {one.experience.outcome.succeeded for one in found.influences} == {False}


def test_earlier_settings_are_still_known() -> None:
    assert (
        SETTINGS["moderate-linear"] == WarmStart(method_choice="distribution")
        and len(SETTINGS) == 18
    )
    low = WarmStart(negatives="none", utility="weighted_sum", method_choice="distribution")
    assert SETTINGS["low-sum"] == low


def test_the_method_moves_as_the_setting_says(make: Make) -> None:
    methods = ("full.v1", "partial.v1", "lora.v1", "head.v1")
    space = Space(
        "s.v1",
        (Branch(name="method", branches={m: Space(m, ()) for m in methods}, default="full.v1"),),
    )
    success = make(0.9, 10.0)  # by full.v1; alone, so its utility is 1
    theirs = warm_start(
        Prior.plain(space), [success], NOW, PRESETS["high-f-pos-f-neg"]
    ).prior.beliefs["method"]
    assert theirs.probabilities[0] == pytest.approx(1.05 / 4.05)
    ours = warm_start(
        Prior.plain(space), [success], NOW, SETTINGS["moderate-linear"]
    ).prior.beliefs["method"]
    assert ours.weights[0] == pytest.approx(0.30 / 1.05)
    # Where nothing moves it, a prior is the plain one, by which a search knows that the store says nothing.
    assert warm_start(
        Prior.plain(space), [], NOW, SETTINGS["moderate-linear"]
    ).prior == Prior.plain(space)
    knn = knn_start(Prior.plain(space), [success], NOW).prior.beliefs["method"]
    assert knn.probabilities[0] == pytest.approx(2 / 5)


def test_knobs_as_texts() -> None:
    changed = WarmStart().changed(
        {"k_positive": "all", "beta": "0.5", "scaler": "standard", "task_weight": "1"}
    )
    assert changed == WarmStart(
        k_positive=None, beta=0.5, scaler="standard", weights=Weights(task=1.0)
    )
    for wrong in (
        {"k_negative": "2.5"},
        {"k_positive": "-1"},
        {"task_weight": "-1"},
        {"semantic_weight": "nan"},
    ):
        with pytest.raises(UsageError):
            WarmStart().changed(wrong)


def test_settings_and_mistakes() -> None:
    assert len(PRESETS) == 9
    for change in ({"positives": "som"}, {"utility": "linear"}, {"scaler": "none"}):
        with pytest.raises(UnknownNameError):
            replace(WarmStart(), **change)


def test_priors_survive_json() -> None:
    prior = Prior.plain(SPACE).nudged({"model": "a", "epochs": 5}, 0.05)
    assert Prior.from_plain(SPACE, prior.to_plain()) == prior
