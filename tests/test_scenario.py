from __future__ import annotations

from xautolm.data import prepare
from xautolm.scenario import length_notes
from xautolm.search_space import data_needs
from xautolm.tasks import TASKS
from xautolm.testing import lookup_questions
from xautolm.zoo import ZOO


def test_inputs_longer_than_a_model_reads_are_counted() -> None:
    task, cards = (
        TASKS.get("question-answering"),
        [ZOO.things["minilm-l6"], ZOO.things["smollm2-135m"]],
    )
    table = lookup_questions(40, seed=0)
    data = prepare(table, data_needs(task), columns={})
    assert length_notes(data, cards, task) == []
    longer = [f"{context} {'Nobody has a boat. ' * 120}" for context in table["context"][:30]]
    table["context"] = [*longer, *table["context"][30:]]
    data = prepare(table, data_needs(task), columns={})
    count = sum(len(context) > 1000 for context in data.train["context"])
    (note,) = length_notes(data, cards, task)
    assert note.startswith(
        f"{count} of {len(data.train)} training inputs have more than the 512 tokens"
    )
    assert "minilm-l6" in note and "smollm2" not in note and "never the question" in note
