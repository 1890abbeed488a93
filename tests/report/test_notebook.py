"""The progress of a search in a notebook: one output of the cell, changed in place, and the answer below it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import rich
from rich.console import Console

from tests.report.pages import made_up_run
from xautolm.objectives import lead_of, recorded_objectives
from xautolm.report.screen import NotebookTable, Plain, Standing, choose_screen
from xautolm.run_folder import RunFolder

NOTEBOOK = """
from xautolm import AutoLM
from xautolm.data.demo import support_tickets
from xautolm.testing import FakeExecutor, success

executor = FakeExecutor(lambda spec: success(f1_macro=0.5 + 0.01 * spec.number))
auto = AutoLM(out="run", sampler="random", device="cpu", trials=4)
auto.fit(support_tickets(160, seed=1), executor=executor)
"""


class Cell:
    """The outputs of a cell, as IPython's displays leave them."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, str]] = []
        self.changes = 0

    def display(self, shown: object, display_id: bool = False) -> Cell:
        assert display_id
        self.outputs.append(self._bundle(shown))
        return self

    def update(self, shown: object) -> None:
        self.changes += 1
        self.outputs[-1] = self._bundle(shown)

    def _bundle(self, shown: object) -> dict[str, str]:
        bundle: dict[str, str] = shown._repr_mimebundle_((), ())  # type: ignore[attr-defined]
        return bundle


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """Return the cell of a notebook, by a display like IPython's and rich as it is there."""
    cell = Cell()
    module = ModuleType("IPython.display")
    module.display = cell.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(rich, "_console", Console(force_jupyter=True))
    return cell


def test_the_cell_has_one_output_that_is_changed_in_place(cell: Cell, tmp_path: Path) -> None:
    content = made_up_run()
    screen = NotebookTable()
    screen.note("1 row <b>left out</b> [red]")
    assert len(cell.outputs) == 1 and cell.changes == 0
    # Neither a notebook's markup nor rich's works in it.
    assert "1 row &lt;b&gt;left out&lt;/b&gt; [red]" in cell.outputs[0]["text/html"]
    with screen.download(1000) as received:
        received(500)
        assert "fetched" in cell.outputs[0]["text/plain"]
    standing = Standing(
        lead=lead_of(recorded_objectives(content.info)),
        folder=RunFolder(tmp_path),
        used=30.0,
        left=30.0,
        experiences=list(content.experiences),
    )
    screen.update(standing)
    best = standing.best
    assert best is not None
    html = cell.outputs[0]["text/html"]
    assert f"by trial {best.trial}" in html and "50%, ends in about" in html and "<pre" in html
    assert "left out" in html and "fetched" not in html
    for number in range(30):
        screen.note(f"note {number}")
    assert "note 29" in cell.outputs[0]["text/plain"]
    assert "note 17 " not in cell.outputs[0]["text/plain"]
    screen.close()
    assert len(cell.outputs) == 1 and cell.changes > 30


def test_a_notebook_gets_that_screen_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(choose_screen(quiet=False, as_json=False), Plain)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert isinstance(choose_screen(quiet=False, as_json=False), NotebookTable)
    assert not isinstance(choose_screen(quiet=True, as_json=False), NotebookTable)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_real_notebook_shows_progress_and_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.chdir(tmp_path)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)])
    client = nbclient.NotebookClient(notebook, timeout=280, kernel_name="python3")
    client.execute()
    outputs = notebook.cells[0].outputs
    shown = [output for output in outputs if output.output_type == "display_data"]
    # What the run said and how it stood at the end, in one output.
    assert len(shown) == 1
    assert "by trial 3" in shown[0].data["text/html"]
    (answer,) = [output for output in outputs if output.output_type == "execute_result"]
    assert "The answer" in answer.data["text/html"] and "0.5300" in answer.data["text/html"]
    assert not [output for output in outputs if output.output_type == "error"]
