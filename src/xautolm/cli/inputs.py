"""Read what `xautolm predict` is asked about: texts of the command line, lines, or the rows of a file."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import pandas as pd

from xautolm.data import Role, check_known, input_table
from xautolm.data.delimited import WORDS_OF_PROSE
from xautolm.data.encodings import check_encoding, decoded
from xautolm.data.files import READERS, is_table, read_file
from xautolm.data.surrogates import repaired_texts
from xautolm.data.unpacking import ARCHIVE, data_suffix, unpacked
from xautolm.errors import UsageError
from xautolm.options import FitOptions
from xautolm.printable import shortened
from xautolm.search_space import data_needs
from xautolm.tasks import Task

LINES = ".txt"
"""Files of lines, each a text."""
HEADED = frozenset({".csv", ".tsv", ".tab", ".psv", ARCHIVE})
"""Files whose first line has the names of columns."""
LINE_END = re.compile(r"\r\n|\n|\r")
"""What ends a line; other characters that break lines on paper are part of a text."""
TAB_IN_LETTERS = r"\t"
"""How a tab is written where a shell or keyboard gives none."""
CONTEXT = "context"
"""The input that a file can give for all questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a model is asked about, row by row."""

    inputs: pd.DataFrame
    """The task's inputs, by their names."""
    rows: pd.DataFrame
    """The rows as they were given, which the answers are written beside; as long as `inputs`."""
    notes: tuple[str, ...] = ()
    """What was done while reading, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions:
    """How rows become the inputs of a task."""

    task: Task
    """Of the run."""
    context: Path | None = None
    """File whose text is the context of every row."""
    column: str | None = None
    """The column of the only input, as `--column` names it."""
    columns: str | None = None
    """The columns of inputs, as `--columns` names them: `name=column,name=column`."""
    encoding: str | None = None
    """Of files and standard input, where it is not UTF-8."""

    def open_roles(self) -> list[Role]:
        """Return the inputs that rows must bring themselves.

        Raises:
            UsageError: A context is given to a task that has none.
        """
        # The last role is the target, which is what the model is asked for.
        *roles, _ = data_needs(self.task).roles
        if self.context is None:
            return roles
        if CONTEXT not in self.task.inputs:
            raise UsageError(
                f"The run's task, {self.task.name}, has no context.",
                got=f"--context {self.context}",
            )
        return [role for role in roles if role.name != CONTEXT]

    def named_columns(self) -> dict[str, str | None]:
        """Return the columns that the user named, by the names of the task's inputs.

        Raises:
            UsageError: `--column` where there are several inputs, or `--columns` that cannot be read.
        """
        # Read as `fit` reads them, with the same messages.
        options = FitOptions.parse({"columns": self.columns or {}})
        columns: dict[str, str | None] = dict(options.columns)
        if self.column is None:
            return columns
        names = [role.name for role in self.open_roles()]
        if len(names) == 1:
            (name,) = names
            columns[name] = self.column
            return columns
        pairs = ",".join(f"{name}=NAME" for name in names)
        raise UsageError(
            f"{self.task.name} reads several columns.",
            got=f"--column {self.column}",
            fix=f"Say --columns {pairs}.",
        )


def texts_asked(texts: Sequence[str], options: InputOptions) -> Question:
    """Return the rows that texts are: each one input, or several with a tab between; an empty text keeps its place.

    Args:
        texts: Of the command line or of lines.
        options: How they become inputs.

    Raises:
        UsageError: The task has no context or it cannot be read, or a text has more or fewer parts than inputs.
    """
    roles = options.open_roles()
    names = [role.name for role in roles]
    # Arguments bring half characters for bytes that are not valid UTF-8.
    valid_texts, repaired_count = repaired_texts(texts)
    notes: tuple[str, ...] = ()
    if repaired_count:
        notes = (f"half characters replaced in {repaired_count} texts",)
    cells: list[list[str]] = []
    for number, text in enumerate(valid_texts, start=1):
        parts = _parts(text, names, options.task, number)
        cells.append(parts)
    inputs = pd.DataFrame(cells, columns=names, dtype=object)
    inputs = _with_context(inputs, options.context)
    # Answers stand beside the whole text, tabs included, as it was asked.
    rows = pd.DataFrame({"text": valid_texts}, dtype=object)
    return Question(inputs=inputs, rows=rows, notes=notes)


def lines_asked(content: bytes, place: str, options: InputOptions) -> Question:
    """Return the rows that the lines of a file or of standard input are.

    Args:
        content: In bytes.
        place: What it is called in messages.
        options: How lines become inputs.

    Raises:
        UsageError: As of `lines_of` and `texts_asked`.
    """
    check_encoding(options.encoding)
    lines, decoding_notes = lines_of(content, place, options.encoding)
    question = texts_asked(lines, options)
    notes = decoding_notes + question.notes
    return replace(question, notes=notes)


def file_asked(path: Path, options: InputOptions, used: Mapping[str, str]) -> Question:
    """Return the rows of a file: CSV, TSV, JSON, JSON Lines, Parquet, or text with a row in each line.

    A text that `fit` and `evaluate` would read as a table is one here, too: no label may become part of what is asked.

    Args:
        path: Of the file.
        options: How its rows become inputs.
        used: The names of columns that training used, by the names of the task's inputs.

    Raises:
        UsageError: The file cannot be read, or a row has no texts; it is named by its line.
    """
    if path.is_dir():
        raise UsageError("--input is a folder.", got=path, fix="Give one file of it.")
    if not path.is_file():
        raise UsageError("No such file for --input.", got=path, fix=f"Looked in {Path.cwd()}.")
    check_encoding(options.encoding)
    roles = options.open_roles()
    columns = options.named_columns()
    known = {role.name: _known_names(role, columns, used) for role in roles}
    if data_suffix(path) == LINES:
        content, place, _ = unpacked(path, {LINES})
        text, _ = decoded(content, place, options.encoding)
        *_, target = data_needs(options.task).roles
        if not is_table(text, list(known.values()), {target.name, *target.guesses}):
            return lines_asked(content, place, options)
    check_known(columns, roles)
    # Every row, also an empty or a repeated one: answers stand beside the rows of the file.
    source = read_file(path, options.encoding, every_row=True)
    if len(source.splits) > 1:
        names = ", ".join(source.splits)
        raise UsageError("--input holds several splits.", got=names, fix="Give a file of one.")
    (rows,) = source.splits.values()
    if data_suffix(path) in HEADED:
        _refuse_row_as_header(rows, set().union(*known.values()), str(path))
    inputs = input_table(rows, roles, columns, used)
    inputs = _with_context(inputs, options.context)
    rows = rows.reset_index(drop=True)
    return Question(inputs=inputs, rows=rows, notes=source.notes)


def _known_names(
    role: Role, columns: Mapping[str, str | None], used: Mapping[str, str]
) -> set[str]:
    """Return what the column of an input may be called: as the user or training named it, or as is usual."""
    names = {role.name, *role.guesses}
    names.update(name for name in (columns.get(role.name), used.get(role.name)) if name)
    return names


def _refuse_row_as_header(rows: pd.DataFrame, known: Collection[str], place: str) -> None:
    """Refuse a single column that is called by what seems to be a text: it would be lost.

    Raises:
        UsageError: With how to say that it is a name all the same.
    """
    if len(rows.columns) != 1:
        return
    (name,) = map(str, rows.columns)
    if name in known or len(name.split()) < WORDS_OF_PROSE:
        return
    raise UsageError(
        f"{place}: a row seems to stand where the column's name must be.",
        got=repr(shortened(name)),
        fix=f"Put a line with a name, such as text, above it. If it is one, say --column {shlex.quote(name)}.",
    )


def lines_of(content: bytes, place: str, encoding: str | None) -> tuple[list[str], tuple[str, ...]]:
    """Return the lines of a text, empty ones included, and notes on how it was decoded; the last may lack its end.

    Raises:
        UsageError: A line is not valid in that encoding, UTF-8 by default.
    """
    text, notes = decoded(content, place, encoding)
    lines = LINE_END.split(text)
    # What follows the last line end is no line, unless the file lacks that end.
    if not lines[-1]:
        lines.pop()
    return lines, notes


def refuse_files(texts: Sequence[str], run: Path) -> None:
    """Refuse the name of a file in place of a text, with the command that reads the file.

    Raises:
        UsageError: A text is a file here, or has the ending of one and no blank.
    """
    for text in texts:
        if _is_file(text):
            command = shlex.join(["xautolm", "predict", str(run), "--input", text])
            raise UsageError(
                f"{text!r} is a file, not a text to predict for.", fix=f"For its rows: {command}"
            )
        has_ending = data_suffix(PurePath(text)) in {*READERS, LINES}
        has_blank = any(map(str.isspace, text))
        # A sentence may end in the name of a file; a text of one word that does is hardly one to predict for.
        if has_ending and not has_blank:
            raise UsageError(
                f"{text!r} looks like a file, not like a text to predict for, and no such file is here.",
                got=f"looked in {Path.cwd()}",
                fix="For the rows of a file, say --input FILE.",
            )


def _is_file(text: str) -> bool:
    """Return whether a text names a file here."""
    try:
        path = os.path.expanduser(text)
        return os.path.isfile(path)
    except ValueError:  # NUL is in no name
        return False


def _with_context(inputs: pd.DataFrame, context: Path | None) -> pd.DataFrame:
    """Return inputs with the text of a file as the context of each.

    Raises:
        UsageError: The file cannot be read.
    """
    if context is None:
        return inputs
    try:
        content = context.read_bytes()
    except OSError as error:
        raise UsageError(
            "The context cannot be read.", got=f"{context}: {error.strerror}"
        ) from None
    passage, _ = decoded(content, str(context))
    passages = [passage] * len(inputs)
    column = pd.Series(passages, index=inputs.index, dtype=object)
    return inputs.assign(**{CONTEXT: column})


def _parts(text: str, names: Sequence[str], task: Task, number: int) -> list[str]:
    """Return the inputs in one text."""
    if len(names) == 1:
        return [text]
    # An empty line keeps its place among the answers.
    if not text:
        return [""] * len(names)
    # A real tab goes first: beside one, the letters \t are part of a text.
    separator = "\t" if "\t" in text else TAB_IN_LETTERS
    parts = text.split(separator)
    if len(parts) != len(names):
        needs = " and ".join(names)
        fix = "For questions about one file, say --context FILE." if CONTEXT in names else ""
        raise UsageError(
            f"{task.name} needs {needs} with a tab between.",
            got=f"{text!r}, text {number}",
            fix=fix,
        )
    return parts
