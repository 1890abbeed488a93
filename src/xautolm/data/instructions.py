"""Instructions and conversations as prompts and targets: Alpaca's columns, `messages`, ShareGPT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from xautolm.cells import is_empty, is_missing, items_of, quoted
from xautolm.data.columns import Columns, Role, with_usual_name
from xautolm.data.conversations import Speaker, Turn, conversation_text, spelled_list, turns_of
from xautolm.data.source import NotedTable, place_of, with_columns
from xautolm.errors import DataError

INSTRUCTION, INPUT, SYSTEM, HISTORY = "instruction", "input", "system", "history"
"""Alpaca's columns; LLaMA-Factory added the last two."""
CONVERSATIONS = ("messages", "conversations", "conversation")
"""Columns of turns, the usual name first."""
PROMPT, COMPLETION = "prompt", "completion"
KNOWN = frozenset({INSTRUCTION, INPUT, SYSTEM, HISTORY, PROMPT, COMPLETION, *CONVERSATIONS})
WANTED_HISTORY = (
    "the history must list pairs of a question and an answer, or turns with a role and a content"
)
SYNONYMS = {"context": INPUT, "system_prompt": SYSTEM}
"""What else the columns beside an instruction are called: Dolly's, Orca's."""


def instruction_columns(
    table: pd.DataFrame, text: Role, target: Role | None, named: Columns
) -> NotedTable:
    """Return a table with instructions or conversations as columns of prompts and, of conversations, of answers.

    Args:
        table: Any table; without such columns it is returned as it is.
        text: What the column of prompts is to be, if the user has not named one.
        target: What the column of answers is to be; None: none is wanted.
        named: The columns that the user named, by role; of a named prompt, only one of conversations is changed.

    Raises:
        DataError: A conversation that cannot be learned from, by its row.
    """
    named_text = named.get(text.name)
    named_target = named.get(target.name) if target else None
    known = _with_known_names(table, named_target)
    columns = set(known.columns)
    # Conversations first: they hold the answers too, whatever columns stand beside them.
    for name in CONVERSATIONS:
        is_meant = named_text is None or named_text.strip().casefold() == name
        if is_meant and name in columns and _holds_turns(known[name]):
            rest = _without_rivals(known, text, target, named)
            # A column of answers that the user named, or gave apart, is what is to be learned.
            has_target = named_target in rest.columns and named_target != name
            learned = target.name if target and not has_target else ""
            prompted, notes = _of_conversations(rest, name, named_text or text.name, learned)
            if has_target:
                notes.append(
                    f"the last answer in {name!r} is left out: the target is {named_target!r}"
                )
            return prompted, notes
    if named_text is not None:
        return table, []
    if {PROMPT, COMPLETION} <= columns and _holds_turns(known[PROMPT]):
        return _of_prompts_in_turns(known)
    # An instruction without anything beside it is a prompt as it is.
    has_more = not columns.isdisjoint({INPUT, SYSTEM, HISTORY})
    if INSTRUCTION in columns and has_more:
        names_in_data = dict(zip(known.columns, table.columns, strict=True))
        return _of_instructions(known, text.name, names_in_data)
    return table, []


def _with_known_names(table: pd.DataFrame, named_target: str | None) -> pd.DataFrame:
    """Return a table whose columns are called as here, where they differ from that in case or are synonyms.

    Args:
        table: Any table.
        named_target: The column of answers that the user named, if any: it is looked for by that name.
    """
    present = [str(name) for name in table.columns]
    renamed: dict[str, str] = {}
    for name in present:
        bare_name = name.strip().casefold()
        known_name = bare_name
        if INSTRUCTION in map(str.casefold, present):
            # Such words mean something else where there is no instruction.
            known_name = SYNONYMS.get(bare_name, bare_name)
        is_free = known_name not in present and known_name not in renamed.values()
        if known_name in KNOWN and is_free and name != named_target:
            renamed[name] = known_name
    return table.rename(columns=renamed)


def _without_rivals(
    table: pd.DataFrame, text: Role, target: Role | None, named: Columns
) -> pd.DataFrame:
    """Return a table without other columns that could be the prompt or the answer, which a conversation holds."""
    rivals: list[str] = []
    for role in (text, target):
        if role is not None:
            rivals += with_usual_name(table, role)
    chosen = set(named.values())
    return table.drop(columns=[name for name in rivals if name not in chosen])


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


def _of_instructions(
    table: pd.DataFrame, text: str, names_in_data: Mapping[str, str]
) -> NotedTable:
    """Return a table with the prompts that an instruction, its input and what came before it make up.

    Args:
        table: With the columns under their usual names.
        text: What the column of prompts is to be called.
        names_in_data: What the columns are called in the data, for the note.

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
    joined = [names_in_data.get(name, name) for name in parts if name in (INSTRUCTION, INPUT)]
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
    turns += _history(row.get(HISTORY))
    # Of a row without an input, the instruction is the whole request.
    cells = [_cell(row, INSTRUCTION), _cell(row, INPUT)]
    parts = [cell for cell in cells if cell]
    request = "\n\n".join(parts)
    turns.append(Turn(Speaker.USER, request))
    return conversation_text(turns)


def _history(cell: object) -> list[Turn]:
    """Return what was said before an instruction: pairs of a question and an answer, or turns with their speakers.

    Raises:
        ValueError: It is neither.
    """
    # A row without anything before it has no history, or an empty one.
    if is_empty(cell):
        return []
    exchanges = spelled_list(cell)
    if exchanges is None:
        raise ValueError(f"{WANTED_HISTORY}, got {quoted(cell)}")
    if exchanges and all(isinstance(exchange, Mapping) for exchange in exchanges):
        return turns_of(exchanges)
    turns: list[Turn] = []
    for exchange in exchanges:
        pair = items_of(exchange)
        is_pair = pair is not None and len(pair) == 2
        if pair is None or not is_pair or not all(_is_said(part) for part in pair):
            raise ValueError(f"{WANTED_HISTORY}, got {quoted(exchange)}")
        question, answer = map(str, pair)
        turns.append(Turn(Speaker.USER, question))
        turns.append(Turn(Speaker.ASSISTANT, answer))
    return turns


def _is_said(part: object) -> bool:
    """Return whether something is what a speaker may have said: a text, or a number for an answer."""
    return isinstance(part, str | int | float) and not is_missing(part)


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
    notes = []
    if target:
        notes.append(
            f"the last answer of each row of {column!r} is the target, the turns before it are the prompt"
        )
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
