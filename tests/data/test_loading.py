from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow
import pytest

from xautolm.data import load
from xautolm.data.files import READERS, read_file
from xautolm.data.questions import ID
from xautolm.errors import DataError
from xautolm.search_space import data_needs
from xautolm.tasks import TASKS

TABLE = pd.DataFrame(
    {"text": ["good, really", 'so "bad"', "two\nlines"], "label": ["pos", "neg", "pos"]}
)


def write(path: Path) -> Path:
    match path.suffix:
        case ".csv":
            TABLE.to_csv(path, index=False)
        case ".tsv":
            TABLE.to_csv(path, index=False, sep="\t")
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in TABLE.to_dict("records")))
        case ".parquet":
            TABLE.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_file_type_gives_the_same_table(tmp_path: Path, suffix: str) -> None:
    found = load(write(tmp_path / f"data{suffix}")).splits["train"]
    assert found.reset_index(drop=True).astype(str).equals(TABLE.astype(str))


ROWS = [("good", "pos"), ("", ""), ("text", "label"), ("bad", "neg")]
"""An empty row and one that repeats the header, between two that can be learned from."""


def write_rows(path: Path) -> Path:
    """Write `ROWS` as the ending says."""
    frame = pd.DataFrame(ROWS, columns=["text", "label"])
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".psv":
            frame.to_csv(path, index=False, sep="|")
        case ".tsv" | ".tab" | ".txt":
            frame.to_csv(path, index=False, sep="\t")
        case ".json":
            frame.to_json(path, orient="records")
        case ".jsonl" | ".ndjson" | ".jsonlines":
            frame.to_json(path, orient="records", lines=True)
        case ".parquet" | ".pq":
            frame.to_parquet(path)
        case ".arrow" | ".feather":
            frame.to_feather(path)
    return path


@pytest.mark.parametrize("suffix", READERS)
def test_every_reader_reads_every_row_where_it_is_asked_for(tmp_path: Path, suffix: str) -> None:
    path = write_rows(tmp_path / f"rows{suffix}")
    table = read_file(path, every_row=True).splits["train"]
    assert list(table.itertuples(index=False, name=None)) == ROWS


def test_blank_lines_of_fasttext_are_rows_where_every_row_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("\n__label__pos good\n \n__label__neg bad\n")
    table = read_file(path, every_row=True).splits["train"]
    assert table["text"].to_list() == ["", "good", "", "bad"]
    assert table["label"].to_list() == [[], ["pos"], [], ["neg"]]
    learned = read_file(path).splits["train"]
    assert learned["text"].to_list() == ["good", "bad"]
    assert learned.index.to_list() == [2, 4]


@pytest.mark.parametrize("ending", ["", "\n", "\n\n \n", "\n\x1a", "\r\n\r\n\x1a"])
def test_what_ends_a_file_of_fasttext_is_no_row(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(f"__label__pos good\n\n__label__neg bad{ending}".encode())
    table = read_file(path, every_row=True).splits["train"]
    assert table["text"].to_list() == ["good", "", "bad"]


def test_a_folder_brings_its_splits(tmp_path: Path) -> None:
    write(tmp_path / "train.csv")
    write(tmp_path / "dev.parquet")
    write(tmp_path / "test.jsonl")
    assert set(load(tmp_path).splits) == {"train", "validation", "test"}


def test_hugging_face_data_sets_in_memory_and_on_disk(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    table = Dataset.from_pandas(TABLE)
    assert len(load(table).splits["train"]) == 3
    both = DatasetDict({"train": table, "validation": table})
    both.save_to_disk(str(tmp_path / "stored"))
    assert (
        set(load(both).splits) == set(load(tmp_path / "stored").splits) == {"train", "validation"}
    )


def test_class_numbers_of_hugging_face_data_sets_become_names() -> None:
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    table = Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    found = list(load(table).splits["train"]["label"])
    assert found[:2] == ["good", "bad"] and pd.isna(found[2])


@pytest.mark.parametrize(
    ("index", "columns"),
    [
        (pd.Index(TABLE["label"]), ["text", "label"]),
        (pd.Index([4, 7, 9], name="line"), ["text", "label"]),
        (pd.Index([4, 7, 9], name="id"), ["id", "text", "label"]),
    ],
    ids=["a column once more", "a place", "a further column"],
)
def test_an_index_becomes_the_same_columns_whatever_holds_it(
    tmp_path: Path, index: pd.Index, columns: list[str]
) -> None:
    frame = TABLE.set_axis(index)
    frame.to_parquet(tmp_path / "a.parquet")
    for data in (frame, tmp_path / "a.parquet", pyarrow.Table.from_pandas(frame)):
        table = load(data).splits["train"]
        assert list(table.columns) == columns
        assert list(table.index) == [0, 1, 2]


def test_frames_and_columns() -> None:
    assert len(load(TABLE).splits["train"]) == len(load(TABLE.to_dict("list")).splits["train"]) == 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,label\na,b\nc,d,e\n", "line 3: 3 fields where the header has 2"),
        ("a.csv", b'text,label\n"two\nlines",x\nc\n', "line 4: 1 fields"),
        ("a.tsv", b"text\tlabel\na\n", "line 2: 1 fields"),
        ("a.csv", b"text,label\ngood,pos\n\xff\xfe,neg\n", "line 3: not valid UTF-8"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text,label\n", "has no rows"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "line 2: not valid JSON"),
        ("a.jsonl", b"[1]\n", "row 0: not an object"),
        ("a.jsonl", b"[1]\n[2]\n", "line 1: not a JSON object"),
        ("a.parquet", b"nothing of the kind", "not a readable Parquet file"),
        ("a.xlsx", b"x", "Unknown file type"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / name)


def test_missing_file_and_unreachable_hub() -> None:
    with pytest.raises(DataError, match=r"No such file"):
        load("nowhere/train.csv")
    with pytest.raises(
        DataError, match="neither a file or folder here nor a data set that the hub gives"
    ):
        load("someone/some-data")


def test_a_folder_without_training_split(tmp_path: Path) -> None:
    write(tmp_path / "test.csv")
    with pytest.raises(DataError, match="no training split"):
        load(tmp_path)


def test_things_that_are_no_data() -> None:
    with pytest.raises(DataError, match="object of type int"):
        load(3)
    with pytest.raises(DataError, match="do not form a table"):
        load({"text": ["a"], "label": ["b", "c"]})


def test_of_what_stands_beside_questions_their_own_ids_are_kept_as_texts(tmp_path: Path) -> None:
    asked = [
        {"id": 1, "question": "Who?", "answers": [], "query": "who", "rater": "Bob"},
        {"id": "b", "question": "What?", "answers": []},
        {"id": None, "question": "When?", "answers": []},
    ]
    paragraph = {"id": "p1", "context": "Ada did.", "qas": asked}
    article = {"id": "d1", "title": "Ada", "paragraphs": [paragraph]}
    path = tmp_path / "squad.json"
    path.write_text(json.dumps({"data": [article]}))
    table = load(path).splits["train"]
    assert list(table.columns) == ["context", "question", "answers", "id"]
    first_id, second_id, third_id = table["id"]
    assert [first_id, second_id] == ["1", "b"]
    # That of the paragraph is none of the question.
    assert pd.isna(third_id)


def test_questions_without_ids_have_no_column_for_them(tmp_path: Path) -> None:
    paragraph = {"id": "p1", "context": "Ada did.", "qas": [{"question": "Who?", "answers": []}]}
    path = tmp_path / "squad.json"
    path.write_text(json.dumps({"data": [{"title": "Ada", "paragraphs": [paragraph]}]}))
    assert list(load(path).splits["train"].columns) == ["context", "question", "answers"]


def test_an_id_of_a_question_is_guessed_for_no_role() -> None:
    for role in data_needs(TASKS.get("question-answering")).roles:
        assert ID not in {role.name, *role.guesses}


def test_squads_nested_json_and_a_list_of_objects(tmp_path: Path) -> None:
    path = tmp_path / "squad.json"
    asked = [
        {"question": "Who?", "id": "1", "answers": [{"text": "Ada", "answer_start": 0}]},
        {"question": "What?", "id": "2", "answers": []},
    ]
    path.write_text(
        json.dumps(
            {"version": "2", "data": [{"paragraphs": [{"context": "Ada did.", "qas": asked}]}]}
        )
    )
    table = load(path).splits["train"]
    assert table.to_dict("list") == {
        "context": ["Ada did.", "Ada did."],
        "question": ["Who?", "What?"],
        "answers": [["Ada"], []],
        "id": ["1", "2"],
    }
    path.write_text(json.dumps([{"text": "a", "label": "x"}]))
    assert load(path).splits["train"].to_dict("list") == {"text": ["a"], "label": ["x"]}
    for content in ("{", '{"a": 1}', '[{"paragraphs": [{"context": "c"}]}]'):
        path.write_text(content)
        with pytest.raises(DataError):
            load(path)
