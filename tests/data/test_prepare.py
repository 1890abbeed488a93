from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xautolm.data import Dataset, prepare
from xautolm.data.demo import support_tickets
from xautolm.data.splits import made_validation
from xautolm.data.stratify import stratified_sample
from xautolm.data.usable import LARGEST_VALIDATION
from xautolm.errors import DataError, UsageError
from xautolm.search_space import data_needs
from xautolm.tasks import TASKS

NEEDS = data_needs(TASKS.get("text-classification"))


def prepared(data: object, needs: object = NEEDS, **options: object) -> Dataset:
    return prepare(data, needs, **{"columns": {}, **options})


def test_a_made_validation_split_is_stratified_and_seeded(tickets: pd.DataFrame) -> None:
    first, again, other = prepared(tickets), prepared(tickets), prepared(tickets, seed=5)
    assert first.validation.equals(again.validation)
    assert not first.validation.equals(other.validation)
    shares = [
        part["label"].value_counts(normalize=True) for part in (first.train, first.validation)
    ]
    assert (shares[0] - shares[1]).abs().max() < 0.05
    assert 0.15 < len(first.validation) / len(tickets) < 0.25


def test_equal_texts_never_straddle_the_split() -> None:
    table = support_tickets(400, seed=2)
    doubled = pd.concat([table, table.head(120)])
    found = prepared(doubled)
    assert not set(found.train["text"]) & set(found.validation["text"])
    assert len(found.train) + len(found.validation) == len(doubled)


def test_texts_that_look_alike_are_equal(tickets: pd.DataFrame) -> None:
    texts = tickets["text"] + " café"
    copies = texts.map(lambda text: f" {unicodedata.normalize('NFD', text)}\n")
    table = pd.concat([tickets.assign(text=texts), tickets.assign(text=copies)])
    found = prepared(table)
    parts = []
    for part in (found.train, found.validation):
        parts.append({unicodedata.normalize("NFC", text.strip()) for text in part["text"]})
    assert not parts[0] & parts[1]
    assert len(found.train) + len(found.validation) == len(table)


def test_the_search_chooses_by_no_text_that_it_is_tested_on(tickets: pd.DataFrame) -> None:
    table = tickets.drop_duplicates("text")
    train, validation, test = table[:-80], table[-80:-20], table[-40:]
    found = prepared(train, validation=validation, test=test)
    assert found.test is not None and len(found.test) == 40
    assert list(found.validation["text"]) == list(table[-80:-40]["text"])
    assert "20 validation rows dropped: their text is in test too" in found.notes
    with pytest.raises(DataError, match="No validation row is left"):
        prepared(train, validation=test, test=test)
    with pytest.raises(DataError, match=r"Most validation rows(.|\n)*39 of 40 rows"):
        prepared(train, validation=test, test=test[1:])


def test_training_rows_that_are_in_a_given_validation_split_are_dropped_and_said(
    tickets: pd.DataFrame,
) -> None:
    given = tickets.drop_duplicates("text").tail(60)
    found = prepared(tickets, validation=given)
    assert not set(found.train["text"]) & set(given["text"])
    assert "training rows dropped" in found.notes[0]


def test_max_train_is_proportional_and_shrinks_a_made_validation_split() -> None:
    table = support_tickets(2000, seed=3)
    found = prepared(table, max_train=200)
    assert len(found.train) <= 200 and 30 <= len(found.validation) <= 60
    assert set(found.train["label"]) == set(table["label"])


def test_a_made_validation_split_of_large_data_is_no_larger_than_scores_need() -> None:
    texts = [f"text {number}" for number in range(40_000)]
    few = pd.DataFrame({"text": texts, "label": ["a", "b"] * 20_000})
    found = prepared(few)
    assert len(found.validation) == LARGEST_VALIDATION
    assert len(found.train) == 40_000 - LARGEST_VALIDATION
    # Each of very many classes is validated by more than a row all the same.
    many = pd.DataFrame(
        {"text": texts, "label": [f"c{number % 2_000}" for number in range(40_000)]}
    )
    counts = prepared(many).validation["label"].value_counts()
    assert len(counts) == 2_000 and counts.min() >= 3


def test_the_fingerprint_knows_content_only(tickets: pd.DataFrame, tmp_path: Path) -> None:
    tickets.sample(frac=1.0, random_state=0).to_csv(tmp_path / "other-name.csv", index=False)
    renamed = tickets.rename(columns={"text": "review", "label": "stars"})
    base = prepared(tickets).profile
    shuffled = prepared(tmp_path / "other-name.csv").profile
    assert base.source_fingerprint == shuffled.source_fingerprint
    other = prepared(renamed, columns={"text": "review", "label": "stars"}).profile
    assert (base.fingerprint, base.source_fingerprint) == (
        other.fingerprint,
        other.source_fingerprint,
    )
    changed = tickets.assign(text=["different", *tickets["text"][1:]])
    assert prepared(changed).profile.source_fingerprint != base.source_fingerprint


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"text": ["a", "b"], "label": ["x", "x"]}, "only one class"),
        ({"text": ["a", "b", "c"], "label": ["x", "x", "y"]}, "class with one example"),
        (
            {"text": ["a", " ", "c", "d"], "label": list("xyxy")},
            "row 1, column 'text': the text is empty",
        ),
        (
            {"text": ["a", 5, None, "d"], "label": list("xyxy")},
            "row 1, column 'text': expected text, got int 5",
        ),
        (
            {"text": ["a", "b", "c", "d"], "label": [None, "", pd.NA, " "]},
            "No row of the training split has a label",
        ),
        ({"text": [], "label": []}, "has no rows"),
        ({"body": ["a", "b"], "label": ["x", "y"]}, "Which column is the text"),
        ({"text": ["a"], "sentence": ["b"], "label": ["x"]}, "both text and sentence look like it"),
        (
            {"text": ["a", "a"], "label": ["x", "y"]},
            "absent from the validation split|Too little data|one example",
        ),
    ],
)
def test_data_that_cannot_be_learned_from_is_refused(table: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepared(table)


def test_unknown_columns_are_refused_with_the_list(tickets: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="columns text, label"):
        prepared(tickets, columns={"text": "body"})
    with pytest.raises(UsageError, match="no context column"):
        prepared(tickets, columns={"context": "text"})


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_may_have_the_label_under_another_usual_name(
    tickets: pd.DataFrame, split: str
) -> None:
    # What training has too, beside its label, is something else.
    train = tickets.assign(topic="any")
    given = train.tail(60).assign(text=[f"unseen {row}" for row in range(60)])
    given = given.rename(columns={"text": "sentence", "label": "labels", "topic": "Topic"})
    columns = {"label": "label"}
    for data, options in ((train, {split: given}), ({"train": train, split: given}, {})):
        found = prepared(data, columns=columns, **options)
        assert len(getattr(found, split)) == 60
        assert f"{split} split: column 'labels' taken for 'label'" in "\n".join(found.notes)


def test_another_usual_name_of_a_label_may_be_of_something_else(tickets: pd.DataFrame) -> None:
    test = tickets.tail(60).drop(columns="label").assign(category=["news", "sport"] * 30)
    found = prepared(tickets, test=test)
    assert found.test is None and "test split left out" in "\n".join(found.notes)


@pytest.mark.parametrize(
    ("columns", "got"),
    [
        ({"label": "queue"}, "it has no column 'label' .but text, queue."),
        ({"label": "labels", "text": "sentence", "more": "class"}, "none of its 60 rows has"),
        ({"label": "queue", "more": "category"}, "it has no column 'label'"),
        ({}, "none of its 60 rows has a label in column 'label'"),
    ],
)
def test_a_split_without_labels_is_left_out_unless_it_was_given_to_choose_by(
    tickets: pd.DataFrame, columns: dict[str, str], got: str
) -> None:
    unlabelled = tickets.tail(60).assign(label=None, more=None)
    unlabelled = unlabelled.rename(columns=columns).drop(columns="more", errors="ignore")
    with pytest.raises(DataError, match=rf"The validation split that was given(.|\n)*{got}"):
        prepared(tickets, validation=unlabelled)
    came_along = prepared({"train": tickets, "validation": unlabelled, "test": unlabelled})
    given = prepared(tickets, test=unlabelled)
    for found, split in ((came_along, "validation"), (came_along, "test"), (given, "test")):
        assert f"{split} split left out" in "\n".join(found.notes)


def test_unequal_label_sets_are_refused(tickets: pd.DataFrame) -> None:
    some = tickets[tickets["label"] != "billing"]
    with pytest.raises(DataError, match="training split are absent from the validation"):
        prepared(tickets, validation=some.assign(text=[f"{i}" for i in range(len(some))]))
    with pytest.raises(DataError, match="validation split are absent from the training"):
        prepared(some, validation=tickets.assign(text=[f"{i}" for i in range(len(tickets))]))


def test_numeric_labels_keep_numeric_order() -> None:
    labels = [2, 10, 1] * 10
    found = prepared({"text": [f"text {i}" for i in range(30)], "label": labels})
    assert found.labels == ("1", "2", "10")


def test_multilabel_cells() -> None:
    needs = data_needs(TASKS.get("multilabel-classification"))
    labels = ["a,b", "b", "", "a; c", "c|a", "b"] * 10
    found = prepared({"text": [f"text {i}" for i in range(60)], "labels": labels}, needs)
    assert found.labels == ("a", "b", "c")
    assert set(found.train["label"]) <= {("a", "b"), ("b",), (), ("a", "c")}


def test_samples_are_proportional_and_leave_no_stratum_out() -> None:
    strata = ["a"] * 90 + ["b"] * 9 + ["c"]
    chosen = stratified_sample(strata, 20, seed=0)
    counts = {name: sum(strata[i] == name for i in chosen) for name in "abc"}
    assert counts == {"a": 18, "b": 1, "c": 1} or counts == {"a": 17, "b": 2, "c": 1}
    assert np.array_equal(stratified_sample(strata, 500, seed=0), np.arange(100))


def test_a_class_never_gives_its_last_text_to_validation() -> None:
    train, held_out = made_validation(
        [str(i) for i in range(12)], [("a",)] * 10 + [("b",), ("c",)], size=6, seed=0
    )
    assert {10, 11} <= set(train) and len(held_out) >= 4


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_label_may_be_an_object_with_a_name_wherever_the_text_is(
    tickets: pd.DataFrame, is_nested: bool
) -> None:
    numbers = {name: number for number, name in enumerate(sorted(set(tickets["label"])))}
    rows = []
    for text, name in zip(tickets["text"], tickets["label"], strict=True):
        label = {"name": name, "id": numbers[name]}
        rows.append(
            {"doc": {"text": text}, "label": label} if is_nested else {"text": text, "label": label}
        )
    assert set(prepared(rows).labels) == set(numbers)
