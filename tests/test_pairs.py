"""A classifier of pairs of texts, end to end with a real model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from xautolm import AutoLM
from xautolm.cli import app
from xautolm.data.demo import support_tickets
from xautolm.errors import UsageError
from xautolm.report.screen import Quiet


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pairs_are_classified_here_and_in_plain_transformers(tmp_path: Path) -> None:
    tickets = support_tickets(400, seed=0)
    pairs = pd.DataFrame(
        {"premise": tickets["text"][::2].tolist(), "hypothesis": tickets["text"][1::2].tolist()}
    )
    pairs["label"] = tickets["label"][1::2].tolist()  # what the second text is about
    space = tmp_path / "space.yaml"
    # After 3 epochs of 160 pairs the class is right in nine of ten cases, but the chances of these two rows differed by
    # 0.01 only; after 6, by 0.6.
    space.write_text("epochs: 6\nlearning_rate: 4e-4\nbatch_size: 8\n")
    options = {
        "task": "text-pair-classification",
        "models": "minilm-l6",
        "methods": "full",
        "device": "cpu",
    }
    auto = AutoLM(
        **options,
        space=str(space),
        trials=1,
        store=str(tmp_path / "s.db"),
        out=str(tmp_path / "run"),
    )
    auto.fit(pairs, screen=Quiet())
    one = {"text": "My card was charged twice.", "text_pair": "Where is my parcel?"}
    chances = auto.predict_proba(pd.DataFrame([one]))
    in_order = pairs.rename(columns={"premise": "text", "hypothesis": "text_pair"})[:100]
    swapped = in_order.rename(columns={"text": "text_pair", "text_pair": "text"})
    right, wrong = (
        np.mean(np.asarray(auto.predict(rows)) == in_order["label"]) for rows in (in_order, swapped)
    )
    assert right > 0.6 > 0.4 > wrong, "which text comes first is seen"
    card = (auto.run_.best / "README.md").read_text()
    lines = (
        card.partition("```python\n")[2]
        .partition("```")[0]
        .replace("PATH_TO_THIS_FOLDER", str(auto.run_.best))
    )
    code = lines.replace("some text", one["text"]).replace("another text", one["text_pair"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    score = re.search(r"'score': ([\d.]+)", done.stdout)
    assert score is not None and float(score[1]) == pytest.approx(chances[0].max(), abs=1e-4), (
        done.stderr
    )
    run = str(auto.run_.root)
    said = CliRunner().invoke(app, ["predict", run, "--json", f"{one['text']}\t{one['text_pair']}"])
    assert json.loads(said.stdout)["probabilities"][auto.classes_[0]] == pytest.approx(
        chances[0, 0], abs=1e-5
    )
    failed = CliRunner().invoke(app, ["predict", run, "only one text"])
    assert isinstance(failed.exception, UsageError) and "with a tab between" in str(
        failed.exception
    )
    pairs.rename(columns={"premise": "left", "hypothesis": "right"}).head(20).to_csv(
        tmp_path / "more.csv", index=False
    )
    named = ["--columns", "text_pair=right", "--text", "left"]
    scored = CliRunner().invoke(app, ["evaluate", run, str(tmp_path / "more.csv"), *named])
    assert scored.exit_code == 0 and scored.stdout.startswith("f1_macro")
