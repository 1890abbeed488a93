"""One suite for every form on the registry, as far as it goes without torch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xautolm.errors import UnknownNameError
from xautolm.records import Answering, Form, TrainedModel
from xautolm.tasks import TASKS, form_of
from xautolm.tasks.forms import FORMS
from xautolm.vocabulary import Pooling

HUB_TAGS = {"text-classification", "question-answering", "text-generation"}
"""Of the tags that the hub knows, those of our tasks."""


@pytest.fixture(params=list(FORMS.things.values()), ids=lambda form: form.name)
def form(request: pytest.FixtureRequest) -> Form:
    return request.param


def models_of(form: Form) -> list[TrainedModel]:
    """Return a trained model of each task and architecture that has the form."""
    models = []
    for task in TASKS.things.values():
        for architecture, names in task.forms.items():
            if form.name in names:
                answering = Answering(
                    task=task.name, form=form.name, max_length=64, labels=("a", "b")
                )
                model = TrainedModel(
                    answering=answering,
                    architecture=architecture,
                    inputs=tuple(task.inputs),
                    problem_type=task.problem_type,
                    prompt="some 'prompt'\n",
                )
                models.append(model)
    return models


def test_a_form_is_of_some_task_and_every_form_of_a_task_is_there(form: Form) -> None:
    assert models_of(form)
    named = {
        name for task in TASKS.things.values() for names in task.forms.values() for name in names
    }
    assert named <= set(FORMS.things)


def test_a_form_says_what_it_is(form: Form) -> None:
    assert form.pipeline_tag in HUB_TAGS and form.title
    # A linear layer's answer is no words, and only such a layer scores classes.
    assert not (form.says_words and form.has_linear_head)
    assert form.has_linear_head or not form.chooses_class
    assert form.says_words or not form.is_open_ended


def test_validation_costs_and_words_need_memory(form: Form) -> None:
    assert form.validation_passes > 0 and form.evaluation_share > 0
    assert (form.logit_copies > 0) == form.says_words


def test_usage_is_python_that_loads_the_folder(form: Form) -> None:
    for model in models_of(form):
        lines = form.usage(model)
        compile(lines, "lines", "exec")
        assert '"PATH_TO_THIS_FOLDER"' in lines and "transformers" in lines


def test_a_mean_pooled_folder_is_loaded_by_its_own_library(form: Form) -> None:
    if not form.has_linear_head:
        pytest.skip("its head looks at no pooled features")
    for model in models_of(form):
        pooled = replace(model, answering=replace(model.answering, pooling=Pooling.MEAN))
        lines = form.usage(pooled)
        compile(lines, "lines", "exec")
        assert "SentenceTransformer(" in lines and "pipeline(" not in lines


def test_a_configuration_chooses_among_the_forms_of_its_architecture() -> None:
    forms = TASKS.get("text-classification").forms
    assert form_of(forms, "decoder", {}).name == "classify"
    assert form_of(forms, "decoder", {"form": "label-words"}).name == "label-words"
    with pytest.raises(UnknownNameError, match="Did you mean 'label-words'"):
        form_of(forms, "decoder", {"form": "label-word"})
