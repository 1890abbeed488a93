"""The contract of forms, as far as it goes without torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from xautolm.records import Answering, Form, TrainedModel
from xautolm.tasks import TASKS, Task
from xautolm.vocabulary import Pooling

FOLDER = '"PATH_TO_THIS_FOLDER"'
"""Stands for the model's folder in the lines that say how it is used."""


def check_form(form: Form, tasks: Iterable[Task] = ()) -> None:
    """Check that the record of a form says what every form must, and nothing that contradicts itself.

    Args:
        form: The record.
        tasks: Task types that can be cast in it; those that are registered and name it by default.

    Raises:
        AssertionError: It does not; says what is wrong.
    """
    assert form.title, f"{form.name} does not say what it is"
    assert form.pipeline_tag, f"{form.name} has no tag of the hub"
    # A linear layer's answer is no words, and only such a layer scores classes.
    assert not (form.says_words and form.has_linear_head), f"{form.name}: words of a linear head"
    assert form.has_linear_head or not form.chooses_class, f"{form.name}: classes without a head"
    assert form.says_words or not form.is_open_ended, f"{form.name}: any text, but no words"
    assert form.validation_passes > 0, f"{form.name}: validation costs nothing"
    keeps_logits = form.logit_copies > 0
    assert keeps_logits == form.says_words, f"{form.name}: {form.logit_copies} copies of the logits"
    models = trained_models(form, tasks or TASKS.things.values())
    assert models, f"no task can be cast in {form.name}"
    for model in models:
        _check_usage(form, model)


def trained_models(form: Form, tasks: Iterable[Task]) -> list[TrainedModel]:
    """Return a trained model of each task and architecture that has a form."""
    models = []
    for task in tasks:
        for architecture, names in task.forms.items():
            if form.name not in names:
                continue
            answering = Answering(task=task.name, form=form.name, max_length=64, labels=("a", "b"))
            model = TrainedModel(
                answering=answering,
                architecture=architecture,
                inputs=tuple(task.inputs),
                problem_type=task.problem_type,
                # Quotes and line breaks must not break out of the lines.
                prompt="some 'prompt'\n",
            )
            models.append(model)
    return models


def _check_usage(form: Form, model: TrainedModel) -> None:
    lines = form.usage(model)
    where = f"{form.name}, usage of a {model.architecture} for {model.answering.task}"
    _check_python(lines, where)
    assert "transformers" in lines, f"{where}: no library that loads it"
    if not form.has_linear_head:
        return
    # A folder whose head looks at the mean over the tokens is one of sentence-transformers.
    pooled = replace(model, answering=replace(model.answering, pooling=Pooling.MEAN))
    lines = form.usage(pooled)
    where = f"{where}, mean-pooled"
    _check_python(lines, where)
    assert "SentenceTransformer(" in lines, f"{where}: another library"
    assert "pipeline(" not in lines, f"{where}: a pipeline, which would pool the first token"


def _check_python(lines: str, where: str) -> None:
    try:
        compile(lines, "lines", "exec")
    except SyntaxError as error:
        raise AssertionError(f"{where}: no Python: {error}") from error
    assert FOLDER in lines, f"{where}: {FOLDER} is not in it"
