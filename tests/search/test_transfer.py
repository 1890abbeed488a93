"""What past data sets and the target's own trials say together: means, doubts, and trust in the past."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.search.toy import SPACE
from xautolm.search import Evidence
from xautolm.search.candidates import leaders
from xautolm.search.encoding import Encoder
from xautolm.search.past_runs import FEWEST, by_data, learn_past_runs, normal_scores
from xautolm.search.settings import DEFAULTS
from xautolm.search.transfer import Belief, StoreOpinion, believe

ENCODER = Encoder.of_space(SPACE)
RNG = np.random.default_rng(0)


def evidence(scores: tuple[float, ...] | None, data: str = "a", seed: int = 0) -> Evidence:
    """Return a past trial of a random configuration."""
    rng = np.random.default_rng(seed)
    values = SPACE.walk(lambda key, parameter: drawn(parameter, rng)).values
    return Evidence(values=values, scores=scores, data=data, units=(0.1, 1.0))


def drawn(parameter, rng):
    """Return any value of a parameter."""
    if hasattr(parameter, "options"):
        return parameter.options[int(rng.integers(len(parameter.options)))]
    return parameter.from_unit(float(rng.uniform()))


def opinion(own: np.ndarray, candidates: np.ndarray, spread: float = 0.1) -> StoreOpinion:
    """Return what data sets of equal weight and spread say."""
    count = len(own)
    return StoreOpinion(
        own=own,
        candidates=candidates,
        weights=np.full(count, 1 / count),
        spreads=np.full(count, spread),
    )


def told(own_mean: np.ndarray, scores: np.ndarray, spread: float = 0.1) -> Belief:
    """Return the belief about two candidates that three agreeing data sets hold for one high and one low."""
    rng = np.random.default_rng(1)
    own = own_mean + 0.1 * rng.normal(size=(3, len(own_mean)))
    candidates = np.asarray([[1.5, -1.5]] * 3)
    rows = rng.uniform(size=(len(own_mean), 4))
    candidate_rows = rng.uniform(size=(2, 4))
    store = opinion(own, candidates, spread)
    return believe(store, rows, scores, candidate_rows, DEFAULTS)


def test_before_the_first_trial_the_past_is_believed_as_far_as_data_sets_agree() -> None:
    agreed = np.asarray([[1.0, -1.0], [1.1, -1.1], [0.9, -0.9]])
    disputed = np.asarray([[3.0, -1.0], [-1.0, -1.0], [1.0, -1.0]])
    nothing = np.zeros((3, 0))
    rows, candidate_rows = np.zeros((0, 4)), np.zeros((2, 4))
    calm = believe(opinion(nothing, agreed), rows, np.zeros(0), candidate_rows, DEFAULTS)
    torn = believe(opinion(nothing, disputed), rows, np.zeros(0), candidate_rows, DEFAULTS)
    assert calm.trust == pytest.approx(DEFAULTS.first_trust)
    assert calm.mean[0] > 0 > calm.mean[1]
    # The first candidate has the same mean in both, and is in doubt where data sets disagree.
    assert torn.mean[0] == pytest.approx(calm.mean[0])
    assert torn.deviation[0] > 1.3 * calm.deviation[0]
    assert calm.unit == pytest.approx(0.1, rel=0.05)


def test_trials_that_agree_with_the_past_are_continued_in_their_own_unit() -> None:
    own_mean = np.linspace(-1.0, 1.0, 8)
    believed = told(own_mean, 0.7 + 0.05 * own_mean)
    assert believed.trust > DEFAULTS.first_trust
    assert believed.level == pytest.approx(0.7)
    # A normal score is worth about 0.05 here, half of what it was in the past.
    assert 0.03 < believed.unit < 0.09
    assert believed.mean[0] > 0.73 and believed.mean[1] < 0.67


def test_a_past_that_ranks_the_other_way_round_loses_its_say() -> None:
    own_mean = np.linspace(-1.0, 1.0, 8)
    misled = told(own_mean, 0.7 - 0.1 * own_mean)
    helped = told(own_mean, 0.7 + 0.1 * own_mean)
    assert misled.trust < 0.05 < 0.9 < helped.trust
    assert abs(misled.mean[0] - misled.mean[1]) < 0.5 * (helped.mean[0] - helped.mean[1])


def test_numbers_of_another_unit_change_nothing_but_the_unit() -> None:
    own_mean = np.linspace(-1.0, 1.0, 6)
    scores = own_mean + 0.3 * np.random.default_rng(2).normal(size=6)
    plain, scaled = told(own_mean, scores, 1.0), told(own_mean, 100 * scores, 100.0)
    assert scaled.mean == pytest.approx(100 * plain.mean)
    assert scaled.deviation == pytest.approx(100 * plain.deviation)
    assert scaled.unit == pytest.approx(100 * plain.unit)
    assert scaled.trust == pytest.approx(plain.trust)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_trials_or_one_data_set_are_enough(count: int) -> None:
    rows = np.random.default_rng(3).uniform(size=(count, 4))
    store = opinion(np.zeros((1, count)), np.zeros((1, 5)), np.nan)
    believed = believe(store, rows, np.full(count, 0.5), np.zeros((5, 4)), DEFAULTS)
    assert np.isfinite(believed.mean).all() and (believed.deviation > 0).all()
    assert 0 < believed.trust < 1 and believed.unit > 0


def test_data_sets_with_few_trials_share_a_model() -> None:
    large = [evidence((0.1 * seed, -1.0), "large", seed) for seed in range(FEWEST)]
    small = [evidence((0.1 * seed, -1.0), f"small {seed}", seed) for seed in range(FEWEST)]
    failures = [evidence(None, "", 50)]
    old = [replace(evidence((0.5, -1.0), seed=60), data="", units=())]
    groups = by_data([*large, *small, *failures, *old])
    assert {name: len(members) for name, members in groups.items()} == {
        "large": FEWEST,
        "": FEWEST + 1,
    }
    past = learn_past_runs(ENCODER, [*large, *small, *old], 0, DEFAULTS)
    assert past is not None
    assert np.isfinite(past.spreads[0]).all()
    # Of a mixture, and of old files, the spread is not known.
    assert np.isnan(past.spreads[1]).all()
    assert learn_past_runs(ENCODER, large[1:], 0, DEFAULTS) is None


def test_a_data_sets_own_trials_outweigh_the_others() -> None:
    def quality(trial: Evidence, sign: float) -> tuple[float, float]:
        return sign * float(ENCODER.rows([trial.values])[0, 0]), -1.0

    trials = [evidence((0.0, 0.0), "up", seed) for seed in range(200)]
    store = [replace(trial, scores=quality(trial, 1.0)) for trial in trials]
    store += [replace(trial, scores=quality(trial, -1.0), data="down") for trial in trials]
    past = learn_past_runs(ENCODER, store, 0, DEFAULTS)
    assert past is not None
    rows = ENCODER.rows(trial.values for trial in trials)
    up, down = past.opinions(rows)[:, :, 0]
    assert np.corrcoef(up, rows[:, 0])[0, 1] > 0.8
    assert np.corrcoef(down, rows[:, 0])[0, 1] < -0.8
    assert past.opinions(rows[:0]).shape == (2, 0, 2)


def test_opinions_are_what_the_forests_predict() -> None:
    store = [evidence((0.01 * seed, -1.0 * seed), "a", seed) for seed in range(30)]
    past = learn_past_runs(ENCODER, store, 0, DEFAULTS)
    assert past is not None
    rows = ENCODER.rows(trial.values for trial in store)
    (forest,) = past.forests
    (share,) = past.own_shares
    expected = share * forest.predict(rows) + (1 - share) * past.pooled.predict(rows)
    assert past.opinions(rows)[0] == pytest.approx(expected)


def test_normal_scores_keep_the_order_only() -> None:
    values = np.asarray([[0.1, 5.0], [0.9, 5.0], [0.91, 7.0]])
    scores = normal_scores(values)
    assert scores[:, 0] == pytest.approx([-0.967, 0.0, 0.967], abs=1e-3)
    assert scores[0, 1] == scores[1, 1] < scores[2, 1]


def test_leaders_cover_the_front_and_not_one_end_of_it() -> None:
    front = [(1.0, 0.0), (0.7, 0.7), (0.0, 1.0)]
    dominated = [(0.9, -0.1), (0.1, 0.1), (0.5, 0.5)]
    trials = [evidence(scores, seed=seed) for seed, scores in enumerate([*dominated, *front])]
    assert {trial.scores for trial in leaders([*trials, evidence(None)], 3)} == set(front)
    alone = [evidence((score,), seed=seed) for seed, score in enumerate((0.1, 0.9, 0.5))]
    assert [trial.scores for trial in leaders(alone, 2)] == [(0.9,), (0.5,)]
    assert leaders([evidence(None)], 3) == []
    assert len(leaders(trials, 100)) == len(trials)
