"""Model cards and search spaces for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from xautolm.records import ModelCard
from xautolm.report.console import add_cells, add_columns
from xautolm.report.tables import millions
from xautolm.space import Branch, Parameter, Space

HEADINGS = (
    "name", "from", "family", "architecture", "parameters", "layers", "hidden", "positions", "languages", "licence",
)  # fmt: skip
NUMBERS = {"parameters", "layers", "hidden", "positions"}
"""Headings of the columns that are aligned at the right."""


def zoo_table(cards: Sequence[ModelCard]) -> Table:
    """Return a table with one row for each model."""
    table = Table(box=None)
    add_columns(table, HEADINGS, NUMBERS)
    for card in cards:
        place = card.hub_id or card.distribution or card.origin
        # Said here, so that nobody meets it only when a search is to begin.
        if not card.safetensors:
            place += " (no safetensors)"
        cells = (
            card.name,
            place,
            card.family,
            card.architecture,
            millions(card.parameters),
            card.layers,
            card.hidden_size,
            card.positions,
            card.languages,
            card.licence,
        )
        add_cells(table, cells)
    return table


def space_lines(space: Space) -> list[str]:
    """Return the space as indented lines; branches that open the same parameters stand together."""
    return [f"{space.name}: {space.size()}", *_lines(space.parameters, 1)]


def _lines(parameters: Sequence[Parameter], depth: int) -> list[str]:
    lines = []
    indent = "  " * depth
    for parameter in parameters:
        lines.append(f"{indent}{parameter.name}: {parameter.domain}  (default {parameter.default})")
        if isinstance(parameter, Branch):
            lines += _branch_lines(parameter, depth)
    return lines


def _branch_lines(branch: Branch, depth: int) -> list[str]:
    """Return the lines of what the options of a branch open, once for all options that open the same."""
    options_by_text: dict[str, list[str]] = {}
    for option, opened in branch.branches.items():
        text = "\n".join(_lines(opened.parameters, depth + 2))
        options_by_text.setdefault(text, []).append(option)
    lines = []
    indent = "  " * (depth + 1)
    for text, options in options_by_text.items():
        # Options that open no parameter stand in the branch's own line already.
        if text:
            lines += [f"{indent}{', '.join(options)}:", text]
    return lines
