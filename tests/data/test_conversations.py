"""Turns in the shapes that data sets have, and as one text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from xautolm.data.conversations import (
    Speaker,
    Turn,
    conversation_text,
    plain_text,
    turns_of,
    turns_of_text,
)

ASKED = Turn(Speaker.USER, "Why?")
TOLD = Turn(Speaker.SYSTEM, "Be short.")


@pytest.mark.parametrize(
    "cell",
    [
        [{"role": "user", "content": "Why?"}],
        ({"from": "human", "value": "Why?"},),
        np.array([{"role": "user", "content": "Why?", "name": None}], dtype=object),
        json.dumps([{"role": "User", "content": "Why?"}]),
        str([{"role": "user", "content": "Why?"}]),
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "Wh"}, {"type": "text", "text": "y?"}],
            }
        ],
    ],
)
def test_turns_in_every_shape(cell: Any) -> None:
    assert turns_of(cell) == [ASKED]


def test_a_conversation_in_json_text_is_read_at_any_length() -> None:
    question = "word " * 50_000
    assert turns_of(json.dumps([{"role": "user", "content": question}])) == [
        Turn(Speaker.USER, question)
    ]


def test_what_is_said_of_code_in_a_printed_conversation_stays_as_it_is() -> None:
    question = "Why is array([1, 2]) not [1 2], it's np.int64(3)?"
    assert turns_of(str([{"role": "user", "content": question}])) == [Turn(Speaker.USER, question)]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("no turns", "expected a list of turns"),
        ([], "expected a list of turns"),
        (None, "expected a list of turns"),
        (["Why?"], "turn 1 is no object"),
        ([{"role": "tool", "content": "5"}], "turn 1 is said by 'tool'"),
        ([{"content": "Why?"}], "turn 1 is said by None"),
        ([{"role": "user", "content": None}], "turn 1 has no text"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "turn 1 has no text"),
    ],
)
def test_what_is_no_conversation_is_named(cell: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        turns_of(cell)


def test_a_single_question_is_its_own_text_and_more_comes_back_as_it_was() -> None:
    assert conversation_text([ASKED]) == "Why?"
    assert turns_of_text("Why?") == [ASKED]
    assert turns_of_text(conversation_text([TOLD, ASKED])) == [TOLD, ASKED]


@pytest.mark.parametrize(
    "text", ["[1]", '[{"role": "user"', '[{"role": "nobody", "content": "a"}]', ""]
)
def test_a_text_that_only_looks_like_a_conversation_is_a_text(text: str) -> None:
    assert turns_of_text(text) == [Turn(Speaker.USER, text)]


def test_plain_text_says_who_speaks() -> None:
    answer = Turn(Speaker.ASSISTANT, "Because.")
    assert plain_text([TOLD, ASKED, answer]) == "Be short.\n\nUser: Why?\n\nAssistant: Because.\n\n"
