"""Instructions and conversations as prompts and targets: Alpaca's columns, `messages`, ShareGPT."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from xautolm.cells import is_empty, is_missing, items_of, quoted
from xautolm.data.conversations import Speaker, Turn, conversation_text, turns_of
from xautolm.data.source import NotedTable, place_of, with_columns
from xautolm.errors import DataError

INSTRUCTION, INPUT, SYSTEM, HISTORY = "instruction", "input", "system", "history"
"""Alpaca's columns; LLaMA-Factory added the last two."""
CONVERSATIONS = ("messages", "conversations", "conversation")
"""Columns of turns, the usual name first."""
PROMPT, COMPLETION = "prompt", "completion"


def instruction_columns(
    table: pd.DataFrame, named: str | None, text: str, target: str
) -> NotedTable:
    """Return a table with instructions or conversations as columns of prompts and, of conversations, of answers.

    Args:
        table: Any table; without such columns it is returned as it is.
        named: The column of prompts, if the user named it; only one of conversations is changed then.
        text: What the column of prompts is to be called otherwise.
        target: What the column of answers is to be called; empty: none is wanted.

    Raises:
        DataError: A conversation that cannot be learned from, by its row.
    """
    columns = {str(name) for name in table.columns}
    # Conversations first: they hold the answers too, whatever columns stand beside them.
    for name in CONVERSATIONS:
        may_be_read = name in columns and named in (None, name)
        if may_be_read and _holds_turns(table[name]):
            return _of_conversations(table, name, named or text, target)
    if named is not None:
        return table, []
    if {PROMPT, COMPLETION} <= columns and _holds_turns(table[PROMPT]):
        return _of_prompts_in_turns(table)
    # An instruction without anything beside it is a prompt as it is.
    has_more = not columns.isdisjoint({INPUT, SYSTEM, HISTORY})
    if INSTRUCTION in columns and has_more:
        return _of_instructions(table, text)
    return table, []


def _holds_turns(column: pd.Series) -> bool:
    """Return whether the first cell that is there is a list, or the JSON text of one."""
    for cell in column:
        if is_missing(cell):
            continue
        # One cell is enough to tell; where another one is not alike, reading it says so.
        if isinstance(cell, str):
            return cell.lstrip().startswith("[")
        return items_of(cell) is not None
    return False


def _of_instructions(table: pd.DataFrame, text: str) -> NotedTable:
    """Return a table with the prompts that an instruction, its input and what came before it make up.

    Raises:
        DataError: A part is no text, by its row.
    """
    parts = [name for name in (SYSTEM, HISTORY, INSTRUCTION, INPUT) if name in table.columns]
    columns = [table[name] for name in parts]
    rows = zip(table.index, *columns, strict=True)
    prompts: list[str] = []
    for place, *cells in rows:
        row = dict(zip(parts, cells, strict=True))
        try:
            prompt = _instruction_prompt(row)
        except ValueError as error:
            raise _row_error(table, place, str(error)) from None
        prompts.append(prompt)

    superseded = list(parts)
    if text in table.columns:
        # A `text` of Alpaca's own holds the answer too.
        superseded.append(text)
    rest = table.drop(columns=superseded)
    joined = [name for name in parts if name in (INSTRUCTION, INPUT)]
    names = " and ".join(joined)
    note = f"{names} joined to the prompt"
    return with_columns(rest, {text: prompts}), [note]


def _instruction_prompt(row: Mapping[str, object]) -> str:
    """Return the prompt of a row.

    Raises:
        ValueError: A part is no text, or the history is none.
    """
    turns: list[Turn] = []
    system = _cell(row, SYSTEM)
    if system:
        turns.append(Turn(Speaker.SYSTEM, system))
    history = items_of(row.get(HISTORY))
    # A row without anything before it has no history, or an empty one.
    for exchange in history or []:
        if not isinstance(exchange, Collection) or len(exchange) != 2:
            raise ValueError(
                f"the history must list pairs of a question and an answer, got {quoted(exchange)}"
            )
        question, answer = exchange
        turns.append(Turn(Speaker.USER, str(question)))
        turns.append(Turn(Speaker.ASSISTANT, str(answer)))
    # Of a row without an input, the instruction is the whole request.
    cells = [_cell(row, INSTRUCTION), _cell(row, INPUT)]
    parts = [cell for cell in cells if cell]
    request = "\n\n".join(parts)
    turns.append(Turn(Speaker.USER, request))
    return conversation_text(turns)


def _cell(row: Mapping[str, object], name: str) -> str:
    """Return a text, which is empty where the row has none.

    Raises:
        ValueError: It is something else.
    """
    cell = row.get(name)
    if is_empty(cell):
        return ""
    if not isinstance(cell, str):
        kind = type(cell).__name__
        raise ValueError(f"expected text in {name!r}, got {kind} {quoted(cell)}")
    return cell


def _of_conversations(table: pd.DataFrame, column: str, text: str, target: str) -> NotedTable:
    """Return a table with the turns before the last answer as prompts, and the last answers as targets.

    Raises:
        DataError: A row has no such turns.
    """
    # ShareGPT keeps what the system says beside the turns, in a column of its own.
    systems = [None] * len(table)
    if SYSTEM in table.columns:
        systems = list(table[SYSTEM])
    prompts: list[str] = []
    answers: list[str] = []
    context_answers = 0
    for place, cell, system in zip(table.index, table[column], systems, strict=True):
        try:
            turns = _with_system(turns_of(cell), system)
            prompt, answer = _split_turns(turns, needs_answer=bool(target))
        except ValueError as error:
            raise _row_error(table, place, f"column {column!r}: {error}") from None
        for turn in prompt:
            if turn.speaker is Speaker.ASSISTANT:
                context_answers += 1
        prompts.append(conversation_text(prompt))
        answers.append(answer)

    superseded = [name for name in (column, SYSTEM, text) if name in table.columns]
    rest = table.drop(columns=superseded)
    prompted = with_columns(rest, {text: prompts})
    if target:
        prompted = with_columns(prompted, {target: answers})
    notes = [
        f"the last answer of each row of {column!r} is the target, the turns before it are the prompt"
    ]
    if context_answers:
        notes.append(
            f"earlier answers in them, which are read as context and not learned: {context_answers}"
        )
    return prompted, notes


def _with_system(turns: list[Turn], system: object) -> list[Turn]:
    """Return turns that begin with what the system says, if a column of its own says so."""
    first = turns[0]
    # What the conversation itself says goes before.
    if first.speaker is Speaker.SYSTEM or is_empty(system):
        return turns
    system_turn = Turn(Speaker.SYSTEM, str(system))
    return [system_turn, *turns]


def _split_turns(turns: Sequence[Turn], *, needs_answer: bool) -> tuple[list[Turn], str]:
    """Return the turns before the last answer, and that answer; without one, all turns.

    Raises:
        ValueError: There is no question, or no answer where one is needed.
    """
    last_answer: int | None = None
    for position, turn in enumerate(turns):
        if turn.speaker is Speaker.ASSISTANT:
            last_answer = position
    if needs_answer and last_answer is None:
        raise ValueError("no turn is the assistant's, so there is nothing to learn")

    prompt = list(turns)
    answer = ""
    last_turn = len(turns) - 1
    # To predict for, a conversation that ends with a question is a prompt as it is.
    takes_answer = needs_answer or last_answer == last_turn
    if last_answer is not None and takes_answer:
        prompt = list(turns[:last_answer])
        answer = turns[last_answer].content
    if not prompt or prompt[-1].speaker is not Speaker.USER:
        raise ValueError("the assistant's last turn does not follow one of the user's")
    return prompt, answer


def _of_prompts_in_turns(table: pd.DataFrame) -> NotedTable:
    """Return prompts and completions that are lists of turns as texts.

    Raises:
        DataError: A row has no such turns.
    """
    prompts: list[str] = []
    completions: list[object] = []
    rows = zip(table.index, table[PROMPT], table[COMPLETION], strict=True)
    for place, prompt, completion in rows:
        try:
            turns = turns_of(prompt)
            prompts.append(conversation_text(turns))
            if items_of(completion) is None:
                # A text, whatever the prompt is.
                completions.append(completion)
            else:
                last_turn = turns_of(completion)[-1]
                completions.append(last_turn.content)
        except ValueError as error:
            raise _row_error(table, place, str(error)) from None
    return with_columns(table, {PROMPT: prompts, COMPLETION: completions}), []


def _row_error(table: pd.DataFrame, place: object, problem: str) -> DataError:
    where = place_of(table, place)
    return DataError(f"{where}: {problem}.", fix="Mend the row or leave it out.")
