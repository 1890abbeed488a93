from __future__ import annotations

import decimal
import json

import numpy as np
import pandas as pd
import pytest

from xautolm.cells import (
    LONGEST_STRUCTURE,
    MissingCellError,
    is_missing,
    name_of,
    names_made_one,
    structure,
    truth,
)


@pytest.mark.parametrize(
    "cell", [0, 0.0, "0", "0.0", " 0 ", "0.00", np.float32(0), np.int8(0), decimal.Decimal("0.0")]
)
def test_a_whole_number_is_one_name_whatever_format_it_came_from(cell: object) -> None:
    assert name_of(cell) == "0"


@pytest.mark.parametrize("cell", ["007", "1.50", "1e3", "nan", "None", "TRUE", "2.", "v1.0"])
def test_other_names_stay_as_they_are_written(cell: str) -> None:
    assert name_of(cell) == cell


@pytest.mark.parametrize(
    ("cells", "twins"),
    [
        (["2.7", "3.0", "3", "3.10"], ["3", "3.0"]),
        (["1.0", "1.00", "2.0"], ["1.0", "1.00"]),
        # Ratings of two files.
        (["3", "3.0", "3.5", "2.75"], []),
        (["0", "1.0", " 1 ", "x"], []),
        (["2.7", "3.0", "3.0 ", "3.10"], []),
        ([3, 3.0, 3.1, "3.0", None, "7.5"], []),
    ],
)
def test_texts_that_would_be_one_name_though_they_are_two(
    cells: list[object], twins: list[str]
) -> None:
    assert names_made_one(cells) == twins


def test_one_name_in_two_encoding_forms() -> None:
    assert name_of("e\u0301te\u0301\u00a0") == "\u00e9t\u00e9"


@pytest.mark.parametrize(
    "cell", [None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT, decimal.Decimal("nan")]
)
def test_missing_cells(cell: object) -> None:
    assert is_missing(cell)
    with pytest.raises(MissingCellError):
        name_of(cell)


@pytest.mark.parametrize("cell", ["", "nan", 0, False, [], (), {}, np.array([np.nan, 1.0])])
def test_cells_that_are_not_missing(cell: object) -> None:
    assert not is_missing(cell)


@pytest.mark.parametrize(
    "text",
    [
        "['a', 'b c']",
        '["a", "b c"]',
        "('a', 'b c')",
        "{'b c', 'a'}",
        "frozenset({'a', 'b c'})",
        "['a' 'b c']",
        "['a'\n 'b c']",
        "array(['a', 'b c'], dtype=object)",
        "array(['a', 'b c'], dtype='<U3')",
        ' ["a", "b c"] ',
    ],
)
def test_lists_in_texts(text: str) -> None:
    assert structure(text) == ["a", "b c"]


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("[]", []),
        ("set()", []),
        ("[0 1 0]", [0, 1, 0]),
        ("[1. 0.]", [1.0, 0.0]),
        ("[ True False]", [True, False]),
        (
            "{'text': array(['x'], dtype=object), 'answer_start': array([3])}",
            {"text": ["x"], "answer_start": [3]},
        ),
        ('{"a": true}', {"a": True}),
        ("[['it\\'s', \"o'k\"]]", [["it's", "o'k"]]),
        # What looks like NumPy's inside a text is a part of it.
        ("['array([1, 2]) or [1 2], np.int64(3)']", ["array([1, 2]) or [1 2], np.int64(3)"]),
        ("array(['a', 'b'],\n      dtype='<U1')", ["a", "b"]),
    ],
)
def test_other_structures_in_texts(text: str, content: object) -> None:
    assert structure(text) == content


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "",
        "(a)",
        "[UNK]",
        "{x}",
        "(1)",
        "[a, b",
        "'a', 'b'",
        "[" * 5000,
        "[__import__('os').getcwd()]",
        "[1] and more",
        # Of such texts, patterns that look ahead from each part would take up to a minute.
        pytest.param("set([" * 15_000, id="sets inside each other"),
        pytest.param("[" + '"\\' * 45_000, id="a quote that is not closed"),
        pytest.param("[" + "1" * 90_000, id="a long number"),
    ],
)
def test_texts_that_spell_no_structure_stay_texts(text: str) -> None:
    assert structure(text) == text


def test_long_texts_are_no_structures() -> None:
    text = json.dumps(["a" * LONGEST_STRUCTURE])
    assert structure(text) == text


def test_yes_and_no() -> None:
    assert all(truth(cell) for cell in (1, "1", 1.0, "1.0", True, "TRUE", np.bool_(True), "yes"))
    assert not any(truth(cell) for cell in (0, "0", 0.0, False, "false", np.bool_(False), None, ""))
    with pytest.raises(MissingCellError):
        truth(-1)
    with pytest.raises(ValueError, match=r"expected 0 or 1, got 0\.7"):
        truth(0.7)
