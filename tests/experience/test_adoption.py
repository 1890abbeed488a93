"""Records as earlier versions stored them are read in today's words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xautolm.experience.adoption import adopted, in_our_words
from xautolm.records import Configuration, Experience
from xautolm.testing import success
from xautolm.vocabulary import TrialStatus

ELEVEN = tuple(float(number) for number in range(11))


@pytest.fixture
def imported(experience: Experience) -> Experience:
    """What version 0.1 made of a file of the paper's store."""
    values = {
        "model": "google/flan-t5-base",
        "method": "lora.v1",
        "quantization": "bnb-4bit",
        "data_downsize": "1/4",
        "early_stopping": "off",
        "early_stopping_patience": 3,
        "fan_in_fan_out": False,
        "learning_rate": 1e-4,
    }
    return replace(
        experience,
        task="question-answering",
        configuration=Configuration(values=values, space="paper.v1"),
        features={
            "generation-paper.v1": ELEVEN,
            "semantic-autogoal.v1": (0.1,) * 384,
            "system-paper.v1": (8.0, 16.0, 5.0, 125.0, 0.0),
        },
        alias="squad",
        provenance="autogoal: squad/2025-05-13/a.json",
    )


def test_an_earlier_import_is_read_in_our_words(imported: Experience) -> None:
    mended = in_our_words(imported)
    assert dict(mended.configuration.values) == {
        "model": "flan-t5-base",
        "method": "lora.v1",
        "quantization": "4bit",
        "data_downsize": "quarter",
        "early_stopping": "off",
        "learning_rate": 1e-4,
    }
    assert mended.id == imported.id
    assert mended.features == {
        "generation-autogoal.v1": ELEVEN,
        "generation-sizes.v1": (0.0, 1.0, 2.0, 4.0, 5.0, 7.0),
        "semantic-minilm.v1": (0.1,) * 384,
        "system-paper.v1": (8.0, 16.0, 5.0, 125.0, 0.0),
    }
    assert in_our_words(mended) == mended


def test_our_own_records_stay_as_they_are_but_for_what_can_be_read_off_them(
    experience: Experience,
) -> None:
    named = {**experience.configuration.values, "head_init": "random"}
    experience = replace(experience, configuration=replace(experience.configuration, values=named))
    assert in_our_words(experience) is experience
    ours = replace(experience, features={"generation-paper.v1": ELEVEN})
    assert in_our_words(ours).features == {
        "generation-paper.v1": ELEVEN,
        "generation-sizes.v1": (0.0, 1.0, 2.0, 4.0, 5.0, 7.0),
    }


@pytest.mark.parametrize(
    ("task", "values", "unsaid"),
    [
        ("text-classification", {"method": "lora.v1"}, {"head_init": "random"}),
        ("text-regression", {"method": "partial.v1"}, {"head_init": "random"}),
        (
            "text-classification",
            {"method": "full.v1"},
            {"head_init": "random", "freeze_embeddings": False},
        ),
        ("text-classification", {"method": "full.v1", "model": "gpt2", "form": "label-words"}, {}),
        ("text-generation", {"method": "full.v1", "model": "gpt2"}, {}),
        (
            "question-answering",
            {"method": "full.v1", "model": "roberta-base"},
            {"freeze_embeddings": False},
        ),
        ("text-classification", {"method": "full.v1", "model": "scratch-tiny"}, {}),
        ("text-classification", {"method": "head.v1"}, {}),
        ("a plug-in's", {"method": "full.v1"}, {}),
    ],
)
def test_a_training_from_before_there_was_a_choice_says_what_it_did(
    experience: Experience, task: str, values: dict, unsaid: dict
) -> None:
    stored = {"model": "minilm-l6", "learning_rate": 1e-4, **values}
    earlier = replace(
        experience, task=task, configuration=Configuration(values=stored, space="default.v1")
    )
    assert dict(in_our_words(earlier).configuration.values) == {**stored, **unsaid}


def test_a_training_that_says_how_it_began_is_believed(experience: Experience) -> None:
    values = {
        "model": "minilm-l6",
        "method": "full.v1",
        "head_init": "probe",
        "freeze_embeddings": True,
    }
    today = replace(experience, configuration=Configuration(values=values, space="default.v1"))
    assert in_our_words(today) is today


def test_a_negative_score_of_an_import_is_an_error(imported: Experience) -> None:
    wrong = replace(imported, outcome=success(5.0, f1=-0.01))
    assert in_our_words(wrong).outcome.status is TrialStatus.FAILED
    own = replace(wrong, provenance="")  # a correlation may well be negative
    assert in_our_words(own).outcome.succeeded


def test_an_imported_score_has_our_name_for_it(imported: Experience) -> None:
    objectives = ("f1", "evaluation_time")
    score = replace(imported, outcome=success(5.0, f1=0.8, exact_match=0.7), objectives=objectives)
    mended = in_our_words(score)
    assert mended.outcome.metrics == {"token_f1": 0.8, "exact_match": 0.7}
    assert mended.objectives == ("token_f1", "evaluation_time")
    assert in_our_words(mended) is mended
    own = replace(score, provenance="")
    assert in_our_words(own).outcome.metrics == {"f1": 0.8, "exact_match": 0.7}


def test_a_file_imported_by_two_versions_counts_once(imported: Experience) -> None:
    today = replace(in_our_words(imported), id="new")
    other = replace(today, id="other", provenance="autogoal: squad/2025-05-13/b.json")
    for order in ([imported, today, other], [other, today, imported]):
        assert sorted(experience.id for experience in adopted(order)) == ["new", "other"]
