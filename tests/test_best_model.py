"""The winner at work: loaded once, run once, and not at all for nothing."""

from __future__ import annotations

import copy
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.played import CLASSES, FakePredictor, fake_predictor, played, table_for
from xautolm import AutoLM
from xautolm.errors import DataError, NoModelError, RunFolderError, UsageError
from xautolm.serialization import replace_folder

__all__ = ["fake_predictor"]


def test_a_model_is_loaded_once_for_any_number_of_questions(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    auto = played(tmp_path / "run")
    assert auto.predict(["a pear", "a plum"]) == ["pear", "plum"]
    assert auto.predict_proba(["an apple"]).argmax() == list(auto.classes_).index("apple")
    auto.evaluate(["a pear", "a plum"], ["pear", "plum"])
    assert (fake_predictor.loads, fake_predictor.runs, fake_predictor.rows) == (1, 3, 5)


def test_run_json_is_read_once_whatever_is_asked(
    tmp_path: Path, fake_predictor: type[FakePredictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    played(tmp_path / "run")
    reads: list[str] = []
    original = Path.read_text
    monkeypatch.setattr(
        Path,
        "read_text",
        lambda path, *a, **k: (reads.append(path.name), original(path, *a, **k))[1],
    )
    auto = AutoLM.load(tmp_path / "run")
    for _ in range(5):
        assert tuple(auto.classes_) == CLASSES and auto.info_.task == "text-classification"
        auto.predict(["a pear"] * 7)
    # Once by us; the made-up predictor reads it once more as it is loaded.
    assert reads.count("run.json") == 2


def test_a_new_winner_in_the_same_folder_is_loaded(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    auto = played(tmp_path / "run")
    auto.predict(["a pear"])
    best = tmp_path / "run" / "best"
    shutil.copytree(best, tmp_path / "run" / ".best")
    shutil.rmtree(best)
    (tmp_path / "run" / ".best").rename(best)
    auto.predict(["a pear"])
    assert fake_predictor.loads == 2


@pytest.mark.parametrize("breaks", [False, True])
def test_a_winner_that_is_replaced_while_it_is_loaded_is_loaded_again(
    tmp_path: Path,
    fake_predictor: type[FakePredictor],
    monkeypatch: pytest.MonkeyPatch,
    breaks: bool,
) -> None:
    auto = played(tmp_path / "run")
    best = tmp_path / "run" / "best"
    load = FakePredictor.__init__

    def load_while_it_is_replaced(self: FakePredictor, folder: Path, device: str) -> None:
        load(self, folder, device)
        if fake_predictor.loads == 1:
            shutil.copytree(best, tmp_path / "run" / ".best")
            replace_folder(tmp_path / "run" / ".best", best)
            if breaks:
                raise OSError("half of its files are gone")

    monkeypatch.setattr(FakePredictor, "__init__", load_while_it_is_replaced)
    assert auto.predict(["a pear"]) == ["pear"]
    assert fake_predictor.loads == 2
    assert auto.predict(["a plum"]) == ["plum"] and fake_predictor.loads == 2


def test_a_winner_that_cannot_be_loaded_is_tried_once(
    tmp_path: Path, fake_predictor: type[FakePredictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = played(tmp_path / "run")
    attempts = []

    def fail(self: FakePredictor, folder: Path, device: str) -> None:
        attempts.append(folder)
        raise OSError("damaged")

    monkeypatch.setattr(FakePredictor, "__init__", fail)
    with pytest.raises(RunFolderError, match="damaged") as raised:
        auto.predict(["a pear"])
    assert "Run the same fit again" in str(raised.value)
    assert len(attempts) == 1


@pytest.mark.parametrize(
    "nothing",
    [
        [],
        (),
        pd.Series([], dtype=object),
        np.asarray([]),
        pd.DataFrame(),
        pd.DataFrame({"text": []}),
        {"text": []},
        {},
    ],
    ids=lambda value: type(value).__name__,
)
def test_nothing_asked_is_nothing_answered_and_nothing_loaded(
    tmp_path: Path, fake_predictor: type[FakePredictor], nothing: object
) -> None:
    auto = played(tmp_path / "run")
    assert auto.predict(nothing) == []
    assert auto.predict_proba(nothing).shape == (0, 3)
    assert fake_predictor.loads == 0


def test_copies_carry_no_loaded_model(tmp_path: Path, fake_predictor: type[FakePredictor]) -> None:
    auto = played(tmp_path / "run")
    auto.predict(["a pear"])
    for again in (copy.deepcopy(auto), pickle.loads(pickle.dumps(auto))):
        assert again.predict(["a plum"]) == ["plum"]
    assert fake_predictor.loads == 3
    auto.predict(["a pear"])
    assert fake_predictor.loads == 3


def test_a_run_without_a_model_says_so(tmp_path: Path, fake_predictor: type[FakePredictor]) -> None:
    auto = played(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "best")
    with pytest.raises(NoModelError, match="no model yet"):
        auto.predict(["a"])


def test_tasks_without_classes_have_no_probabilities(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    auto = played(tmp_path / "run", "text-regression")
    assert auto.predict(["four", "sixsix"]) == [4.0, 6.0]
    with pytest.raises(UsageError, match="no classes"):
        auto.predict_proba(["four"])


def test_columns_are_called_in_new_data_what_they_were_called_in_training(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    table = table_for("text-classification").rename(columns={"text": "body", "label": "kind"})
    played(tmp_path / "run", data=table.assign(text="not this"), text="body", label="kind")
    auto = AutoLM.load(tmp_path / "run")
    new = pd.DataFrame(
        {"text": ["an apple", "a plum"], "body": ["a pear", "a plum"], "kind": ["pear", "plum"]}
    )
    assert auto.predict(new) == ["pear", "plum"]
    assert auto.evaluate(new)["accuracy"] == 1.0
    assert auto.predict(new[["text"]]) == ["apple", "plum"]


def test_evaluate_takes_what_fit_takes(tmp_path: Path, fake_predictor: type[FakePredictor]) -> None:
    table = table_for("text-classification")
    auto = played(
        tmp_path / "run", data=np.asarray(table["text"]), y=table["label"].to_numpy().reshape(-1, 1)
    )
    texts, labels = ["a pear", "a plum", "an apple", "a pear"], ["pear", "plum", "apple", "plum"]
    frame = pd.DataFrame({"text": texts, "label": labels})
    frame.to_csv(tmp_path / "new.csv", index=False)
    for data, y in (
        (np.asarray(texts), np.asarray(labels)),
        (pd.Series(texts), pd.Series(labels, index=[7, 5, 3, 1])),
        (frame[["text"]], frame[["label"]]),
        (frame, None),
        (frame, "label"),
        (frame.to_dict("records"), None),
        (str(tmp_path / "new.csv"), "label"),
        ({"train": frame.head(2), "test": frame}, None),
    ):
        assert auto.evaluate(data, y)["accuracy"] == 0.75
    assert fake_predictor.loads == 1
    with pytest.raises(DataError, match="no rows to score"):
        auto.evaluate([], [])
    with pytest.raises(DataError, match="Which split is to be scored"):
        auto.evaluate({"train": frame, "validation": frame})
