"""Words as the answer: a prompt goes in, a decoder or encoder-decoder says what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    DataCollatorForSeq2Seq,
    PreTrainedTokenizerBase,
)

from xautolm.errors import TrialError
from xautolm.finetuning.forms.base import Answering
from xautolm.records import TrialSpec
from xautolm.tasks import Task

BATCH = 32
IGNORED = -100
"""Label of tokens that the loss leaves out."""


class Generate:
    """The loss is on the answer only. Prompts are cut where the task allows, never at their ends."""

    name = "generate"
    answers_by_logits = False
    evaluation_share = 2.0  # words are said one after the other

    def auto_class(self, architecture: str) -> Any:
        """By architecture."""
        return AutoModelForSeq2SeqLM if architecture == "encoder-decoder" else AutoModelForCausalLM

    def head(self, spec: TrialSpec, task: Task) -> dict[str, Any]:
        """None of its own."""
        return {}

    def answering(self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]) -> Answering:
        """Answers may be as long as all but the longest hundredth of the training targets, and take half at most."""
        lengths = [len(_target_ids(tokenizer, text)) for text in targets] or [1]
        length = int(str(spec.configuration.values["max_length"]))
        longest = min(int(np.quantile(lengths, 0.99)) + 1, length // 2)
        return Answering(task=spec.task, form=self.name, max_length=length, answer_tokens=longest)

    def columns(
        self,
        table: pd.DataFrame,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        settings: Answering,
        architecture: str,
    ) -> dict[str, list[Any]]:
        """`input_ids`, `length` and `labels`.

        Raises:
            TrialError: No prompt leaves room for its target (`invalid_config`).
        """
        found: dict[str, list[Any]] = {"input_ids": [], "length": [], "labels": []}
        for row in _rows(table):
            prompt = prompt_ids(task, row, tokenizer, room(settings, architecture))
            if prompt is None:
                continue
            target = _target_ids(tokenizer, task.words(row[task.target]))[: settings.answer_tokens]
            if architecture == "encoder-decoder":
                ids, labels = prompt, target
            else:
                ids, labels = prompt + target, [IGNORED] * len(prompt) + target
            for name, value in zip(found, (ids, len(ids), labels), strict=True):
                found[name].append(value)
        if not found["length"]:
            raise TrialError("invalid_config", f"no prompt leaves room for an answer in {settings.max_length} tokens")
        return found

    def collator(self, tokenizer: PreTrainedTokenizerBase, model: Any, multiple: int | None) -> Any:
        """Padding of inputs and labels; decoders' prompts are padded at the end while they are trained."""
        return DataCollatorForSeq2Seq(tokenizer, model=model, label_pad_token_id=IGNORED, pad_to_multiple_of=multiple)

    def answers(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, table: pd.DataFrame, task: Task, settings: Answering
    ) -> list[str]:
        """Greedy continuations of the prompts, batched by length."""
        architecture = "encoder-decoder" if model.config.is_encoder_decoder else "decoder"
        budget = room(settings, architecture)
        prompts = [
            # A prompt whose uncuttable part is too long loses its beginning: it is answered, if not well.
            prompt_ids(task, row, tokenizer, budget) or whole_ids(task, row, tokenizer)[-budget:]
            for row in _rows(table)
        ]
        return generated(model, tokenizer, prompts, settings.answer_tokens, BATCH)


def generated(
    model: Any, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[list[int]], longest: int, batch_size: int
) -> list[str]:
    """What a model says after each prompt, greedily.

    Args:
        model: A decoder or encoder-decoder.
        tokenizer: Its tokenizer.
        prompts: Tokens.
        longest: Of the answers, in tokens.
        batch_size: Prompts of like length that are continued together.
    """
    texts = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        width = max(len(prompts[index]) for index in batch)
        pad = tokenizer.pad_token_id
        # On the left, so that every prompt ends where its continuation begins.
        rows = [[pad] * (width - len(prompts[index])) + prompts[index] for index in batch]
        masks = [[0] * (width - len(prompts[index])) + [1] * len(prompts[index]) for index in batch]
        with torch.inference_mode():
            output = model.generate(
                input_ids=torch.tensor(rows, device=model.device),
                attention_mask=torch.tensor(masks, device=model.device),
                max_new_tokens=longest,
                min_new_tokens=None,
                max_length=None,
                do_sample=False,
                num_beams=1,
                pad_token_id=pad,
                eos_token_id=tokenizer.eos_token_id,
            )
        said = output if model.config.is_encoder_decoder else output[:, width:]
        for index, text in zip(batch, tokenizer.batch_decode(said, skip_special_tokens=True), strict=True):
            texts[index] = text.strip()
    return texts


def room(settings: Answering, architecture: str) -> int:
    """Tokens that a prompt may have: a decoder's answer follows it in the same window."""
    return settings.max_length - (settings.answer_tokens if architecture == "decoder" else 0)


def whole_ids(task: Task, row: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens of an uncut prompt."""
    return list(tokenizer("".join(task.parts(row)))["input_ids"])


def prompt_ids(task: Task, row: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase, budget: int) -> list[int] | None:
    """The tokens of a prompt, its middle part cut until all of it fits; nothing if the rest alone does not."""
    before, middle, after = task.parts(row)
    ids = list(tokenizer(before + middle + after)["input_ids"])
    while len(ids) > budget:
        if not middle:
            return None
        # Tokens are spread evenly enough over a text for this to converge in two or three rounds.
        surplus = (len(ids) - budget) / max(len(tokenizer(middle, add_special_tokens=False)["input_ids"]), 1)
        middle = middle[: int(len(middle) * max(1 - surplus, 0) * 0.99)]
        ids = list(tokenizer(before + middle + after)["input_ids"])
    return ids


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): cell for name, cell in row.items()} for row in table.to_dict("records")]


def _target_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The tokens of a target and the sign that it ends."""
    ids = list(tokenizer(f" {text}" if text else "", add_special_tokens=False)["input_ids"])
    return [*ids, tokenizer.eos_token_id]


FORM = Generate()
