"""Delimited files as programs write them: what is quoted comes back; what is not loses no row in silence."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable

import pytest

from xautolm.data.delimited import read_delimited
from xautolm.errors import DataError

WORDS = (
    "late", "parcel", "5\"", "\"so\"", "well, now", "he said:", "a\tb", "x;y", "p|q", "\nnew", "\r\nline", "end\"",
    "\"begin", "", "\u2028", "it's", "3,5", "---",
)  # fmt: skip
LABELS: dict[str, Callable[[random.Random], str]] = {
    "class": lambda source: source.choice(["pos", "neg"]),
    "number": lambda source: f"{source.random():.2f}",
    "text": lambda source: text(source, WORDS),
}
SEPARATORS = (",", "\t", ";", "|")


def text(source: random.Random, words: tuple[str, ...]) -> str:
    return " ".join(source.choice(words) for _ in range(source.randint(1, 6))).strip() or "x"


def rows(source: random.Random, words: tuple[str, ...], kind: str, count: int) -> list[list[str]]:
    """A header and rows, the label before or behind the text."""
    table = [
        ["text", "label"],
        *([text(source, words), LABELS[kind](source)] for _ in range(count)),
    ]
    return [row[::-1] for row in table] if source.random() < 0.5 else table


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("separator", SEPARATORS)
def test_what_is_quoted_comes_back_as_it_was(separator: str, kind: str) -> None:
    source = random.Random(f"{separator}{kind}")
    for count in (3, 10, 40) * 6:
        table = rows(source, WORDS, kind, count)
        file = io.StringIO()
        quoting = source.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
        end = source.choice(["\n", "\r\n"])
        csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=end).writerows(table)
        frame, _ = read_delimited(file.getvalue(), "a.csv", separator)
        assert [list(frame.columns), *frame.to_numpy().tolist()] == table


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("separator", SEPARATORS)
def test_without_quoting_no_row_is_lost_in_silence(separator: str, kind: str) -> None:
    source = random.Random(f"{separator}{kind}")
    words = tuple(word for word in WORDS if separator not in word and "\n" not in word)
    as_it_was = 0
    counts = (10, 40) * 10
    for count in counts:
        table = rows(source, words, "class" if kind == "text" else kind, count)
        content = "\n".join(separator.join(row) for row in table)
        try:
            frame, notes = read_delimited(content, "a.csv", separator)
        except DataError as error:
            assert "line" in str(error)
            continue
        assert len(frame) == count or notes
        as_it_was += frame.to_numpy().tolist() == table[1:]
    assert as_it_was > 0.8 * len(counts)


def test_lines_are_those_of_the_file() -> None:
    content = '\n\nsep=;\n\ntext;label\r\n"two\nlines";x\rthird;y\n\n\nfourth;z'
    frame, notes = read_delimited(content.removeprefix("\n\n"), "a.csv", ",")
    assert list(frame.index) == [4, 6, 9] and list(frame["label"]) == list("xyz")
    assert "inside quoted texts: 1" in notes[0]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_the_line_of_an_error_is_that_of_the_file(line_end: str) -> None:
    content = line_end.join(["text,label", '"two', 'lines",x', "", "a,b,c"])
    with pytest.raises(DataError, match="line 5: 3 fields"):
        read_delimited(content, "a.csv", ",")


def test_a_million_characters_and_a_hundred_columns() -> None:
    header = ["text", "label", *(f"c{number}" for number in range(98))]
    content = "\n".join([",".join(header), ",".join(["w" * 1_000_000, "x", *["0"] * 98])])
    frame, _ = read_delimited(content, "a.csv", ",")
    assert frame.shape == (1, 100) and len(frame["text"].iloc[0]) == 1_000_000
