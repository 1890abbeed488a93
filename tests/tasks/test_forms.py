"""One suite for every form on the registry, as far as it goes without torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from xautolm.errors import UnknownNameError
from xautolm.records import Form, TrainedModel
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


def in_comment(model: TrainedModel) -> str:
    return 'folder = "PATH_TO_THIS_FOLDER"  # for transformers'


def in_longer_string(model: TrainedModel) -> str:
    return 'import transformers\nprint("load PATH_TO_THIS_FOLDER")'


def lines_with(text: str) -> str:
    return f'import transformers\nfolder = "PATH_TO_THIS_FOLDER"\ntext = {text}'


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
        (
            {"usage": lambda model: 1 / 0},
            "classify, usage of a encoder .* raises ZeroDivisionError",
        ),
        ({"usage": in_comment}, "no library that loads it is imported"),
        ({"usage": in_longer_string}, "no string in it is PATH_TO_THIS_FOLDER"),
    ],
)
def test_the_contract_finds_what_breaks_a_promise(change: dict[str, Any], promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_form(replace(FORMS.get("classify"), **change))


@pytest.mark.parametrize("quotes", ['"', "'", '"""', "'''", 'r"""'])
def test_the_contract_finds_texts_that_are_put_between_quotes_by_hand(quotes: str) -> None:
    def with_prompt(model: TrainedModel) -> str:
        return lines_with(f"{quotes}{model.prompt}{quotes.removeprefix('r')}")

    def with_label(model: TrainedModel) -> str:
        return lines_with(f"{quotes}{model.answering.labels[-1]}{quotes.removeprefix('r')}")

    for usage in (with_prompt, with_label):
        with pytest.raises(AssertionError, match=r"with repr\(\)"):
            check_form(replace(FORMS.get("generate"), usage=usage))


def test_a_form_that_says_words_without_copies_of_its_logits_keeps_its_contract() -> None:
    def usage(model: TrainedModel) -> str:
        return lines_with(f"{model.prompt!r}  # or {model.answering.labels!r}")

    check_form(replace(FORMS.get("generate"), logit_copies=0, usage=usage))


def test_a_configuration_chooses_among_the_forms_of_its_architecture() -> None:
    forms = TASKS.get("text-classification").forms
    assert form_of(forms, "decoder", {}).name == "classify"
    assert form_of(forms, "decoder", {"form": "label-words"}).name == "label-words"
    with pytest.raises(UnknownNameError, match="Did you mean 'label-words'"):
        form_of(forms, "decoder", {"form": "label-word"})
