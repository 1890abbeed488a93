"""AutoLM as an estimator of scikit-learn: what holds of all estimators, and the tools that take any."""

from __future__ import annotations

import copy
import gc
import inspect
import multiprocessing
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator

from tests.played import FakePredictor, fake_predictor, play, played, table_for
from xautolm import AutoLM
from xautolm.automl import AutoLMNotFittedError
from xautolm.class_values import ClassValues
from xautolm.errors import BudgetError, RunFolderError, UsageError
from xautolm.options import FitOptions
from xautolm.packed_run import PackedRun
from xautolm.report.screen import Quiet
from xautolm.tasks import TASKS
from xautolm.testing import FakeExecutor

__all__ = ["fake_predictor"]

SETTINGS: dict[str, Any] = {
    "models": "minilm-l2",
    "trials": 1,
    "sampler": "random",
    "device": "cpu",
}
TABLE = table_for("text-classification")
TEXTS = list(TABLE["text"])
LABELS = TABLE["label"].to_numpy()

NUMBERS_ONLY = "gives arrays of numbers, or numbers as texts; this estimator reads texts"
NO_FEATURES = "expects `n_features_in_`; texts have no number of features"
FITTED = (
    "check_fit_score_takes_y",
    "check_readonly_memmap_input",
    "check_estimators_overwrite_params",
    "check_dont_overwrite_parameters",
    "check_estimators_fit_returns_self",
    "check_positive_only_tag_during_fit",
    "check_estimators_dtypes",
    "check_complex_data",
    "check_dtype_object",
    "check_estimators_empty_data_messages",
    "check_pipeline_consistency",
    "check_estimators_nan_inf",
    "check_estimator_sparse_tag",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_classifier_data_not_an_array",
    "check_classifiers_one_label",
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_classifiers_regression_target",
    "check_supervised_y_no_nan",
    "check_supervised_y_2d",
    "check_fit2d_1sample",
    "check_fit2d_1feature",
    "check_dict_unchanged",
    "check_fit_idempotent",
    "check_fit_check_is_fitted",
    "check_fit1d",
    "check_fit2d_predict1d",
    "check_regressors_train",
    "check_regressor_data_not_an_array",
    "check_regressors_int",
    "check_regressors_no_decision_function",
)
"""Checks that fit what they make up."""
EXPECTED_FAILURES = {
    **dict.fromkeys(FITTED, NUMBERS_ONLY),
    "check_n_features_in_after_fitting": NO_FEATURES,
    "check_n_features_in": NO_FEATURES,
}
"""Checks of scikit-learn that do not hold, by the reason."""


class Checked(AutoLM):
    """Plays its trials, and says that it takes arrays: scikit-learn has no checks for estimators of texts."""

    def fit(self, X: Any, y: Any = None) -> Any:  # type: ignore[override]
        return super().fit(X, y, screen=Quiet(), executor=FakeExecutor(play))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = False
        return tags


def checks() -> list[Any]:
    pairs = []
    for task in ("text-classification", "text-regression"):
        estimator = Checked(task=task, **SETTINGS)
        generator = estimator_checks_generator(
            estimator, expected_failed_checks=EXPECTED_FAILURES, mark="xfail", xfail_strict=True
        )
        pairs += list(generator)
    return pairs


def id_of(value: Any) -> str:
    if isinstance(value, AutoLM):
        return str(value.task)
    while isinstance(value, partial):
        value = value.func
    return str(value.__name__)


@pytest.mark.parametrize(("estimator", "check"), checks(), ids=id_of)
def test_what_scikit_learn_expects_of_estimators(
    estimator: AutoLM, check: Callable[[AutoLM], None]
) -> None:
    check(estimator)


def test_the_constructor_has_the_options_with_their_defaults_and_only_stores_them() -> None:
    parameters = dict(inspect.signature(AutoLM).parameters)
    assert list(parameters) == list(FitOptions.model_fields)
    for name, parameter in parameters.items():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default == FitOptions.model_fields[name].default, name
    values = {name: object() for name in parameters}
    auto = AutoLM(**values)
    assert vars(auto) == values == auto.get_params()


def test_options_are_looked_at_when_something_is_done(tmp_path: Path) -> None:
    auto = AutoLM(budget="soon", parallel=0, out=str(tmp_path / "run"))
    for attempt in (auto.fit, auto.describe, auto.recommend):
        with pytest.raises(UsageError, match=r"budget='soon'.*parallel=0"):
            attempt(TABLE)
    with pytest.raises(BudgetError):
        auto.set_params(parallel=1).fit(TABLE)
    assert not (tmp_path / "run").exists()
    with pytest.raises(TypeError, match="buget"):
        AutoLM(buget="30m")  # type: ignore[call-arg]


def test_what_is_printed() -> None:
    auto = AutoLM(task="text-regression", budget="10m")
    assert repr(auto) == "AutoLM(budget='10m', task='text-regression')"
    assert "text-regression" in auto._repr_html_()


@pytest.mark.parametrize("task", TASKS.names())
def test_the_task_says_what_kind_of_estimator_it_is(task: str) -> None:
    auto = AutoLM(task=task)
    assert is_classifier(auto) == ("classification" in task)
    assert is_regressor(auto) == ("regression" in task)
    tags = get_tags(auto)
    assert tags.input_tags.string
    assert hasattr(auto, "predict_proba") == is_classifier(auto)
    assert tags.input_tags.two_d_array == ("pair" in task or task == "question-answering")
    if is_classifier(auto):
        assert tags.classifier_tags.multi_label == task.startswith("multilabel")


def test_a_task_that_is_not_there_is_no_trouble_before_fit() -> None:
    auto = AutoLM(task="text-clasification")
    assert get_tags(auto).estimator_type is None
    with pytest.raises(UsageError, match="Did you mean"):
        auto.fit(TABLE)


def test_before_fit() -> None:
    auto = AutoLM()
    for attempt in (
        lambda: auto.predict(["a"]),
        lambda: auto.score(["a"], ["b"]),
        lambda: auto.best_,
        auto.report,
    ):
        with pytest.raises(AutoLMNotFittedError, match="not fitted"):
            attempt()
    assert issubclass(AutoLMNotFittedError, NotFittedError)
    assert not hasattr(auto, "classes_") and not hasattr(auto, "best_")


def test_a_clone_has_the_arguments_and_no_run(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    auto = played(tmp_path / "run")
    again = clone(auto)
    assert again.get_params() == auto.get_params() and not hasattr(again, "run_")


def test_scores_are_those_of_scikit_learns_estimators(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    auto = played(tmp_path / "classes")
    assert (
        auto.score(["a pear", "a plum", "an apple", "a pear"], ["pear", "plum", "apple", "plum"])
        == 0.75
    )
    numbers = played(tmp_path / "numbers", "text-regression")
    # Lengths 1, 2 and 3 are predicted: errors 0, 0 and 1 about a mean of 7 / 3.
    assert numbers.score(["a", "bb", "ccc"], [1.0, 2.0, 4.0]) == pytest.approx(1 - 1 / (42 / 9))
    several = played(tmp_path / "several", "multilabel-classification")
    assert several.score(["a red apple", "a plum"], [["apple", "red"], ["pear"]]) == 0.5
    texts = played(tmp_path / "texts", "text-generation")
    assert 0 <= texts.score(["abc"], ["ABC"]) <= 1


def fit_arguments() -> dict[str, Any]:
    return {"screen": Quiet(), "executor": FakeExecutor(play)}


def test_cross_validation_gives_each_fit_a_folder_of_its_own(
    fake_predictor: type[FakePredictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = AutoLM(**SETTINGS)
    scores = cross_val_score(auto, TEXTS, LABELS, cv=3, params=fit_arguments(), error_score="raise")
    assert list(scores) == [1.0, 1.0, 1.0]
    assert len(list(Path("runs").iterdir())) == 3
    macro = cross_val_score(
        auto, TEXTS, LABELS, cv=3, scoring="f1_macro", params=fit_arguments(), error_score="raise"
    )
    assert list(macro) == [1.0, 1.0, 1.0]
    assert len(list(Path("runs").iterdir())) == 3, "the same data and settings resume a run"
    answers = cross_val_predict(auto, TEXTS, LABELS, cv=3, params=fit_arguments())
    assert list(answers) == list(LABELS)


def test_a_folder_that_is_named_takes_one_data_set_only(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    auto = AutoLM(**SETTINGS, out=str(tmp_path / "run"))
    auto.fit(TEXTS, LABELS, **fit_arguments())
    with pytest.raises(RunFolderError, match="each table gets one of its own"):
        auto.fit(TEXTS[:-3], LABELS[:-3], **fit_arguments())


def test_a_grid_search_refits_the_best(fake_predictor: type[FakePredictor]) -> None:
    search = GridSearchCV(
        AutoLM(**SETTINGS), {"seed": [0, 1], "budget": ["1h", "2h"]}, cv=2, error_score="raise"
    )
    search.fit(TEXTS, LABELS, **fit_arguments())
    assert search.best_score_ == 1.0 and search.predict(["a plum"]) == ["plum"]
    # Of budgets too, which may differ where a run is resumed by its name.
    assert len(list(Path("runs").iterdir())) == 2 * 2 * 2 + 1


def test_a_pipeline_ends_with_it(fake_predictor: type[FakePredictor]) -> None:
    def lowered(texts: Any) -> list[str]:
        return [text.lower() for text in texts]

    pipeline = Pipeline([("lower", FunctionTransformer(lowered)), ("model", AutoLM(**SETTINGS))])
    arguments = {f"model__{name}": value for name, value in fit_arguments().items()}
    pipeline.fit(TEXTS, LABELS, **arguments)
    assert pipeline.predict(["A PEAR"]) == ["pear"]
    assert list(pipeline.classes_) == ["apple", "pear", "plum"]
    assert pipeline.score(["A PEAR"], ["pear"]) == 1.0


def in_a_column(numbers: list[int]) -> dict[str, list[int]]:
    return {"label": numbers}


def drawn_one_by_one(numbers: list[int]) -> Iterator[int]:
    yield from numbers


def tensor_that_is_trained(numbers: list[int]) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.bfloat16, requires_grad=True)


def tensors(numbers: list[int]) -> list[torch.Tensor]:
    return [torch.tensor(number) for number in numbers]


KINDS = (
    list,
    np.asarray,
    pd.Series,
    pd.DataFrame,
    in_a_column,
    drawn_one_by_one,
    tensor_that_is_trained,
    tensors,
)
"""Shapes in which numbers may be given as labels."""


@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_are_numbers_come_back_as_numbers(
    fake_predictor: type[FakePredictor], tmp_path: Path, kind: Callable[[list[int]], Any]
) -> None:
    # As texts, 10 comes before 2.
    numbers = [10, 2, 30]
    texts = [f"number {number} in text {row}x" for row in range(10) for number in numbers]
    labels = kind(numbers * 10)
    auto = AutoLM(**SETTINGS, out=str(tmp_path / "run")).fit(texts, labels, **fit_arguments())
    assert auto.classes_.tolist() == [2, 10, 30]
    assert auto.predict(["number 10", "number 2"]) == [10, 2]
    assert auto.predict_proba(["number 10"]).argmax() == 1
    assert auto.score(texts, kind(numbers * 10)) > 0.9
    assert AutoLM.load(tmp_path / "run").predict(["number 10"]) == ["10"]


def drawn_row_by_row(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    yield from frame.to_dict("records")


def in_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.to_dict("records")


def in_columns(frame: pd.DataFrame) -> dict[str, list[Any]]:
    return frame.to_dict("list")


def in_splits(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {"train": frame, "validation": frame.assign(text=frame["text"] + " again")}


def with_a_gap(frame: pd.DataFrame) -> pd.DataFrame:
    # pandas makes floats of whole numbers beside a missing cell.
    return pd.concat([frame, pd.DataFrame({"text": ["of no class"]})], ignore_index=True)


TABLES = (
    pd.DataFrame,
    in_rows,
    drawn_row_by_row,
    in_columns,
    in_splits,
    with_a_gap,
    pa.Table.from_pandas,
    datasets.Dataset.from_pandas,
)
"""Shapes of tables that hold their labels."""


@pytest.mark.parametrize("y", [None, "stars"])
@pytest.mark.parametrize("kind", TABLES)
def test_labels_in_a_table_come_back_as_those_apart_from_it(
    fake_predictor: type[FakePredictor], kind: Callable[[pd.DataFrame], Any], y: str | None
) -> None:
    frame = starred()
    options = {} if y else {"label": "stars"}
    auto = AutoLM(**SETTINGS, **options).fit(kind(frame), y, **fit_arguments())
    assert auto.classes_.tolist() == [2, 3, 10]
    assert accuracy_score(frame["stars"], auto.predict(frame["text"])) == 1.0


def starred() -> pd.DataFrame:
    """Return texts whose labels are whole numbers."""
    numbers = [10, 2, 3] * 10
    # No other digits: the made-up model knows a class by its name in the text.
    texts = [f"number {number} in text {'x' * row}" for row, number in enumerate(numbers, 1)]
    return pd.DataFrame({"text": texts, "stars": numbers})


def with_names(frame: pd.DataFrame) -> datasets.Dataset:
    """Return a data set whose numbers stand for names."""
    positions = frame["stars"].map({10: 0, 2: 1, 3: 2})
    table = datasets.Dataset.from_pandas(frame.assign(stars=positions))
    return table.cast_column("stars", datasets.ClassLabel(names=["10", "2", "3"]))


def in_a_file(frame: pd.DataFrame) -> str:
    frame.to_csv("stars.csv", index=False)
    return "stars.csv"


def in_texts(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({"stars": str})


@pytest.mark.parametrize("kind", [with_names, in_a_file, in_texts])
def test_labels_that_are_names_or_in_files_are_texts(
    fake_predictor: type[FakePredictor], kind: Callable[[pd.DataFrame], Any]
) -> None:
    auto = AutoLM(**SETTINGS).fit(kind(starred()), "stars", **fit_arguments())
    assert sorted(auto.classes_.tolist()) == ["10", "2", "3"]
    assert auto.predict(["number 10"]) == ["10"]


@pytest.mark.parametrize("is_apart", [True, False])
def test_several_labels_a_row_come_back_as_they_were(
    fake_predictor: type[FakePredictor], is_apart: bool
) -> None:
    frame = starred()
    frame["stars"] = [[number] for number in frame["stars"]]
    frame.at[0, "stars"] = [10, 2]
    auto = AutoLM(task="multilabel-classification", **SETTINGS)
    if is_apart:
        auto.fit(frame["text"], list(frame["stars"]), **fit_arguments())
    else:
        auto.fit(frame, "stars", **fit_arguments())
    assert auto.classes_.tolist() == [2, 3, 10]
    assert auto.predict(["number 10", "number 3", "of none"]) == [[10], [3], []]


def test_labels_that_are_truth_values() -> None:
    values = ClassValues.of_cells([True, False, True], ("False", "True"))
    assert values.of_names(["True"]) == [True] and values.sorted(("False", "True")).tolist() == [
        False,
        True,
    ]
    assert not ClassValues.of_cells(["a", "b"], ("a", "b")).by_name
    marked = ClassValues.of_cells([0, 1, -100, 1], ("0", "1"))
    assert marked.of_names(["1", "0", "of no class"]) == [1, 0, "of no class"], (
        "-100 marks a row without a label"
    )
    assert not ClassValues.of_cells([0, 1], ("no", "yes")).by_name, "numbers that stand for names"
    assert not ClassValues.of_cells((), ("1",)).by_name


def test_a_pickle_holds_the_winner_itself(
    tmp_path: Path, fake_predictor: type[FakePredictor]
) -> None:
    auto = played(tmp_path / "run")
    (tmp_path / "run" / "best" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "run" / "best" / "training_args.bin").write_bytes(b"a pickle")
    content = pickle.dumps(auto)
    shutil.rmtree(tmp_path / "run")
    again = pickle.loads(content)
    assert again.predict(["a plum"]) == ["plum"] and again.run_.root != auto.run_.root
    assert (again.run_.best / "model.safetensors").read_bytes() == b"weights"
    assert not (again.run_.best / "training_args.bin").exists()
    assert list(again.leaderboard_["trial"]) == [0] and again.get_params() == auto.get_params()
    with pytest.raises(RunFolderError, match="gone"):
        pickle.dumps(auto)
    # The copy of `run.json` will do.
    info = again.info_
    (again.run_.root / "run.json").unlink()
    assert pickle.loads(pickle.dumps(again)).info_ == info
    assert pickle.loads(pickle.dumps(AutoLM(budget="1m"))).budget == "1m"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder in which temporary ones are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_run_is_unpacked_once_and_its_folder_goes_with_the_last_who_holds_it(
    tmp_path: Path, temporary: Path
) -> None:
    content = pickle.dumps(played(tmp_path / "run"))
    first = pickle.loads(content)
    second = pickle.loads(content)
    assert list(temporary.iterdir()) == [first.run_.root] == [second.run_.root]
    del first
    gc.collect()
    assert second.best_.trial == 0
    shutil.rmtree(second.run_.root)
    # Whoever has deleted it: what is read anew is whole.
    third = pickle.loads(content)
    assert list(temporary.iterdir()) == [third.run_.root]
    del second, third
    gc.collect()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copy_has_the_same_run_and_takes_no_room(
    tmp_path: Path,
    temporary: Path,
    fake_predictor: type[FakePredictor],
    duplicate: Callable[[AutoLM], AutoLM],
) -> None:
    auto = played(tmp_path / "run")
    again = duplicate(auto)
    assert again.run_ is auto.run_ and again.get_params() == auto.get_params()
    assert again.predict(["a plum"]) == ["plum"]
    assert list(temporary.iterdir()) == []
    assert not hasattr(duplicate(AutoLM()), "run_")


KEPT: list[AutoLM] = []
"""What a process of its own holds until it ends."""


def keep(content: bytes, temporary: Path) -> None:
    tempfile.tempdir = str(temporary)
    KEPT.append(pickle.loads(content))
    assert KEPT[0].run_.is_run()


@pytest.mark.slow
def test_a_process_that_ends_leaves_no_unpacked_run(tmp_path: Path, temporary: Path) -> None:
    content = pickle.dumps(played(tmp_path / "run"))
    # Unlike a new interpreter, a forked process ends without calling what `atexit` has.
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=keep, args=(content, temporary))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert list(temporary.glob("xautolm-run-*")) == []


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "best/pytorch_model.bin",
        "best/pytorch_model.BIN",
        "..\\evil",
        "C:/evil",
        "",
        "a\0b",
    ],
)
def test_a_pickle_writes_nowhere_else_and_no_pickles(name: str) -> None:
    with pytest.raises(RunFolderError, match="none should hold"):
        PackedRun({name: b""}).restore()


def test_a_notebook_shows_the_answer(tmp_path: Path) -> None:
    auto = AutoLM(out=str(tmp_path / "run"))
    assert "The answer" not in auto._repr_html_()
    fitted = played(tmp_path / "run")
    html = fitted._repr_html_()
    assert "The answer" in fitted._repr_mimebundle_()["text/html"]
    assert html.startswith('<div class="xautolm">') and "The answer" in html
    assert "minilm-l2" in html and "0.5000" in html and "sk-top-container" in html
    # Where the run is gone, the object is shown all the same.
    shutil.rmtree(tmp_path / "run")
    assert "There is no run here" in fitted._repr_html_()
