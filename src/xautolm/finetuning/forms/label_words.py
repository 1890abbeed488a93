"""The name of the class as the answer: of all names, the one that the model most likely says next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from xautolm.finetuning.forms.generate import BATCH, Generate, Tokens, prompts_of, target_ids
from xautolm.finetuning.memory import in_batches
from xautolm.records import Answering, TrialSpec
from xautolm.tasks import Task

LOGITS = 2**28
"""Numbers that a batch's scores over the vocabulary may take at once: 1 GB."""


class LabelWords(Generate):
    """Trained as generation of the names is; answered with a score for each class, so that no other word is said."""

    name = "label-words"

    def answering(
        self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]
    ) -> Answering:
        """Return room for the longest name, and the names."""
        settings = super().answering(spec, tokenizer, spec.labels)
        return replace(settings, labels=spec.labels)

    def answers(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        table: pd.DataFrame,
        task: Task,
        settings: Answering,
    ) -> np.ndarray:
        """Return the logarithm of the probability of each name, shape (rows, classes)."""
        names = []
        for label in settings.labels:
            text = task.words(label)
            names.append(target_ids(tokenizer, text, settings))
        prompts = prompts_of(model, tokenizer, table, task, settings)
        return label_scores(model, tokenizer, prompts, names)


def label_scores(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Tokens],
    names: Sequence[Tokens],
) -> np.ndarray:
    """Return the log-probability of each name after each prompt, shape (prompts, names).

    Names are compared by as many of their first tokens as tell them apart. Where that is one, a single pass over the
    prompts tells them all.

    Args:
        model: A decoder or encoder-decoder.
        tokenizer: Its tokenizer.
        prompts: Tokens.
        names: Tokens, the sign of the end included.
    """
    depth = _distinguishing_depth(names)
    scores = np.zeros((len(prompts), len(names)), dtype=np.float32)
    lengths = [len(prompt) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lengths.__getitem__)
    longest_prompt = max(lengths, default=0)
    longest_name = max(map(len, names))
    logits_per_row = (longest_prompt + longest_name) * len(tokenizer)
    rows_in_memory = LOGITS // logits_per_row
    batch_size = max(1, min(BATCH, rows_in_memory))

    def score(batch: list[int]) -> None:
        batch_prompts = [prompts[index] for index in batch]
        if depth == 1:
            first_tokens = [name[0] for name in names]
            # What is said first does not depend on the token that stands there, so that any name will do.
            (log_probabilities,) = _log_probabilities(model, tokenizer, batch_prompts, names[0][:1])
            of_names = log_probabilities[:, first_tokens]
            scores[batch] = of_names.cpu().numpy()
            return
        for column, name in enumerate(names):
            compared = name[:depth]
            steps = _log_probabilities(model, tokenizer, batch_prompts, compared)
            of_tokens = [step[:, token] for step, token in zip(steps, compared, strict=True)]
            of_name = torch.stack(of_tokens).sum(dim=0)
            scores[batch, column] = of_name.cpu().numpy()

    in_batches(order, batch_size, score)
    return scores


def _distinguishing_depth(names: Sequence[Tokens]) -> int | None:
    """Return the fewest first tokens that no two names share; None if only the whole names, or nothing, differ."""
    longest = max(map(len, names))
    for depth in range(1, longest):
        beginnings = {tuple(name[:depth]) for name in names}
        if len(beginnings) == len(names):
            return depth
    return None


def _log_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Tokens],
    words: Tokens,
) -> list[torch.Tensor]:
    """Return log-probabilities of all tokens, shape (prompts, vocabulary), where each of some words could stand."""
    is_decoder = not model.config.is_encoder_decoder
    # The last word is only predicted, and nothing is predicted after it.
    read_words = words[:-1]
    rows = [[*prompt, *read_words] for prompt in prompts] if is_decoder else list(prompts)
    width = max(map(len, rows))
    inputs: dict[str, list[Tokens]] = {"input_ids": [], "attention_mask": []}
    for row in rows:
        # Padding on the right is seen by nothing before it, so positions are those of training.
        padding = width - len(row)
        inputs["input_ids"].append([*row, *[tokenizer.pad_token_id] * padding])
        inputs["attention_mask"].append([1] * len(row) + [0] * padding)
    if not is_decoder:
        decoder_row = [model.config.decoder_start_token_id, *read_words]
        inputs["decoder_input_ids"] = [decoder_row] * len(rows)

    tensors = {}
    for name, values in inputs.items():
        tensors[name] = torch.tensor(values, device=model.device)
    with torch.inference_mode():
        logits = model(**tensors).logits

    # A decoder predicts the first word at a prompt's last token, an encoder-decoder at its decoder's first.
    last_tokens = [len(prompt) - 1 for prompt in prompts]
    first_positions = torch.tensor(last_tokens if is_decoder else [0] * len(prompts))
    every_row = torch.arange(len(rows))
    steps = []
    for step in range(len(words)):
        step_logits = logits[every_row, first_positions + step]
        steps.append(step_logits.float().log_softmax(dim=-1))
    return steps


FORM = LabelWords()
