"""Words as the answer: a prompt goes in, a decoder or encoder-decoder says what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pandas as pd
import torch
from jinja2 import TemplateError
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    DataCollatorForSeq2Seq,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from xautolm.data.conversations import Speaker, Turn, plain_text, turns_of_text
from xautolm.errors import TrialError
from xautolm.finetuning.forms.base import (
    Collator,
    Columns,
    by_length,
    longest_input,
    measured_targets,
    shortened,
)
from xautolm.finetuning.memory import in_batches
from xautolm.finetuning.pretrained import AutoClass, generative_architecture
from xautolm.records import ANSWERS_AT_ONCE, Answering, TrialSpec
from xautolm.tasks import Answers, Row, Task
from xautolm.vocabulary import Architecture, FailureKind

IGNORED = -100
"""Label of tokens that the loss leaves out, as torch has it."""

Tokens: TypeAlias = list[int]
"""Numbers of a tokenizer's vocabulary."""


class Generate:
    """The loss is on the answer only. Prompts are cut where the task allows, never at their ends."""

    name = "generate"
    answers_by_logits = False

    def auto_class(self, architecture: str) -> AutoClass:
        """Return the class of models that say words, by architecture."""
        model_class: AutoClass = AutoModelForCausalLM
        if architecture == Architecture.ENCODER_DECODER:
            model_class = AutoModelForSeq2SeqLM
        return model_class

    def head(self, spec: TrialSpec, task: Task) -> dict[str, object]:
        """Return nothing: the head is the language model's own."""
        return {}

    def answering(
        self, spec: TrialSpec, tokenizer: PreTrainedTokenizerBase, targets: Sequence[str]
    ) -> Answering:
        """Return room for all but the longest hundredth of the training targets, and half of all room at most."""
        length = longest_input(spec)
        # A model may be made for chats and still come without a template.
        chat = spec.card.chat and tokenizer.chat_template is not None
        settings = Answering(task=spec.task, form=self.name, max_length=length, chat=chat)

        lengths = []
        for text in measured_targets(targets):
            tokens = target_ids(tokenizer, text, settings)
            lengths.append(len(tokens))
        # Of no lengths there is no quantile.
        if not lengths:
            lengths = [1]
        usual_longest = int(np.quantile(lengths, 0.99)) + 1
        # Half of the room at least is the prompt's, which a decoder reads in the same window.
        answer_tokens = min(usual_longest, length // 2)
        return replace(settings, answer_tokens=answer_tokens)

    def columns(
        self,
        table: pd.DataFrame,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        settings: Answering,
        architecture: str,
    ) -> Columns:
        """Return `input_ids`, `length` and `labels`.

        Raises:
            TrialError: No prompt leaves room for its target (`invalid_config`).
        """
        columns: Columns = {"input_ids": [], "length": [], "labels": []}
        budget = room(settings, architecture)
        for row in _rows(table):
            prompt = prompt_ids(task, row, tokenizer, budget, chat=settings.chat)
            # A prompt that is cut where it may not be asks something else: nothing right is learned from it.
            if prompt is None:
                continue
            text = task.words(row[task.target])
            target = target_ids(tokenizer, text, settings)
            target = target[: settings.answer_tokens]
            if architecture == Architecture.ENCODER_DECODER:
                tokens = prompt
                labels = target
            else:
                # A decoder reads both; the loss is on the answer only.
                tokens = prompt + target
                labels = [IGNORED] * len(prompt) + target
            columns["input_ids"].append(tokens)
            columns["length"].append(len(tokens))
            columns["labels"].append(labels)

        if not columns["length"]:
            message = f"no prompt leaves room for an answer in {settings.max_length} tokens"
            raise TrialError(FailureKind.INVALID_CONFIG, message)
        return columns

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, multiple: int | None
    ) -> Collator:
        """Return what pads inputs and labels; decoders' prompts are padded at the end while they are trained."""
        pad: Collator = DataCollatorForSeq2Seq(
            tokenizer, model=model, label_pad_token_id=IGNORED, pad_to_multiple_of=multiple
        )
        return pad

    def answers(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        table: pd.DataFrame,
        task: Task,
        settings: Answering,
    ) -> Answers:
        """Return greedy continuations of the prompts, batched by length."""
        prompts = prompts_of(model, tokenizer, table, task, settings)
        return generated(model, tokenizer, prompts, settings.answer_tokens, ANSWERS_AT_ONCE)


def prompts_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    table: pd.DataFrame,
    task: Task,
    settings: Answering,
) -> list[Tokens]:
    """Return the tokens of a table's prompts, each cut to the room that it has."""
    architecture = generative_architecture(model.config)
    budget = room(settings, architecture)
    prompts = []
    for row in _rows(table):
        tokens = prompt_ids(task, row, tokenizer, budget, chat=settings.chat)
        if tokens is None:
            # A prompt whose uncuttable part is too long loses its beginning: it is answered, if not well.
            whole = whole_prompt_ids(task, row, tokenizer, chat=settings.chat)
            tokens = whole[-budget:]
        prompts.append(tokens)
    return prompts


def generated(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Tokens],
    longest: int,
    batch_size: int,
) -> list[str]:
    """Return what a model says after each prompt, greedily.

    Args:
        model: A decoder or encoder-decoder.
        tokenizer: Its tokenizer.
        prompts: Tokens.
        longest: Of the answers, in tokens.
        batch_size: Prompts of like length that are continued together.
    """
    texts = [""] * len(prompts)

    def continue_prompts(batch: list[int]) -> None:
        batch_prompts = [prompts[index] for index in batch]
        inputs = prompt_inputs(model, tokenizer, batch_prompts)
        with torch.inference_mode():
            output = model.generate(
                **inputs,
                max_new_tokens=longest,
                # Greedily: the same prompt is answered alike each time.
                do_sample=False,
                num_beams=1,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        if not model.config.is_encoder_decoder:
            # What a decoder returns begins with the prompt.
            width = inputs["input_ids"].shape[1]
            output = output[:, width:]
        decoded = tokenizer.batch_decode(output, skip_special_tokens=True)
        for index, text in zip(batch, decoded, strict=True):
            texts[index] = text.strip()

    in_batches(by_length(prompts), batch_size, continue_prompts)
    return texts


def prompt_inputs(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Tokens]
) -> dict[str, torch.Tensor]:
    """Return a batch of prompts as a model reads them before it says what follows.

    Args:
        model: A decoder or encoder-decoder.
        tokenizer: Its tokenizer.
        prompts: Tokens.
    """
    # A decoder goes on where its row ends, so that every prompt must end there. An encoder counts positions from the
    # first token of the row, whatever the mask says, and is trained with prompts that begin there.
    on_the_left = not model.config.is_encoder_decoder
    rows = padded(prompts, tokenizer.pad_token_id, on_the_left=on_the_left)
    return {name: torch.tensor(values, device=model.device) for name, values in rows.items()}


def padded(
    rows: Sequence[Tokens], padding_token: int, *, on_the_left: bool = False
) -> dict[str, list[Tokens]]:
    """Return rows of one length as `input_ids`, and their `attention_mask`.

    Args:
        rows: Tokens.
        padding_token: Fills the shorter ones.
        on_the_left: Whether it stands before a row. Behind it, it is seen by nothing before it, and positions are those
            of training.
    """
    width = max(len(row) for row in rows)
    padded_rows = []
    masks = []
    for row in rows:
        padding = [padding_token] * (width - len(row))
        hidden = [0] * len(padding)
        seen = [1] * len(row)
        padded_rows.append(padding + row if on_the_left else row + padding)
        masks.append(hidden + seen if on_the_left else seen + hidden)
    return {"input_ids": padded_rows, "attention_mask": masks}


def room(settings: Answering, architecture: str) -> int:
    """Return how many tokens a prompt may have: a decoder's answer follows it in the same window."""
    if architecture == Architecture.DECODER:
        return settings.max_length - settings.answer_tokens
    return settings.max_length


def turn_ids(
    text: str, tokenizer: PreTrainedTokenizerBase, *, chat: bool, earlier: Sequence[Turn] = ()
) -> Tokens:
    """Return the tokens of a text, or of a user's turn that says it and the beginning of the answer.

    Args:
        text: What is said last.
        tokenizer: The model's.
        chat: Whether turns go through the tokenizer's chat template.
        earlier: Turns before it.
    """
    if chat:
        last_turn = Turn(Speaker.USER, text)
        conversation = templated([*earlier, last_turn], tokenizer)
        # Templates write the special tokens themselves, as signs that are to be read as such.
        encoded = tokenizer(conversation, add_special_tokens=False, split_special_tokens=False)
        return list(encoded["input_ids"])
    if _without_system(earlier):
        # After other turns it is marked as they are; alone it stands as the task words it.
        text = f"User: {text}Assistant:"
    encoded = tokenizer(plain_text(earlier) + text)
    return list(encoded["input_ids"])


def templated(turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> str:
    """Return turns and the beginning of the answer as the tokenizer's chat template writes them.

    Where a template knows no system, as Gemma's, the user says what the system would.
    """
    try:
        return _rendered(turns, tokenizer)
    except TemplateError:
        instructions = [turn.content for turn in turns if turn.speaker is Speaker.SYSTEM]
        conversation = _without_system(turns)
        # Without a system the template refuses something else; without a user nobody can say it instead.
        if not instructions or not conversation:
            raise
        first, *following = conversation
        content = "\n\n".join([*instructions, first.content])
        instructed = Turn(first.speaker, content)
        return _rendered([instructed, *following], tokenizer)


def _without_system(turns: Sequence[Turn]) -> list[Turn]:
    return [turn for turn in turns if turn.speaker is not Speaker.SYSTEM]


def _rendered(turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> str:
    messages = [{"role": turn.speaker.value, "content": turn.content} for turn in turns]
    # Templates that can think aloud are told not to; the others ignore it.
    return str(
        tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False, enable_thinking=False
        )
    )


def prompt_ids(
    task: Task, row: Row, tokenizer: PreTrainedTokenizerBase, budget: int, *, chat: bool = False
) -> Tokens | None:
    """Return the tokens of a prompt that fits; nothing if what may not be cut does not.

    Of a conversation, the oldest turns go first; then the middle part of the last one is cut.
    """
    prompt = task.parts(row)
    *earlier, last = turns_of_text(prompt.text)
    text = last.content
    while True:
        whole_text = prompt.before + text + prompt.after
        tokens = turn_ids(whole_text, tokenizer, chat=chat, earlier=earlier)
        surplus = len(tokens) - budget
        if surplus <= 0:
            return tokens
        if _without_system(earlier):
            earlier = _without_oldest_exchange(earlier)
        elif text:
            text = shortened(text, surplus, tokenizer)
        else:
            return None


def _without_oldest_exchange(turns: Sequence[Turn]) -> list[Turn]:
    """Return turns without the first that the user says and what answers it; what the system says stays."""
    system = [turn for turn in turns if turn.speaker is Speaker.SYSTEM]
    conversation = _without_system(turns)
    del conversation[0]
    # A conversation begins with the user, as templates demand.
    while conversation and conversation[0].speaker is Speaker.ASSISTANT:
        del conversation[0]
    return [*system, *conversation]


def whole_prompt_ids(
    task: Task, row: Row, tokenizer: PreTrainedTokenizerBase, *, chat: bool
) -> Tokens:
    """Return the tokens of a prompt, however long."""
    prompt = task.parts(row)
    # Of a conversation, all turns but the last are said before.
    *earlier, last = turns_of_text(prompt.text)
    whole_text = prompt.before + last.content + prompt.after
    return turn_ids(whole_text, tokenizer, chat=chat, earlier=earlier)


def _rows(table: pd.DataFrame) -> list[Row]:
    """Return a table's rows as mappings from the names of its columns."""
    rows: list[Row] = []
    for record in table.to_dict("records"):
        row = {str(name): cell for name, cell in record.items()}
        rows.append(row)
    return rows


def target_ids(tokenizer: PreTrainedTokenizerBase, text: str, settings: Answering) -> Tokens:
    """Return the tokens of a target and the sign that it ends; after a chat's turn it begins a line."""
    follows_prompt = bool(text) and not settings.chat
    if follows_prompt:
        text = f" {text}"
    encoded = tokenizer(text, add_special_tokens=False)
    # A model that never saw the end would go on to the most tokens that an answer may have.
    return [*encoded["input_ids"], tokenizer.eos_token_id]


FORM = Generate()
