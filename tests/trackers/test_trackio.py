"""Trackio over its own local database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trackers.searches import EPOCHS, FAILING, score

# Its client loads for seconds.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
pytest.importorskip("trackio")

PROGRAM = """
import sys
from pathlib import Path
from xautolm.data.demo import support_tickets
from xautolm.trackers import reporter
from tests.trackers.searches import fit

reporter.OPENING_SECONDS = 300.0
auto = fit(Path("run"), support_tickets(160, seed=1), "trackio")

import json
import trackio
from trackio.sqlite_storage import SQLiteStorage

runs = {}
for run in trackio.Api().runs("xautolm"):
    logs = SQLiteStorage.get_logs("xautolm", run.name)
    runs[run.name] = {"config": run.config, "logs": logs}
answer = {"runs": runs, "name": auto.run_.root.name, "torch": "torch" in sys.modules}
answer["id"] = auto.info_.id
answer["models"] = [experience.configuration.model for experience in auto.experiences_]
print(json.dumps(answer, default=str))
"""


def test_a_search_in_its_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where its database lies is read when it is imported, so it is imported by a process of its own.
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=":")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # One line: nothing that Trackio says goes to standard output, where `--json` writes.
    answer = json.loads(done.stdout)
    assert not answer["torch"]
    search = f"data frame {answer['id'][:6]}"
    runs = answer["runs"]
    assert set(runs) == {search, *(f"{search} trial {number:04d}" for number in range(3))}
    trial = runs[f"{search} trial 0002"]
    assert trial["config"]["model"] == answer["models"][2]
    points = [(line["step"], line["f1_macro"]) for line in trial["logs"] if "f1_macro" in line]
    steps = range(1, EPOCHS + 1)
    assert points == [(10 * step, pytest.approx(score(2, step))) for step in steps]
    (failed,) = runs[f"{search} trial {FAILING:04d}"]["logs"]
    assert failed["status"] == "failed" and failed["failure"] == "out_of_memory"
    best = [line["best_f1_macro"] for line in runs[search]["logs"] if "best_f1_macro" in line]
    assert len(best) == 3 and best[-1] == pytest.approx(score(2, EPOCHS))
