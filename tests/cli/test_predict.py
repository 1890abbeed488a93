"""`xautolm predict` and `evaluate`: texts, lines and files in, as many rows out, and the model loaded and run once."""

from __future__ import annotations

import csv
import errno
import gzip
import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from tests.played import FakePredictor, fake_predictor, played
from xautolm.cli import app
from xautolm.cli.answers import readable
from xautolm.data import load
from xautolm.errors import UsageError
from xautolm.report.usage import predict_command
from xautolm.tasks import TASKS

__all__ = ["fake_predictor"]
HARD = [
    'a "pear", really',
    "two\nlines of plum",
    "an apple\tand\ra tab",
    "",
    "a line\u2028apart \x85 pear",
    "plum",
]
ANSWERS = ["pear", "plum", "apple", "apple", "pear", "plum"]
"""The made-up model's classes of `HARD`; nothing in a text is the first class."""


@pytest.fixture
def run(tmp_path: Path, fake_predictor: type[FakePredictor]) -> Path:
    played(tmp_path / "run")
    return tmp_path / "run"


def said(*arguments: object, lines: bytes | str | None = None) -> Result:
    """Return what the command line answers, which must be well."""
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)], input=lines)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refusal(*arguments: object, lines: bytes | str | None = None) -> str:
    """Return the message of a refusal."""
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)], input=lines)
    assert isinstance(result.exception, UsageError), (result.output, result.exception)
    message = str(result.exception)
    assert message.count("\n") < 4
    return message


def write(path: Path, texts: list[str], name: str = "text") -> Path:
    frame = pd.DataFrame({"id": range(len(texts)), name: texts})
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False, quoting=csv.QUOTE_ALL)
        case ".tsv":
            frame.to_csv(path, index=False, quoting=csv.QUOTE_ALL, sep="\t")
        case ".jsonl":
            path.write_text(
                "".join(json.dumps(row) + "\n" for row in frame.to_dict("records")),
                encoding="utf-8",
            )
        case ".json":
            path.write_text(json.dumps(frame.to_dict("records")), encoding="utf-8")
        case ".parquet":
            frame.to_parquet(path)
        case ".txt":
            path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def test_texts_are_answered_by_one_load_and_one_run(
    run: Path, fake_predictor: type[FakePredictor]
) -> None:
    assert said(run, "a pear", "a plum").stdout == "pear\t0.999\ta pear\nplum\t0.999\ta plum\n"
    assert (fake_predictor.loads, fake_predictor.runs, fake_predictor.rows) == (1, 1, 2)
    rows = [
        json.loads(line) for line in said(run, "--json", "a pear", "a plum").stdout.splitlines()
    ]
    assert [row["prediction"] for row in rows] == ["pear", "plum"]
    assert (
        set(rows[0]["probabilities"]) == {"apple", "pear", "plum"} and rows[0]["text"] == "a pear"
    )
    assert (fake_predictor.loads, fake_predictor.runs) == (2, 2)


@pytest.mark.parametrize("dash", [[], ["-"], ["--input", "-"]])
def test_empty_lines_of_standard_input_keep_their_place(run: Path, dash: list[str]) -> None:
    lines = "\ufeffa pear\r\n\na\u2028plum\x0b\x1c\x85\r\n   \nlast plum".encode()
    rows = said(run, *dash, lines=lines).stdout.split("\n")
    assert [row.split("\t")[0] for row in rows[:-1]] == ["pear", "apple", "plum", "apple", "plum"]
    assert [row.split("\t")[2] for row in rows[:-1]] == [
        "a pear",
        "",
        "a\u2028plum\x0b\x1c\x85",
        "   ",
        "last plum",
    ]


def test_no_lines_are_no_answers(run: Path, fake_predictor: type[FakePredictor]) -> None:
    assert said(run, lines="").stdout == "" and fake_predictor.loads == 0
    assert said(run, lines="\n").stdout == "apple\t0.333\t\n"


def test_a_line_that_is_not_utf8_is_named(run: Path) -> None:
    assert "standard input, line 3: not valid UTF-8" in refusal(run, lines=b"a\nb\n\xff\xfe\n")
    assert said(run, "--encoding", "cp1252", lines=b"a pear \x96\n").stdout.endswith(
        "a pear \u2013\n"
    )


def test_half_characters_are_replaced_and_said(run: Path, tmp_path: Path) -> None:
    done = said(run, "a pear \ud83d", "a plum")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["pear", "plum"]
    assert "half characters replaced in 1 texts" in done.stderr
    (tmp_path / "new.jsonl").write_text('{"text": "a pear \\ud83d"}\n')
    done = said(run, "-i", tmp_path / "new.jsonl")
    assert done.stdout.startswith("pear\t") and "half characters" in done.stderr


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
@pytest.mark.parametrize("target", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_files_in_files_out_row_by_row(run: Path, tmp_path: Path, suffix: str, target: str) -> None:
    source, output = write(tmp_path / f"new{suffix}", HARD), tmp_path / f"out{target}"
    done = said(run, "--input", source, "--output", output)
    assert done.stdout == "" and f"6 rows: {output}" in done.stderr
    table = load(output).splits["train"]
    assert list(table["text"]) == HARD and list(table["prediction"]) == ANSWERS
    assert [str(cell) for cell in table["id"]] == list("012345")
    if target == ".jsonl":
        assert set(table["probabilities"].iloc[0]) == {"apple", "pear", "plum"}
    else:
        assert [0 <= float(cell) <= 1 for cell in table["probability"]] == [True] * 6


def test_files_of_lines_in_and_out(
    run: Path, tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    source = write(tmp_path / "new.txt", ["a pear", "", "a\u2028plum", "", "plum"])
    said(run, "-i", source, "-o", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text() == "pear\napple\nplum\napple\nplum\n"
    assert (fake_predictor.loads, fake_predictor.runs, fake_predictor.rows) == (1, 1, 5)
    said(run, "-i", source, "-o", tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert list(table["text"]) == ["a pear", "", "a\u2028plum", "", "plum"]


@pytest.mark.parametrize(
    "content",
    [
        "__label__apple a pear\n__label__pear one, or two\n",
        "a pear\t__label__apple\none, or two\t__label__pear\n",
        "text\tlabel\na pear\tapple\none, or two\tpear\n",
        "label;Text\napple;a pear\npear;one, or two\n",
        "id\treview\n1\ta pear\n2\tone, or two\n",
        "a pear\none, or two\n",
        # The first lines of prose may have such words and signs, too.
        "text, please\na pear\none, or two\nplum\n",
        "review; great\na pear; truly\n",
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_text_file_is_a_table_where_it_is_one_for_fit(
    run: Path, tmp_path: Path, content: str, pack: Callable[[bytes], bytes]
) -> None:
    source = tmp_path / ("new.txt" if pack is bytes else "new.txt.gz")
    source.write_bytes(pack(content.encode()))
    said(run, "-i", source, "-o", tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    asked = [row.get("text", row.get("Text", row.get("review"))) for row in rows]
    if content.startswith(("text, please", "review; ")):
        assert asked == content.splitlines()
    else:
        assert asked == ["a pear", "one, or two"]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ('text\na pear\n""\n\nplum\n', ["a pear", "", "", "plum"]),
        ("text\r\na pear\r\n\r\nplum", ["a pear", "", "plum"]),
        ('text,id\na pear,1\n,\n"",""\nplum,2\n', ["a pear", "", "", "plum"]),
        ("id;text\n1;a pear\n;\n2;plum\n", ["a pear", "", "plum"]),
        ("text,id\na pear,1\ntext,id\nplum,2\n", ["a pear", "text", "plum"]),
    ],
)
def test_empty_rows_and_repeated_headers_of_a_file_keep_their_place(
    run: Path, tmp_path: Path, content: str, texts: list[str]
) -> None:
    (tmp_path / "new.csv").write_bytes(content.encode())
    said(run, "-i", tmp_path / "new.csv", "-o", tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["text"] for row in rows] == texts
    assert [row["prediction"] for row in rows] == [
        "pear" if "pear" in text else "plum" if "plum" in text else "apple" for text in texts
    ]


def test_rows_of_a_file_are_one_line_each_on_the_screen(run: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "new.jsonl", HARD)
    rows = said(run, "--input", source).stdout.split("\n")[:-1]
    assert [row.split("\t")[0] for row in rows] == ANSWERS
    assert (
        rows[1].split("\t")[2] == r"two\nlines of plum"
        and rows[2].split("\t")[2] == r"an apple\tand\ra tab"
    )
    objects = [
        json.loads(line) for line in said(run, "--input", source, "--json").stdout.split("\n")[:-1]
    ]
    assert [row["text"] for row in objects] == HARD and [row["id"] for row in objects] == list(
        range(6)
    )


@pytest.mark.parametrize(
    "option", [["--column", "body"], ["--text", "body"], ["--columns", "text=body"]]
)
def test_the_column_can_be_named(run: Path, tmp_path: Path, option: list[str]) -> None:
    source = write(tmp_path / "new.csv", ["pear", "plum"], "body")
    assert "Which column is the text?" in refusal(run, "--input", source)
    assert said(run, "--input", source, *option).stdout.startswith("pear\t")
    assert "No column 'nobody'" in refusal(run, "--input", source, "--column", "nobody")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_name_may_be_a_question(run: Path, tmp_path: Path, suffix: str) -> None:
    name = "What did you eat?"
    source = tmp_path / f"new{suffix}"
    frame = pd.DataFrame({name: ["pear", "plum"]})
    if suffix == ".csv":
        frame.to_csv(source, index=False)
        assert said(run, "-i", source, "--column", name).stdout.startswith("pear\t")
    else:
        frame.to_json(source, orient="records", lines=True)
        assert said(run, "-i", source).stdout.startswith("pear\t")


def test_a_column_that_training_used_is_known(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    table = pd.DataFrame(
        {"body": [f"{number} pear" for number in range(30)], "kind": ["x", "y", "z"] * 10}
    )
    played(tmp_path / "run", data=table, text="body", label="kind")
    source = write(tmp_path / "new.csv", ["pear", "plum"], "body")
    assert len(said(tmp_path / "run", "--input", source).stdout.splitlines()) == 2


@pytest.mark.parametrize(
    "name", ["new.csv", "my new.csv", "new.txt", "NEW.PARQUET", "notes.md", "plain"]
)
def test_the_name_of_a_file_is_no_text_and_the_right_command_is_said(
    run: Path, name: str, fake_predictor: type[FakePredictor]
) -> None:
    Path(name).write_text("text\na pear\n")
    message = refusal(run, name)
    assert "is a file" in message and fake_predictor.loads == 0
    command = shlex.split(message.rpartition("For its rows: ")[2])
    assert command[:2] == ["xautolm", "predict"]
    if name in {"new.csv", "new.txt", "my new.csv"}:
        assert "a pear" in said(*command[2:]).stdout


@pytest.mark.parametrize("name", ["tset.csv", "data/new.jsonl", "new.parquet", "~/new.tsv"])
def test_a_name_that_is_no_file_is_no_text_either(run: Path, name: str) -> None:
    assert "no such file" in refusal(run, "a text", name)


@pytest.mark.parametrize(
    "text", ["Where is new.csv", "v1.2", "a/b", "~", "etc.", "x" * 5000, "one\ntwo.csv lines"]
)
def test_texts_with_dots_and_slashes_are_texts(run: Path, text: str) -> None:
    assert len(said(run, text).stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--input", "none.csv"], ["No such file", "none.csv"]),
        (["--input", "."], ["is a folder"]),
        (["--input", "good.csv", "a text"], ["not both", "'a text'"]),
        (["a text", "--column", "x"], ["--input"]),
        (["--input", "good.csv", "--columns", "label=x"], ["no label column"]),
        (["--input", "good.csv", "--output", "good.csv"], ["replace the file that is read"]),
        (["--input", "good.csv", "--output", "none/out.csv"], ["no such folder"]),
        (["--input", "good.csv", "--output", "out.xlsx"], ["out.xlsx", "Known: .csv"]),
        (["--input", "good.csv", "--output", "."], ["Known: .csv"]),
        (["--input", "answered.csv", "--output", "out.csv"], ["'prediction' already"]),
        (["--input", "holes.jsonl"], ["line 2", "'text'", "got nothing"]),
        (["--input", "numbers.jsonl"], ["line 1", "int 3"]),
        (["--input", "headless.csv"], ["column's name must be", "--column 'is it a pear'"]),
        (["a text", "--context", "good.csv"], ["has no context"]),
    ],
)
def test_what_cannot_be_asked_is_refused_before_the_model_is_loaded(
    run: Path, arguments: list[str], parts: list[str], fake_predictor: type[FakePredictor]
) -> None:
    before = write(Path("good.csv"), ["pear"]).read_text()
    Path("answered.csv").write_text("text,prediction\na,b\n")
    Path("holes.jsonl").write_text('{"text": "a"}\n{"text": null}\n')
    Path("numbers.jsonl").write_text('{"text": 3}\n')
    write(Path("headless.csv"), ["a plum"]).write_text("is it a pear\na plum\n")
    message = refusal(run, *arguments)
    assert not [part for part in parts if part not in message], message
    assert fake_predictor.loads == 0
    assert Path("good.csv").read_text() == before


def test_several_labels_are_a_list_in_every_file(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    played(tmp_path / "run", "multilabel-classification")
    source = write(tmp_path / "new.csv", ["red pear", "blue", "green plum and pear"])
    # Without a probability: that of the likeliest label is not that of the answer.
    lines = said(tmp_path / "run", "red pear", "blue").stdout
    assert lines == "pear, red\tred pear\n(none)\tblue\n"
    expected: list[list[str]] = [["pear", "red"], [], ["green", "pear", "plum"]]
    for suffix in (".csv", ".jsonl", ".parquet"):
        output = tmp_path / f"out{suffix}"
        said(tmp_path / "run", "-i", source, "-o", output)
        cells = list(load(output).splits["train"]["prediction"])
        assert [json.loads(cell) if suffix == ".csv" else list(cell) for cell in cells] == expected
    said(tmp_path / "run", "-i", source, "-o", tmp_path / "out.txt")
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert [json.loads(line) for line in lines] == expected


@pytest.mark.parametrize(
    ("suffix", "replaced"),
    [
        (".csv", ["prediction", "probability"]),
        (".tsv", ["prediction", "probability"]),
        (".parquet", ["prediction", "probability"]),
        (".jsonl", ["prediction", "probabilities"]),
        (".ndjson", ["prediction", "probabilities"]),
        (".txt", []),
    ],
)
def test_only_columns_that_the_file_would_replace_are_refused(
    run: Path, tmp_path: Path, suffix: str, replaced: list[str]
) -> None:
    for name in ("prediction", "probability", "probabilities"):
        source = tmp_path / f"{name}.csv"
        source.write_text(f"text,{name}\na pear,b\n")
        arguments = ("-i", source, "-o", tmp_path / f"out{suffix}")
        if name in replaced:
            assert f"{name!r} already" in refusal(run, *arguments)
        else:
            said(run, *arguments)


@pytest.mark.parametrize(
    ("task", "suffix", "column"),
    [
        ("text-regression", ".csv", "probability"),
        ("text-regression", ".jsonl", "probabilities"),
        ("multilabel-classification", ".csv", "probability"),
    ],
)
def test_a_column_that_no_answer_of_the_task_has_is_not_refused(
    tmp_path: Path, fake_predictor: type[FakePredictor], task: str, suffix: str, column: str
) -> None:
    played(tmp_path / "run", task)
    source = tmp_path / "new.csv"
    source.write_text(f"text,{column}\na pear,b\n")
    output = tmp_path / f"out{suffix}"
    said(tmp_path / "run", "-i", source, "-o", output)
    assert list(load(output).splits["train"][column]) == ["b"]


def test_probabilities_of_several_labels_are_not_written_over_a_column(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    played(tmp_path / "run", "multilabel-classification")
    source = tmp_path / "new.csv"
    source.write_text("text,probabilities\na pear,b\n")
    said_of_it = refusal(tmp_path / "run", "-i", source, "-o", tmp_path / "out.jsonl")
    assert "'probabilities' already" in said_of_it


def test_numbers_are_in_files_in_full(tmp_path: Path, fake_predictor: type[FakePredictor]) -> None:
    played(tmp_path / "run", "text-regression")
    # The made-up model answers with the length of a text.
    source = write(tmp_path / "new.jsonl", ["a" * 123_456, "b"])
    for suffix in (".txt", ".csv", ".jsonl"):
        output = tmp_path / f"out{suffix}"
        said(tmp_path / "run", "-i", source, "-o", output)
        assert "123456.0" in output.read_text()
    assert (tmp_path / "out.txt").read_text() == "123456.0\n1.0\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (-0.000123456789, "-0.000123457"),
        (12345.6, "12345.6"),
        (99999.97, "100000"),
        (999999.7, "1000000"),
        (-123456789.2, "-123456789"),
        (1e15, "1e+15"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_are_shown_as_people_write_them(value: float, shown: str) -> None:
    assert readable(value) == shown


@pytest.mark.parametrize("task", ["text-pair-classification", "text-pair-regression"])
def test_pairs_from_arguments_lines_and_files(
    tmp_path: Path, task: str, fake_predictor: type[FakePredictor]
) -> None:
    played(tmp_path / "run", task)
    run = tmp_path / "run"
    frame = pd.DataFrame({"text": ["a pear", ""], "text_pair": ["one", ""]})
    frame.to_csv(tmp_path / "pairs.csv", index=False)
    (tmp_path / "pairs.txt").write_text("a pear\tone\n\n")
    said(run, "a pear\tone", "")
    said(run, r"a pear\tone", "")
    said(run, lines="a pear\tone\n\n")
    said(run, "--input", tmp_path / "pairs.txt")
    said(run, "--input", tmp_path / "pairs.csv")
    (tmp_path / "table.txt").write_text("text\tlabel\ttext_pair\na pear\t1\tone\n\t0\t\n")
    said(run, "--input", tmp_path / "table.txt")
    assert [table.to_dict("list") for table in fake_predictor.tables] == [frame.to_dict("list")] * 6
    assert "with a tab between" in refusal(run, "only one text")
    assert "text 2" in refusal(run, lines="a\tb\nonly one\n")
    assert "--columns text=NAME,text_pair=NAME" in refusal(
        run, "-i", tmp_path / "pairs.csv", "--column", "text"
    )


def test_questions_about_a_file_of_their_own_or_one_for_all(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    played(tmp_path / "run", "question-answering")
    run, page = tmp_path / "run", tmp_path / "page.txt"
    page.write_text("Ada has the book.")
    expected: dict[str, Any] = {"context": ["Ada has the book."] * 2, "question": ["Who?", "What?"]}
    pd.DataFrame(expected).to_csv(tmp_path / "both.csv", index=False)
    pd.DataFrame({"q": expected["question"]}).to_csv(tmp_path / "questions.csv", index=False)
    (tmp_path / "questions.txt").write_text("Who?\nWhat?\n")
    said(run, "--context", page, "Who?", "What?")
    said(run, "--context", page, "-i", tmp_path / "questions.txt")
    said(run, "--context", page, "-i", tmp_path / "questions.csv")
    said(run, "--context", page, "-i", tmp_path / "questions.csv", "--column", "q")
    said(run, "-i", tmp_path / "both.csv")
    said(run, r"Ada has the book.\tWho?", "Ada has the book.\tWhat?")
    orders = [table[["context", "question"]].to_dict("list") for table in fake_predictor.tables]
    assert orders == [expected] * 6
    assert "--context FILE" in refusal(run, "Who?")
    assert "cannot be read" in refusal(run, "--context", tmp_path / "none.txt", "Who?")


@pytest.mark.parametrize("task", sorted(TASKS.things))
def test_the_command_that_is_printed_at_the_end_runs(
    tmp_path: Path, task: str, fake_predictor: type[FakePredictor]
) -> None:
    played(tmp_path / "my run", task)
    command = shlex.split(predict_command(tmp_path / "my run", tuple(TASKS.get(task).inputs)))
    assert command[:2] == ["xautolm", "predict"]
    assert len(said(*command[2:]).stdout.splitlines()) == 1
    assert fake_predictor.rows == 1


def test_evaluate_reads_the_columns_that_training_used(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    table = pd.DataFrame(
        {"body": [f"{number} pear" for number in range(30)], "kind": ["pear", "plum", "fig"] * 10}
    )
    played(tmp_path / "run", data=table, text="body", label="kind")
    pd.DataFrame({"body": ["a pear", "a plum"], "kind": ["pear", "plum"]}).to_csv(
        tmp_path / "new.csv", index=False
    )
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path / "run"), str(tmp_path / "new.csv")])
    assert "accuracy\t1.0000" in result.stdout and fake_predictor.loads == 1


def test_evaluate_scores_what_is_asked_for_and_refuses_what_there_is_not(
    run: Path, tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    rows = pd.DataFrame({"text": ["a pear", "a plum"], "label": ["pear", "plum"]})
    rows.to_csv(tmp_path / "new.csv", index=False)
    command = ["evaluate", str(run), str(tmp_path / "new.csv"), "--objectives"]
    result = CliRunner().invoke(app, [*command, "log_loss,accuracy"])
    assert "log_loss\t" in result.stdout and "accuracy\t1.0000" in result.stdout
    refused = CliRunner().invoke(app, [*command, "log_los"])
    assert isinstance(refused.exception, UsageError) and fake_predictor.loads == 1
    assert "Did you mean 'log_loss'?" in str(refused.exception)


LARGE = 9007199254740993
"""The smallest whole number that a float cannot hold."""


@pytest.mark.parametrize("row", [{"id": None}, {}])
@pytest.mark.parametrize("target", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_whole_numbers_stay_whole_beside_a_row_without_one(
    run: Path, tmp_path: Path, row: dict[str, Any], target: str
) -> None:
    source, output = tmp_path / "new.jsonl", tmp_path / f"out{target}"
    rows = [{"text": "a pear", "id": LARGE}, {"text": "a plum", **row}]
    source.write_text("".join(json.dumps(each) + "\n" for each in rows))
    said(run, "--input", source, "--output", output)
    first, second = load(output).splits["train"].to_dict("records")
    assert str(first["id"]).removesuffix(".0") == str(LARGE)
    assert str(second["id"]) in ("", "nan", "None", "<NA>")


@pytest.mark.parametrize("target", [".csv", ".jsonl"])
def test_lists_of_any_length_are_json(run: Path, tmp_path: Path, target: str) -> None:
    source, output = tmp_path / "new.parquet", tmp_path / f"out{target}"
    numbers = [float(number) for number in range(1200)]
    nested = [{"a": 1, "b": [1, 2]}]
    pd.DataFrame(
        {
            "text": ["a pear"],
            "numbers": [[*numbers, float("nan")]],
            "names": [["x", "y"]],
            "nested": [nested],
        }
    ).to_parquet(source)
    said(run, "--input", source, "--output", output)
    if target == ".jsonl":
        row = json.loads(output.read_text(), parse_constant=pytest.fail)
    else:
        with output.open(newline="") as file:
            (cells,) = csv.DictReader(file)
        row = {name: json.loads(cells[name]) for name in ("numbers", "names", "nested")}
    assert row["numbers"] == [*numbers, None]
    assert row["names"] == ["x", "y"] and row["nested"] == nested


def test_json_has_neither_infinite_numbers_nor_gaps(run: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "new.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "a pear", "score": 1e400}\n{"text": "a plum", "score": null}\n')
    said(run, "--input", source, "--output", output)
    lines = output.read_text().splitlines()
    rows = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [row["score"] for row in rows] == ["inf", None]


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param([2**63 + 1, -1], id="too large"),
        pytest.param([1, "A"], id="of two types"),
        pytest.param([{}, {}], id="objects without fields"),
    ],
)
def test_what_parquet_cannot_hold_is_said_before_the_model_is_loaded(
    run: Path, tmp_path: Path, ids: list[object], fake_predictor: type[FakePredictor]
) -> None:
    source = tmp_path / "new.jsonl"
    rows = [{"text": "a pear", "id": value} for value in ids]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    message = refusal(run, "--input", source, "--output", tmp_path / "out.parquet")
    assert "cannot be written as Parquet" in message and ".jsonl" in message
    assert fake_predictor.loads == 0 and not (tmp_path / "out.parquet").exists()


def test_a_folder_that_takes_no_new_files_is_said_before_the_model_is_loaded(
    run: Path, fake_predictor: type[FakePredictor]
) -> None:
    assert "/proc/out.csv" in refusal(run, "a pear", "--output", "/proc/out.csv")
    assert fake_predictor.loads == 0


def test_a_file_that_is_read_only_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.csv"
    output.write_text("old")
    # Root may write whatever mode a file has.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert "read only" in refusal(run, "a pear", "--output", output)
    assert output.read_text() == "old"


@pytest.mark.parametrize("target", [".csv", ".jsonl", ".parquet", ".txt"])
def test_earlier_answers_are_whole_after_an_error(
    run: Path,
    tmp_path: Path,
    target: str,
    fake_predictor: type[FakePredictor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / f"out{target}"
    output.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in refusal(run, "a pear", "--output", output)

    def fail(self: FakePredictor, table: pd.DataFrame) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(fake_predictor, "answers", fail)
    result = CliRunner().invoke(app, ["predict", str(run), "a pear", "-o", str(output)])
    assert isinstance(result.exception, RuntimeError)
    assert output.read_text() == "old" and not list(tmp_path.glob(".out*"))
