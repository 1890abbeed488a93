"""Say how a winner is put to use: the lines of plain transformers, and the command.

Card, report and terminal all take what they say from here, and tests run the lines and the command.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from xautolm.records import Answering, TrainedModel
from xautolm.run_folder import ANSWERING
from xautolm.serialization import read_json, read_record
from xautolm.tasks import TASKS, Task
from xautolm.tasks.forms import FORMS
from xautolm.vocabulary import Architecture, Pooling

PLACEHOLDER = "PATH_TO_THIS_FOLDER"
"""Stands in the lines of a card, which moves with its folder."""


def usage(answering: Answering, architecture: str, prompt: str) -> str:
    """Return Python that asks a model as its form is asked; `PLACEHOLDER` stands for the model's folder.

    Args:
        answering: What lies beside its weights as `xautolm.json`.
        architecture: Of the model.
        prompt: An example, for models that generate.
    """
    model = trained_model(answering, architecture, prompt)
    return FORMS.get(answering.form).usage(model)


def trained_model(answering: Answering, architecture: str, prompt: str) -> TrainedModel:
    """Return what forms have to know of a model's folder; the arguments are those of `usage`."""
    task = TASKS.get(answering.task)
    return TrainedModel(
        answering=answering,
        architecture=architecture,
        inputs=tuple(task.inputs),
        problem_type=task.problem_type,
        prompt=prompt,
    )


def folder_kind(answering: Answering) -> str:
    """Return in a sentence which library loads a model's folder.

    Args:
        answering: What lies beside its weights as `xautolm.json`.
    """
    if answering.pooling is Pooling.MEAN:
        return (
            "This is a folder of sentence-transformers (its parts stand in `modules.json`), whose `encode` gives the "
            "logits; a plain `pipeline(...)` of transformers does not load it. `xautolm fit --export pipeline` keeps a "
            "search to what it loads."
        )
    return "This is a plain folder of transformers."


def library_of(answering: Answering) -> str:
    """Return the library that loads a model's folder, as the hub calls it."""
    return "sentence-transformers" if answering.pooling is Pooling.MEAN else "transformers"


def usage_of(folder: Path) -> str:
    """Return the lines that ask the model in a folder, with the folder's path in them.

    The architecture is what transformers wrote into the model's `config.json`.
    """
    answering = read_record(Answering, folder / ANSWERING)
    config = folder / "config.json"
    is_encoder_decoder = config.exists() and read_json(config).get("is_encoder_decoder", False)
    # Only the forms in which a model writes its answer look at the architecture, and no encoder does that.
    architecture = Architecture.ENCODER_DECODER if is_encoder_decoder else Architecture.DECODER
    prompt = example_prompt(TASKS.get(answering.task))
    lines = usage(answering, architecture, prompt)
    # As Python writes it: a path may hold quotes and backslashes.
    return lines.replace(f'"{PLACEHOLDER}"', repr(str(folder)))


def example_prompt(task: Task) -> str:
    """Return what a model that generates is asked, with `Some text.` and the like as the inputs."""
    row = {name: f"Some {name}." for name in task.inputs}
    return "".join(task.parts(row))


def predict_command(run: Path, inputs: Sequence[str]) -> str:
    """Return a command that asks the winner of a run and runs as it stands, in any shell.

    Args:
        run: The run's folder.
        inputs: Names of the task's inputs; several are one argument with a tab between, written as a backslash and t.
    """
    example = r"\t".join(f"some {name}" for name in inputs)
    folder = str(run)
    if folder.startswith("-"):
        # As it stands, the command line would take it for an option.
        folder = f"./{folder}"
    return f'xautolm predict {shlex.quote(folder)} "{example}"'
