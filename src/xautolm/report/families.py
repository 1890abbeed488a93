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
            *(_cell(task, members[0], problems) for task in TASKS.names()),
        ]
        for family, members in sorted(families.items(), key=lambda item: (item[1][0].architecture, item[0]))
    ]


def reasons(cards: Mapping[str, ModelCard], problems: Problems) -> list[str]:
    """Every reason why something is not there, with where it applies."""
    found: dict[str, set[str]] = {}
    for card in cards.values():
        for task in TASKS.names():
            for method in METHODS.names():
                for why in filter(None, problems(task, method, card).values()):
                    found.setdefault(why, set()).add(card.family if card.hub_id else card.name)
    return [f"{why}: {', '.join(sorted(where))}" for why, where in sorted(found.items())]


def families_page(cards: Mapping[str, ModelCard], problems: Problems) -> str:
    """The page `docs/families.md`."""
    headings = ["family", "architecture", "models", *TASKS.names()]
    lines = [_line(headings), _line(["---"] * len(headings)), *map(_line, family_rows(cards, problems))]
    why = "".join(f"- {reason}\n" for reason in reasons(cards, problems))
    table = "\n".join(lines)
    forms = "".join(f"- `{form.name}` {form.title}\n" for form in FORMS.things.values())
    whole = sorted({card.family for card in cards.values() if card.hub_id and not card.quantizable})
    return f"""# What works on which family

Written by `xautolm models matrix`. `make test-conformance` takes a tiny model of each family's real class (random
weights, a tokenizer of its own) through every cell: two training steps, answers, saved, loaded again, the same answers.

What a model does in each form:

{forms}
{table}

`lora` goes beside weights of 8 or 4 bits too, on a GPU with bitsandbytes (tested on processors, for
`text-classification`), but not for {", ".join(whole)}, whose matrices lie transposed.

What is not there, and why:

{why}"""


def _cell(task: str, card: ModelCard, problems: Problems) -> str:
    forms = {
        form: [method for method in METHODS.names() if not problems(task, method, card)[form]]
        for form in TASKS.get(task).forms.get(card.architecture, ())
    }
    return "; ".join(f"{form}: {', '.join(methods)}" for form, methods in forms.items() if methods) or "-"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
