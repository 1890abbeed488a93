"""Class names that Parquet files of the hub carry in their schema."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from xautolm.data.hugging_face import with_stored_class_names

NAMED = {"names": ["bad", "good"], "_type": "ClassLabel"}


def metadata(label: Any) -> dict[bytes, bytes]:
    """Return what the schema of a file says of its column `label`."""
    return {b"huggingface": json.dumps({"info": {"features": {"label": label}}}).encode()}


def test_numbers_become_names_and_below_zero_none() -> None:
    frame = with_stored_class_names(pd.DataFrame({"label": [1, 0, -1, 7]}), metadata(NAMED))
    assert [None if pd.isna(name) else name for name in frame["label"]] == ["good", "bad", None, "7"]


@pytest.mark.parametrize(
    "feature", [{"feature": NAMED, "_type": "Sequence"}, {"feature": NAMED, "_type": "List"}, [NAMED]]
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
