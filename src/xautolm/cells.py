"""Cells of a table as people and file formats write them: missing values, numbers for names, lists in texts."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import pandas as pd

from xautolm.printable import shortened

WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0+")
"""A whole number as formats with floats write it: `3.0`."""
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
FRACTION_WITH_ZERO = re.compile(r"[+-]?\d+\.\d*[1-9]\d*0")
"""A number that no format of numbers ends with a zero, but versions are called: `3.10`."""
LONGEST_STRUCTURE = 100_000
"""Characters of the longest text that is looked at as a list or mapping; it holds a row's labels or answers."""
BRACKETS = ("[", "{", "(", "array(", "set(", "frozenset(")
QUOTED = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
BARE = r"(?:[+-]?\d+(?:\.\d*)?(?:e[+-]?\d+)?|True|False)"
SPACED = re.compile(rf"\[\s*(?:{QUOTED}(?:\s+{QUOTED})*|{BARE}(?:\s+{BARE})*)\s*\]")
"""A NumPy array as it prints: items without commas, which Python would read as one text."""
SPACED_ITEM = re.compile(rf"{QUOTED}|{BARE}")
CALL = r"(?<![\w.])(?:array|frozenset|set|np\.\w+)(?=\()"
"""What Python and NumPy print before the parentheses around a list, a set or, as NumPy 2 does, a single value."""
DTYPE = r",\s*dtype=(?:\w+|'[^']*')(?=\))"
"""What NumPy prints behind an array whose type its items do not tell."""
UNCLOSED = r"[\"'].*"
NOT_LITERAL = re.compile(rf"{QUOTED}|{UNCLOSED}|{SPACED.pattern}|{CALL}|{DTYPE}", re.DOTALL)
"""What is no Python in a printed list; texts in quotes come first, so that nothing is changed inside them. What follows
a quote that is not closed is one part too: looked at from each further quote, 100,000 characters took 47 seconds."""
YES = frozenset({"1", "true", "yes"})
NO = frozenset({"0", "false", "no"})
"""What cells of a yes-or-no column hold, whatever their case."""
WORDS_FOR_NOTHING = frozenset(
    [
        "nan",
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "#na",
        "<na>",
        "none",
        "null",
        "nil",
        "(null)",
        "<null>",
        "\\n",
        "nat",
        "unlabeled",
        "unlabelled",
    ]
)
"""What programs and people write into a cell that has no value, in lower case."""
NAMES_SHOWN = 8
"""Names that a message lists."""


class MissingCellError(ValueError):
    """There is nothing in a cell: the row has no label."""


def is_missing(cell: object) -> bool:
    """Return whether a cell is None, NaN, NaT or pandas' NA; an empty text is a text."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return True
    if isinstance(cell, float | np.floating | np.datetime64 | Decimal):
        # NaN and NaT are not equal to themselves.
        return bool(cell != cell)
    return False


def is_empty(cell: object) -> bool:
    """Return whether there is nothing in a cell: missing, an empty text, or blanks."""
    if isinstance(cell, str):
        return not cell.strip()
    return is_missing(cell)


def name_of(cell: object) -> str:
    """Return a label cell as a class name, the same whichever format it came from: `0.0`, 0.0 and 0 are `0`.

    Raises:
        MissingCellError: There is nothing in it.
        ValueError: It is no name.
    """
    if is_empty(cell):
        raise MissingCellError("the label is missing")
    if isinstance(cell, bytes | Mapping | list | tuple | set | frozenset | np.ndarray):
        raise ValueError(f"expected one label, got {quoted(cell)}")
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    # The same letters in another encoding form are the same name.
    text = unicodedata.normalize("NFC", str(cell).strip())
    whole_number = WHOLE_NUMBER.fullmatch(text)
    if whole_number:
        return str(int(whole_number[1]))
    return text


def names_made_one(cells: Sequence[object]) -> list[str]:
    """Return two texts of a column that `name_of` takes for one name though they are two; nothing if there are none.

    Formats with floats write one zero behind whole numbers, and none behind others: where `1.0` and `1.00` differ, or
    `3` and `3.0` beside `3.10`, the texts are names, such as those of versions.
    """
    texts = {cell.strip() for cell in cells if isinstance(cell, str)}
    numbers = sorted(text for text in texts if NUMBER.fullmatch(text))
    has_versions = any(FRACTION_WITH_ZERO.fullmatch(text) for text in numbers)
    text_by_name: dict[str, str] = {}
    for text in numbers:
        # Otherwise `3` and `3.0` may come from two files of one data set.
        if not has_versions and "." not in text:
            continue
        twin = text_by_name.setdefault(name_of(text), text)
        if twin != text:
            return [twin, text]
    return []


def structure(cell: object) -> object:
    """Return the list, set or mapping that a text spells, or the cell as it is.

    JSON, Python's and NumPy's way of printing them are read; nothing is run.
    """
    if not isinstance(cell, str) or len(cell) > LONGEST_STRUCTURE:
        return cell
    text = cell.strip()
    if not text.startswith(BRACKETS):
        return cell
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = _python_literal(text)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, list | dict):
        return value
    return cell


def _python_literal(text: str) -> object:
    """Return the value that Python or NumPy print so; None where the text is no such literal."""
    literal = NOT_LITERAL.sub(_as_literal, text)
    try:
        with warnings.catch_warnings():
            # Of backslashes that Python would not write so.
            warnings.simplefilter("ignore")
            return ast.literal_eval(literal)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _as_literal(printed: re.Match[str]) -> str:
    """Return a text in quotes as it is, an array with commas between its items, and nothing for all else."""
    part = printed[0]
    if part[0] in "\"'":
        return part
    if part[0] == "[":
        return f"[{', '.join(SPACED_ITEM.findall(part))}]"
    return ""


def items_of(cell: object) -> list[object] | None:
    """Return the items of a list, tuple, set or array; None for any other cell."""
    if isinstance(cell, np.ndarray):
        # The rows of a table are no items of a cell.
        if cell.ndim > 1:
            return None
        return list(cell.reshape(-1).tolist())
    if isinstance(cell, set | frozenset):
        return sorted(cell, key=str)
    if isinstance(cell, list | tuple):
        return list(cell)
    # A series of pandas' is an array with an index.
    if isinstance(cell, pd.Series):
        return list(cell.tolist())
    return None


def truth(cell: object) -> bool:
    """Return what a cell of a yes-or-no column says; missing is no.

    Raises:
        MissingCellError: It is -1, as data sets write "not annotated".
        ValueError: It is neither yes nor no.
    """
    if is_empty(cell):
        return False
    if isinstance(cell, bool | np.bool_):
        return bool(cell)
    name = name_of(cell)
    if name.casefold() in YES:
        return True
    if name.casefold() in NO:
        return False
    if name == "-1":
        raise MissingCellError("the label is missing (-1)")
    raise ValueError(f"expected 0 or 1, got {quoted(cell)}")


def quoted(cell: object, width: int = 60) -> str:
    """Return a cell as it is shown in a message: quoted, and cut to `width` characters."""
    # The list of an array's items has no `array(...)` around it and no line ends.
    plain = cell.tolist() if isinstance(cell, np.ndarray) else cell
    return shortened(repr(plain), width)


def listed(names: Sequence[str], most: int = NAMES_SHOWN) -> str:
    """Return names as a message lists them: the first `most` of them, and how many more there are."""
    text = ", ".join(names[:most])
    further = len(names) - most
    if further > 0:
        text += f" and {further} more"
    return text
