"""The name of the class as the answer: of all names, the one that the model most likely says next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from xautolm.finetuning.forms.base import by_length
from xautolm.finetuning.forms.generate import Generate, Tokens, padded, prompts_of, target_ids
from xautolm.finetuning.memory import in_batches
from xautolm.finetuning.precision import as_array
from xautolm.records import ANSWERS_AT_ONCE, Answering, TrialSpec
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
        # All that can be said are the names, whatever of them occurs in the targets.
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
            name = target_ids(tokenizer, text, settings)
            names.append(name)
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

    def score(batch: list[int]) -> None:
        batch_prompts = [prompts[index] for index in batch]
        if depth == 1:
            # What is said first does not depend on the token that stands there, so that any name will do.
            any_word = names[0][:1]
            (log_probabilities,) = _log_probabilities(model, tokenizer, batch_prompts, any_word)
            first_tokens = [name[0] for name in names]
            of_names = log_probabilities[:, first_tokens]
            scores[batch] = as_array(of_names)
            return
        # Later tokens depend on those before them: a pass over the prompts for each name.
        for column, name in enumerate(names):
            compared = name[:depth]
            steps = _log_probabilities(model, tokenizer, batch_prompts, compared)
            of_tokens = []
            for token, log_probabilities in zip(compared, steps, strict=True):
                of_tokens.append(log_probabilities[:, token])
            # The probability of a name is the product of its tokens'.
            of_name = torch.stack(of_tokens).sum(dim=0)
            scores[batch, column] = as_array(of_name)

    batch_size = _batch_size(prompts, names, len(tokenizer))
    in_batches(by_length(prompts), batch_size, score)
    return scores


def _batch_size(prompts: Sequence[Tokens], names: Sequence[Tokens], vocabulary: int) -> int:
    """Return how many prompts are scored at once: each token of each has a score for every word of the vocabulary."""
    longest_prompt = max((len(prompt) for prompt in prompts), default=0)
    longest_name = max(len(name) for name in names)
    # A decoder reads the name behind the prompt.
    tokens_of_row = longest_prompt + longest_name
    logits_of_row = tokens_of_row * vocabulary
    rows_in_memory = LOGITS // logits_of_row
    # A single row is scored whatever it takes.
    return max(1, min(ANSWERS_AT_ONCE, rows_in_memory))


def _distinguishing_depth(names: Sequence[Tokens]) -> int | None:
    """Return the fewest first tokens that no two names share; None if only the whole names, or nothing, differ."""
    longest = max(len(name) for name in names)
    for depth in range(1, longest):
        beginnings = {tuple(name[:depth]) for name in names}
        # As many beginnings as names: each name has its own.
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
    # The last word is only predicted, and nothing is predicted after it.
    read_words = words[:-1]
    if model.config.is_encoder_decoder:
        inputs = padded(prompts, tokenizer.pad_token_id)
        decoder_row = [model.config.decoder_start_token_id, *read_words]
        inputs["decoder_input_ids"] = [decoder_row] * len(prompts)
        # It predicts the first word at its decoder's first token.
        first_positions = [0] * len(prompts)
    else:
        rows = [prompt + read_words for prompt in prompts]
        inputs = padded(rows, tokenizer.pad_token_id)
        # It predicts the first word at a prompt's last token.
        first_positions = [len(prompt) - 1 for prompt in prompts]

    tensors = {}
    for name, values in inputs.items():
        tensors[name] = torch.tensor(values, device=model.device)
    with torch.inference_mode():
        logits = model(**tensors).logits

    every_row = torch.arange(len(prompts))
    positions = torch.tensor(first_positions)
    steps = []
    for step in range(len(words)):
        step_logits = logits[every_row, positions + step]
        # In float32, also where the model computes in fewer bits.
        log_probabilities = step_logits.float().log_softmax(dim=-1)
        steps.append(log_probabilities)
    return steps


FORM = LabelWords()
