"""The main job as a person does it: real processes, real models, small data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import patience
from xautolm import AutoLM, ExperienceStore
from xautolm.data.demo import support_tickets
from xautolm.vocabulary import FailureKind

pytestmark = pytest.mark.timeout(300)

FIT = (
    "--models",
    "scratch-tiny,minilm-l2",
    "--methods",
    "full,head",
    "--max-train",
    "120",
    "--device",
    "cpu",
)


@dataclass(frozen=True)
class Finished:
    folder: Path
    data: Path
    environment: dict[str, str]
    events: list[dict]

    @property
    def run(self) -> Path:
        return self.folder / "run"


def xautolm(*arguments: object, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from xautolm.cli import main; main()", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=patience(600)
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("job")
    table = support_tickets(260, seed=4)
    data = folder / "data"
    data.mkdir()
    table.head(220).to_csv(data / "train.csv", index=False)
    table.tail(40).to_csv(data / "test.csv", index=False)
    environment = {**os.environ, "XAUTOLM_STORE": str(folder / "store.db"), "HF_HUB_OFFLINE": "1"}
    done = xautolm(
        "fit",
        data,
        *FIT,
        "--trials",
        4,
        "--parallel",
        2,
        "--out",
        folder / "run",
        "--json",
        environment=environment,
    )
    assert done.returncode == 0, done.stderr
    return Finished(
        folder, data, environment, [json.loads(line) for line in done.stdout.splitlines()]
    )


def test_events_tell_the_story(finished: Finished) -> None:
    kinds = [event["event"] for event in finished.events]
    assert kinds.count("started") == kinds.count("finished") == 4 and kinds[-1] == "done"
    done = finished.events[-1]
    assert 0 < done["validation"]["f1_macro"] <= 1 and 0 < done["test"]["accuracy"] <= 1
    assert done["failures"] == {}


def test_every_trial_left_its_folder_and_an_experience(finished: Finished) -> None:
    folders = sorted((finished.run / "trials").iterdir())
    assert len(folders) >= 4
    for folder in folders[:4]:
        names = {path.name for path in folder.iterdir()}
        assert {"spec.json", "result.json", "progress.jsonl", "stdout.log", "stderr.log"} <= names
    with ExperienceStore(finished.environment["XAUTOLM_STORE"]) as store:
        found = store.experiences()
    assert len(found) == 4
    for one in found:
        assert one.outcome.succeeded and one.outcome.history and one.outcome.evaluation_time > 0
        assert one.outcome.peak_memory > 100_000_000
        assert one.data.classes == 5 and one.versions["torch"] and one.seed == 0


def test_the_winner_loads_in_plain_transformers(finished: Finished) -> None:
    code = (
        "import sys; from transformers import pipeline\n"
        f"classify = pipeline('text-classification', model={str(finished.run / 'best')!r})\n"
        "print(classify('I was charged twice.')[0]['label']); assert 'xautolm' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=finished.environment
    )
    assert done.returncode == 0, done.stderr
    said = xautolm(
        "predict", finished.run, "I was charged twice.", environment=finished.environment
    )
    assert said.returncode == 0 and said.stdout.split("\t")[0] == done.stdout.strip()


def test_predictions_in_all_forms(finished: Finished) -> None:
    auto = AutoLM.load(finished.run)
    texts = ["Where is my parcel?", "a", "The app crashes. " * 40]
    chances = auto.predict_proba(texts)
    assert chances.shape == (3, 5) and chances.sum(axis=1) == pytest.approx(1)
    assert auto.predict(texts) == [auto.classes_[row.argmax()] for row in chances]
    done = xautolm("predict", finished.run, "--json", *texts, environment=finished.environment)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["prediction"] for row in rows] == auto.predict(texts)


def test_evaluating_on_the_test_split_gives_the_score_that_fit_reported(finished: Finished) -> None:
    done = xautolm(
        "evaluate", finished.run, finished.data / "test.csv", environment=finished.environment
    )
    found = {line.split("\t")[0]: float(line.split("\t")[1]) for line in done.stdout.splitlines()}
    assert found == pytest.approx(finished.events[-1]["test"], abs=1e-4)


def test_the_card_states_what_was_done(finished: Finished) -> None:
    card = (finished.run / "best" / "README.md").read_text()
    info = AutoLM.load(finished.run).info_
    for fact in (
        info.data.fingerprint,
        "validation f1_macro",
        "test f1_macro",
        "seed 0",
        "learning_rate",
        "torch",
        "stratified",
    ):
        assert fact in card


def test_the_report_is_one_offline_page(finished: Finished) -> None:
    page = (finished.run / "report.html").read_text()
    assert "<script>" in page and 'id="chart-front"' in page and "All trials" in page
    assert "test rows that the search never saw" in page and "Worst errors" in page
    # The library is packed: what can be read is all of the page's own.
    assert "http://" not in page and "https://" not in page


def test_looking_into_the_store(finished: Finished) -> None:
    listed = xautolm("experience", "list", environment=finished.environment).stdout
    start = listed.splitlines()[1].split()[0]
    shown = json.loads(
        xautolm("experience", "show", start, environment=finished.environment).stdout
    )
    assert shown["id"].startswith(start) and shown["configuration"]["values"]["model"] in listed
    stats = xautolm("experience", "stats", environment=finished.environment).stdout
    assert stats.startswith("4 experiences in sqlite:///")


def test_kill_9_in_the_middle_and_resume_lose_nothing(finished: Finished, tmp_path: Path) -> None:
    environment = {**finished.environment, "XAUTOLM_STORE": str(tmp_path / "store.db")}
    fixed = tmp_path / "space.yaml"
    fixed.write_text("epochs: 4\nmodel: scratch-tiny\n")
    command = ["fit", finished.data / "train.csv", *FIT, "--models", "scratch-tiny", "--space", fixed, "--trials", "3",
               "--out", tmp_path / "run"]  # fmt: skip
    first = subprocess.Popen(
        [sys.executable, "-c", "from xautolm.cli import main; main()", *map(str, command)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    second_trial = tmp_path / "run" / "trials" / "0001" / "progress.jsonl"
    deadline = time.monotonic() + patience(120)
    while not second_trial.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    result = tmp_path / "run" / "trials" / "0000" / "result.json"
    before = result.read_bytes()
    assert not (second_trial.parent / "result.json").exists()

    done = xautolm(*command, "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    assert result.read_bytes() == before
    found = AutoLM.load(tmp_path / "run").experiences_
    assert found[1].outcome.failure.kind is FailureKind.INTERRUPTED
    assert sum(one.outcome.succeeded for one in found) == 3
    again = next(one for one in found if one.proposal == "again after trial 1")
    assert again.configuration == found[1].configuration
    with ExperienceStore(environment["XAUTOLM_STORE"]) as store:
        assert {one.id for one in store.experiences()} == {one.id for one in found}
    import optuna

    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path / 'run' / 'study.db'}")
    assert not [trial for trial in study.trials if trial.state == optuna.trial.TrialState.RUNNING]
