"""Words as the answer: a prompt goes in, a decoder or encoder-decoder says what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jinja2 import TemplateError
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    DataCollatorForSeq2Seq,
    PreTrainedTokenizerBase,
)

from xautolm.data.conversations import Speaker, Turn, plain_text, turns_of_text
from xautolm.errors import TrialError
from xautolm.finetuning.memory import in_batches
from xautolm.records import Answering, TrialSpec, as_int
from xautolm.tasks import Task

BATCH = 32
IGNORED = -100
"""Label of tokens that the loss leaves out."""


class Generate:
    """The loss is on the answer only. Prompts are cut where the task allows, never at their ends."""

    name = "generate"
    answers_by_logits = False

    def auto_class(self, architecture: str) -> Any:
        """By architecture."""
        return AutoModelForSeq2SeqLM if architecture == "encoder-decoder" else AutoModelForCausalLM

    def head(self, spec: TrialSpec, task: Task) -> dict[str, Any]:
        """None of its own."""
        return {}

    def answering(self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]) -> Answering:
        """Answers may be as long as all but the longest hundredth of the training targets, and take half at most."""
        length = as_int(spec.configuration.values["max_length"])
        chat = spec.card.chat and tokenizer.chat_template is not None
        settings = Answering(task=spec.task, form=self.name, max_length=length, chat=chat)
        lengths = [len(target_ids(tokenizer, text, settings)) for text in targets] or [1]
        return replace(settings, answer_tokens=min(int(np.quantile(lengths, 0.99)) + 1, length // 2))

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
            prompt = prompt_ids(task, row, tokenizer, room(settings, architecture), chat=settings.chat)
            if prompt is None:
                continue
            target = target_ids(tokenizer, task.words(row[task.target]), settings)[: settings.answer_tokens]
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
    ) -> Any:
        """Greedy continuations of the prompts, batched by length."""
        prompts = prompts_of(model, tokenizer, table, task, settings)
        return generated(model, tokenizer, prompts, settings.answer_tokens, BATCH)


def prompts_of(
    model: Any, tokenizer: PreTrainedTokenizerBase, table: pd.DataFrame, task: Task, settings: Answering
) -> list[list[int]]:
    """The tokens of a table's prompts, each cut to the room that it has."""
    budget = room(settings, "encoder-decoder" if model.config.is_encoder_decoder else "decoder")
    return [
        # A prompt whose uncuttable part is too long loses its beginning: it is answered, if not well.
        prompt_ids(task, row, tokenizer, budget, chat=settings.chat)
        or whole_prompt_ids(task, row, tokenizer, chat=settings.chat)[-budget:]
        for row in _rows(table)
    ]


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

    def continue_prompts(batch: list[int]) -> None:
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

    in_batches(order, batch_size, continue_prompts)
    return texts


def room(settings: Answering, architecture: str) -> int:
    """Tokens that a prompt may have: a decoder's answer follows it in the same window."""
    return settings.max_length - (settings.answer_tokens if architecture == "decoder" else 0)


def said_ids(text: str, tokenizer: PreTrainedTokenizerBase, *, chat: bool, earlier: Sequence[Turn] = ()) -> list[int]:
    """Return the tokens of a text, or of a user's turn that says it and the beginning of the answer.

    Args:
        text: What is said last.
        tokenizer: The model's.
        chat: Whether turns go through the tokenizer's chat template.
        earlier: Turns before it.
    """
    if chat:
        turn = templated([*earlier, Turn(Speaker.USER, text)], tokenizer)
        return list(tokenizer(turn, add_special_tokens=False)["input_ids"])
    if any(turn.speaker is not Speaker.SYSTEM for turn in earlier):
        text = f"User: {text}Assistant:"
    return list(tokenizer(plain_text(earlier) + text)["input_ids"])


def templated(turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> str:
    """Return turns and the beginning of the answer as the tokenizer's chat template writes them.

    Where a template knows no system, as Gemma's, the user says what the system would.
    """
    try:
        return _rendered(turns, tokenizer)
    except TemplateError:
        said = [turn.content for turn in turns if turn.speaker is Speaker.SYSTEM]
        others = [turn for turn in turns if turn.speaker is not Speaker.SYSTEM]
        if not said or not others:
            raise
        first = Turn(others[0].speaker, "\n\n".join([*said, others[0].content]))
        return _rendered([first, *others[1:]], tokenizer)


def _rendered(turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> str:
    messages = [{"role": turn.speaker.value, "content": turn.content} for turn in turns]
    # Templates that can think aloud are told not to; the others ignore it.
    return str(
        tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, enable_thinking=False)
    )


def prompt_ids(
    task: Task, row: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase, budget: int, *, chat: bool = False
) -> list[int] | None:
    """Return the tokens of a prompt that fits; nothing if what may not be cut does not.

    Of a conversation, the oldest turns go first; then the middle part of the last one is cut.
    """
    before, middle, after = task.parts(row)
    *earlier, last = turns_of_text(middle)
    middle = last.content
    ids = said_ids(before + middle + after, tokenizer, chat=chat, earlier=earlier)
    while len(ids) > budget:
        if any(turn.speaker is not Speaker.SYSTEM for turn in earlier):
            earlier = _without_oldest_exchange(earlier)
        elif not middle:
            return None
        else:
            # Tokens are spread evenly enough over a text for this to converge in two or three rounds.
            surplus = (len(ids) - budget) / max(len(tokenizer(middle, add_special_tokens=False)["input_ids"]), 1)
            middle = middle[: int(len(middle) * max(1 - surplus, 0) * 0.99)]
        ids = said_ids(before + middle + after, tokenizer, chat=chat, earlier=earlier)
    return ids


def _without_oldest_exchange(turns: Sequence[Turn]) -> list[Turn]:
    """Return turns without the first that the user says and what answers it; what the system says stays."""
    system = [turn for turn in turns if turn.speaker is Speaker.SYSTEM]
    others = [turn for turn in turns if turn.speaker is not Speaker.SYSTEM]
    rest = others[1:]
    while rest and rest[0].speaker is Speaker.ASSISTANT:
        rest = rest[1:]
    return [*system, *rest]


def whole_prompt_ids(
    task: Task, row: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase, *, chat: bool
) -> list[int]:
    """Return the tokens of a prompt, however long."""
    before, middle, after = task.parts(row)
    *earlier, last = turns_of_text(middle)
    return said_ids(before + last.content + after, tokenizer, chat=chat, earlier=earlier)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): cell for name, cell in row.items()} for row in table.to_dict("records")]


def target_ids(tokenizer: PreTrainedTokenizerBase, text: str, settings: Answering) -> list[int]:
    """The tokens of a target and the sign that it ends; after a chat's turn it begins a line."""
    begun = text if settings.chat or not text else f" {text}"
    return [*tokenizer(begun, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]


FORM = Generate()
