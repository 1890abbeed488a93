"""Tables from wherever people keep them: files, folders, hub data sets, data frames, lists."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from xautolm.errors import DataError

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
"""Names of splits, and what files and hub data sets call them."""

HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
SAMPLE_OF_CELL = 60


@dataclass(frozen=True, slots=True)
class Source:
    """Raw tables by split, before any column is chosen.

    The index of each table says where a row stands: the line for text files, the row otherwise.
    """

    name: str
    splits: Mapping[str, pd.DataFrame]


def load(data: Any) -> Source:
    """Read data from a path, a hub name, a data frame, a `datasets` object, or a list or mapping of columns.

    Raises:
        DataError: It does not exist or cannot be read; a corrupt row is named by its line.
    """
    if isinstance(data, str | Path):
        return _from_path(str(data))
    if isinstance(data, pd.DataFrame):
        return Source("data frame", {"train": data.reset_index(drop=True)})
    if hasattr(data, "to_pandas"):
        return Source("data set", {"train": _as_frame(data)})
    if isinstance(data, Mapping) and data and all(_is_split(split) for split in data.values()):
        return Source("data set", _named_splits({name: _as_frame(split) for name, split in data.items()}))
    if isinstance(data, Mapping | list):
        try:
            return Source("data", {"train": pd.DataFrame(data)})
        except ValueError as error:
            raise DataError("The columns do not form a table.", got=error) from None
    raise DataError(
        "Cannot read the data.",
        got=f"an object of type {type(data).__name__}",
        fix="Give a path, a hub name, a pandas DataFrame, a datasets.Dataset, or a mapping of columns.",
    )


def read_table(path: Path) -> pd.DataFrame:
    """One table from a CSV, TSV, JSON Lines or Parquet file.

    Raises:
        DataError: Unknown suffix, or a row that cannot be read.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError("Unknown file type.", got=path, fix=f"Known: {', '.join(sorted(READERS))}.")
    table = reader(path)
    if table.empty:
        raise DataError(f"{path} has no rows.")
    return table


def _from_path(location: str) -> Source:
    path = Path(location).expanduser()
    if path.is_file():
        return Source(path.name, {"train": read_table(path)})
    if path.is_dir():
        return Source(path.resolve().name, _from_folder(path))
    if path.suffix.lower() in READERS or not HUB_NAME.fullmatch(location):
        raise DataError("No such file.", got=location, fix=f"Looked in {Path.cwd()}.")
    return Source(location, _from_hub(location))


def _from_folder(folder: Path) -> Mapping[str, pd.DataFrame]:
    if (folder / "dataset_info.json").exists() or (folder / "dataset_dict.json").exists():
        from datasets import DatasetDict, load_from_disk

        stored = load_from_disk(str(folder))
        splits = dict(stored) if isinstance(stored, DatasetDict) else {"train": stored}
        return _named_splits({str(name): _as_frame(split) for name, split in splits.items()})
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in READERS}
    found = {
        split: read_table(files[alias]) for split, aliases in SPLITS.items() for alias in aliases if alias in files
    }
    if "train" not in found:
        raise DataError(
            "The folder has no training split.",
            got=f"{folder} with {', '.join(sorted(files)) or 'no table'}",
            fix="Name the file train.csv, .tsv, .jsonl or .parquet, or give a file.",
        )
    return found


def _from_hub(name: str) -> Mapping[str, pd.DataFrame]:
    from datasets import load_dataset

    try:
        stored = load_dataset(name, trust_remote_code=False)
    except Exception as error:
        raise DataError(
            f"{name!r} is neither a file or folder here nor a data set that the hub gives.",
            got=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200],
            fix="Without a hub, give a CSV, TSV, JSON Lines or Parquet file, or a folder with train.* in it.",
        ) from None
    return _named_splits({str(split): _as_frame(table) for split, table in stored.items()})


def _is_split(table: Any) -> bool:
    return isinstance(table, pd.DataFrame) or hasattr(table, "to_pandas")


def _as_frame(table: Any) -> pd.DataFrame:
    """A `datasets.Dataset` (or another table with `to_pandas`) as a data frame, with class names for their numbers."""
    if isinstance(table, pd.DataFrame):
        return table.reset_index(drop=True)
    frame: pd.DataFrame = table.to_pandas()
    for name, feature in (getattr(table, "features", None) or {}).items():
        if hasattr(feature, "int2str"):
            frame[name] = [None if value < 0 else feature.int2str(int(value)) for value in frame[name]]
    return frame


def _named_splits(tables: Mapping[str, pd.DataFrame]) -> Mapping[str, pd.DataFrame]:
    found = {split: tables[alias] for split, aliases in SPLITS.items() for alias in aliases if alias in tables}
    if "train" not in found:
        raise DataError("The data set has no training split.", got=", ".join(tables))
    return found


def _decoded(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: not valid UTF-8.",
            got=repr(raw[error.start : error.start + 4]),
            fix="Convert the file, for example with `iconv -f latin1 -t utf-8`.",
        ) from None


def _delimited(delimiter: str) -> Callable[[Path], pd.DataFrame]:
    def read(path: Path) -> pd.DataFrame:
        # A text may hold newlines inside quotes, so lines are counted by the reader, not by rows.
        reader = csv.reader(_decoded(path).splitlines(keepends=True), delimiter=delimiter)
        csv.field_size_limit(2**31 - 1)
        header = next(reader, None)
        if not header:
            raise DataError(f"{path} is empty.")
        rows, lines, start = [], [], reader.line_num + 1
        for row in reader:
            if row and len(row) != len(header):
                raise DataError(
                    f"{path}, line {start}: {len(row)} fields where the header has {len(header)}.",
                    got=delimiter.join(row)[:SAMPLE_OF_CELL],
                    fix="Quote texts that hold the delimiter or a newline.",
                )
            if row:
                rows.append(row)
                lines.append(start)
            start = reader.line_num + 1
        return pd.DataFrame(rows, columns=header, index=pd.Index(lines, name="line"), dtype=object)

    return read


def _json_lines(path: Path) -> pd.DataFrame:
    rows, lines = [], []
    for line, text in enumerate(_decoded(path).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, line {line}: not valid JSON.", got=f"{error}") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {line}: not a JSON object.", got=text[:SAMPLE_OF_CELL])
        rows.append(row)
        lines.append(line)
    return pd.DataFrame(rows, index=pd.Index(lines, name="line"), dtype=object)


def _json(path: Path) -> pd.DataFrame:
    """A list of objects, or SQuAD's nesting of articles, paragraphs and questions."""
    try:
        content = json.loads(_decoded(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not valid JSON.", got=f"{error}") from None
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        content = content["data"]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise DataError(f"{path} must hold a list of objects, or SQuAD's `data`.", got=type(content).__name__)
    if content and "paragraphs" in content[0]:
        try:
            content = [
                {
                    "context": part["context"],
                    "question": one["question"],
                    "answers": [a["text"] for a in one["answers"]],
                }
                for article in content
                for part in article["paragraphs"]
                for one in part["qas"]
            ]
        except (KeyError, TypeError) as error:
            raise DataError(f"{path} is not in SQuAD's format.", got=f"{type(error).__name__}: {error}") from None
    return pd.DataFrame(content, dtype=object)


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow

    try:
        return pd.read_parquet(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a readable Parquet file.", got=str(error).splitlines()[0]) from None


READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".parquet": _parquet,
}
