"""The winner's folder where there is no xautolm: the lines of its card say what `xautolm predict` says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import patience
from xautolm import AutoLM
from xautolm.best_model import BestModel
from xautolm.data.demo import support_tickets
from xautolm.records import TrialOutcome
from xautolm.report.screen import Quiet
from xautolm.report.usage import PLACEHOLDER
from xautolm.run_folder import RunFolder
from xautolm.serialization import to_plain, write_json
from xautolm.testing import FakeExecutor

# What libraries say of themselves while they work.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
    ),
    pytest.mark.timeout(300),
]

TEXTS = ["I was charged twice for order 4417.", "The app crashes as soon as I open it."]
BLOCK = "import sys\nsys.modules['xautolm'] = None  # importing it is an error from here on\n"
LOGITS = {
    "any": "model.encode(texts).tolist()",
    "pipeline": """[
        [score for name in labels for label, score in map(dict.values, row) if label == name]
        for row in classify(texts, top_k=None, function_to_apply="none")
    ]""",
}
"""Python after the card's lines, by export: the logits of several texts, with the names that those lines have made."""


class InProcess(FakeExecutor):
    """Runs trials in this very process."""

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        """Run all that were started."""
        from xautolm.finetuning.run import run

        ended = []
        for number, (spec, folder) in self.waiting.items():
            outcome = run(spec, folder)
            write_json(folder / "result.json", to_plain(outcome))
            ended.append((number, outcome))
        self.waiting.clear()
        return ended


def said_without_xautolm(lines: str) -> list[str]:
    """Return what Python lines print in an interpreter that has no xautolm and sees no other path of ours."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", BLOCK + lines],
        capture_output=True,
        text=True,
        timeout=patience(200),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("export", "library"), [("pipeline", "transformers"), ("any", "sentence-transformers")]
)
def test_the_cards_lines_run_without_xautolm_and_say_what_predict_says(
    tmp_path: Path, export: str, library: str
) -> None:
    if export == "any":
        pytest.importorskip("sentence_transformers")
    options = {
        "models": "minilm-l6",
        "methods": "probe",
        "trials": 1,
        "device": "cpu",
        "export": export,
    }
    auto = AutoLM(out=str(tmp_path / "run"), **options)
    auto.fit(
        support_tickets(160, seed=1),
        screen=Quiet(),
        executor=InProcess(lambda spec: NotImplemented),
    )
    best = tmp_path / "run" / "best"
    card = (best / "README.md").read_text()
    assert f"library_name: {library}\n" in card and f"folder of {library}" in card
    lines = card.partition("```python\n")[2].partition("```")[0].replace(PLACEHOLDER, str(best))
    assert ("pipeline(" in lines) == (export == "pipeline")

    labels = auto.classes_.tolist()
    more = (
        f"import json\nlabels, texts = {labels!r}, {TEXTS!r}\nprint(json.dumps({LOGITS[export]}))\n"
    )
    *said, logits = said_without_xautolm(lines.replace("some text", TEXTS[0]) + more)
    ours = BestModel(RunFolder(tmp_path / "run")).predictor().answers(pd.DataFrame({"text": TEXTS}))
    assert np.allclose(json.loads(logits), ours, atol=1e-3 * np.abs(ours).max())
    (label, _) = auto.predict(TEXTS)
    assert label in said[-1] and not any(other in said[-1] for other in labels if other != label)
    auto.report()
    assert f"folder of {library}" in (tmp_path / "run" / "report.html").read_text()
