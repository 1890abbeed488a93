"""The winner in ONNX answers as the original, is measured beside it, and what cannot be exported gets a sentence."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from typer.testing import CliRunner

from tests.played import CLASSES, played
from tests.small_classifiers import FAMILIES, OTHERS, run_with
from xautolm import AutoLM, exporting
from xautolm.best_model import BestModel
from xautolm.cli import app
from xautolm.errors import NoModelError, UsageError
from xautolm.exporting import Exported, export
from xautolm.records import Answering
from xautolm.run_folder import RunFolder
from xautolm.vocabulary import ModelFormat, Split

WORDS = ["[PAD]", "[UNK]", "text", "on", "the", *CLASSES, *map(str, range(30))]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run that was played, with a real model of random weights as its winner."""
    from xautolm.finetuning.export import save_model

    played(tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    torch.manual_seed(0)
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=3,
        initializer_range=0.5,
    )
    settings = Answering(task="text-classification", form="classify", max_length=16, labels=CLASSES)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    )
    save_model(BertForSequenceClassification(config), wrapped, settings, run.best)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("model_format", [ModelFormat.ONNX, ModelFormat.ONNX_INT8])
def test_an_export_answers_as_the_original(run: RunFolder, model_format: ModelFormat) -> None:
    pytest.importorskip("onnxruntime")
    exported = export(run, model_format)
    assert exported.rows > 0 and exported.split == "validation"
    assert exported.metric == "f1_macro"
    if model_format is ModelFormat.ONNX:
        assert exported.equal == 1 and exported.largest_difference < 1e-4
        assert exported.export.score == exported.original.score
    else:
        assert exported.equal > 0.5 and exported.largest_difference > 0
    assert exported.export.seconds_per_text > 0
    folder = run.root / model_format.value
    assert json.loads((folder / "export.json").read_text())["equal"] == exported.equal
    assert not list(folder.glob("float32*")) and not list(run.root.glob(".onnx*"))
    # The lines of its page run as they stand, and say what the original says.
    page = (folder / "README.md").read_text().replace("PATH_TO_THIS_FOLDER", str(folder))
    (lines,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(lines, names)
    model = BertForSequenceClassification.from_pretrained(str(run.best)).eval()
    with torch.inference_mode():
        logits = model(torch.tensor([[1, 2]])).logits.numpy()
    # The text is not one of those that were compared.
    tolerance = 1e-4 if model_format is ModelFormat.ONNX else exported.largest_difference * 3
    difference = softmax(np.asarray(names["logits"]), axis=-1) - softmax(logits, axis=1)
    assert abs(difference).max() < tolerance


@pytest.mark.slow
def test_a_model_of_8_bits_too_large_for_one_file_has_its_weights_beside_it(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr("xautolm.finetuning.onnx.LARGEST_FILE", 1000)
    exported = export(run, ModelFormat.ONNX_INT8)
    assert exported.equal > 0.5
    names = {path.name for path in (run.root / "onnx-int8").glob("*.onnx*")}
    assert names == {"model.onnx", "model.onnx.data"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("family", [*FAMILIES, *OTHERS])
def test_every_family_of_classifiers_answers_alike_in_onnx(tmp_path: Path, family: str) -> None:
    pytest.importorskip("onnxruntime")
    exported = export(run_with(tmp_path / "run", family), ModelFormat.ONNX)
    assert exported.equal == 1.0 and exported.largest_difference < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    "task",
    ["multilabel-classification", "text-pair-classification", "text-regression"],
)
def test_the_lines_of_a_page_give_the_answer_of_every_task(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str
) -> None:
    pytest.importorskip("onnxruntime")
    run = run_with(tmp_path / "run", "bert", task)
    export(run, ModelFormat.ONNX)
    folder = run.root / "onnx"
    page = (folder / "README.md").read_text().replace("PATH_TO_THIS_FOLDER", str(folder))
    (lines,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    capsys.readouterr()
    exec(lines, {})
    printed = capsys.readouterr().out.strip()
    best = BestModel(run, device="cpu")
    row = dict(zip(best.task.inputs, ["some text", "another text"], strict=False))
    (expected,) = best.predictions(pd.DataFrame([row])).values
    if task == "text-regression":
        assert float(printed) == pytest.approx(expected, abs=1e-3)
    else:
        assert printed == str(expected)


@pytest.mark.slow
def test_an_export_replaces_an_earlier_one(run: RunFolder, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    target = tmp_path / "elsewhere" / "model"
    command = ["export", str(run.root), "--to", "onnx", "--out", str(target)]
    for _ in range(2):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, (result.output, result.exception)
        assert result.stdout == f"{target}\n" and "times as fast" in result.stderr
        assert (target / "model.onnx").is_file()


def without_packages(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Let ONNX need these packages only, none by default."""
    exporter = replace(exporting.EXPORTERS[ModelFormat.ONNX], packages=packages)
    monkeypatch.setattr(exporting, "EXPORTERS", {**exporting.EXPORTERS, ModelFormat.ONNX: exporter})


def test_an_architecture_that_the_exporter_does_not_know(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*values: object, **options: object) -> None:
        raise RuntimeError("no such operator\nand a trace of it")

    monkeypatch.setattr(torch.onnx, "export", fail)
    without_packages(monkeypatch)
    with pytest.raises(UsageError, match="does not know how to write this model, a bert") as caught:
        export(run, ModelFormat.ONNX)
    assert "RuntimeError: no such operator\n" in str(caught.value)
    assert not (run.root / "onnx").exists() and not list(run.root.glob(".onnx*"))


def test_a_model_that_answers_otherwise_is_not_kept(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Contrary:
        def __init__(self, path: Path, classes: int) -> None:
            self.model = BertForSequenceClassification.from_pretrained(str(run.best)).eval()
            self.config, self.device = self.model.config, torch.device("cpu")
            self.forward = self.model.forward

        def __call__(self, **inputs: torch.Tensor) -> object:
            output = self.model(**inputs)
            output.logits = -output.logits
            return output

    monkeypatch.setattr("xautolm.finetuning.onnx.OnnxClassifier", Contrary)
    monkeypatch.setattr(
        "xautolm.finetuning.onnx.write_onnx", lambda predictor, path: path.write_bytes(b"")
    )
    without_packages(monkeypatch)
    with pytest.raises(UsageError, match="does not answer as the original"):
        export(run, ModelFormat.ONNX)
    assert not (run.root / "onnx").exists()


def test_what_cannot_be_exported_is_refused_before_weights_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    without_packages(monkeypatch, "no_such_package")
    with pytest.raises(UsageError, match=r"pip install 'xautolm\[onnx\]'"):
        export(run, ModelFormat.ONNX)
    without_packages(monkeypatch)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(UsageError, match="holds something else"):
        export(run, ModelFormat.ONNX, tmp_path / "mine")
    run.best.rename(tmp_path / "elsewhere")
    with pytest.raises(NoModelError, match="no model yet"):
        export(run, ModelFormat.ONNX)


@pytest.mark.parametrize("has_data", [False, True], ids=["in a pickle", "damaged"])
def test_rows_that_cannot_be_read_are_told_before_anything_is_written(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_data: bool
) -> None:
    without_packages(monkeypatch)
    auto = AutoLM.load(run.root)
    if has_data:
        run.split(Split.VALIDATION).write_bytes(b"no parquet")
    else:
        auto = pickle.loads(pickle.dumps(auto))
    # Nor are weights loaded.
    (auto.run_.best / "model.safetensors").unlink()
    out = tmp_path / "made" / "out"
    with pytest.raises(UsageError, match=r"(?s)rows .* cannot be read.*validation\.parquet"):
        auto.export_to("onnx", out)
    assert not out.parent.exists()


def test_folders_that_an_export_may_not_replace(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_packages(monkeypatch)
    with pytest.raises(UsageError, match="holds the winner alone"):
        export(run, ModelFormat.ONNX, run.best / "onnx")
    with pytest.raises(UsageError, match="holds something else"):
        export(run, ModelFormat.ONNX, run.root)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="holds something else"):
        export(run, ModelFormat.ONNX, tmp_path / "file")
    with pytest.raises(UsageError, match="cannot be written"):
        export(run, ModelFormat.ONNX, tmp_path / "file" / "onnx")
    # Longer than any file system takes; a folder without rights is told in the same way.
    with pytest.raises(UsageError, match="cannot be read"):
        export(run, ModelFormat.ONNX, tmp_path / ("long" * 100))


def test_a_model_that_writes_is_refused(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    without_packages(monkeypatch)
    path = run.best / "xautolm.json"
    settings = json.loads(path.read_text()) | {"form": "extract", "task": "question-answering"}
    path.write_text(json.dumps(settings))
    # And before weights are loaded, which may be gigabytes.
    (run.best / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="answers by extract"):
        export(run, ModelFormat.ONNX)


def test_a_summary_says_what_it_costs_and_gains() -> None:
    before = exporting.Measured(score=0.9, seconds_per_text=0.02, megabytes=90)
    after = exporting.Measured(score=0.88, seconds_per_text=0.005, megabytes=23)
    exported = Exported(
        format="onnx-int8",
        rows=200,
        split="test",
        metric="f1_macro",
        original=before,
        export=after,
        equal=0.985,
        largest_difference=0.4,
    )
    lines = exporting.summary(exported).splitlines()
    assert lines[0] == "98.5% of 200 rows of test answered alike, largest difference 0.4"
    assert lines[1] == "f1_macro 0.9000 -> 0.8800, 90.0 MB -> 23.0 MB"
    assert lines[2].startswith("20.00 ms -> 5.00 ms for one text, 4.00 times as fast")
