"""The name of the class as the answer: of all names, the one that the model most likely says next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedTokenizerBase

from xautolm.finetuning.forms.generate import BATCH, Generate, prompts_of, target_ids
from xautolm.finetuning.memory import in_batches
from xautolm.records import Answering, TrialSpec
from xautolm.tasks import Task

LOGITS = 2**28
"""Numbers that a batch's scores over the vocabulary may take at once: 1 GB."""


class LabelWords(Generate):
    """Trained as generation of the names is; answered with a score for each class, so that no other word is said."""

    name = "label-words"

    def answering(self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]) -> Answering:
        """Room for the longest name."""
        return replace(super().answering(spec, tokenizer, spec.labels), labels=spec.labels)

    def answers(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, table: pd.DataFrame, task: Task, settings: Answering
    ) -> np.ndarray:
        """Logarithms of the probability of each name, shape (rows, classes)."""
        names = [target_ids(tokenizer, task.words(label), settings) for label in settings.labels]
        prompts = prompts_of(model, tokenizer, table, task, settings)
        return label_scores(model, tokenizer, prompts, names)


def label_scores(
    model: Any, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[list[int]], names: Sequence[list[int]]
) -> np.ndarray:
    """Log-probability of each name after each prompt, shape (prompts, names).

    Names are compared by as many of their first tokens as tell them apart. Where that is one, a single pass over the
    prompts tells them all.

    Args:
        model: A decoder or encoder-decoder.
        tokenizer: Its tokenizer.
        prompts: Tokens.
        names: Tokens, the sign of the end included.
    """
    lengths = range(1, max(map(len, names)))
    depth = next((n for n in lengths if len({tuple(one[:n]) for one in names}) == len(names)), None)
    found = np.zeros((len(prompts), len(names)), dtype=np.float32)
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    width = max(map(len, prompts), default=0) + max(map(len, names))
    size = max(1, min(BATCH, LOGITS // (width * len(tokenizer))))

    def score(batch: list[int]) -> None:
        some = [prompts[index] for index in batch]
        if depth == 1:
            (first,) = _followed(model, tokenizer, some, names[0][:1])
            found[batch] = first[:, [one[0] for one in names]].cpu().numpy()
            return
        for column, name in enumerate(one[:depth] for one in names):
            steps = _followed(model, tokenizer, some, name)
            each = [step[:, token] for step, token in zip(steps, name, strict=True)]
            found[batch, column] = torch.stack(each).sum(dim=0).cpu().numpy()

    in_batches(order, size, score)
    return found


def _followed(
    model: Any, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[list[int]], words: list[int]
) -> list[torch.Tensor]:
    """Log-probabilities of all tokens, shape (prompts, vocabulary), where each of some words could stand."""
    # Padding on the right is seen by nothing before it, so positions are those of training.
    speaks_after = not model.config.is_encoder_decoder
    rows = [[*prompt, *words[:-1]] if speaks_after else prompt for prompt in prompts]
    width, pad = max(map(len, rows)), tokenizer.pad_token_id
    inputs = {
        "input_ids": [[*row, *[pad] * (width - len(row))] for row in rows],
        "attention_mask": [[1] * len(row) + [0] * (width - len(row)) for row in rows],
    }
    if not speaks_after:
        inputs["decoder_input_ids"] = [[model.config.decoder_start_token_id, *words[:-1]]] * len(rows)
    with torch.inference_mode():
        logits = model(**{name: torch.tensor(one, device=model.device) for name, one in inputs.items()}).logits
    every = torch.arange(len(rows))
    firsts = torch.tensor([len(prompt) - 1 if speaks_after else 0 for prompt in prompts])
    return [logits[every, firsts + step].float().log_softmax(dim=-1) for step in range(len(words))]


FORM = LabelWords()
