"""One suite for every form on the registry, as far as it goes without torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from xautolm.errors import UnknownNameError
from xautolm.records import Form
from xautolm.tasks import TASKS, form_of
from xautolm.tasks.forms import FORMS
from xautolm.testing import check_form

HUB_TAGS = {"text-classification", "question-answering", "text-generation"}
"""Of the tags that the hub knows, those of our tasks."""


@pytest.fixture(params=list(FORMS.things.values()), ids=lambda form: form.name)
def form(request: pytest.FixtureRequest) -> Form:
    return request.param


def test_a_form_keeps_its_contract(form: Form) -> None:
    check_form(form)
    assert form.pipeline_tag in HUB_TAGS


def test_every_form_of_a_task_is_there() -> None:
    named = {
        name for task in TASKS.things.values() for names in task.forms.values() for name in names
    }
    assert named <= set(FORMS.things)


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        ({"name": "unheard-of"}, "no task can be cast"),
        ({"says_words": True}, "words of a linear head"),
        ({"has_linear_head": False}, "classes without a head"),
        ({"validation_passes": 0.0}, "costs nothing"),
        ({"logit_copies": 2}, "copies of the logits"),
        ({"usage": lambda model: "print('"}, "no Python"),
        ({"usage": lambda model: "import transformers"}, "PATH_TO_THIS_FOLDER"),
    ],
)
def test_the_contract_finds_what_breaks_a_promise(change: dict[str, Any], promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_form(replace(FORMS.get("classify"), **change))


def test_a_configuration_chooses_among_the_forms_of_its_architecture() -> None:
    forms = TASKS.get("text-classification").forms
    assert form_of(forms, "decoder", {}).name == "classify"
    assert form_of(forms, "decoder", {"form": "label-words"}).name == "label-words"
    with pytest.raises(UnknownNameError, match="Did you mean 'label-words'"):
        form_of(forms, "decoder", {"form": "label-word"})
