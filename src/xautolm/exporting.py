"""The winner of a run in another format, beside what that costs and gains: answers compared, time a text measured."""

from __future__ import annotations

import copy
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import pandas as pd

from xautolm.best_model import BestModel
from xautolm.data.stored import read_split
from xautolm.errors import NoModelError, UsageError
from xautolm.importable import is_function_name
from xautolm.metrics import scores
from xautolm.records import Answering
from xautolm.report.usage import PLACEHOLDER, trained_model, usage
from xautolm.run_folder import ANSWERING, RunFolder
from xautolm.serialization import read_record, replace_folder, to_plain, write_json, write_text
from xautolm.tasks import TASKS, Answers
from xautolm.tasks.forms import FORMS
from xautolm.tasks.forms.base import example_input
from xautolm.vocabulary import Architecture, ModelFormat, Pooling, Split, Targets

if TYPE_CHECKING:
    from xautolm.finetuning.predictor import Predictor
    from xautolm.tasks import Classification

MODEL = "model.onnx"
"""As optimum calls it too."""
WEIGHTS = ("*.onnx*", "*.safetensors", "*.pkl")
"""Files of weights, by which the size of a model is told."""
NOTE = "export.json"
"""Says what was measured; by it a folder is known to be one of ours, which may be replaced."""
COMPARED_ROWS = 200
"""Rows that both models are asked about."""
LEAST_EQUAL = 0.995
"""Share of rows that an export in the same number format must answer alike: 199 of 200, for ties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRows:
    """What both models are asked about."""

    split: Split
    """Where the rows are from."""
    table: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a model does with the compared rows."""

    score: float
    seconds_per_text: float
    """Median of one text at a time, its tokens made included."""
    megabytes: float
    """Of its weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An export beside the model that it was made from."""

    format: str
    rows: int
    """How many were compared."""
    split: str
    """Where they are from."""
    metric: str
    """Of the scores."""
    original: Measured
    export: Measured
    equal: float
    """Share of rows with the same answer; of numbers, within a hundredth of their deviation in training."""
    largest_difference: float
    """Of two probabilities, or of two numbers."""

    @property
    def speedup(self) -> float:
        """Return how many times as fast the export is, one text at a time."""
        return self.original.seconds_per_text / self.export.seconds_per_text


class Answerer(Protocol):
    """A model that can be asked as `Predictor` is."""

    def answers(self, table: pd.DataFrame) -> Answers:
        """Return logits of shape (rows, classes), or numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """How a model is written in a format, and what its readers have to know."""

    packages: tuple[str, ...]
    """That have to be installed, as they are imported."""
    extra: str
    """Of this package, which installs them."""
    is_exact: bool = True
    """Whether it must answer as the original does, being in the same number format."""
    write: Callable[[Predictor, Path], Answerer]
    """Writes a loaded model into an empty folder, and returns what asks it there."""
    usage: Callable[[Answering], str]
    """Returns Python that asks the folder; `PATH_TO_THIS_FOLDER` stands for it."""


def export(run: RunFolder, model_format: ModelFormat, out: Path | None = None) -> Exported:
    """Write a run's winner in another format, with its tokenizer and what was measured, and return that.

    Args:
        run: The run.
        model_format: Which.
        out: The folder; by default one in the run, called as the format. An earlier export there is replaced.

    Raises:
        UsageError: A package is missing, the folder holds something else, the winner's form or architecture cannot be
            exported, there are no rows to compare the two on, or the export in the same number format answers
            differently.
        NoModelError: The run has no model yet.
    """
    # Where it leads, if it is a link: the link itself would be replaced, and what it led to stay as it was.
    target = (out or run.root / model_format.value).resolve()
    # On the processor, where exports are asked: answers of a GPU differ in the last digits.
    best = BestModel(run, device="cpu")
    exporter = EXPORTERS[model_format]
    _check(best, exporter, target)
    rows = _rows_to_compare(best)
    predictor = best.predictor()
    # Beside the target, so that an earlier export is replaced whole or stays.
    fresh = target.with_name(f".{target.name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        exported = _write(best, predictor, model_format, fresh, rows)
        target.mkdir(exist_ok=True)
        replace_folder(fresh, target)
    except OSError as error:
        raise UsageError("The export cannot be written.", got=f"{target}: {error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return exported


def _check(best: BestModel, exporter: Exporter, target: Path) -> None:
    """Refuse what cannot be exported, before weights are loaded.

    Raises:
        UsageError: A package is missing, the winner's form cannot be exported, or the folder holds something else.
        NoModelError: The run has no model yet.
        DamagedFileError: What lies beside the weights cannot be read.
    """
    if not best.run.best.is_dir():
        raise NoModelError(f"The run in {best.run.root} has no model yet.")
    missing = [name for name in exporter.packages if find_spec(name) is None]
    if missing:
        raise UsageError(
            "An export needs packages that are not installed.",
            got=f"no {', '.join(missing)}",
            fix=f"Install them: pip install 'xautolm[{exporter.extra}]'",
        )
    form = read_record(Answering, best.run.best / ANSWERING).form
    if FORMS.get(form).answer is None:
        raise UsageError(
            "Only models that give numbers for a text are exported: classifiers and regression.",
            got=f"a model that answers by {form}",
            fix="Use the folder best/ as it is.",
        )
    _check_target(best.run, target)


def _check_target(run: RunFolder, target: Path) -> None:
    """Refuse a folder that an export may not replace.

    Raises:
        UsageError: It lies in the winner's, holds something else, or cannot be looked at.
    """
    # The next winner takes the place of the whole folder, and a push or a measurement would take both models for one.
    if target.is_relative_to(run.best.resolve()):
        raise UsageError(
            "The winner's own folder holds the winner alone.",
            got=target,
            fix="Choose another with --out.",
        )
    try:
        is_ours = (target / NOTE).is_file()
        is_free = is_ours or not target.exists() or (target.is_dir() and not any(target.iterdir()))
    except OSError as error:
        raise UsageError("The folder of the export cannot be read.", got=error) from None
    if not is_free:
        raise UsageError(
            "The folder of the export holds something else.",
            got=target,
            fix="Choose another with --out.",
        )


def _rows_to_compare(best: BestModel) -> ComparedRows:
    """Read the rows that both models are asked about, before there is anything to compare.

    Raises:
        UsageError: They are not there, or cannot be read.
    """
    # Rows that nothing was chosen by, where there are any.
    split = Split.TEST if best.run.split(Split.TEST).exists() else Split.VALIDATION
    path = best.run.split(split)
    try:
        rows = read_split(best.run.data, split)
    except (OSError, ValueError) as error:
        # Of a file that is not there, the error has the path alone.
        reason = str(error) if path.exists() else "there is no such file"
        raise UsageError(
            "The rows by which an export is compared with the model cannot be read.",
            got=f"{path}: {reason}",
            fix="Export from the run's own folder: a pickled AutoLM holds the model without the data.",
        ) from error
    count = min(COMPARED_ROWS, len(rows))
    table = rows.sample(count, random_state=best.info.seed).reset_index(drop=True)
    return ComparedRows(split=split, table=table)


def _write(
    best: BestModel,
    predictor: Predictor,
    model_format: ModelFormat,
    folder: Path,
    rows: ComparedRows,
) -> Exported:
    """Write an export into an empty folder, and compare it.

    Raises:
        UsageError: The exporter does not know the architecture, or the export answers differently.
    """
    exporter = EXPORTERS[model_format]
    converted = exporter.write(predictor, folder)
    exported = _compared(best, predictor, converted, model_format, folder, rows)
    # What 8 bits cost is a person's choice, and said; in float32 a difference means that the export is wrong.
    if exporter.is_exact and exported.equal < LEAST_EQUAL:
        equal_rows = f"{exported.equal:.1%} of {exported.rows} rows alike"
        raise UsageError(
            "The exported model does not answer as the original does, so it was not kept.",
            got=f"{equal_rows}, largest difference {exported.largest_difference:.3g}",
            fix="Use the folder best/ as it is.",
        )
    write_json(folder / NOTE, to_plain(exported))
    write_text(folder / "README.md", _page(exported, exporter.usage(predictor.settings)))
    return exported


def _write_onnx(predictor: Predictor, folder: Path) -> Answerer:
    """Write a model in ONNX, in float32, with its tokenizer."""
    from xautolm.finetuning.onnx import write_onnx

    write_onnx(predictor, folder / MODEL)
    return _asked_in_onnx(predictor, folder)


def _write_quantised(predictor: Predictor, folder: Path) -> Answerer:
    """Write a model in ONNX with weights of 8 bits, with its tokenizer."""
    from xautolm.finetuning.onnx import quantise, write_onnx

    # Quantisation reads a file in float32 and writes another; only the second is of use.
    whole = folder / "float32.onnx"
    write_onnx(predictor, whole)
    quantise(whole, folder / MODEL)
    for leftover in folder.glob("float32.onnx*"):
        leftover.unlink()
    return _asked_in_onnx(predictor, folder)


def _asked_in_onnx(predictor: Predictor, folder: Path) -> Answerer:
    """Write what lies beside a model in ONNX, and return what asks it with the original's form and tokenizer."""
    from xautolm.finetuning.onnx import OnnxClassifier

    predictor.tokenizer.save_pretrained(str(folder))
    for name in ("config.json", ANSWERING):
        shutil.copy(predictor.folder / name, folder / name)
    converted = copy.copy(predictor)
    converted.model = OnnxClassifier(folder / MODEL, predictor.model.config.num_labels)
    return converted


def _write_sentence_transformer(predictor: Predictor, folder: Path) -> Answerer:
    """Write a model as a folder of sentence-transformers."""
    from xautolm.finetuning.sentence_export import write_sentence_transformer

    return write_sentence_transformer(predictor, folder)


def _write_setfit(predictor: Predictor, folder: Path) -> Answerer:
    """Write a model as a folder of SetFit."""
    from xautolm.finetuning.sentence_export import write_setfit

    return write_setfit(predictor, folder)


def _compared(
    best: BestModel,
    predictor: Predictor,
    converted: Answerer,
    model_format: ModelFormat,
    folder: Path,
    rows: ComparedRows,
) -> Exported:
    """Ask both models about the same rows."""
    table = rows.table
    # Functions of a person's own would have to be imported because a file names them.
    metric = next(name for name in best.info.metrics if not is_function_name(name))
    answers = predictor.answers(table)
    converted_answers = converted.answers(table)
    difference = _difference(best, answers, converted_answers)
    seconds, converted_seconds = _seconds_per_text([predictor, converted], table)
    return Exported(
        format=model_format.value,
        rows=len(table),
        split=rows.split.value,
        metric=metric,
        original=Measured(
            score=_score(best, metric, answers, table),
            seconds_per_text=seconds,
            megabytes=_megabytes(best.run.best),
        ),
        export=Measured(
            score=_score(best, metric, converted_answers, table),
            seconds_per_text=converted_seconds,
            megabytes=_megabytes(folder),
        ),
        equal=_equal_share(best, answers, converted_answers, predictor.settings.deviation),
        largest_difference=difference,
    )


def _difference(best: BestModel, answers: Answers, converted_answers: Answers) -> float:
    """Return the largest difference between two models: of probabilities, or of two numbers."""
    values, converted_values = np.asarray(answers), np.asarray(converted_answers)
    # A head of scikit-learn keeps differences of logits only, so that nothing else can be compared in all formats.
    if best.info.labels:
        task = cast("Classification", best.task)
        values, converted_values = task.probabilities(values), task.probabilities(converted_values)
    return float(np.abs(values - converted_values).max())


def _megabytes(folder: Path) -> float:
    """Return the size of the weights in a folder."""
    size = 0
    for pattern in WEIGHTS:
        size += sum(file.stat().st_size for file in folder.rglob(pattern))
    return size / 1e6


def _score(best: BestModel, metric: str, answers: Answers, table: pd.DataFrame) -> float:
    """Return the score of some answers."""
    task = best.task
    targets = task.encode(list(table[task.target]), best.info.labels)
    predictions = task.predictions(answers)
    probabilities = None
    if best.info.labels:
        probabilities = cast("Classification", task).probabilities(np.asarray(answers))
    return scores([metric], targets, predictions, probabilities)[metric]


def _equal_share(
    best: BestModel, answers: Answers, converted_answers: Answers, deviation: float
) -> float:
    """Return the share of rows that two models answer alike."""
    # No two numbers are equal to the last digit; a hundredth of the targets' deviation is nothing to anybody.
    if not best.info.labels:
        differences = np.abs(np.asarray(answers) - np.asarray(converted_answers))
        return float(np.mean(differences < deviation / 100))
    predictions = np.asarray(best.task.predictions(answers))
    converted_predictions = np.asarray(best.task.predictions(converted_answers))
    are_equal = predictions == converted_predictions
    # With several labels a row, all of them count.
    return float(np.mean(are_equal.reshape(len(are_equal), -1).all(axis=1)))


def _seconds_per_text(predictors: Sequence[Answerer], table: pd.DataFrame) -> list[float]:
    """Return each model's median time of one row at a time, in seconds."""
    times: list[list[float]] = [[] for _ in predictors]
    for number in range(len(table)):
        row = table.iloc[[number]]
        # Row by row in turn, so that whatever else the machine does is in the way of all alike.
        for predictor, own_times in zip(predictors, times, strict=True):
            started = time.perf_counter()
            predictor.answers(row)
            own_times.append(time.perf_counter() - started)
    return [statistics.median(own_times) for own_times in times]


def summary(exported: Exported) -> str:
    """Return what an export costs and gains, in three lines."""
    before, after = exported.original, exported.export
    return (
        f"{exported.equal:.1%} of {exported.rows} rows of {exported.split} answered alike, "
        f"largest difference {exported.largest_difference:.2g}\n"
        f"{exported.metric} {before.score:.4f} -> {after.score:.4f}, "
        f"{before.megabytes:.1f} MB -> {after.megabytes:.1f} MB\n"
        f"{before.seconds_per_text * 1e3:.2f} ms -> {after.seconds_per_text * 1e3:.2f} ms for one text, "
        f"{exported.speedup:.2f} times as fast on this processor"
    )


def _page(exported: Exported, lines: str) -> str:
    """Return what lies in the folder for people.

    Args:
        exported: What was measured.
        lines: Python that asks the model.
    """
    return f"""# A model found by xautolm, as {exported.format}

```python
{lines}
```

Compared with the model that it was made from:

{summary(exported)}
"""


def _onnx_usage(answering: Answering) -> str:
    """Return Python that asks a model in ONNX."""
    model = trained_model(answering, Architecture.ENCODER, "")
    answer_of = FORMS.get(answering.form).answer
    # Models of other forms are refused before anything is written.
    assert answer_of is not None
    texts = '["some text"]'
    if answering.joint and len(model.inputs) > 1:
        texts = f"[{example_input(model)}]"
    elif len(model.inputs) > 1:
        texts = '["some text"], ["another text"]'
    return f"""import onnxruntime
from transformers import AutoTokenizer

labels = {list(answering.labels)}
tokenizer = AutoTokenizer.from_pretrained("{PLACEHOLDER}")
session = onnxruntime.InferenceSession("{PLACEHOLDER}/{MODEL}")
tokens = tokenizer({texts}, padding=True, truncation=True, return_tensors="np")
inputs = {{item.name: tokens[item.name] for item in session.get_inputs()}}
(rows,) = session.run(None, inputs)
(logits,) = rows
print({answer_of(model)})"""


def _sentence_usage(answering: Answering) -> str:
    """Return Python that asks a folder of sentence-transformers for answers, and for features."""
    # As of a winner that pools the mean, whose folder is asked in the same way.
    lines = usage(replace(answering, pooling=Pooling.MEAN), Architecture.ENCODER, "")
    return f"""{lines}

# Without its last layer it gives the features of a text, by which texts can be compared.
features = SentenceTransformer(modules=list(model)[:-1]).encode(["some text"])"""


def _setfit_usage(answering: Answering) -> str:
    """Return Python that asks a folder of SetFit."""
    task = TASKS.get(answering.task)
    answer = "print(answer)"
    if task.problem_type == Targets.INDICATORS:
        answer = "print([label for label, holds in zip(model.labels, answer) if holds])"
    example = '"some text"'
    if answering.joint and len(task.inputs) > 1:
        example = repr(f"some text{answering.joint}another text")
    elif len(task.inputs) > 1:
        example = '["some text", "another text"]'
    return f"""from setfit import SetFitModel

model = SetFitModel.from_pretrained("{PLACEHOLDER}")
(answer,) = model.predict([{example}])
{answer}"""


ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
SENTENCE_PACKAGES = ("sentence_transformers",)
EXPORTERS: Mapping[ModelFormat, Exporter] = {
    ModelFormat.ONNX: Exporter(
        packages=ONNX_PACKAGES, extra="onnx", write=_write_onnx, usage=_onnx_usage
    ),
    ModelFormat.ONNX_INT8: Exporter(
        packages=ONNX_PACKAGES,
        extra="onnx",
        is_exact=False,
        write=_write_quantised,
        usage=_onnx_usage,
    ),
    ModelFormat.SENTENCE_TRANSFORMERS: Exporter(
        packages=SENTENCE_PACKAGES,
        extra="sentences",
        write=_write_sentence_transformer,
        usage=_sentence_usage,
    ),
    ModelFormat.SETFIT: Exporter(
        packages=SENTENCE_PACKAGES, extra="sentences", write=_write_setfit, usage=_setfit_usage
    ),
}
"""How each format is written."""
