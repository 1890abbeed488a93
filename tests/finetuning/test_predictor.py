"""A saved model at work, and the lines of its card: both say the same."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.finetuning.conftest import Order
from xautolm.finetuning.predictor import Predictor, present_device
from xautolm.finetuning.run import run
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
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(usage_of(folder / "model").replace("some text", TEXT), {})
    assert sorted(eval(said.getvalue())) == sorted(labels)


def test_a_device_that_is_not_here_is_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert [present_device(name) for name in ("cpu", "cuda", "cuda:1")] == ["cpu"] * 3
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert present_device("cuda:1") == "cuda:1"


def test_a_model_is_asked_on_the_device_that_this_machine_has() -> None:
    gpu = FakeGpu(uuid="GPU-a")
    assert present_device("auto") in ("cpu", "mps")
    with faked_cuda(gpu):
        assert present_device("auto") == "cuda"
