"""Halves of characters in texts, cells and inputs to predict for."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd
import pytest

from xautolm.data import Role, input_table, text_cell
from xautolm.data.surrogates import has_surrogate, repaired_cell, repaired_table, whole_characters

ROLE = Role(name="text", guesses=("text",), parse=text_cell)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("late", "late"),
        ("caf\u00e9 \U0001f600", "caf\u00e9 \U0001f600"),
        ("\ud83d", "\ufffd"),
        ("\ude00 late", "\ufffd late"),
        ("late \ud83d\ude00", "late \U0001f600"),
        ("\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        ("caf\udce9", "caf\ufffd"),
    ],
)
def test_halves_are_joined_or_replaced(text: str, whole: str) -> None:
    assert whole_characters(text) == whole
    assert not has_surrogate(whole) and whole.encode()


def test_lists_and_mappings_are_looked_into() -> None:
    assert repaired_cell({"a\ud83d": ["b", ("c\ud83d",)]}) == {"a\ufffd": ["b", ["c\ufffd"]]}
    assert repaired_cell(5) == 5


def test_the_note_counts_rows_and_names_the_first() -> None:
    index = pd.Index([2, 5, 9], name="line")
    columns = {"text": ["a", "b\ud83d", "c\ud83d"], "label": ["x", "y\ud83d", "z"]}
    table = pd.DataFrame(columns, index=index, dtype=object)
    repaired, notes = repaired_table(table, "a.jsonl")
    assert list(repaired["text"]) == ["a", "b\ufffd", "c\ufffd"] and table["text"][5] == "b\ud83d"
    (note,) = notes
    assert "in 2 rows" in note and "line 5" in note


@pytest.mark.parametrize(
    "inputs", [["a", "b\ud83d"], {"text": ["a", "b\ud83d"]}, [{"text": "a"}, {"text": "b\ud83d"}]]
)
def test_inputs_to_predict_for_are_repaired_and_that_is_said(
    inputs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "xautolm"):
        table = input_table(inputs, [ROLE], {}, {})
    assert list(table["text"]) == ["a", "b\ufffd"]
    assert "surrogates" in caplog.text
