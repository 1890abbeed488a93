"""The contract of forms, as far as it goes without torch."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import replace

from xautolm.records import Answering, Form, TrainedModel
from xautolm.tasks import TASKS, Task
from xautolm.vocabulary import Pooling

FOLDER = "PATH_TO_THIS_FOLDER"
"""Stands for the model's folder in the lines that say how it is used."""
LIBRARIES = {"transformers", "sentence_transformers"}
"""Of which one loads the folder."""
PROMPT = "Taste \"\"\"this\"\"\" or '''that''' of C:\\new\nin a word"
LABELS = ('sweet, "isn\'t it"', "sour\\")
HOSTILE_TEXTS: Mapping[str, str] = {"Taste": PROMPT, "sweet": LABELS[0], "sour": LABELS[1]}
"""Texts that break out of string literals that are put together by hand, by the word that each begins with."""


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
    # What says words may compute its loss without a copy of the logits; what does not has none.
    assert form.logit_copies >= 0, f"{form.name}: {form.logit_copies} copies of the logits"
    assert form.says_words or form.logit_copies == 0, (
        f"{form.name}: {form.logit_copies} copies of the logits of words, but it says none"
    )
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
            answering = Answering(task=task.name, form=form.name, max_length=64, labels=LABELS)
            model = TrainedModel(
                answering=answering,
                architecture=architecture,
                inputs=tuple(task.inputs),
                problem_type=task.problem_type,
                prompt=PROMPT,
            )
            models.append(model)
    return models


def _check_usage(form: Form, model: TrainedModel) -> None:
    where = f"{form.name}, usage of a {model.architecture} for {model.answering.task}"
    _check_lines(form, model, where)
    if not form.has_linear_head:
        return
    # A folder whose head looks at the mean over the tokens is one of sentence-transformers.
    pooled = replace(model, answering=replace(model.answering, pooling=Pooling.MEAN))
    where = f"{where}, mean-pooled"
    lines = _check_lines(form, pooled, where)
    assert "SentenceTransformer(" in lines, f"{where}: another library"
    assert "pipeline(" not in lines, f"{where}: a pipeline, which would pool the first token"


def _check_lines(form: Form, model: TrainedModel, where: str) -> str:
    """Return the lines that say how a model is used; they must be Python that asks the folder."""
    try:
        lines = form.usage(model)
    except Exception as error:
        raise AssertionError(f"{where}: it raises {error!r} in place of returning lines") from error
    try:
        tree = ast.parse(lines)
    except SyntaxError as error:
        raise AssertionError(
            f"{where}: no Python: {error}; write prompt and labels with repr()"
        ) from error
    strings = _strings(tree)
    assert FOLDER in strings, f"{where}: no string in it is {FOLDER}, which stands for the folder"
    assert _imported(tree) & LIBRARIES, f"{where}: no library that loads it is imported"
    for first_word, text in HOSTILE_TEXTS.items():
        for string in strings:
            is_whole = first_word not in string or text in string
            assert is_whole, (
                f"{where}: {text!r} became {string!r}; write prompt and labels with repr()"
            )
    return lines


def _strings(tree: ast.AST) -> list[str]:
    """Return the string constants of a program."""
    strings: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.append(node.value)
    return strings


def _imported(tree: ast.AST) -> set[str]:
    """Return the names of the packages that a program imports."""
    modules: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
    return {module.partition(".")[0] for module in modules}
