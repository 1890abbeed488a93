"""Classifiers' answers: in the order of the rows, from batches without padding where there can be such."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
import torch
from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

from xautolm.finetuning.forms.classify import BATCH, Classify
from xautolm.records import Answering
from xautolm.tasks import TASKS


class Words:
    """As much of a tokenizer as answering asks for: a token for each word, which says how long the word is."""

    sep_token = "[SEP]"
    bos_token_id = 1
    eos_token_id = 2

    def __call__(
        self, texts: Sequence[str], truncation: bool, max_length: int
    ) -> dict[str, list[list[int]]]:
        return {"input_ids": [[len(word) for word in text.split()][:max_length] for text in texts]}

    def pad(self, encoded: dict[str, list[list[int]]], return_tensors: str) -> BatchEncoding:
        rows = [torch.tensor(row) for row in encoded["input_ids"]]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return BatchEncoding({"input_ids": ids, "attention_mask": (ids > 0).long()})


WORDS = cast("PreTrainedTokenizerBase", Words())


class Counter:
    """A model whose logits are the tokens' sum and number; it notes how much padding it got."""

    config = SimpleNamespace(num_labels=2)
    device = "cpu"

    def __init__(self) -> None:
        self.padding = 0
        self.rows: list[int] = []

    def __call__(self, **inputs: Any) -> SimpleNamespace:
        return self.forward(**inputs)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        self.rows.append(len(input_ids))
        self.padding += int((attention_mask == 0).sum())
        return SimpleNamespace(
            logits=torch.stack([input_ids.sum(dim=1), attention_mask.sum(dim=1)], dim=1)
        )


def as_model(counter: Counter) -> PreTrainedModel:
    """Return what stands for a model as one: it has all that answering asks for."""
    return cast("PreTrainedModel", counter)


@pytest.mark.parametrize("at_once", [4_096, 2 * BATCH])
def test_rows_with_as_many_tokens_are_answered_together(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.finetuning.forms.classify.SORTED", at_once)
    # As many characters, but one word or ten: what counts for a model is the words.
    texts = ["internationalisation", "a b c d e f g h i j"] * BATCH * 2
    model = Counter()
    answering = Answering(
        task="text-classification", form="classify", max_length=64, labels=("a", "b")
    )
    table = pd.DataFrame({"text": texts})
    logits = Classify().answers(
        as_model(model), WORDS, table, TASKS.get("text-classification"), answering
    )
    assert logits.tolist() == [[20.0, 1.0], [10.0, 10.0]] * BATCH * 2
    assert model.rows == [BATCH] * 4
    assert model.padding == 0


@pytest.mark.parametrize(("bos", "token"), [(1, 1), (None, 2)])
def test_an_empty_text_has_a_token_in_training_and_in_use(
    bos: int | None, token: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Words, "bos_token_id", bos)
    task = TASKS.get("text-classification")
    answering = Answering(task=task.name, form="classify", max_length=64, labels=("a", "b"))
    table = pd.DataFrame({"text": ["", "a b"], "label": ["a", "b"]})
    columns = Classify().columns(table, task, WORDS, answering, "decoder")
    assert columns["input_ids"] == [[token], [1, 1]] and columns["length"] == [1, 2]
    for rows in (table, table[:1]):
        logits = Classify().answers(as_model(Counter()), WORDS, rows, task, answering)
        assert logits[0].tolist() == [token, 1]
