"""A classifier that says the names of its classes, end to end with a real model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xautolm import AutoLM
from xautolm.data.demo import support_tickets
from xautolm.records import Answering
from xautolm.report.screen import Quiet
from xautolm.report.usage import usage
from xautolm.run_folder import ANSWERING
from xautolm.serialization import read_record


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_only_names_of_classes_are_said_and_each_has_a_probability(tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("form: label-words\nepochs: 4\nbatch_size: 8\nlearning_rate: 2e-3\n")
    options = {
        "models": "scratch-decoder",
        "device": "cpu",
        "space": str(space),
        "store": str(tmp_path / "s.db"),
    }
    auto = AutoLM(**options, trials=1, out=str(tmp_path / "run"))
    auto.fit(support_tickets(300, seed=0), screen=Quiet())
    assert auto.best_.configuration.values["form"] == "label-words"
    texts = list(support_tickets(60, seed=5)["text"])
    said, chances = auto.predict(texts), auto.predict_proba(texts)
    assert chances.shape == (60, len(auto.classes_)) and np.allclose(
        chances.sum(axis=1), 1, atol=1e-5
    )
    assert said == [auto.classes_[index] for index in chances.argmax(axis=1)]
    assert auto.evaluate(support_tickets(200, seed=6))["accuracy"] > 0.6  # chance is a fifth
    settings = read_record(Answering, auto.run_.best / ANSWERING)
    lines = usage(settings, "decoder", f"{texts[0]}\nLabel:").replace(
        "PATH_TO_THIS_FOLDER", str(auto.run_.best)
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
    assert done.stdout.strip() == said[0], done.stderr
