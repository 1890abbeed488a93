"""Numbers for texts, end to end with a real model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from xautolm import AutoLM
from xautolm.cli import app
from xautolm.data.demo import support_tickets
from xautolm.errors import UsageError
from xautolm.report.screen import Quiet


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_numbers_are_predicted_in_their_own_units_here_and_in_plain_transformers(
    tmp_path: Path,
) -> None:
    tickets = support_tickets(400, seed=0)
    names = sorted(set(tickets["label"]))
    tickets["label"] = [30_000.0 + 1_000.0 * names.index(label) for label in tickets["label"]]
    space = tmp_path / "space.yaml"
    space.write_text("epochs: 6\nlearning_rate: 2e-3\n")
    options = {
        "task": "text-regression",
        "models": "scratch-tiny",
        "space": str(space),
        "device": "cpu",
        "trials": 1,
    }
    auto = AutoLM(**options, store=str(tmp_path / "s.db"), out=str(tmp_path / "run")).fit(
        tickets, screen=Quiet()
    )
    assert "regression.v1" in auto.experiences_[0].features
    held_out = support_tickets(100, seed=7)
    said = np.asarray(auto.predict(list(held_out["text"])))
    wanted = np.asarray([30_000.0 + 1_000.0 * names.index(label) for label in held_out["label"]])
    assert auto.evaluate(held_out.assign(label=wanted))["spearman"] > 0.5
    assert abs(said - wanted).mean() < abs(wanted.mean() - wanted).mean()
    text = held_out["text"][0]
    card = (auto.run_.best / "README.md").read_text()
    lines = (
        card.partition("```python\n")[2]
        .partition("```")[0]
        .replace("PATH_TO_THIS_FOLDER", str(auto.run_.best))
    )
    done = subprocess.run(
        [sys.executable, "-c", lines.replace("some text", text)], capture_output=True, text=True
    )
    assert float(done.stdout) == pytest.approx(said[0], rel=1e-5), done.stderr
    shown = CliRunner().invoke(app, ["predict", str(auto.run_.root), text])
    assert shown.stdout == f"{said[0]:.4g}\t{text}\n"
    with pytest.raises(UsageError, match="no classes"):
        auto.predict_proba([text])
