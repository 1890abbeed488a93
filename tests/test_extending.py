"""The examples of `docs/extending.md` are files that can be added as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from xautolm.records import Answering, Form, TrainedModel
from xautolm.search_space import data_needs
from xautolm.tasks import TASKS, BaseTask
from xautolm.tasks.forms import FORMS

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


def example(heading: str) -> dict[str, Any]:
    """Run the example of a section of the page, and return the names that it defines."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = [section for section in sections if section.startswith(heading)]
    (source,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(source, f"{PAGE.name}: {heading}", "exec"), names)
    return names


def test_the_task_is_whole_and_new() -> None:
    task = example("A task type")["TASK"]
    assert isinstance(task, BaseTask) and task.name not in TASKS.things
    assert [role.name for role in data_needs(task).roles] == [*task.inputs, task.target]
    assert set(FORMS.things) >= {name for names in task.forms.values() for name in names}
    row = {name: f"<{name}>" for name in task.inputs}
    prompt = task.parts(row)
    assert (
        all("".join(prompt).count(text) == 1 for text in row.values())
        and prompt.text in row.values()
    )


def test_the_form_is_whole_and_new() -> None:
    form = example("A form")["FORM"]
    assert isinstance(form, Form) and form.name not in FORMS.things
    assert form.evaluation_share > 0
    model = TrainedModel(
        answering=Answering(task="text-regression", form=form.name, max_length=64),
        architecture="encoder",
        inputs=("text",),
        problem_type="regression",
        prompt="",
    )
    lines = form.usage(model)
    compile(lines, "lines", "exec")
    assert '"PATH_TO_THIS_FOLDER"' in lines


def test_the_executor_keeps_its_contract(tmp_path: Path) -> None:
    contract = example("An executor")["TestMyExecutor"]()
    checks = [name for name in dir(contract) if name.startswith("test_")]
    assert len(checks) >= 4
    for name in checks:
        folder = tmp_path / name
        folder.mkdir()
        getattr(contract, name)(folder)
