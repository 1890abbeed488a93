"""What a run notes of its options: all that makes it again, or what of it was in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.played import play, table_for
from xautolm import AutoLM
from xautolm.artifacts import page_content
from xautolm.options import FitOptions, lacks_data, read_config
from xautolm.report.page.next_steps import next_section
from xautolm.report.screen import Quiet
from xautolm.run_folder import RunFolder
from xautolm.testing import FakeExecutor

TASKS = {
    "text-classification": "label",
    "multilabel-classification": "labels",
    "text-regression": "label",
    "text-generation": "target",
}
"""The target's column of `table_for`, by task."""


def fitted(data: str, y: object, out: Path, **options: Any) -> RunFolder:
    """Return the folder of a run whose one trial was played."""
    auto = AutoLM(trials=1, sampler="random", device="cpu", out=str(out), **options)
    auto.fit(data, y, screen=Quiet(), executor=FakeExecutor(play))
    return auto.run_


def stored(folder: Path, task: str) -> str:
    """Write a table for a task with a second column that could be meant, and return its path."""
    table = table_for(task)
    target = TASKS[task]
    table = table.rename(columns={target: "kind"}).assign(
        **{target: table[target].iloc[::-1].values}
    )
    path = folder / "rows.json"
    table.to_json(path, orient="records", lines=True)
    return str(path)


def go_on_of(run: RunFolder) -> str:
    """Return what the page of a run says of going on."""
    return str(next_section(page_content(run)).blocks[1].lines)


@pytest.mark.parametrize("task", TASKS)
def test_a_target_that_is_named_as_y_is_noted(tmp_path: Path, task: str) -> None:
    data = stored(tmp_path, task)
    models = "scratch-decoder" if task == "text-generation" else "minilm-l2"
    run = fitted(data, "kind", tmp_path / "run", task=task, models=models)
    noted = read_config(run.options)
    assert noted.pop("data") == data and not lacks_data(run.options.read_text())
    assert "fit --config" in go_on_of(run)
    # With another target it would be refused.
    again = AutoLM(**FitOptions.parse(noted).model_dump())
    again.fit(data, screen=Quiet(), executor=FakeExecutor(play))
    assert again.info_.columns[_target_of(again)] == "kind"


def _target_of(auto: AutoLM) -> str:
    *_, target = auto.info_.columns
    return target


def test_what_was_in_memory_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    table = table_for("text-classification")
    path = tmp_path / "rows.csv"
    table.to_csv(path, index=False)
    rows = table.iloc[:9].assign(text=table["text"].iloc[:9] + " kept apart")
    pair = (list(rows["text"]), list(rows["label"]))
    cases: dict[str, tuple[object, dict[str, Any]]] = {
        "validation": (None, {"validation": rows}),
        "test": (None, {"test": pair}),
        "label": (list(table["label"]), {}),
    }
    for name, (y, options) in cases.items():
        run = fitted(str(path), y, tmp_path / name, models="minilm-l2", **options)
        text = run.options.read_text()
        assert f"# {name}: left out" in text and "kept apart" not in text
        assert "with the options of the first start" in go_on_of(run)
