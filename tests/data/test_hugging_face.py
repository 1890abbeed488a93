"""Class names that Parquet files of the hub carry in their schema."""

from __future__ import annotations

import json
from typing import Any

import datasets
import pandas as pd
import pytest

from xautolm.data import training_data
from xautolm.data.hugging_face import with_stored_class_names
from xautolm.data.loading import load
from xautolm.search_space import data_needs
from xautolm.tasks import TASKS

NAMED = {"names": ["bad", "good"], "_type": "ClassLabel"}


def metadata(label: Any) -> dict[bytes, bytes]:
    """Return what the schema of a file says of its column `label`."""
    return {b"huggingface": json.dumps({"info": {"features": {"label": label}}}).encode()}


def test_numbers_become_names_and_below_zero_none() -> None:
    frame = with_stored_class_names(pd.DataFrame({"label": [1, 0, -1, 7]}), metadata(NAMED))
    assert [None if pd.isna(name) else name for name in frame["label"]] == [
        "good",
        "bad",
        None,
        "7",
    ]


@pytest.mark.parametrize(
    "feature",
    [{"feature": NAMED, "_type": "Sequence"}, {"feature": NAMED, "_type": "List"}, [NAMED]],
)
def test_lists_of_numbers(feature: Any) -> None:
    frame = with_stored_class_names(pd.DataFrame({"label": [[1, 0], [], None]}), metadata(feature))
    assert list(frame["label"]) == [["good", "bad"], [], None]


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {b"huggingface": b"{"},
        {b"huggingface": b"[]"},
        {b"huggingface": b'{"info": {"features": 3}}'},
        metadata("text"),
        metadata({"names": "bad"}),
        metadata({"names": [0, 1]}),
        metadata({"feature": 3}),
        {b"huggingface": b'{"info": {"features": {"elsewhere": {"names": ["a"]}}}}'},
    ],
)
def test_files_that_say_nothing_of_use_keep_their_numbers(stored: Any) -> None:
    frame = with_stored_class_names(pd.DataFrame({"label": [1, 0]}), stored)
    assert list(frame["label"]) == [1, 0]


def test_streamed_data_sets_are_read_as_others_are() -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    whole = datasets.Dataset.from_dict(
        {"text": ["a", "b", "c"], "label": [0, 1, 1]}, features=features
    )
    streamed = whole.to_iterable_dataset()
    expected = load(whole).splits["train"]
    assert list(expected["label"]) == ["no", "yes", "yes"]
    pd.testing.assert_frame_equal(load(streamed).splits["train"], expected)
    source = load(datasets.IterableDatasetDict({"train": streamed, "extra": streamed}))
    pd.testing.assert_frame_equal(source.splits["train"], expected)
    assert any("'extra' left out" in note for note in source.notes)
    roles = data_needs(TASKS.get("text-classification")).roles
    shaped = training_data(streamed, None, roles, {})
    pd.testing.assert_frame_equal(load(shaped.data).splits["train"], expected)
