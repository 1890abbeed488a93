"""A search that minimises: everything that asks which trial is better has the same answer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from xautolm import AutoLM, ExperienceStore
from xautolm.data.demo import support_tickets
from xautolm.errors import RunFolderError, UnknownNameError, UsageError
from xautolm.metalearning.utility import utilities
from xautolm.metrics import METRICS, metric
from xautolm.objectives import TIME
from xautolm.past_evidence import standings_of
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.report.screen import Plain, Quiet
from xautolm.run_folder import RunFolder
from xautolm.testing import FakeExecutor, success

ERRORS = {"minilm-l6": 5.0, "minilm-l4": 2.0, "minilm-l3": 7.0, "minilm-l2": 9.0}
"""What each model is off by; the second largest is the best."""
BASE = {"task": "text-regression", "sampler": "random", "device": "cpu", "models": ",".join(ERRORS)}


@pytest.fixture
def prices() -> pd.DataFrame:
    tickets = support_tickets(80, seed=0)
    names = sorted(set(tickets["label"]))
    return tickets.assign(
        label=[1_000.0 + 100.0 * names.index(label) for label in tickets["label"]]
    )


def play(spec: TrialSpec) -> TrialOutcome:
    error = ERRORS[spec.card.name]
    # A correlation that says the opposite: the fronts of the two differ.
    metrics = {"spearman": error / 10, "pearson": error / 10, "mae": error, "rmse": 2 * error}
    return success(
        seconds=100.0, **{name: metrics[name] for name in spec.metrics if name in metrics}
    )


Fit = Callable[..., AutoLM]


@pytest.fixture
def fit(tmp_path: Path, prices: pd.DataFrame) -> Fit:
    def run(
        name: str = "run",
        screen: Quiet | None = None,
        play: Callable[[TrialSpec], TrialOutcome] = play,
        **options: object,
    ) -> AutoLM:
        paths = {"out": str(tmp_path / name), "store": str(tmp_path / "store.db")}
        auto = AutoLM(**{**BASE, **paths, "objectives": "mae,evaluation_time", **options})
        return auto.fit(prices, screen=screen or Quiet(), executor=FakeExecutor(play))

    return run


def test_the_smallest_error_wins_everywhere(
    fit: Fit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    auto = fit(screen=Plain(sys.stdout), trials=8)
    assert (
        auto.best_.configuration.model == "minilm-l4" and auto.best_.outcome.metrics["mae"] == 2.0
    )
    assert {trial.configuration.model for trial in auto.pareto_front_} == {"minilm-l4"}
    errors = list(auto.leaderboard_["mae"])
    assert errors == sorted(errors) and len(set(errors)) > 2
    run = tmp_path / "run"
    results = json.loads((run / "results.json").read_text())
    assert (results["metric"], results["validation"]["mae"]) == ("mae", 2.0)
    assert json.loads((run / "run.json").read_text())["minimized"] == ["mae", "evaluation_time"]
    assert {
        point["objectives"]["mae"] for point in json.loads((run / "pareto.json").read_text())
    } == {2.0}
    page = auto.report(tmp_path / "page.html").read_text()
    assert METRICS.get("mae").title in page and "2.0000" in page
    assert "; best 2.0000 (trial" in capsys.readouterr().out.splitlines()[-1]


def test_the_study_and_the_store_know_the_direction(fit: Fit, tmp_path: Path) -> None:
    import optuna

    auto = fit(trials=6)
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path / 'run' / 'study.db'}")
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MINIMIZE"]
    assert {trial.params["model"] for trial in study.best_trials} == {"minilm-l4"}
    with ExperienceStore(str(tmp_path / "store.db")) as store:
        past = list(store.experiences())
    assert len(past) == 6 and all(one.minimized == ("mae", "evaluation_time") for one in past)
    worth = utilities(past, "linear_front")
    assert worth[auto.best_.id] == 1.0 == max(worth.values()) and min(worth.values()) < 1.0
    (mae,) = (objective for objective in _objectives(auto) if objective is not TIME)
    quality = {
        one.configuration.model: standings_of(past, (mae,))[one.id].scores[0] for one in past
    }
    assert max(quality, key=lambda model: quality[model]) == "minilm-l4"


def _objectives(auto: AutoLM) -> tuple:
    from xautolm.objectives import recorded_objectives

    return recorded_objectives(auto.info_)


def test_runs_from_before_directions_were_written_down_open_and_go_on(
    fit: Fit, tmp_path: Path
) -> None:
    auto = fit(objectives="spearman,evaluation_time", trials=4)
    best = auto.best_.trial
    file = tmp_path / "run" / "run.json"
    earlier = json.loads(file.read_text())
    del earlier["minimized"]
    earlier["metrics"] = ["spearman", "pearson"]
    for path in tmp_path.glob("run/run.json*"):
        path.write_text(json.dumps(earlier))
    loaded = AutoLM.load(tmp_path / "run")
    assert loaded.best_.trial == best and loaded.pareto_front_[0].trial == best
    assert [trial.minimized for trial in loaded.experiences_] == [()] * 4
    again = fit(objectives="spearman,evaluation_time", trials=6)
    assert len(again.experiences_) == 6
    # A run goes on with what it reported from the beginning.
    assert set(again.experiences_[-1].outcome.metrics) == {"spearman", "pearson"}


def test_objectives_that_cannot_be_are_refused_before_any_compute(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'f1_macro'"):
        fit(objectives="f1_macro")
    with pytest.raises(UsageError, match="at least one quality metric"):
        fit(objectives="evaluation_time")
    with pytest.raises(UsageError, match="cannot be imported"):
        fit(objectives="no_module_of_this_name:cost")
    with pytest.raises(UsageError, match="defined inside a function"):
        fit(objectives=[lambda targets, predictions: 0.0])
    (tmp_path / "of_classes.py").write_text(
        "def f(t, p): return 0.0\nf.needs_probabilities = True\n"
    )
    sys.path.append(str(tmp_path))
    try:
        with pytest.raises(UsageError, match="needs probabilities"):
            fit(objectives="of_classes:f")
    finally:
        sys.path.remove(str(tmp_path))
    assert not (tmp_path / "run").exists()


COST = """
from xautolm.metrics import metric

@metric(greater_is_better=False, low=0.0)
def cost(targets, predictions):
    assert len(targets) == len(predictions)
    return float(abs(targets - predictions).mean())
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_function_of_ones_own_is_minimised_from_the_command_line_on(
    tmp_path: Path, prices: pd.DataFrame
) -> None:
    (tmp_path / "my_costs.py").write_text(COST)
    prices.to_csv(tmp_path / "prices.csv", index=False)
    (tmp_path / "space.yaml").write_text("epochs: 2\nlearning_rate: 2e-3\n")
    command = [sys.executable, "-m", "xautolm", "fit", "prices.csv", "--task", "text-regression"]
    command += [
        "--objectives",
        "my_costs:cost,evaluation_time",
        "--models",
        "scratch-tiny",
        "--space",
        "space.yaml",
    ]
    command += ["--device", "cpu", "--trials", "1", "--out", "run", "--store", "s.db", "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    info = RunFolder(tmp_path / "run").info()
    assert (
        info.objectives == ("my_costs:cost", "evaluation_time")
        and info.minimized == info.objectives
    )
    (trial,) = RunFolder(tmp_path / "run").experiences()
    scores = trial.outcome.metrics
    # In the units of the prices, which a head does not learn in.
    assert (
        scores["my_costs:cost"] == pytest.approx(scores["mae"])
        and scores["rmse"] >= scores["mae"] > 10
    )
    best = min(point["mae"] for point in trial.outcome.history)
    assert scores["mae"] == best
    # The files of a run may come from anybody: what they name is not imported.
    evaluated = AutoLM.load(tmp_path / "run").evaluate(prices)
    assert (
        set(evaluated) == {"spearman", "pearson", "mae", "rmse"}
        and np.isfinite(list(evaluated.values())).all()
    )
    prices.to_csv(tmp_path / "prices.csv", index=False)
    command = [
        sys.executable,
        "-m",
        "xautolm",
        "evaluate",
        "run",
        "prices.csv",
        "--objectives",
        "my_costs:cost",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "my_costs:cost\t" in done.stdout, done.stderr


@pytest.fixture
def costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Make a module with a metric of one's own that can be imported."""
    (tmp_path / "costs_of_mine.py").write_text("def cost(targets, predictions):\n    return 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return import_module("costs_of_mine")


def test_a_run_is_not_resumed_with_the_other_direction(fit: Fit, costs: ModuleType) -> None:
    name = "costs_of_mine:cost"

    def play_cost(spec: TrialSpec) -> TrialOutcome:
        return success(seconds=1.0, **dict.fromkeys(spec.metrics, 0.5))

    options = {"objectives": [name, "evaluation_time"], "trials": 1, "models": "minilm-l2"}
    fit(play=play_cost, **options)
    fit(play=play_cost, **options)
    metric(greater_is_better=False)(costs.cost)
    with pytest.raises(RunFolderError, match=f"{name} was maximised, and is minimised now"):
        fit(play=play_cost, **options)


@pytest.mark.parametrize(("greater", "better"), [(True, "larger"), (False, "smaller")])
def test_the_direction_of_a_function_is_said_when_a_search_begins(
    fit: Fit, costs: ModuleType, capsys: pytest.CaptureFixture[str], greater: bool, better: str
) -> None:
    metric(greater_is_better=greater)(costs.cost)

    def play_cost(spec: TrialSpec) -> TrialOutcome:
        return success(seconds=1.0, **dict.fromkeys(spec.metrics, 0.5))

    options = {"objectives": ["costs_of_mine:cost", "mae"], "trials": 1, "models": "minilm-l2"}
    fit(play=play_cost, screen=Plain(sys.stdout), **options)
    said = capsys.readouterr().out
    assert f"costs_of_mine:cost: {better} is better" in said
    assert f"greater_is_better={not greater}" in said
    # That of a registered metric is known, and needs no word.
    assert "mae: " not in said.partition("run folder")[0]


def test_a_run_is_not_resumed_that_names_a_function_nobody_asked_for(
    fit: Fit, tmp_path: Path
) -> None:
    fit(trials=1)
    for file in (tmp_path / "run" / "run.json", tmp_path / "run" / "data" / "run.json"):
        info = json.loads(file.read_text())
        info["metrics"].append("evil_module:run")
        file.write_text(json.dumps(info))
    with pytest.raises(
        RunFolderError, match="it scores evil_module:run, which is not asked for now"
    ):
        fit(trials=2)


@pytest.mark.parametrize(
    ("name", "source", "reason"),
    [
        ("./odd_costs:cost", "", "does not name a function"),
        (".odd_costs:cost", "", "does not name a function"),
        ("odd_costs:cost", "def cost(:\n", "SyntaxError"),
        ("odd_costs:cost", "nothing_of_that_name\n", "NameError"),
    ],
)
def test_modules_that_cannot_be_imported_are_said(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str, reason: str
) -> None:
    (tmp_path / "odd_costs.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match=reason):
        fit(objectives=f"{name},evaluation_time", trials=1)
