"""A saved model at work, and the lines of its card: both say the same."""

from __future__ import annotations

import contextlib
import io
import weakref
from pathlib import Path

import pandas as pd
import pytest
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from tests.conformance.tiny import POSITIONS, tiny_model
from tests.finetuning.conftest import Order
from xautolm.errors import UsageError
from xautolm.finetuning.export import save_answering
from xautolm.finetuning.predictor import Predictor, present_device
from xautolm.finetuning.run import run
from xautolm.finetuning.tokens import load_tokenizer
from xautolm.notices import warn_once
from xautolm.records import Answering
from xautolm.report.usage import usage_of
from xautolm.tasks import TASKS
from xautolm.testing import FakeGpu, faked_cuda

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
    ),
    pytest.mark.timeout(300),
]
TEXT = "I was charged twice for order 4417."
LONG_TEXT = f"{TEXT} " * POSITIONS
LABELS = ("billing", "delivery", "other")
QUESTION, CONTEXT = "Who wrote it?", "It was written by Ada."
"""As in the lines of models that extract."""


def said_by_lines(folder: Path, text: str = "some text") -> str:
    """Return what the lines of a model's folder print of a text."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(usage_of(folder).replace("some text", text), {})
    return said.getvalue().strip()


def save_tiny_model(
    auto_class: type, settings: Answering, folder: Path, **head: object
) -> PreTrainedModel:
    """Save a tiny BERT with a head in a folder, as a trial does, and return it."""
    base = folder.parent / "base"
    base.mkdir()
    card = tiny_model("bert", base, [TEXT, QUESTION, CONTEXT])
    torch.manual_seed(0)
    model = auto_class.from_pretrained(base, **head).eval()
    model.save_pretrained(folder)
    save_answering(load_tokenizer(card, base, base), settings, folder)
    return model


def test_the_lines_of_several_labels_name_all_that_predict_names(
    order: Order, folder: Path
) -> None:
    spec = order(task="multilabel-classification", epochs=1)
    assert run(spec, folder).succeeded
    model = AutoModelForSequenceClassification.from_pretrained(folder / "model")
    with torch.no_grad():
        # Two labels for every text, whatever was learned.
        model.classifier.bias[:] = -9.0
        model.classifier.bias[1:3] = 9.0
    model.save_pretrained(folder / "model")
    task = TASKS.get(spec.task)
    logits = Predictor(folder / "model", "cpu").answers(pd.DataFrame({"text": [TEXT]}))
    (labels,) = task.decode(task.predictions(logits), spec.labels)
    assert labels == list(spec.labels[1:3])
    said = said_by_lines(folder / "model", TEXT)
    assert sorted(eval(said)) == sorted(labels)


@pytest.mark.parametrize(
    "task", ["text-classification", "multilabel-classification", "text-regression"]
)
def test_the_lines_cut_a_text_that_is_longer_than_the_model_as_predict_does(
    tmp_path: Path, task: str
) -> None:
    folder = tmp_path / "model"
    is_regression = task == "text-regression"
    labels = () if is_regression else LABELS
    settings = Answering(
        task=task,
        form="regress" if is_regression else "classify",
        max_length=16,
        labels=labels,
        mean=30_000.0,
        deviation=500.0,
    )
    names = dict(enumerate(labels or ["number"]))
    save_tiny_model(
        AutoModelForSequenceClassification,
        settings,
        folder,
        id2label=names,
        problem_type=TASKS.get(task).problem_type,
    )
    (answer,) = Predictor(folder, "cpu").answers(pd.DataFrame({"text": [LONG_TEXT]}))
    said = eval(said_by_lines(folder, LONG_TEXT))
    if is_regression:
        assert said == pytest.approx(float(answer), rel=0.01)
    elif task == "text-classification":
        (likeliest,) = said
        probabilities = torch.softmax(torch.as_tensor(answer), dim=0)
        assert likeliest["label"] == LABELS[answer.argmax()]
        # Some processors predict in bfloat16.
        assert likeliest["score"] == pytest.approx(float(probabilities.max()), abs=0.01)
    else:
        labels_above_half = [
            label for label, logit in zip(LABELS, answer, strict=True) if logit > 0
        ]
        assert sorted(said) == sorted(labels_above_half)


@pytest.mark.parametrize("may_be_empty", [True, False])
@pytest.mark.parametrize("prefers_first_token", [True, False])
def test_the_lines_say_that_there_is_no_answer_where_predict_does(
    tmp_path: Path, may_be_empty: bool, prefers_first_token: bool
) -> None:
    folder = tmp_path / "model"
    settings = Answering(
        task="question-answering",
        form="extract",
        max_length=POSITIONS - 2,
        answer_tokens=4,
        may_be_empty=may_be_empty,
    )
    model = save_tiny_model(AutoModelForQuestionAnswering, settings, folder)
    tokens = Predictor(folder, "cpu").tokenizer(QUESTION, CONTEXT, return_tensors="pt")
    with torch.no_grad():
        # States have one length behind the last norm, so that none is as like the first as the first itself.
        first_state = model.bert(**tokens).last_hidden_state[0, 0]
        model.qa_outputs.weight[:] = first_state if prefers_first_token else -first_state
    model.save_pretrained(folder)
    row = pd.DataFrame({"question": [QUESTION], "context": [CONTEXT]})
    (answer,) = Predictor(folder, "cpu").answers(row)
    assert said_by_lines(folder) == answer.strip()
    assert (answer == "") == (may_be_empty and prefers_first_token)


def test_a_device_that_is_not_here_is_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert [present_device(name) for name in ("cpu", "cuda", "cuda:1")] == ["cpu"] * 3


def test_a_model_is_asked_on_the_device_that_this_machine_has() -> None:
    gpu = FakeGpu(uuid="GPU-a")
    assert present_device("auto") in ("cpu", "mps")
    with faked_cuda(gpu):
        assert present_device("auto") == "cuda"
    with faked_cuda(gpu, FakeGpu(uuid="GPU-b")):
        assert present_device("cuda:1") == "cuda:1"
        with pytest.raises(UsageError, match="There is no such GPU"):
            present_device("cuda:2")


@pytest.mark.parametrize("has_cuda", [True, False])
@pytest.mark.parametrize("device", ["cuda:abc", "cuda:-1", "cuda:", "tpu", ""])
def test_what_names_no_device_is_refused(device: str, has_cuda: bool) -> None:
    gpus = [FakeGpu(uuid="GPU-a")] if has_cuda else []
    with faked_cuda(*gpus), pytest.raises(UsageError, match="Unknown device"):
        present_device(device)


def fail_at(step: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a GPU fail when it is started, or when a model is moved to it."""
    original = PreTrainedModel.to

    def start(device: str) -> None:
        raise error

    def move(model: PreTrainedModel, device: str) -> PreTrainedModel:
        if device == "cpu":
            return original(model, device)
        raise error

    if step == "start":
        monkeypatch.setattr("xautolm.finetuning.predictor.set_up_gpu", start)
    else:
        monkeypatch.setattr(Predictor, "_start", lambda predictor: None)
        monkeypatch.setattr(PreTrainedModel, "to", move)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return the folder of a saved model."""
    settings = Answering(task="text-classification", form="classify", max_length=16, labels=LABELS)
    folder = tmp_path / "model"
    save_tiny_model(AutoModelForSequenceClassification, settings, folder, num_labels=3)
    return folder


@pytest.mark.parametrize("step", ["start", "move"])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 46.00 MiB."),
        RuntimeError(
            "CUDA error: no kernel image is available for execution on the device\nSearch"
        ),
    ],
    ids=["full", "too old"],
)
def test_where_the_gpu_fails_the_processor_answers_unless_the_gpu_was_named(
    step: str,
    error: Exception,
    saved: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    row = pd.DataFrame({"text": [TEXT]})
    expected = Predictor(saved, "cpu").answers(row)
    fail_at(step, error, monkeypatch)
    warn_once.cache_clear()
    with faked_cuda(FakeGpu(uuid="GPU-a")):
        predictor = Predictor(saved, "auto")
        with pytest.raises(UsageError, match="cannot run on this device") as caught:
            Predictor(saved, "cuda:0")
    first_line = str(error).split("\n")[0]
    assert f"the model runs on the processor, not on cuda: {first_line}" in caplog.text
    assert f"Got: cuda:0: {first_line}" in str(caught.value)
    assert predictor.device == "cpu"
    assert predictor.answers(row) == pytest.approx(expected)


def test_a_gpu_that_fails_leaves_no_model_and_no_arithmetic_behind(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(predictor: Predictor) -> None:
        torch.set_float32_matmul_precision("high")

    def move(predictor: Predictor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Predictor, "_start", start)
    monkeypatch.setattr(Predictor, "_move", move)
    first_models: list[weakref.ref[PreTrainedModel]] = []
    load = Predictor._load

    def note(predictor: Predictor, folder: Path) -> PreTrainedModel:
        if first_models:
            assert first_models[0]() is None
        model = load(predictor, folder)
        first_models.append(weakref.ref(model))
        return model

    monkeypatch.setattr(Predictor, "_load", note)
    try:
        with faked_cuda(FakeGpu(uuid="GPU-a")):
            Predictor(saved, "auto")
        assert len(first_models) == 2
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_other_errors_on_a_gpu_stay_what_they_are(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at("move", RuntimeError("an error of ours"), monkeypatch)
    with faked_cuda(FakeGpu(uuid="GPU-a")), pytest.raises(RuntimeError, match="of ours"):
        Predictor(saved, "auto")
