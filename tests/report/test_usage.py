"""What a person is told to do next: lines and commands that fit the task and run as they stand."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from xautolm.cli.inputs import InputOptions, texts_asked
from xautolm.records import Answering
from xautolm.report.usage import predict_command, usage, usage_of
from xautolm.serialization import to_plain, write_json
from xautolm.tasks import TASKS

FORMS = sorted(
    {
        (task.name, form, architecture)
        for task in TASKS.things.values()
        for architecture, forms in task.forms.items()
        for form in forms
    }
)
CALLS = {
    "classify": 'pipeline("text-classification"',
    "regress": 'function_to_apply="none"',
    "extract": "AutoModelForQuestionAnswering",
    "generate": "model.generate(",
    "label-words": "model.generate(",
}


def settings_of(task: str, form: str) -> Answering:
    return Answering(
        task=task, form=form, answer_tokens=9, mean=30_000.0, deviation=500.0, max_length=64
    )


@pytest.mark.parametrize(("task", "form", "architecture"), FORMS)
def test_every_form_of_every_task_has_lines_of_its_own(
    task: str, form: str, architecture: str
) -> None:
    lines = usage(settings_of(task, form), architecture, "some prompt")
    compile(lines, "lines", "exec")
    assert CALLS[form] in lines
    assert ("pipeline(" in lines) == (form in {"classify", "regress"})
    assert ("truncation=" in lines) == (form in {"classify", "regress", "extract"})
    assert ("text_pair" in lines) == ("pair" in task and form in {"classify", "regress"})
    assert ("top_k=None" in lines) == task.startswith("multilabel")


@pytest.mark.parametrize(
    ("config", "expected"),
    [({"is_encoder_decoder": True}, "AutoModelForSeq2SeqLM"), ({}, "AutoModelForCausalLM")],
)
def test_lines_for_a_folder_know_its_architecture_and_hold_its_path(
    tmp_path: Path, config: dict[str, bool], expected: str
) -> None:
    folder = tmp_path / 'it\'s "best"'
    folder.mkdir()
    write_json(folder / "xautolm.json", to_plain(settings_of("text-generation", "generate")))
    write_json(folder / "config.json", config)
    lines = usage_of(folder)
    compile(lines, "lines", "exec")
    assert expected in lines and repr(str(folder)) in lines and "PATH_TO_THIS_FOLDER" not in lines


@pytest.mark.parametrize("name", sorted(TASKS.things))
@pytest.mark.parametrize("run", ["runs/first", "my runs/it's", "-run"])
def test_the_next_command_is_understood_by_the_command_line(name: str, run: str) -> None:
    command = predict_command(Path(run), tuple(TASKS.get(name).inputs))
    # A shell's own reading, which is what a person's paste meets.
    script = f"xautolm() {{ printf '%s\\n' \"$@\"; }}; {command}"
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == shlex.split(command)[1:]
    program, folder, *texts = said.splitlines()
    assert (program, folder.removeprefix("./")) == ("predict", run) and not folder.startswith("-")
    inputs = texts_asked(texts, InputOptions(task=TASKS.get(name))).inputs.to_dict("list")
    assert {key: len(column) for key, column in inputs.items()} == dict.fromkeys(
        TASKS.get(name).inputs, 1
    )
