"""The winner as a folder of sentence-transformers and of SetFit, asked in the library that each is for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import BertConfig, BertModel

from tests.played import CLASSES, NAMES, played
from tests.small_classifiers import FAMILIES, SHAPE, run_with, tokenizer
from xautolm import AutoLM
from xautolm.errors import UsageError
from xautolm.exporting import Exported, export
from xautolm.finetuning.export import save_answering, save_model
from xautolm.finetuning.mean_pooled import MeanPooledClassifier
from xautolm.finetuning.predictor import Predictor
from xautolm.records import Answering
from xautolm.run_folder import RunFolder
from xautolm.vocabulary import Layers, ModelFormat, Pooling

pytest.importorskip("sentence_transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

EXPORTS = [ModelFormat.SENTENCE_TRANSFORMERS, ModelFormat.SETFIT]


def lines_of(run: RunFolder, model_format: ModelFormat) -> str:
    """Return the lines of an export's page, with its folder in them."""
    folder = run.root / model_format.value
    page = (folder / "README.md").read_text().replace("PATH_TO_THIS_FOLDER", str(folder))
    (lines,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    return str(lines)


def check_equal(exported: Exported) -> None:
    """Check that an export says the same as its original, to the digits of float32."""
    assert exported.equal == 1.0 and exported.largest_difference < 1e-4
    assert exported.export.score == exported.original.score
    assert exported.export.seconds_per_text > 0 and exported.export.megabytes > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_of_head_answers_as_the_original(tmp_path: Path, family: str) -> None:
    run = run_with(tmp_path / "run", family)
    for model_format in EXPORTS:
        check_equal(export(run, model_format))


@pytest.mark.parametrize(
    "task", ["multilabel-classification", "text-pair-classification", "text-regression"]
)
def test_other_tasks_answer_as_the_original(tmp_path: Path, task: str) -> None:
    run = run_with(tmp_path / "run", "bert", task)
    check_equal(export(run, ModelFormat.SENTENCE_TRANSFORMERS))
    if task == "text-regression":
        with pytest.raises(UsageError, match="SetFit has classifiers only"):
            export(run, ModelFormat.SETFIT)
        assert not (run.root / "setfit").exists()
    else:
        check_equal(export(run, ModelFormat.SETFIT))


@pytest.mark.parametrize("layers", Layers)
def test_a_mean_over_the_tokens_keeps_its_layers(tmp_path: Path, layers: Layers) -> None:
    played(tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    body = BertModel(BertConfig(**SHAPE))
    classifier = MeanPooledClassifier(body, rng.normal(size=(3, 32)), rng.normal(size=3), layers)
    classifier.save(run.best, 16)
    settings = Answering(
        task="text-classification",
        form="classify",
        max_length=16,
        labels=CLASSES,
        pooling=Pooling.MEAN,
    )
    save_answering(tokenizer(), settings, run.best)
    for model_format in EXPORTS:
        check_equal(export(run, model_format))


def test_two_classes_are_one_logit_of_scikit_learn(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": [f"text {number}" for number in range(30)]})
    table["label"] = ["yes" if number % 2 else "no" for number in range(30)]
    played(tmp_path / "run", data=table)
    run = RunFolder(tmp_path / "run")
    torch.manual_seed(0)
    model_class, config = FAMILIES["bert"]
    config.num_labels = 2
    settings = Answering(
        task="text-classification", form="classify", max_length=16, labels=("no", "yes")
    )
    save_model(model_class(config), tokenizer(), settings, run.best)
    check_equal(export(run, ModelFormat.SETFIT))


def test_the_lines_of_a_page_give_the_answer_and_the_features(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", "roberta")
    export(run, ModelFormat.SENTENCE_TRANSFORMERS)
    names: dict[str, object] = {}
    exec(lines_of(run, ModelFormat.SENTENCE_TRANSFORMERS), names)
    logits = Predictor(run.best, "cpu").answers(pd.DataFrame({"text": ["some text"]}))
    assert np.allclose(np.asarray(names["logits"]), np.asarray(logits), atol=1e-4)
    assert np.asarray(names["features"]).shape == (1, 32)


@pytest.mark.parametrize("task", ["text-classification", "multilabel-classification"])
def test_setfit_itself_loads_the_folder_and_says_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str
) -> None:
    pytest.importorskip("setfit")
    run = run_with(tmp_path / "run", "electra", task)
    export(run, ModelFormat.SETFIT)
    names: dict[str, object] = {}
    capsys.readouterr()
    exec(lines_of(run, ModelFormat.SETFIT), names)
    printed = capsys.readouterr().out.strip().splitlines()[-1]
    predictor = Predictor(run.best, "cpu")
    answers = predictor.answers(pd.DataFrame({"text": ["some text"]}))
    (expected,) = predictor.task.decode(predictor.task.predictions(answers), run.info().labels)
    assert printed == str(expected)


def test_a_fitted_automl_exports_its_model(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", "bert")
    auto = AutoLM.load(run.root)
    exported = auto.export_to("sentence-transformers", tmp_path / "elsewhere")
    check_equal(exported)
    assert (tmp_path / "elsewhere" / "modules.json").is_file()
    with pytest.raises(UsageError, match="Did you mean 'setfit'"):
        auto.export_to("setfitt")


def test_a_decoder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", "gpt2")
    for model_format in EXPORTS:
        with pytest.raises(UsageError, match="Only an encoder") as caught:
            export(run, model_format)
        assert "a gpt2" in str(caught.value)
        assert not (run.root / model_format.value).exists()


def test_a_setfit_folder_names_its_labels(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", "bert", "multilabel-classification")
    export(run, ModelFormat.SETFIT)
    settings = json.loads((run.root / "setfit" / "config_setfit.json").read_text())
    assert settings == {"normalize_embeddings": False, "labels": list(run.info().labels)}
    assert set(settings["labels"]) <= {*CLASSES, *NAMES}
