"""Which family of models does which task by which methods, and why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xautolm.methods import METHODS
from xautolm.records import ModelCard
from xautolm.tasks import TASKS

Problem = Callable[[str, str, ModelCard], str]
"""Task, method and model to what keeps them apart, or nothing."""


def family_rows(cards: Mapping[str, ModelCard], problem: Problem) -> list[list[str]]:
    """A row for each family on the hub: name, architecture, models, and for each task its form and methods."""
    families: dict[str, list[ModelCard]] = {}
    for card in cards.values():
        if card.hub_id:
            families.setdefault(card.family, []).append(card)
    return [
        [
            family,
            members[0].architecture,
            ", ".join(f"{card.name} (gated)" if card.gated else card.name for card in members),
            *(_cell(task, members[0], problem) for task in TASKS.names()),
        ]
        for family, members in sorted(families.items(), key=lambda item: (item[1][0].architecture, item[0]))
    ]


def reasons(cards: Mapping[str, ModelCard], problem: Problem) -> list[str]:
    """Every reason why something is not there, with where it applies."""
    found: dict[str, set[str]] = {}
    for card in cards.values():
        for task in TASKS.names():
            for method in METHODS.names():
                why = problem(task, method, card)
                if why:
                    found.setdefault(why, set()).add(card.family if card.hub_id else card.name)
    return [f"{why}: {', '.join(sorted(where))}" for why, where in sorted(found.items())]


def families_page(cards: Mapping[str, ModelCard], problem: Problem) -> str:
    """The page `docs/families.md`."""
    headings = ["family", "architecture", "models", *TASKS.names()]
    lines = [_line(headings), _line(["---"] * len(headings)), *map(_line, family_rows(cards, problem))]
    why = "".join(f"- {reason}\n" for reason in reasons(cards, problem))
    table = "\n".join(lines)
    return f"""# What works on which family

Written by `xautolm models matrix`. `make test-conformance` takes a tiny model of each family's real class (random
weights, a tokenizer of its own) through every cell: two training steps, answers, saved, loaded again, the same answers.

`extract` points at a span of the context, `generate` says words after a prompt, `classify` puts a classifier on top.

{table}

What is not there, and why:

{why}"""


def _cell(task: str, card: ModelCard, problem: Problem) -> str:
    methods = [method for method in METHODS.names() if not problem(task, method, card)]
    return f"{TASKS.get(task).forms[card.architecture]}: {', '.join(methods)}" if methods else "-"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
