"""Which family of models does which task by which methods, and why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xautolm.methods import METHODS
from xautolm.records import ModelCard
from xautolm.tasks import TASKS
from xautolm.tasks.forms import FORMS

Problems = Callable[[str, str, ModelCard], Mapping[str, str]]
"""Task, method and model to what keeps them apart in each form of the task, or nothing."""


def family_rows(cards: Mapping[str, ModelCard], problems: Problems) -> list[list[str]]:
    """Return a row for each family on the hub: name, architecture, models, and for each task its form and methods."""
    families: dict[str, list[ModelCard]] = {}
    for card in cards.values():
        if card.hub_id:
            families.setdefault(card.family, []).append(card)

    def place(family: str) -> tuple[str, str]:
        # Encoders stand together, then decoders and so on: they do a task in the same forms.
        return families[family][0].architecture, family

    rows = []
    for family in sorted(families, key=place):
        members = families[family]
        names = []
        for card in members:
            name = card.name
            # The hub gives such a model only to those who have accepted its terms.
            if card.gated:
                name += " (gated)"
            if not card.safetensors:
                name += " (no safetensors)"
            names.append(name)
        # A row has room for one of them: the family's first model.
        example = members[0]
        row = [family, example.architecture, ", ".join(names)]
        for task in TASKS.names():
            row.append(_cell(task, example, problems))
        rows.append(row)
    return rows


def reasons(cards: Mapping[str, ModelCard], problems: Problems) -> list[str]:
    """Return every reason why a method cannot do a task, with the families that it applies to."""
    families: dict[str, set[str]] = {}
    for card in cards.values():
        for task in TASKS.names():
            for method in METHODS.names():
                for problem in problems(task, method, card).values():
                    if problem:
                        # Models that are not on the hub have no row of their family, so they are named themselves.
                        family = card.family if card.hub_id else card.name
                        families.setdefault(problem, set()).add(family)
    lines = []
    for problem in sorted(families):
        names = ", ".join(sorted(families[problem]))
        lines.append(f"{problem}: {names}")
    return lines


def families_page(cards: Mapping[str, ModelCard], problems: Problems) -> str:
    """Return the page `docs/families.md`."""
    headings = ["family", "architecture", "models", *TASKS.names()]
    rows = [headings, ["---"] * len(headings), *family_rows(cards, problems)]
    table = "\n".join(_line(row) for row in rows)
    absences = "".join(f"- {reason}\n" for reason in reasons(cards, problems))
    forms = "".join(f"- `{form.name}` {form.title}\n" for form in FORMS.things.values())
    # Families whose weights cannot be stored with 8 or 4 bits.
    whole = {card.family for card in cards.values() if card.hub_id and not card.quantizable}
    return f"""# What works on which family

Written by `xautolm models matrix`. `make test-conformance` takes a tiny model of each family's real class (random
weights, a tokenizer of its own) through every cell: two training steps, answers, saved, loaded again, the same answers.

What a model does in each form:

{forms}
{table}

`lora` goes beside weights of 8 or 4 bits too, on a GPU with bitsandbytes (tested on processors, for
`text-classification`), but not for {", ".join(sorted(whole))}, whose matrices lie transposed.

What is not there, and why:

{absences}"""


def _cell(task: str, card: ModelCard, problems: Problems) -> str:
    """Return the forms in which a model does a task, each with the methods that can."""
    forms = TASKS.get(task).forms.get(card.architecture, ())
    parts = []
    for form in forms:
        methods = []
        for method in METHODS.names():
            if not problems(task, method, card)[form]:
                methods.append(method)
        if methods:
            names = ", ".join(methods)
            parts.append(f"{form}: {names}")
    return "; ".join(parts) or "-"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
