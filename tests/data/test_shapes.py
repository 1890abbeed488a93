"""Shapes of data in Python: each gives `fit`, `evaluate` and `predict` the same rows, or a sentence on its fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest

from xautolm.data import Dataset, input_table
from xautolm.errors import DataError, UsageError
from xautolm.operations import shaped
from xautolm.options import FitOptions
from xautolm.scenario import read_data
from xautolm.search_space import data_needs
from xautolm.tasks import TASKS

ROWS = 30
TEXTS = [f"text number {number}" for number in range(ROWS)]
LABELS = ["abc"[number % 3] for number in range(ROWS)]
PAIRS = dict(zip(TEXTS, LABELS, strict=True))
"""The label that belongs to each text, whatever the shape."""


def fitted(X: Any, y: Any = None, task: str = "text-classification", **options: Any) -> Dataset:
    """Return what `fit` would learn from."""
    data, named = shaped(X, y, FitOptions.parse({"task": task, **options}))
    return read_data(data, named, TASKS.get(task))


def pairs_of(dataset: Dataset) -> dict[str, Any]:
    rows = pd.concat([dataset.train, dataset.validation])
    return dict(zip(rows["text"], rows.iloc[:, -1], strict=True))


def asked(X: Any, task: str = "text-classification", **columns: str) -> pd.DataFrame:
    *roles, _ = data_needs(TASKS.get(task)).roles
    return input_table(X, roles, columns, {})


class Tensor:
    """Something with `tolist`, as tensors have it, whose items print as no label should read."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __iter__(self) -> Any:
        return iter([object() for _ in self.values])

    def tolist(self) -> list[Any]:
        return self.values


def dataset_of(columns: dict[str, Any]) -> Any:
    from datasets import Dataset as Stored

    return Stored.from_dict(columns)


INPUTS: dict[str, Callable[[], Any]] = {
    "list": lambda: TEXTS,
    "tuple": lambda: tuple(TEXTS),
    "generator": lambda: (text for text in TEXTS),
    "dict views": lambda: PAIRS.keys(),
    "series with another index": lambda: pd.Series(TEXTS, index=range(100, 100 + ROWS)),
    "series of pandas' strings": lambda: pd.Series(TEXTS, dtype="string"),
    "index": lambda: pd.Index(TEXTS),
    "array": lambda: np.asarray(TEXTS),
    "object array": lambda: np.asarray(TEXTS, dtype=object),
    "column vector": lambda: np.asarray(TEXTS).reshape(-1, 1),
    "rows of one": lambda: [[text] for text in TEXTS],
    "arrow array": lambda: pyarrow.array(TEXTS),
    "column of a data set": lambda: dataset_of({"text": TEXTS})["text"],
    "frame of one column": lambda: pd.DataFrame({"text": TEXTS}),
    "frame of one column of any name": lambda: pd.DataFrame({"body": TEXTS}),
    "frame with a number as its column": lambda: pd.DataFrame({0: TEXTS}),
    "frame with an index of its own": lambda: pd.DataFrame(
        {"body": TEXTS}, index=pd.Index(range(ROWS), name="id")
    ),
    "frame with more columns": lambda: pd.DataFrame({"id": range(ROWS), "text": TEXTS}),
    "frame with a usual name": lambda: pd.DataFrame({"id": range(ROWS), "sentence": TEXTS}),
    "frame that holds the labels too": lambda: pd.DataFrame({"text": TEXTS, "label": LABELS}),
    "mapping": lambda: {"text": TEXTS},
    "mapping of series": lambda: {
        "text": pd.Series(TEXTS, index=range(ROWS, 0, -1)),
        "id": pd.Series(range(ROWS)),
    },
    "mapping of mappings": lambda: pd.DataFrame({"text": TEXTS, "id": range(ROWS)}).to_dict(),
    "rows as mappings": lambda: [{"text": text} for text in TEXTS],
    "series of mappings": lambda: pd.Series([{"text": text} for text in TEXTS]),
    "arrow table": lambda: pyarrow.table({"text": TEXTS}),
    "data set": lambda: dataset_of({"text": TEXTS, "id": list(range(ROWS))}),
    "splits of which there is one": lambda: {"test": dataset_of({"text": TEXTS})},
}

TARGETS: dict[str, Callable[[], Any]] = {
    "list": lambda: LABELS,
    "generator": lambda: (label for label in LABELS),
    "series with another index": lambda: pd.Series(LABELS, index=range(50, 50 + ROWS)),
    "array": lambda: np.asarray(LABELS),
    "column vector": lambda: np.asarray(LABELS).reshape(-1, 1),
    "rows of one": lambda: [[label] for label in LABELS],
    "frame": lambda: pd.DataFrame({"anything": LABELS}),
    "frame with another index": lambda: pd.DataFrame({"label": LABELS}, index=range(9, 9 + ROWS)),
    "mapping": lambda: {"label": LABELS},
    "categorical": lambda: pd.Categorical(LABELS),
    "series of categories": lambda: pd.Series(LABELS, dtype="category"),
    "arrow array": lambda: pyarrow.array(LABELS),
    "tensor": lambda: Tensor(LABELS),
    "column of a data set": lambda: dataset_of({"label": LABELS})["label"],
}


@pytest.mark.parametrize("shape", INPUTS)
def test_inputs_and_labels_given_apart_stay_together(shape: str) -> None:
    assert pairs_of(fitted(INPUTS[shape](), LABELS)) == PAIRS


@pytest.mark.parametrize("shape", TARGETS)
def test_labels_of_every_shape_stay_with_their_texts(shape: str) -> None:
    dataset = fitted(TEXTS, TARGETS[shape]())
    assert pairs_of(dataset) == PAIRS and dataset.labels == ("a", "b", "c")


@pytest.mark.parametrize("shape", INPUTS)
def test_what_fit_takes_predict_takes_in_the_same_order(shape: str) -> None:
    table = asked(INPUTS[shape]())
    assert list(table.columns) == ["text"] and list(table["text"]) == TEXTS


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"text": TEXTS, "label": LABELS}),
        {"text": TEXTS, "label": np.asarray(LABELS)},
        {"text": pd.Series(TEXTS), "label": pd.Series(LABELS, index=range(ROWS, 0, -1))},
        [{"text": text, "label": label} for text, label in PAIRS.items()],
        pyarrow.table({"text": TEXTS, "label": LABELS}),
        pd.DataFrame({"text": pd.array(TEXTS, dtype="string"), "label": pd.Categorical(LABELS)}),
        pd.DataFrame({"text": TEXTS, "label": LABELS}).set_index("label"),
        pd.DataFrame({"text": TEXTS, "label": LABELS, "id": range(ROWS)}).set_index(
            ["id", "label"]
        ),
    ],
    ids=lambda data: type(data).__name__,
)
def test_a_table_brings_its_labels(data: Any) -> None:
    assert pairs_of(fitted(data)) == PAIRS


def test_y_can_be_the_name_of_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": TEXTS, "kind": LABELS, "label": ["no"] * ROWS})
    frame.to_csv(tmp_path / "train.csv", index=False)
    numbered = pd.DataFrame({0: TEXTS, 1: LABELS})
    for data in (
        frame,
        str(tmp_path / "train.csv"),
        tmp_path / "train.csv",
        frame.to_dict("list"),
        dataset_of(PLAIN),
    ):
        assert pairs_of(fitted(data, "kind")) == PAIRS
    assert pairs_of(fitted(frame.to_dict("records"), "kind")) == PAIRS
    assert pairs_of(fitted((row for row in frame.to_dict("records")), "kind")) == PAIRS
    assert pairs_of(fitted(numbered, 1, text="0")) == PAIRS


PLAIN = {"text": TEXTS, "kind": LABELS}


@pytest.mark.parametrize(
    "data", [pd.DataFrame({0: TEXTS, 1: LABELS}), list(PAIRS.items()), np.asarray([*PAIRS.items()])]
)
@pytest.mark.parametrize("names", [{"text": "0", "label": "1"}, {"text": 0, "label": 1}])
def test_columns_whose_names_are_numbers_can_be_named(data: Any, names: dict[str, Any]) -> None:
    assert pairs_of(fitted(data, **names)) == PAIRS


def test_the_levels_of_a_columns_name_are_joined() -> None:
    frame = pd.DataFrame({("a", "text"): TEXTS, ("b", "label"): LABELS})
    assert pairs_of(fitted(frame, text="a.text", label="b.label")) == PAIRS


def test_the_given_labels_win_over_a_column_of_that_name() -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": ["no"] * ROWS})
    assert pairs_of(fitted(frame, LABELS)) == PAIRS


@pytest.mark.parametrize("dtype", ["Int64", "string", "object", "category", "boolean"])
def test_missing_values_of_nullable_types_are_missing_labels(dtype: str) -> None:
    cells: list[Any] = [True if dtype == "boolean" else 1 for _ in range(ROWS)]
    cells[5::3] = [False if dtype == "boolean" else 2] * len(cells[5::3])
    cells[4] = pd.NA
    values = pd.Series(
        [str(cell) if dtype == "string" and cell is not pd.NA else cell for cell in cells],
        dtype=dtype,
    )
    messages = []
    for data, y in ((TEXTS, values), (pd.DataFrame({"text": TEXTS, "label": values}), None)):
        try:
            dataset = fitted(data, y)
            messages.append("; ".join(dataset.notes))
            assert "text number 4" not in pairs_of(dataset)
        except DataError as error:
            messages.append(str(error))
    assert all("label" in message and "NA" not in message for message in messages)
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("X", "y", "parts"),
    [
        (TEXTS, LABELS[1:], ["30 texts but 29 labels"]),
        (
            TEXTS,
            np.eye(3)[np.arange(ROWS) % 3],
            ["One label a row", "(30, 3)", "one-hot", "argmax"],
        ),
        (TEXTS, np.eye(3)[np.arange(ROWS) % 3].tolist(), ["One label a row", "one-hot"]),
        (TEXTS, np.full((ROWS, 2), "a"), ["One label a row", "shape (30, 2)"]),
        (TEXTS, [["a"]] * 29 + [["a", "b"]], ["One label a row", "['a', 'b'] in row 29"]),
        (
            TEXTS,
            pd.DataFrame({"a": [1] * ROWS, "b": [0] * ROWS}),
            ["y has 2 columns", "a, b", "idxmax"],
        ),
        (TEXTS, "label", ["name 'label'", "no columns"]),
        (TEXTS, 3.5, ["y: expected a list", "float 3.5"]),
        (TEXTS, set(LABELS), ["y: expected a list", "set"]),
        (set(TEXTS), LABELS, ["data: expected a list", "set"]),
        (TEXTS, None, ["texts but no labels", "fit(texts, labels)"]),
        (pd.Series(TEXTS), None, ["texts but no labels"]),
        (np.asarray(TEXTS), None, ["texts but no labels"]),
        ((text for text in TEXTS), None, ["texts but no labels"]),
        (
            pd.DataFrame({"one": TEXTS, "other": TEXTS}),
            LABELS,
            ["Which column is the text?", "one, other"],
        ),
        ([{"text": "a"}, "b"], ["x", "y"], ["row 1", "mapping", "'b'"]),
        ([{"text": "a", "label": "b"}, None], None, ["row 1", "mapping", "NoneType None"]),
        ([None, {"text": "a", "label": "b"}], None, ["row 0", "mapping", "NoneType None"]),
        ([["a", "b"], "c"], None, ["row 1", "a list as in other rows", "str 'c'"]),
        ([["a", "b"]] * ROWS, LABELS, ["row 0: expected text", "2 values"]),
        ({"text": TEXTS, "id": [1, 2]}, LABELS, ["do not form a table", "30 in 'text', 2 in 'id'"]),
        (pd.DataFrame({"text": TEXTS}), "kind", ["'kind'", "columns text"]),
        ("nowhere.csv", LABELS, ["nowhere.csv"]),
        (3, LABELS, ["data: expected a list", "int 3"]),
        (
            pd.Series(TEXTS),
            pd.Series(LABELS).iloc[::-1],
            ["same index in another order", "0 and 29 in row 0"],
        ),
    ],
)
def test_shapes_that_mean_nothing_are_refused_by_name(X: Any, y: Any, parts: list[str]) -> None:
    with pytest.raises(DataError) as refused:
        fitted(X, y)
    message = str(refused.value)
    assert not [part for part in parts if part not in message], message
    assert message.count("\n") < 4


def test_two_names_for_the_labels_are_refused() -> None:
    with pytest.raises(DataError, match=r"'kind' as y, 'label' as an option"):
        fitted(
            pd.DataFrame({"text": TEXTS, "kind": LABELS, "label": LABELS}), "kind", label="label"
        )


def test_frames_of_zero_and_one_name_several_labels() -> None:
    indicators = pd.DataFrame({"new": [1, 0, 1] * 10, "old": [0, 1, 1] * 10})
    dataset = fitted(TEXTS, indicators, "multilabel-classification")
    assert dataset.labels == ("new", "old")
    assert pairs_of(dataset)["text number 2"] == ("new", "old") and pairs_of(dataset)[
        "text number 0"
    ] == ("new",)
    assert pairs_of(
        fitted(TEXTS, indicators.astype(bool), "multilabel-classification")
    ) == pairs_of(dataset)
    lists = [["new"], ["old"], ["new", "old"]] * 10
    assert pairs_of(fitted(np.asarray(TEXTS), lists, "multilabel-classification")) == pairs_of(
        dataset
    )
    with pytest.raises(DataError, match=r"row 3, column 'old': expected 0 or 1(.|\n)*2"):
        fitted(TEXTS, indicators.assign(old=[0, 1, 1, 2] + [1] * 26), "multilabel-classification")


def test_pairs_come_as_rows_or_columns() -> None:
    seconds = [f"second {number}" for number in range(ROWS)]
    rows = list(zip(TEXTS, seconds, strict=True))
    task = "text-pair-classification"
    for X in (
        rows,
        np.asarray(rows),
        pd.DataFrame({"premise": TEXTS, "hypothesis": seconds}),
        {"text": TEXTS, "text_pair": seconds},
    ):
        dataset = fitted(X, LABELS, task)
        assert pairs_of(dataset) == PAIRS
        assert set(pd.concat([dataset.train, dataset.validation])["text_pair"]) == set(seconds)
        assert asked(X, task).to_dict("list") == {"text": TEXTS, "text_pair": seconds}
    with pytest.raises(DataError, match=r"row 0: expected text and text_pair(.|\n)*1 values"):
        asked(TEXTS, task)


def test_validation_and_test_come_as_pairs_too() -> None:
    more = [f"unseen {number}" for number in range(6)]
    untold = [f"untold {number}" for number in range(3)]
    dataset = fitted(
        TEXTS,
        LABELS,
        validation=(np.asarray(more), ["a", "b", "c"] * 2),
        test=(untold, ["a", "b", "c"]),
    )
    assert (
        set(dataset.validation["text"]) == set(more)
        and dataset.test is not None
        and len(dataset.test) == 3
    )
    with pytest.raises(DataError, match=r"validation: expected data, or a pair"):
        fitted(TEXTS, LABELS, validation=(more, LABELS[:6], 3))
    with pytest.raises(DataError, match=r"test: a list of two(.|\n)*list and list(.|\n)*tuple"):
        fitted(TEXTS, LABELS, test=[more, LABELS[:6]])
    with pytest.raises(DataError, match=r"test: a list of two(.|\n)*ndarray and Series"):
        fitted(TEXTS, LABELS, test=[np.asarray(more), pd.Series(LABELS[:6])])


def test_a_note_lists_some_columns_of_a_split_without_labels() -> None:
    wide = pd.DataFrame({"text": TEXTS, **{f"column {number}": TEXTS for number in range(99)}})
    dataset = fitted({"train": pd.DataFrame({"text": TEXTS, "label": LABELS}), "test": wide})
    (note,) = [note for note in dataset.notes if "left out" in note]
    assert "column 3" in note and "and 92 more" in note and len(note) < 300


@pytest.mark.parametrize("kinds", [("'pos'", "'neg'"), ('="pos"', '="neg"')])
def test_quotes_that_are_part_of_every_class_are_told(kinds: tuple[str, str]) -> None:
    dataset = fitted(TEXTS, list(kinds) * (ROWS // 2))
    assert f"the quotes around every class are part of its name: {kinds[1]}, {kinds[0]}" in (
        " ".join(dataset.notes)
    )


def test_a_label_inside_an_object_is_found() -> None:
    rows = [
        {"data": {"text": text, "id": place}, "label": {"label": label, "confidence": 0.9}}
        for place, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))
    ]
    assert pairs_of(fitted(rows, None)) == PAIRS


def test_a_named_text_inside_an_object_is_found_as_by_fit() -> None:
    rows = [{"data": {"ticket": text}, "meta": {}, "label": label} for text, label in PAIRS.items()]
    assert pairs_of(fitted(rows, None, text="ticket")) == PAIRS
    assert list(asked(rows, text="ticket")["text"]) == TEXTS
    # A column of that name goes before what is nested.
    beside = [{**row, "ticket": "there"} for row in rows]
    assert set(asked(beside, text="ticket")["text"]) == {"there"}
    pairs = [{"title": text, "data": {"answer": text}} for text in TEXTS]
    table = asked(pairs, "text-pair-classification", text="title", text_pair="answer")
    assert list(table["text_pair"]) == TEXTS


def test_objects_that_are_labels_stay_whole_whatever_the_text_is_called() -> None:
    objects = [{"new": row % 2, "old": int(row % 3 == 0)} for row in range(ROWS)]
    task = "multilabel-classification"
    wanted = pairs_of(fitted(TEXTS, objects, task))
    frame = pd.DataFrame({"body": TEXTS, "tags": objects})
    assert wanted == pairs_of(fitted(frame[["body"]], objects, task))
    assert wanted == pairs_of(fitted(frame, "tags", task, text="body"))
    assert wanted == pairs_of(fitted(frame, None, task, text="body"))


@pytest.mark.parametrize(
    ("inputs", "parts"),
    [
        (["a", None], ["row 1", "'text'", "got nothing"]),
        (["a", "b", float("nan")], ["row 2", "got nothing"]),
        (pd.Series(["a", pd.NA], index=[7, 9]), ["row 1", "got nothing"]),
        (pd.Series(["a", None], dtype="string"), ["row 1", "got nothing"]),
        (["a", 3, None], ["row 1", "int 3", "1 further"]),
        ([b"a"], ["row 0", "bytes b'a'"]),
        (pd.DataFrame({"text": ["a", None], "label": ["x", "y"]}), ["row 1", "got nothing"]),
        ([{"text": "a"}, {"txt": "b"}], ["row 1", "got nothing"]),
        (
            pd.DataFrame([["a", "b"]], columns=["text", "text"]),
            ["two columns have the name 'text'", "1 and 2"],
        ),
        (np.asarray("a"), ["expected a list", "str 'a'"]),
        ([[["a"]]], ["row 0", "list ['a']"]),
        (pd.DataFrame({"one": ["a"], "other": ["b"]}), ["Which column is the text?", "one, other"]),
        ("some text", ["A text by itself", "'some text'", "[text]"]),
        ({"text": "some text"}, ["A row by itself", "[row]"]),
        (None, ["expected a list", "NoneType"]),
        (7, ["expected a list", "int 7"]),
        ({"a", "b"}, ["expected a list", "set"]),
        (
            {"train": pd.DataFrame({"text": ["a"]}), "test": pd.DataFrame({"text": ["b"]})},
            ["Which split?", "train, test"],
        ),
    ],
)
def test_inputs_that_are_no_texts_are_named_by_their_row(inputs: Any, parts: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        asked(inputs)
    message = str(refused.value)
    assert not [part for part in parts if part not in message], message


@pytest.mark.parametrize(
    "nothing",
    [
        [],
        (),
        iter(()),
        pd.Series([], dtype=object),
        np.asarray([]),
        pd.DataFrame(),
        pd.DataFrame({"text": []}),
        {},
    ],
    ids=lambda value: type(value).__name__,
)
def test_nothing_is_a_table_without_rows(nothing: Any) -> None:
    table = asked(nothing)
    assert list(table.columns) == ["text"] and len(table) == 0


def test_empty_texts_may_be_asked() -> None:
    assert list(asked(["", " ", "a"])["text"]) == ["", " ", "a"]


def test_half_characters_are_replaced_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    assert list(asked(["a \ud83d", "b", "\ud83d\ude00"])["text"]) == ["a \ufffd", "b", "\U0001f600"]
    assert "2 rows replaced, the first in row 0" in caplog.text


def test_a_file_can_be_asked(tmp_path: Path) -> None:
    pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"]}).to_csv(tmp_path / "a.csv", index=False)
    for path in (tmp_path / "a.csv", str(tmp_path / "a.csv")):
        assert list(asked(path)["text"]) == ["a", "b"]


def test_a_mapping_of_frames_is_splits() -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": LABELS})
    dataset = fitted({"train": frame, "test": pd.DataFrame({"text": ["unseen"], "label": ["a"]})})
    assert (
        pairs_of(dataset) == PAIRS
        and dataset.test is not None
        and list(dataset.test["text"]) == ["unseen"]
    )


def test_a_column_of_a_data_set_keeps_the_names_of_its_classes() -> None:
    from datasets import ClassLabel, Features, Value
    from datasets import Dataset as Stored

    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    stored = Stored.from_dict(
        {"text": TEXTS, "label": [number % 2 for number in range(ROWS)]}, features=features
    )
    dataset = fitted(stored["text"], stored["label"])
    assert dataset.labels == ("bad", "good") and pairs_of(dataset)["text number 1"] == "good"
    assert fitted(stored, "label").labels == ("bad", "good")
