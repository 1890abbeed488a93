"""Metrics of somebody's own: functions that trials import by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from xautolm.errors import UsageError
from xautolm.importable import import_folders, name_of_function
from xautolm.metrics import Metric, metric, metric_named
from xautolm.options import FitOptions

CODE = """
from xautolm.metrics import METRICS, metric

@metric(greater_is_better=False, low=0.0)
def cost(targets, predictions):
    return float(abs(targets - predictions).mean())

def gain(targets, predictions):
    return -cost(targets, predictions)

def some_loss(targets, predictions):
    return 0.0

class Group:
    @staticmethod
    def share(targets, predictions):
        return 0.5

MAE = METRICS.get("mae")
NUMBER = 7

def lonely(targets):
    return 0.0
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Return the name of a module in the working folder, one of each test's own."""
    name = f"metrics_of_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "path", [entry for entry in sys.path if entry not in ("", os.getcwd())]
    )
    return name


def test_a_function_of_the_working_folder_is_a_metric_with_its_direction(module: str) -> None:
    cost = metric_named(f"{module}:cost")
    assert (cost.name, cost.maximize, cost.low) == (f"{module}:cost", False, 0.0)
    assert cost.compute(np.asarray([1.0, 2.0]), np.asarray([1.0, 4.0])) == 1.0
    assert metric_named(f"{module}:gain").maximize
    # As scikit-learn names its errors.
    assert not metric_named(f"{module}:some_loss").maximize
    assert metric_named(f"{module}:Group.share").compute(0, 0) == 0.5
    mae = metric_named(f"{module}:MAE")
    assert isinstance(mae, Metric) and not mae.maximize and mae.name == f"{module}:MAE"
    assert import_folders(["mae", f"{module}:cost", f"{module}:gain"]) == (os.getcwd(),)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module_anywhere:cost", "No module named"),
        ("{module}:absent", "no attribute 'absent'"),
        ("{module}:", "does not name a function"),
        ("{module}:NUMBER", "of type int"),
        ("{module}:lonely", "too many positional arguments"),
    ],
)
def test_what_is_no_metric_is_refused_with_the_reason(module: str, name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        metric_named(name.format(module=module))


def test_functions_are_options_by_the_place_that_they_are_imported_from(module: str) -> None:
    cost = metric_named(f"{module}:cost").compute
    named = FitOptions.parse({"objectives": [cost, "evaluation_time"]}).objectives
    assert named == (f"{module}:cost", "evaluation_time")
    assert FitOptions.parse({"objectives": cost}).objectives == (f"{module}:cost",)
    assert FitOptions.parse({"objectives": f"{module}:cost,evaluation_time"}).objectives == named


def test_functions_that_no_process_can_import_are_refused(module: str) -> None:
    def inner(targets: object, predictions: object) -> float:
        return 0.0

    in_the_program = metric()(lambda targets, predictions: 0.0)
    in_the_program.__qualname__ = "in_the_program"
    in_the_program.__module__ = "__main__"
    disguised = partial(inner, 1)
    cases: list[tuple[Callable[..., float], str]] = [
        (inner, "defined inside a function"),
        (lambda targets, predictions: 0.0, "defined inside a function"),
        (in_the_program, "in the program itself"),
        (disguised, "has no name"),
    ]
    for function, reason in cases:
        with pytest.raises(UsageError, match=reason):
            FitOptions.parse({"objectives": [function, "evaluation_time"]})


def test_a_name_that_stands_for_another_function_is_refused(module: str) -> None:
    replaced = metric_named(f"{module}:gain").compute
    replaced.__name__ = replaced.__qualname__ = "cost"
    with pytest.raises(ValueError, match="another object"):
        name_of_function(replaced)
