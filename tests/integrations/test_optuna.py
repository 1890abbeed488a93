"""Our sampler in studies of other people's own."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from xautolm import ExperienceStore, XAutoLMSampler
from xautolm.errors import UnknownNameError, UsageError
from xautolm.experience import export_experiences, import_experiences
from xautolm.integrations.learned_space import LearnedSpace
from xautolm.integrations.optuna import _target_evidence
from xautolm.integrations.table import KIND, experiences_from_rows
from xautolm.objectives import hypervolume

optuna.logging.set_verbosity(optuna.logging.ERROR)

NOW = {"examples": 5000.0, "classes": 4.0}


class OutOfMemoryError(RuntimeError):
    """What a real objective would raise."""


def objective(trial: optuna.Trial) -> tuple[float, float]:
    """Loss and seconds of a conditional space of mixed types; one combination fails."""
    kind = trial.suggest_categorical("kind", ["net", "trees", "linear"])
    scale = trial.suggest_categorical("scale", [True, False])
    cost = {"net": 30.0, "trees": 10.0, "linear": 1.0}[kind]
    if kind == "net":
        rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
        width = trial.suggest_int("width", 32, 512, step=32)
        if width > 256:
            raise OutOfMemoryError
        loss = 0.1 + 0.1 * abs(np.log10(rate) + 3) + (0 if scale else 0.2)
    elif kind == "trees":
        loss = 0.4 + 0.01 * abs(trial.suggest_int("depth", 1, 16) - 7)
    else:
        loss = 0.6
    if scale:
        loss += 0.1 * trial.suggest_float("shift", 0.0, 1.0)
    return float(loss), cost


def past(tasks: int = 2, trials: int = 40, sign: float = 1.0) -> list[dict[str, Any]]:
    """Rows of random searches of the same objective; `sign` -1 turns the losses round."""
    rows: list[dict[str, Any]] = []
    for task in range(tasks):
        study = optuna.create_study(
            directions=["minimize", "minimize"],
            sampler=optuna.samplers.RandomSampler(seed=50 + task),
        )
        study.optimize(objective, n_trials=trials, catch=OutOfMemoryError)
        for trial in study.trials:
            row: dict[str, Any] = {"task": f"t{task}", "params": trial.params}
            if trial.state == optuna.trial.TrialState.COMPLETE:
                rows.append(row | {"values": [sign * trial.values[0], trial.values[1]]})
            else:
                rows.append(row | {"failure": "out_of_memory"})
    return rows


FEATURES = {"t0": {"examples": 4000.0, "classes": 4.0}, "t1": {"examples": 9000.0, "classes": 3.0}}


def searched(sampler: optuna.samplers.BaseSampler, trials: int = 15) -> optuna.Study:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    study.optimize(objective, n_trials=trials, catch=OutOfMemoryError)
    return study


def experienced(seed: int, **options: Any) -> XAutoLMSampler:
    rows = experiences_from_rows(past(**options), FEATURES, ("minimize", "minimize"))
    return XAutoLMSampler(rows, NOW, seed=seed)


def best(study: optuna.Study) -> float:
    return min(trial.values[0] for trial in study.trials if trial.values)


def volume(study: optuna.Study) -> float:
    """Return the hypervolume of loss and seconds, over a loss of 2 and 200 seconds."""
    points = [[-trial.values[0], -trial.values[1]] for trial in study.trials if trial.values]
    return hypervolume(np.asarray(points), np.asarray([-2.0, -200.0]))


def failures(study: optuna.Study) -> int:
    return sum(trial.state == optuna.trial.TrialState.FAIL for trial in study.trials)


def test_experience_finds_better_trials_with_fewer_failures() -> None:
    with_store = [searched(experienced(seed)) for seed in range(4)]
    without = [searched(XAutoLMSampler(seed=seed)) for seed in range(4)]
    assert statistics.mean(map(best, with_store)) < statistics.mean(map(best, without))
    assert sum(map(failures, with_store)) < sum(map(failures, without))
    # Of two objectives none counts more, so it is the hypervolume that a past has to raise.
    assert min(map(volume, with_store)) > statistics.mean(map(volume, without))
    # The first proposals hold the fastest kind elsewhere, and the best.
    for study in with_store:
        early = {trial.params["kind"] for trial in study.trials[:3]}
        assert {"net", "linear"} <= early


@pytest.mark.slow
def test_a_misleading_past_costs_little() -> None:
    misled = [searched(experienced(seed, sign=-1.0), 40) for seed in range(3)]
    without = [searched(XAutoLMSampler(seed=seed), 40) for seed in range(3)]
    assert statistics.mean(map(best, misled)) < statistics.mean(map(best, without)) + 0.1


def test_same_seed_same_trials() -> None:
    first, second, other = (searched(experienced(seed), 8) for seed in (1, 1, 2))
    params = [[trial.params for trial in study.trials] for study in (first, second, other)]
    assert params[0] == params[1] != params[2]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_one_objective_in_either_direction(direction: str) -> None:
    sign = 1.0 if direction == "maximize" else -1.0

    def score(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        return sign * (1 - (x - 0.8) ** 2 + 0.1 * trial.suggest_int("n", 1, 3))

    rows = [
        {"task": "t0", "params": {"x": x, "n": 1}, "values": sign * (1 - (x - 0.8) ** 2)}
        for x in np.linspace(0, 1, 20).tolist()
    ]
    found = []
    for experiences in (experiences_from_rows(rows, FEATURES, [direction]), []):
        sampler = XAutoLMSampler(experiences, NOW, seed=3)
        study = optuna.create_study(direction=direction, sampler=sampler)
        study.optimize(score, n_trials=6)
        found.append(statistics.mean(abs(trial.params["x"] - 0.8) for trial in study.trials))
    assert found[0] < found[1]


def test_explanations_say_where_proposals_came_from() -> None:
    study = searched(experienced(0), 12)
    explanations = [
        trial.user_attrs["explanation"]
        for trial in study.trials
        if "explanation" in trial.user_attrs
    ]
    assert len(explanations) == 12
    reasons = [one["because"] for one in explanations if one.get("because")]
    assert reasons and all(
        one.startswith(("t0 trial", "t1 trial")) for three in reasons for one in three
    )


def test_the_space_is_read_from_the_trials() -> None:
    study = searched(optuna.samplers.RandomSampler(seed=1), 40)
    learned = LearnedSpace.of_trials(study.trials)
    rng = np.random.default_rng(0)
    from xautolm.space import Prior

    for _ in range(50):
        values = learned.outward(Prior.plain(learned.space).sample(rng).values)
        assert ("rate" in values) == ("width" in values) == (values["kind"] == "net")
        assert ("depth" in values) == (values["kind"] == "trees")
        assert isinstance(values["scale"], bool) and (
            "width" not in values or values["width"] % 32 == 0
        )


def test_a_table_becomes_a_store(tmp_path: Path) -> None:
    rows = experiences_from_rows(past(1, 10), FEATURES, ("minimize", "minimize"))
    with ExperienceStore(tmp_path / "s.db") as store:
        store.add(rows)
        store.add(rows)
        kept = store.experiences(task=KIND)
    assert {one.id: one.features for one in kept} == {one.id: one.features for one in rows} and len(
        kept
    ) == 10
    sampler = XAutoLMSampler(kept, NOW, seed=1)
    assert len(searched(sampler, 3).trials) == 3


@pytest.mark.parametrize(
    "params",
    [
        {"epochs": "auto"},
        {"learning_rate": 0.0},
        {"max_length": -1},
        {"rate": float("nan"), "kind": "linear"},
        {"seed": 10**17},
    ],
)
@pytest.mark.parametrize("task", ["t0", "t" * 100])
def test_what_a_table_has_comes_out_of_a_store_again(task: str, params: dict[str, Any]) -> None:
    rows = [{"task": task, "params": params, "values": [1e140]}]
    experiences = experiences_from_rows(rows, {task: NOW})
    with ExperienceStore("sqlite://") as store:
        assert store.add(experiences) == 1
        assert store.experiences() == experiences


def test_other_results_in_the_same_place_are_other_experiences(tmp_path: Path) -> None:
    row = {"task": "t0", "params": {"x": 1}}
    tables = [
        experiences_from_rows([row | {"values": [0.5]}], FEATURES),
        experiences_from_rows([row | {"values": [0.9]}], FEATURES),
        experiences_from_rows([row | {"values": [0.9]}], FEATURES, ["minimize"]),
        experiences_from_rows([row | {"failure": "diverged"}], FEATURES),
    ]
    with ExperienceStore("sqlite://") as store:
        assert [store.add(table) for table in tables] == [1, 1, 1, 1]
        assert [store.add(table) for table in tables] == [0, 0, 0, 0]
        export_experiences(store.experiences(), tmp_path / "shared.jsonl")
        assert store.add(import_experiences(tmp_path / "shared.jsonl").experiences) == 0


def test_tasks_may_have_numbers() -> None:
    rows = [{"task": 7, "params": {"x": 1}, "values": [0.5]}]
    (experience,) = experiences_from_rows(rows, {7: NOW})
    assert experience.data.name == "7"


def test_a_past_of_which_nothing_can_be_compared_is_refused_with_both_names() -> None:
    rows = [single({"x": 1}, 0.5)]
    experiences = experiences_from_rows(rows, FEATURES)
    with pytest.raises(UsageError, match=r"Examples,classes here, classes,examples in the past"):
        XAutoLMSampler(experiences, {"Examples": 1.0, "classes": 2.0})


def test_past_trials_that_cannot_be_compared_are_counted() -> None:
    rows = [single({"x": 1}, 0.5), {"task": "t1", "params": {"x": 1}, "values": 0.4}]
    experiences = experiences_from_rows(rows, {"t0": NOW, "t1": {"examples": 3.0}})
    with pytest.warns(UserWarning, match="1 of 2 past trials cannot be compared"):
        XAutoLMSampler(experiences, NOW)


def test_nan_in_a_row_means_that_there_is_nothing() -> None:
    nothing = float("nan")
    rows = [
        {
            "task": "t0",
            "params": {"kind": "linear", "rate": nothing},
            "values": 0.5,
            "failure": nothing,
        },
        {"task": "t0", "params": {"rate": 0.1}, "values": nothing, "failure": "diverged"},
    ]
    success, failure = experiences_from_rows(rows, FEATURES)
    assert success.configuration.values == {"kind": "linear"} and success.outcome.succeeded
    assert failure.outcome.failed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda row: row | {"task": "unknown"}, "no meta-features"),
        (lambda row: row | {"values": [0.1]}, "2 finite numbers"),
        (lambda row: row | {"values": [0.1, float("nan")]}, "2 finite numbers"),
        (lambda row: row | {"failure": "crash"}, "either values or failure"),
        (lambda row: {**row, "values": None, "failure": "sad"}, "none of"),
        (lambda row: row | {"params": {"x": [1]}}, "plain values"),
        (lambda row: row | {"loss": 1}, "unknown keys"),
    ],
)
def test_a_bad_table_gets_a_clear_error(change: Callable[[dict], dict], says: str) -> None:
    row = {"task": "t0", "params": {"x": 1}, "values": [0.1, 1.0]}
    with pytest.raises(UsageError, match=says):
        experiences_from_rows([row, change(row)], FEATURES, ("minimize", "minimize"))


def test_bad_features_directions_and_objectives() -> None:
    row = {"task": "t0", "params": {"x": 1}, "values": [0.1]}
    with pytest.raises(UsageError, match="finite numbers"):
        XAutoLMSampler(features={"a": float("nan")})
    with pytest.raises(UsageError, match="without meta-features"):
        XAutoLMSampler(experiences_from_rows([row], FEATURES))
    with pytest.raises(UnknownNameError):
        experiences_from_rows([row], FEATURES, ("up",))
    study = optuna.create_study(
        direction="minimize", sampler=XAutoLMSampler(experiences_from_rows([row], FEATURES), NOW)
    )
    with pytest.raises(UsageError, match="other objectives"):
        study.ask().suggest_float("x", 0, 1)


def test_the_first_trial_is_a_whole_configuration_of_the_past() -> None:
    """Each parameter drawn by itself would be a mixture that nobody ever tried."""
    experiences = experiences_from_rows(past(), FEATURES, ("minimize", "minimize"))
    tried = [dict(experience.configuration.values) for experience in experiences]
    for seed in range(3):
        study = searched(XAutoLMSampler(experiences, NOW, seed=seed), 1)
        (first,) = study.trials
        assert first.user_attrs["explanation"]["trust"] > 0.5
        choices = {name: first.params[name] for name in ("kind", "scale")}
        alike = [one for one in tried if choices.items() <= one.items()]
        assert set(first.params) == set(alike[0])


def test_a_parameter_of_the_past_that_is_not_asked_for_is_forgotten() -> None:
    def simple(trial: optuna.Trial) -> tuple[float, float]:
        kind = trial.suggest_categorical("kind", ["net", "trees", "linear"])
        return {"net": 0.1, "trees": 0.4, "linear": 0.6}[kind], 1.0

    experiences = experiences_from_rows(past(), FEATURES, ("minimize", "minimize"))
    sampler = XAutoLMSampler(experiences, NOW, seed=0)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    study.optimize(simple, n_trials=12)
    assert len(study.trials) == 12
    assert all(set(trial.params) == {"kind"} for trial in study.trials)
    assert min(trial.values[0] for trial in study.trials) == 0.1


def single(params: dict[str, Any], value: float) -> dict[str, Any]:
    """Return a row of a task with one objective."""
    return {"task": "t0", "params": params, "values": [value]}


@pytest.mark.parametrize(
    ("rows", "ask"),
    [
        pytest.param(
            [single({"kind": "svm", "C": 10.0**power}, 0.1 * power) for power in range(6)]
            + [single({"kind": "tree", "depth": depth}, 0.1) for depth in range(1, 7)],
            lambda trial: (
                float(trial.suggest_int("depth", 1, 9))
                if trial.suggest_categorical("kind", ["tree", "linear"]) == "tree"
                else 0.0
            ),
            id="an option that is not here, and what stands under it",
        ),
        pytest.param(
            [single({"batch": size}, size / 64) for size in (16, 32, 64) * 3],
            lambda trial: trial.suggest_categorical("batch", [16, 32, 64]) / 64,
            id="numbers that are options here",
        ),
        pytest.param(
            [single({"batch": size}, size / 64) for size in (17, 33, 65) * 3],
            lambda trial: trial.suggest_int("batch", 8, 128, step=8) / 64,
            id="numbers between the steps",
        ),
        pytest.param(
            [single({"x": x}, -abs(x)) for x in (-100.0, 0.0, 1000.0) * 3],
            lambda trial: -abs(trial.suggest_float("x", -1.0, 1.0)),
            id="numbers beyond the range",
        ),
        pytest.param(
            [single({"cap": cap}, 1.0) for cap in (None, 3, "all") * 3],
            lambda trial: 1.0 if trial.suggest_categorical("cap", [None, 3, "all"]) else 0.0,
            id="values of several kinds, all as good",
        ),
        pytest.param(
            [{"task": "t0", "params": {"x": float(x)}, "failure": "diverged"} for x in range(6)],
            lambda trial: trial.suggest_float("x", 0.0, 9.0),
            id="failures only",
        ),
    ],
)
def test_a_past_that_does_not_fit_the_study_stops_nothing(
    rows: list[dict[str, Any]], ask: Callable[[optuna.Trial], float]
) -> None:
    experiences = experiences_from_rows(rows, FEATURES, ("maximize",))
    study = optuna.create_study(direction="maximize", sampler=XAutoLMSampler(experiences, NOW))
    study.optimize(ask, n_trials=10)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 10


def width(trial: optuna.Trial) -> float:
    """Return how many units there are in layers that are lists."""
    layers = trial.suggest_categorical("layers", [[64], [64, 32], [8, 8, 8]])
    assert isinstance(layers, list)
    return sum(layers) + trial.suggest_float("x", 0.0, 1.0)


def width_of_last(trial: optuna.Trial) -> float:
    """Return the same where the layers say whether there is a rate."""
    layers = trial.suggest_categorical("layers", [[64], [64, 32]])
    return trial.suggest_float("rate", 0.0, 1.0) if layers == [64, 32] else 0.5


@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution:UserWarning")
@pytest.mark.parametrize("ask", [width, width_of_last])
@pytest.mark.parametrize("past_layers", [None, "[64, 32]", 3])
def test_options_may_be_lists(
    ask: Callable[[optuna.Trial], float], past_layers: str | int | None
) -> None:
    rows = [single({"layers": past_layers, "x": x}, x) for x in np.linspace(0, 1, 9).tolist()]
    experiences = experiences_from_rows(rows, FEATURES, ("maximize",))
    for sampler in (XAutoLMSampler(seed=0), XAutoLMSampler(experiences, NOW, seed=0)):
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(ask, n_trials=12)
        assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 12


def test_one_sampler_serves_several_studies() -> None:
    rows = [single({"x": x}, x) for x in np.linspace(0, 10, 9).tolist()]
    experiences = experiences_from_rows(rows, FEATURES, ("maximize",))
    shared = XAutoLMSampler(experiences, NOW, seed=1)

    def first(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", 0.0, 10.0)

    def second(trial: optuna.Trial) -> float:
        return trial.suggest_float("y", 0.0, 1.0)

    # In turn, so that both have as many trials when they are asked.
    studies = [optuna.create_study(direction="maximize", sampler=shared) for _ in range(2)]
    for _ in range(6):
        for study, objective_here in zip(studies, (first, second), strict=True):
            study.optimize(objective_here, n_trials=1)
    alone = optuna.create_study(
        direction="maximize", sampler=XAutoLMSampler(experiences, NOW, seed=1)
    )
    alone.optimize(first, n_trials=6)
    assert [trial.params for trial in studies[0].trials] == [trial.params for trial in alone.trials]
    assert all(set(trial.params) == {"y"} for trial in studies[1].trials)
    other = optuna.create_study(direction="minimize", sampler=shared)
    with pytest.raises(UsageError, match="other objectives"):
        other.optimize(first, n_trials=1)


def in_steps(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0.0, 10.0, step=2.5)
    return x + trial.suggest_float("y", 0.0, 1.0, step=0.25)


@pytest.mark.parametrize("low", [0.0, 0.3])
def test_what_lies_on_steps_is_proposed_once_until_all_was_tried(low: float) -> None:
    # From 0 on, the past has the very range of the study.
    x = np.linspace(low, 10.0, 9).tolist()
    y = np.linspace(0.0, 1.0, 9).tolist()
    rows = [single({"x": x[each], "y": y[each]}, each) for each in range(9)]
    experiences = experiences_from_rows(rows, FEATURES, ("maximize",))
    study = optuna.create_study(direction="maximize", sampler=XAutoLMSampler(experiences, NOW))
    study.optimize(in_steps, n_trials=45)
    places = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(places[:16])) >= 15
    # All 25 were tried after some time; then the models choose among them, and not chance.
    late = [trial.value for trial in study.trials[35:] if trial.value is not None]
    assert statistics.mean(late) > 8.0


def test_a_second_study_of_the_same_name_begins_anew() -> None:
    rows = [single({"x": x}, x) for x in np.linspace(0, 10, 9).tolist()]
    shared = XAutoLMSampler(experiences_from_rows(rows, FEATURES, ("maximize",)), NOW)
    firsts = []
    for _ in range(2):
        study = optuna.create_study(direction="maximize", sampler=shared, study_name="tune")
        study.optimize(lambda trial: trial.suggest_float("x", 0.0, 10.0), n_trials=2)
        firsts.append([trial.params["x"] for trial in study.trials])
    assert firsts[0] == firsts[1]


def test_an_enqueued_trial_uses_up_no_proposal() -> None:
    rows = [single({"x": x}, x) for x in np.linspace(0, 10, 9).tolist()]
    experiences = experiences_from_rows(rows, FEATURES, ("maximize",))
    study = optuna.create_study(direction="maximize", sampler=XAutoLMSampler(experiences, NOW))
    study.enqueue_trial({"x": 0.0})
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 10.0), n_trials=2)
    assert [trial.params["x"] for trial in study.trials] == [0.0, 10.0]


def ended_as(how: str, trial: optuna.Trial, value: float) -> float:
    """End a trial that is poor in one of the ways that there are."""
    if how == "fails":
        raise OutOfMemoryError
    if how == "reports":
        trial.report(value, 1)
    if how in {"is pruned", "reports"}:
        raise optuna.TrialPruned
    return {"diverges": float("-inf"), "overflows": -1e300}.get(how, value)


def unlike_the_past(how: str) -> Callable[[optuna.Trial], float]:
    """Return an objective in which what the past praises is poor, and another option the best."""

    def score(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["p", "q", "r", "s"])
        epochs = trial.suggest_int("epochs", 1, 4)
        if kind == "p":
            return ended_as(how, trial, 0.05)
        return {"q": 0.3, "r": 0.8, "s": 0.1}[kind] + 0.01 * epochs

    return score


@pytest.mark.parametrize("how", ["is pruned", "reports", "fails", "diverges", "overflows"])
def test_what_the_past_praises_is_left_however_its_trials_end(how: str) -> None:
    worth = {"p": 1.0, "q": 0.5, "r": 0.2, "s": 0.1}
    rows = [
        single({"kind": kind, "epochs": epochs}, worth[kind] + 0.1 * epochs)
        for kind in worth
        for epochs in (1, 2, 3, 4)
    ]
    experiences = experiences_from_rows(rows, FEATURES, ("maximize",))
    study = optuna.create_study(direction="maximize", sampler=XAutoLMSampler(experiences, NOW))
    study.optimize(unlike_the_past(how), n_trials=20, catch=OutOfMemoryError)
    kinds = [trial.params["kind"] for trial in study.trials]
    assert kinds[0] == "p" and kinds.count("p") <= 6
    assert study.best_trial.params["kind"] == "r"


def half_fails(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0.0, 1.0)
    y = trial.suggest_float("y", 0.0, 1.0)
    if x > 0.5:
        raise OutOfMemoryError
    return y


def test_failures_of_the_study_itself_teach_a_search_without_a_past() -> None:
    count = 0
    for seed in range(3):
        study = optuna.create_study(direction="maximize", sampler=XAutoLMSampler(seed=seed))
        study.optimize(half_fails, n_trials=30, catch=OutOfMemoryError)
        count += sum(trial.state.name == "FAIL" for trial in study.trials[15:])
    # At random, half of 45 would fail.
    assert count <= 9


def scores_of_values(*values: float) -> list[float]:
    """What the sampler makes of the values of a study's trials."""
    study = optuna.create_study(direction="maximize", sampler=XAutoLMSampler())
    for position, value in enumerate(values):
        study.add_trial(
            optuna.create_trial(
                params={"x": position / len(values)},
                distributions={"x": optuna.distributions.FloatDistribution(0, 1)},
                values=[value],
            )
        )
    learned = LearnedSpace.of_trials(study.trials)
    target = _target_evidence(study, learned, learned.distributions)
    return [trial.scores[0] for trial in target if trial.scores]


def test_one_training_that_diverged_does_not_press_all_others_together() -> None:
    scores = scores_of_values(-0.5, -0.4, -0.3, -1e6)
    assert scores[3] < scores[0] < scores[1] < scores[2]
    assert scores[2] - scores[0] > 0.5


def test_where_many_trials_are_as_good_as_the_best_all_others_are_still_told_apart() -> None:
    scores = scores_of_values(0.5, 0.6, 0.7, *[0.9] * 6, 0.9 + 1e-12)
    assert scores[0] < scores[1] - 0.1 < scores[2] - 0.2


def test_the_smallest_numbers_are_values_too() -> None:
    assert scores_of_values(5e-324, 5e-324) == [0.0, 0.0]


@pytest.mark.filterwarnings("ignore:Fixed parameter x with value:UserWarning")
@pytest.mark.parametrize("failed", [0, 1])
def test_an_enqueued_value_out_of_range_stops_no_study_with_failures(failed: int) -> None:
    def score(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        if trial.number == failed:
            raise OutOfMemoryError
        return x

    study = optuna.create_study(sampler=XAutoLMSampler(seed=0))
    study.enqueue_trial({"x": 2.0})
    study.optimize(score, n_trials=6, catch=OutOfMemoryError)
    assert len(study.trials) == 6


@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution:UserWarning")
def test_a_running_trial_may_have_what_no_other_has_had() -> None:
    rows = [single({"x": x}, x) for x in np.linspace(0, 1, 9).tolist()]
    experiences = experiences_from_rows(rows, FEATURES, ("maximize",))
    study = optuna.create_study(direction="maximize", sampler=XAutoLMSampler(experiences, NOW))
    for is_left_running in (False, True, False, False):
        trial = study.ask()
        x = trial.suggest_float("x", 0.0, 1.0)
        if is_left_running:
            trial.suggest_categorical("layers", [[1], [2]])
        else:
            study.tell(trial, x)
    assert len(study.trials) == 4


def test_attributes_of_a_users_own_trials_mean_nothing_to_us() -> None:
    def score(trial: optuna.Trial, is_marked: bool) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        if is_marked:
            trial.set_user_attr("censored", True)
            trial.set_user_attr("number", 99)
        return x

    found = []
    for is_marked in (False, True):
        study = optuna.create_study(direction="maximize", sampler=XAutoLMSampler())
        study.optimize(lambda trial, marked=is_marked: score(trial, marked), n_trials=4)
        learned = LearnedSpace.of_trials(study.trials)
        found.append(_target_evidence(study, learned, learned.distributions))
    assert found[0] == found[1]
