"""Instructions and conversations as prompts and targets: Alpaca's columns, `messages`, ShareGPT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from xautolm.cells import items_of
from xautolm.data.conversations import Speaker, Turn, conversation_text, turns_of
from xautolm.errors import DataError

INSTRUCTION, INPUT, SYSTEM, HISTORY = "instruction", "input", "system", "history"
"""Alpaca's columns; LLaMA-Factory added the last two."""
CONVERSATIONS = ("messages", "conversations", "conversation")
"""Columns of turns, the usual name first."""
PROMPT, COMPLETION = "prompt", "completion"


def instruction_columns(
    table: pd.DataFrame, named: str | None, text: str, target: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return a table with instructions or conversations as columns of prompts and, of conversations, of answers.

    Args:
        table: Any table; without such columns it is returned as it is.
        named: The column of prompts, if the user named it; only one of conversations is changed then.
        text: What the column of prompts is to be called otherwise.
        target: What the column of answers is to be called; empty: none is wanted.

    Raises:
        DataError: A conversation that cannot be learned from, by its row.
    """
    columns = set(map(str, table.columns))
    for name in CONVERSATIONS:
        if name in columns and named in (None, name):
            return _of_conversations(table, name, named or text, target)
    if named is not None:
        return table, []
    if {PROMPT, COMPLETION} <= columns and all(items_of(cell) is not None for cell in table[PROMPT]):
        return _of_prompts_in_turns(table)
    if INSTRUCTION in columns and columns & {INPUT, SYSTEM, HISTORY}:
        return _of_instructions(table, text)
    return table, []


def _of_instructions(table: pd.DataFrame, text: str) -> tuple[pd.DataFrame, list[str]]:
    parts = [name for name in (SYSTEM, HISTORY, INSTRUCTION, INPUT) if name in table.columns]
    prompts = []
    for place, row in zip(table.index, table[parts].to_dict("records"), strict=True):
        try:
            prompts.append(_instruction_prompt({str(name): cell for name, cell in row.items()}))
        except ValueError as error:
            raise _row_error(table, place, str(error)) from None
    # A `text` of Alpaca's own holds the answer too.
    rest = table.drop(columns=[*parts, *({text} & set(table.columns))])
    note = f"{' and '.join(name for name in (INSTRUCTION, INPUT) if name in parts)} joined to the prompt"
    return rest.assign(**{text: pd.Series(prompts, index=table.index, dtype=object)}), [note]


def _instruction_prompt(row: dict[str, Any]) -> str:
    question = "\n\n".join(cell for cell in (_cell(row, INSTRUCTION), _cell(row, INPUT)) if cell.strip())
    turns = [Turn(Speaker.SYSTEM, _cell(row, SYSTEM))] if _cell(row, SYSTEM).strip() else []
    for exchange in items_of(row.get(HISTORY)) or []:
        if len(exchange) != 2:
            raise ValueError(f"the history must list pairs of a question and an answer, got {exchange!r}"[:100])
        turns.append(Turn(Speaker.USER, str(exchange[0])))
        turns.append(Turn(Speaker.ASSISTANT, str(exchange[1])))
    return conversation_text([*turns, Turn(Speaker.USER, question)])


def _cell(row: dict[str, Any], name: str) -> str:
    """Return a text, which is empty where the row has none."""
    cell = row.get(name, "")
    if cell is None or cell != cell:
        return ""
    if not isinstance(cell, str):
        raise ValueError(f"expected text in {name!r}, got {type(cell).__name__} {cell!r}"[:100])
    return cell


def _of_conversations(table: pd.DataFrame, column: str, text: str, target: str) -> tuple[pd.DataFrame, list[str]]:
    prompts: list[str] = []
    answers: list[str] = []
    earlier_answers = 0
    for place, row in zip(table.index, table.to_dict("records"), strict=True):
        try:
            turns = turns_of(row[column])
            if turns[0].speaker is not Speaker.SYSTEM and isinstance(row.get(SYSTEM), str) and row[SYSTEM].strip():
                turns = [Turn(Speaker.SYSTEM, row[SYSTEM]), *turns]
            prompt, answer = _split_turns(turns, needs_answer=bool(target))
        except ValueError as error:
            raise _row_error(table, place, f"column {column!r}: {error}") from None
        earlier_answers += sum(turn.speaker is Speaker.ASSISTANT for turn in prompt)
        prompts.append(conversation_text(prompt))
        answers.append(answer)
    drop = [name for name in (column, SYSTEM, text) if name in table.columns]
    found = {text: prompts, target: answers} if target else {text: prompts}
    series = {name: pd.Series(cells, index=table.index, dtype=object) for name, cells in found.items()}
    notes = [f"the last answer of each row of {column!r} is the target, the turns before it are the prompt"]
    if earlier_answers:
        notes.append(f"{earlier_answers} earlier answers in them are read as context, not learned")
    return table.drop(columns=drop).assign(**series), notes


def _split_turns(turns: Sequence[Turn], *, needs_answer: bool) -> tuple[list[Turn], str]:
    """Return the turns before the last answer, and that answer; without one, all turns.

    Raises:
        ValueError: There is no question, or no answer where one is needed.
    """
    answers = [position for position, turn in enumerate(turns) if turn.speaker is Speaker.ASSISTANT]
    if not answers and needs_answer:
        raise ValueError("no turn is the assistant's, so there is nothing to learn")
    is_answered = bool(answers) and (needs_answer or answers[-1] == len(turns) - 1)
    prompt = list(turns[: answers[-1]] if is_answered else turns)
    if not prompt or prompt[-1].speaker is not Speaker.USER:
        raise ValueError("the assistant's last turn does not follow one of the user's")
    return prompt, turns[answers[-1]].content if is_answered else ""


def _of_prompts_in_turns(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return prompts and completions that are lists of turns as texts."""
    prompts: list[str] = []
    completions: list[Any] = []
    for place, prompt, completion in zip(table.index, table[PROMPT], table[COMPLETION], strict=True):
        try:
            prompts.append(conversation_text(turns_of(prompt)))
            are_turns = items_of(completion) is not None
            completions.append(turns_of(completion)[-1].content if are_turns else completion)
        except ValueError as error:
            raise _row_error(table, place, str(error)) from None
    columns = {PROMPT: prompts, COMPLETION: completions}
    series = {name: pd.Series(cells, index=table.index, dtype=object) for name, cells in columns.items()}
    return table.assign(**series), []


def _row_error(table: pd.DataFrame, place: Any, problem: str) -> DataError:
    return DataError(f"{table.index.name or 'row'} {place}: {problem}.", fix="Mend the row or leave it out.")
