"""The examples of `docs/extending.md` are files that can be added as they stand."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pandas as pd
import pytest

from tests.pages import blocks_of
from tests.trackers.searches import fit
from xautolm.records import Form
from xautolm.search_space import data_needs
from xautolm.tasks import TASKS, BaseTask
from xautolm.tasks.forms import FORMS
from xautolm.trackers import TRACKERS

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


def example(heading: str) -> dict[str, Any]:
    """Run the examples of a section of the page in order, and return the names that they define."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = [section for section in sections if section.startswith(heading)]
    names: dict[str, Any] = {}
    for block in blocks_of(section):
        if block.language == "python":
            exec(compile(block.source, f"{PAGE.name}: {heading}", "exec"), names)
    return names


def test_the_task_is_whole_and_new() -> None:
    task = example("A task type")["TASK"]
    assert isinstance(task, BaseTask) and task.name not in TASKS.things
    assert [role.name for role in data_needs(task).roles] == [*task.inputs, task.target]


def test_the_form_is_whole_and_new() -> None:
    form = example("A form")["FORM"]
    assert isinstance(form, Form) and form.name not in FORMS.things
    assert form.evaluation_share > 0


@pytest.mark.parametrize(
    ("heading", "test"),
    [
        ("A task type", "test_the_task"),
        ("A form", "test_the_form"),
        ("A fine-tuning method", "test_the_method"),
        ("A metric", "test_the_metric"),
        ("A group of meta-features", "test_the_group"),
    ],
)
def test_the_example_keeps_the_contract_of_its_kind(heading: str, test: str) -> None:
    example(heading)[test]()


def test_the_strategy_keeps_its_contract(tmp_path: Path) -> None:
    example("A search strategy")["test_the_strategy"](tmp_path)


def test_the_callback_and_the_tracker_are_told_of_a_search(
    tmp_path: Path,
    tickets: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bell = example("A callback")["Bell"]()
    tracker = example("A tracker")["TRACKER"]
    monkeypatch.setitem(TRACKERS.things, tracker.name, tracker)
    auto = fit(tmp_path / "run", tickets, tracker.name, callbacks=(bell,))
    assert bell.lines[0] == "trial 0, step 10: 0.100"
    assert any(line.startswith("trial 2 leads with") for line in bell.lines)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("data frame ")
    assert lines[-1] == f"the best trial is {auto.best_.trial}"


def test_the_executor_keeps_its_contract(tmp_path: Path) -> None:
    contract = example("An executor")["TestMyExecutor"]()
    checks = [name for name in dir(contract) if name.startswith("test_")]
    assert len(checks) >= 4
    for name in checks:
        folder = tmp_path / name
        folder.mkdir()
        # Its trials cannot be stopped, and the checks of that skip themselves.
        with suppress(SkipTest):
            getattr(contract, name)(folder)
