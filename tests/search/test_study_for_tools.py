"""The study in a run's folder as Optuna's own tools read it: plain names, curves, one name for each run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from tests.search import toy
from tests.search.toy import OBJECTIVES, play
from xautolm.callbacks import TrialEvaluated
from xautolm.records import Evaluation, Experience, TrialOutcome, Values
from xautolm.search import SAMPLERS, SearchStudy, file_url, open_study
from xautolm.search.database import EARLIER_NAME
from xautolm.search.plain_names import PlainNames
from xautolm.space import Branch, Choice, Float, Int, Space

pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    # It says of every target that low values count as good.
    pytest.mark.filterwarnings("ignore:PedAnovaImportanceEvaluator"),
]
NAME = "tickets 0123456789abcdef"
STATES = optuna.trial.TrialState


def method(low: float, high: float) -> Space:
    """Return what a method opens: a learning rate in a range of its own."""
    return Space(
        "method", (Float(name="learning_rate", low=low, high=high, default=low, log=True),)
    )


METHODS = {"full": method(1e-5, 1e-3), "lora": method(1e-4, 1e-2)}
MODEL = Space("model", (Branch(name="method", branches=METHODS, default="full"),))
MODELS = dict.fromkeys(("good", "bad", "broken"), MODEL)
SPACE = Space(
    "split.v1",
    (
        Branch(name="model", branches=MODELS, default="good"),
        Int(name="epochs", low=1, high=5, default=3),
    ),
)
"""The learning rate has another range in each method, and so two sites."""


def opened(
    path: Path, experiences: list[Experience] | None = None, sampler: str = "random"
) -> SearchStudy:
    return open_study(
        file_url(path),
        SPACE,
        OBJECTIVES,
        lambda seed: SAMPLERS.get(sampler).make(SPACE, seed, None),
        0,
        experiences=experiences or [],
        name=NAME,
    )


def play_with_curve(values: Values) -> TrialOutcome:
    """Return what a configuration is worth, a success with two evaluations of the whole split."""
    outcome = play(values)
    if not outcome.succeeded:
        return outcome
    last = outcome.metrics["f1_macro"]
    history = (
        {"epoch": 0.5, "seconds": 5.0, "loss": 1.5, "f1_macro": last - 0.1},
        {"epoch": 2.0, "seconds": 20.0, "loss": 0.9, "f1_macro": last},
    )
    return replace(outcome, history=history)


def searched(study: SearchStudy, trials: int) -> list[Experience]:
    return toy.searched(study, trials, play_with_curve)


def loaded(path: Path) -> optuna.Study:
    """Return the only study of a database, as the docs load it."""
    return optuna.load_study(study_name=None, storage=file_url(path))


def test_parameters_have_plain_names_and_one_range_each(tmp_path: Path) -> None:
    assert sum(key.startswith("learning_rate[") for key in SPACE.sites()) == 2
    study = opened(tmp_path / "study.db")
    experiences = searched(study, 10)
    study.close()

    tools = loaded(tmp_path / "study.db")
    assert (tools.study_name, tools.metric_names) == (NAME, ["f1_macro", "evaluation_time"])
    ranges = set()
    for experience, trial in zip(experiences, tools.trials, strict=True):
        assert trial.params == dict(experience.configuration.values)
        ranges.add(repr(trial.distributions["learning_rate"]))
    sites = [site for site in SPACE.sites().values() if isinstance(site, Float)]
    low, high = min(site.low for site in sites), max(site.high for site in sites)
    assert ranges == {repr(optuna.distributions.FloatDistribution(low, high, log=True))}
    importances = optuna.importance.get_param_importances(
        tools, target=lambda trial: -trial.values[0]
    )
    assert {"model", "method", "learning_rate", "epochs"} <= set(importances)


def test_a_name_with_numbers_here_and_options_there_keeps_the_names_of_its_sites() -> None:
    first = Space("a", (Float(name="rate", low=0.1, high=1.0, default=0.5),))
    second = Space("b", (Choice(name="rate", options=("low", "high"), default="low"),))
    space = Space("mixed", (Branch(name="model", branches={"a": first, "b": second}, default="a"),))
    names = PlainNames.of_space(space)
    assert set(names.distributions) == {"model", "rate[0.1..1]", "rate[low|high]"}
    assert names.values({"model": "b", "rate[low|high]": "high"}) == {"model": "b", "rate": "high"}


def test_options_and_whole_numbers_of_all_branches_share_a_range() -> None:
    first = Space(
        "a",
        (
            Int(name="epochs", low=1, high=3, default=2),
            Choice(name="kind", options=("x", "y"), default="x"),
        ),
    )
    second = Space(
        "b",
        (
            Int(name="epochs", low=2, high=9, default=2),
            Choice(name="kind", options=("z", "y"), default="z"),
        ),
    )
    space = Space("mixed", (Branch(name="model", branches={"a": first, "b": second}, default="a"),))
    names = PlainNames.of_space(space)
    assert names.distributions["epochs"] == optuna.distributions.IntDistribution(1, 9)
    assert names.distributions["kind"] == optuna.distributions.CategoricalDistribution(
        ("x", "y", "z")
    )
    recorded = names.params({"model": "b", "epochs": 4, "kind": "z"})
    assert recorded == {"model": "b", "epochs": 4, "kind": "z"}


def test_evaluations_are_intermediate_values_while_a_trial_runs_and_afterwards(
    tmp_path: Path,
) -> None:
    from optuna.visualization import plot_intermediate_values

    study = opened(tmp_path / "study.db")
    asked = study.ask(lambda configuration: "")
    assert asked is not None
    look = Evaluation(epoch=0.25, seconds=2.0, values={"loss": 2.0, "f1_macro": 0.3}, rows=50)
    event = TrialEvaluated(
        trial=asked.number,
        configuration=asked.configuration,
        evaluation=look,
        step=3,
        folder=tmp_path,
    )
    study.evaluated(event)
    running = loaded(tmp_path / "study.db").trials[0]
    assert (running.state, running.intermediate_values) == (STATES.RUNNING, {25: 0.3})

    outcome = play_with_curve(asked.configuration.values)
    study.tell(asked.number, outcome)
    # What was written just before the end is heard after it.
    study.evaluated(event)
    score = outcome.metrics["f1_macro"]
    curve = {25: 0.3, 50: score - 0.1, 200: score}
    assert loaded(tmp_path / "study.db").trials[0].intermediate_values == curve
    study.close()

    # A study of several objectives, for which Optuna's own `report` raises an error.
    (trace,) = plot_intermediate_values(loaded(tmp_path / "study.db")).data
    assert (trace.x, trace.y) == (tuple(curve), tuple(curve.values()))


def test_a_study_that_is_made_anew_has_the_curves_of_the_folders(tmp_path: Path) -> None:
    study = opened(tmp_path / "study.db")
    experiences = searched(study, 6)
    study.close()
    before = [trial.intermediate_values for trial in loaded(tmp_path / "study.db").trials]
    assert any(before)
    (tmp_path / "study.db").unlink()
    opened(tmp_path / "study.db", experiences).close()
    assert [trial.intermediate_values for trial in loaded(tmp_path / "study.db").trials] == before


def test_studies_of_several_runs_lie_in_one_database(tmp_path: Path) -> None:
    together = file_url(tmp_path / "together.db")
    for number, trials in enumerate((2, 3)):
        path = tmp_path / f"{number}.db"
        study = open_study(
            file_url(path),
            SPACE,
            OBJECTIVES,
            lambda seed: SAMPLERS.get("random").make(SPACE, seed, None),
            number,
            name=f"tickets {number}",
        )
        searched(study, trials)
        study.close()
        optuna.copy_study(
            from_study_name=f"tickets {number}", from_storage=file_url(path), to_storage=together
        )
    summaries = optuna.get_all_study_summaries(together)
    assert {summary.study_name: summary.n_trials for summary in summaries} == {
        "tickets 0": 2,
        "tickets 1": 3,
    }


def as_earlier(path: Path, is_halfway: bool = False) -> None:
    """Turn a database into one of an earlier version: one name for all studies, and those of sites for parameters."""
    names = PlainNames.of_space(SPACE)
    study = loaded(path)
    directions, trials = study.directions, study.trials
    earlier = optuna.create_study(
        storage=file_url(path), study_name=EARLIER_NAME, directions=directions
    )
    for trial in trials:
        earlier.add_trial(names.to_sites(trial))
    optuna.delete_study(study_name=NAME, storage=file_url(path))
    if is_halfway:
        begun = optuna.create_study(storage=file_url(path), study_name=NAME, directions=directions)
        begun.add_trial(trials[0])


@pytest.mark.parametrize(("sampler", "is_halfway"), [("nsga2", False), ("xautolm", True)])
def test_a_study_of_an_earlier_version_is_renamed_and_its_sampler_goes_on_as_before(
    tmp_path: Path, sampler: str, is_halfway: bool
) -> None:
    path, expected = tmp_path / "study.db", tmp_path / "expected.db"
    study = opened(path, sampler=sampler)
    experiences = searched(study, 6)
    study.close()
    expected.write_bytes(path.read_bytes())
    as_earlier(path, is_halfway)
    assert (
        "learning_rate"
        not in optuna.load_study(study_name=EARLIER_NAME, storage=file_url(path)).trials[0].params
    )

    proposed = []
    for file in (path, expected):
        study = opened(file, experiences, sampler)
        proposed.append([experience.configuration for experience in searched(study, 2)])
        study.close()
    assert proposed[0] == proposed[1]
    tools = loaded(path)
    assert tools.study_name == NAME and len(tools.trials) == 8
    assert tools.trials[0].params == dict(experiences[0].configuration.values)
