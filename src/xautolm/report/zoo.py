"""Model cards and search spaces for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from xautolm.records import ModelCard
from xautolm.report.console import cell
from xautolm.space import Branch, Parameter, Space


def zoo_table(cards: Sequence[ModelCard]) -> Table:
    """One row for each model."""
    table = Table(box=None)
    for name in (
        "name",
        "from",
        "family",
        "architecture",
        "parameters",
        "layers",
        "hidden",
        "positions",
        "languages",
        "licence",
    ):
        table.add_column(name, justify="right" if name in {"parameters", "layers", "hidden", "positions"} else "left")
    for card in cards:
        cells = (
            card.name,
            card.hub_id or card.package.replace("_", "-") or card.origin,
            card.family,
            card.architecture,
            f"{card.parameters / 1e6:.1f} M",
            str(card.layers),
            str(card.hidden_size),
            str(card.positions),
            card.languages,
            card.licence,
        )
        table.add_row(*map(cell, cells))
    return table


def space_lines(space: Space) -> list[str]:
    """The space as an indented text; branches that open the same parameters are told together."""
    return [f"{space.name}: {space.size()}", *_lines(space.parameters, 1)]


def _lines(parameters: Sequence[Parameter], depth: int) -> list[str]:
    lines = []
    indent = "  " * depth
    for parameter in parameters:
        lines.append(f"{indent}{parameter.name}: {parameter.domain}  (default {parameter.default})")
        if isinstance(parameter, Branch):
            groups: dict[str, list[str]] = {}
            for option, opened in parameter.branches.items():
                groups.setdefault("\n".join(_lines(opened.parameters, depth + 2)), []).append(option)
            for text, options in groups.items():
                if text:
                    lines += [f"{indent}  {', '.join(options)}:", text]
    return lines
