"""Cells of a table as people and file formats write them: missing values, numbers for names, lists in texts."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0+")
"""A whole number as formats with floats write it: `3.0`."""
LONGEST_STRUCTURE = 100_000
"""Characters of the longest text that is looked at as a list or mapping; it holds a row's labels or answers."""
BRACKETS = ("[", "{", "(", "array(", "set(", "frozenset(")
QUOTED = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
BARE = r"(?:[+-]?\d+\.?\d*(?:e[+-]?\d+)?|True|False)"
SPACED = re.compile(rf"\[\s*(?:{QUOTED}(?:\s+{QUOTED})*|{BARE}(?:\s+{BARE})*)\s*\]")
"""A NumPy array as it prints: items without commas, which Python would read as one text."""
SPACED_ITEM = re.compile(rf"{QUOTED}|{BARE}")
WRAPPED = re.compile(r"(?:array|frozenset|set)\((\[.*?\]|\{.*?\})(?:,\s*dtype=[^()]*)?\)", re.DOTALL)
"""A list or set inside the call that Python and NumPy print around it."""


NAMES_SHOWN = 8
"""Names that a message lists."""


class MissingCellError(ValueError):
    """There is nothing in a cell: the row has no label."""


def is_missing(cell: Any) -> bool:
    """Return whether a cell is None, NaN, NaT or pandas' NA; an empty text is a text."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return True
    # NaN and NaT are not equal to themselves.
    return isinstance(cell, float | np.floating | np.datetime64 | Decimal) and bool(cell != cell)


def is_empty(cell: Any) -> bool:
    """Return whether there is nothing in a cell: missing, an empty text, or blanks."""
    return is_missing(cell) or (isinstance(cell, str) and not cell.strip())


def name_of(cell: Any) -> str:
    """Return a label cell as a class name, the same whichever format it came from: `0.0`, 0.0 and 0 are `0`.

    Raises:
        MissingCellError: There is nothing in it.
        ValueError: It is no name.
    """
    if is_empty(cell):
        raise MissingCellError("the label is missing")
    if isinstance(cell, bytes | Mapping | list | tuple | set | frozenset | np.ndarray):
        raise ValueError(f"expected one label, got {shown(cell)}")
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    # The same letters in another encoding form are the same name.
    text = unicodedata.normalize("NFC", str(cell).strip())
    whole = WHOLE_NUMBER.fullmatch(text)
    if whole:
        return str(int(whole[1]))
    return text


def structure(cell: Any) -> Any:
    """Return the list, set or mapping that a text spells, or the cell as it is.

    JSON, Python's and NumPy's way of printing them are read; nothing is run.
    """
    if not isinstance(cell, str) or len(cell) > LONGEST_STRUCTURE:
        return cell
    text = cell.strip()
    if not text.startswith(BRACKETS):
        return cell
    try:
        return _container(json.loads(text), cell)
    except (ValueError, RecursionError):
        pass
    text = WRAPPED.sub(r"\1", text)
    text = SPACED.sub(_with_commas, text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of backslashes that Python would not write so
            return _container(ast.literal_eval(text), cell)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return cell


def _container(value: Any, cell: str) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, list | dict) else cell


def _with_commas(array: re.Match[str]) -> str:
    return f"[{', '.join(SPACED_ITEM.findall(array[0]))}]"


def items_of(cell: Any) -> list[Any] | None:
    """Return the items of a list, tuple, set or array; None for any other cell."""
    if isinstance(cell, np.ndarray):
        return list(cell.reshape(-1).tolist()) if cell.ndim <= 1 else None
    if isinstance(cell, set | frozenset):
        return sorted(cell, key=str)
    if isinstance(cell, list | tuple):
        return list(cell)
    return None


def truth(cell: Any) -> bool:
    """Return what a cell of a yes-or-no column says; missing is no.

    Raises:
        MissingCellError: It is -1, as data sets write "not annotated".
        ValueError: It is neither yes nor no.
    """
    if is_empty(cell):
        return False
    name = str(bool(cell)) if isinstance(cell, bool | np.bool_) else name_of(cell)
    if name.casefold() in {"1", "true", "yes"}:
        return True
    if name.casefold() in {"0", "false", "no"}:
        return False
    if name == "-1":
        raise MissingCellError("the label is missing (-1)")
    raise ValueError(f"expected 0 or 1, got {shown(cell)}")


def shown(cell: Any, width: int = 60) -> str:
    """Return a cell as it is shown in a message: quoted, and cut to `width` characters."""
    text = repr(cell.tolist() if isinstance(cell, np.ndarray) else cell)
    return text if len(text) <= width else f"{text[: width - 3]}..."


def listed(names: Sequence[str]) -> str:
    """Return names as a message lists them: the first of them, and how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{', '.join(names[:NAMES_SHOWN])}{more}"
