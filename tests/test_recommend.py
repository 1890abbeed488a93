"""Advice before any training."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import data_set
from tests.experience.test_autogoal import NEW, change, write
from tests.test_warm_start import SECOND, play, taught_store
from xautolm import AutoLM, ExperienceStore
from xautolm.cli import main
from xautolm.errors import UnknownNameError
from xautolm.experience import STARTER, export_experiences, import_autogoal
from xautolm.metalearning import gap
from xautolm.records import Experience, Failure, TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.search import DEFAULT, NEAR_BEST
from xautolm.testing import FakeExecutor, lookup_questions, success
from xautolm.vocabulary import FailureKind, TrialStatus
from xautolm.zoo import ZOO

LIMITS = {"device": "cpu", "trial_memory_limit": "8GB"}


class Listener(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def first_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught_store(tmp_path_factory.mktemp("first"), "random", **LIMITS)


@pytest.fixture
def taught(first_store: Path, tmp_path: Path) -> dict[str, str]:
    """Options with a copy of that store."""
    store = shutil.copy(first_store, tmp_path / "s.db")
    return {"store": str(store), **LIMITS}


def test_advice_follows_experience(taught: dict[str, str]) -> None:
    advice = AutoLM(**taught).recommend(SECOND).to_plain()
    rows = advice["recommendations"]
    pairs = [(row["configuration"]["model"], row["configuration"]["method"]) for row in rows]
    assert len(set(pairs)) == len(rows) == 8  # diverse: at most one for each model and method
    assert {model for model, _ in pairs[:2]} == {"scratch-tiny", "scratch-small"}
    risk = {pair: row["failure"] for pair, row in zip(pairs, rows, strict=True)}
    # A MiniLM's probe worked, and none of its trainings did.
    assert risk["scratch-tiny", "full.v1"] < 0.3 < 0.7 < risk["minilm-l6", "full.v1"]
    assert risk["minilm-l6", "probe.v1"] < 0.3
    assert all(row["seconds"] > 0 and row["memory"] > 5e8 for row in rows)
    for amount in ("seconds", "memory"):
        for row in rows:
            low, high = row[f"{amount}_interval"]
            assert low <= row[amount] <= high
    assert any("data frame/" in reason and " f1_macro " in reason for reason in rows[0]["because"])
    assert advice["tasks"].keys() == {"data frame"} and "Judged by 40 past trials" in advice["note"]


def test_a_lack_of_memory_under_clearly_smaller_limits_is_no_advice_against(
    taught: dict[str, str], tmp_path: Path
) -> None:
    with ExperienceStore(taught["store"]) as store:
        past = store.experiences()
    small = str(tmp_path / "small.db")
    with ExperienceStore(small) as store:
        store.add([replace(trial, limits=replace(trial.limits, memory=10**9)) for trial in past])
    successes = sum(trial.outcome.succeeded for trial in past)
    assert 0 < successes < 40
    advice = AutoLM(**{**taught, "store": small}).recommend(SECOND).to_plain()
    assert f"Judged by {successes} past trials" in advice["note"]
    for row in advice["recommendations"]:
        configuration = row["configuration"]
        if configuration["model"].startswith("minilm") and configuration["method"] != "probe.v1":
            assert row["failure"] is None, "nothing is known of it any more"


def test_where_all_failed_what_failed_most_comes_last_and_no_quality_is_claimed(
    taught: dict[str, str], tmp_path: Path
) -> None:
    with ExperienceStore(taught["store"]) as store:
        past = [trial for trial in store.experiences() if trial.configuration.model == "minilm-l6"]
    failure = Failure(kind=FailureKind.CRASH, message="x")
    outcome = TrialOutcome(status=TrialStatus.FAILED, failure=failure, wall_time=3.0)
    probe = next(trial for trial in past if trial.configuration.method == "probe.v1")
    failures: list[Experience] = []
    for number in range(40):
        failures.append(replace(probe, id=f"{number:024}", trial=number, outcome=outcome))
    place = str(tmp_path / "failures.db")
    with ExperienceStore(place) as store:
        store.add(failures)
    advice = AutoLM(**{**taught, "store": place}).recommend(SECOND, count=40).to_plain()
    rows = advice["recommendations"]
    last = rows[-1]
    pair = (last["configuration"]["model"], last["configuration"]["method"])
    assert pair == ("minilm-l6", "probe.v1") and last["failure"] == pytest.approx(41 / 42)
    assert all(row["failure"] is None for row in rows[:-1])
    assert "quality is not predicted" in advice["note"]


def test_a_store_that_is_not_there_is_said_and_not_made(
    taught: dict[str, str], tmp_path: Path
) -> None:
    place = tmp_path / "typo" / "teem.db"
    options = {**taught, "store": str(place), "hide": ["nobody"]}
    note = AutoLM(**options).recommend(SECOND).to_plain()["note"]
    assert f"There is no experience store at {place}" in note
    assert "--hide nobody hides nothing" in note
    assert not place.parent.exists()


def test_far_from_everything_it_says_so(taught: dict[str, str]) -> None:
    other = {"text": [f"{i} " + "word " * 900 for i in range(60)], "label": ["yes", "no"] * 30}
    advice = AutoLM(**taught).recommend(other).to_plain()
    assert "nothing near" in advice["note"] and advice["tasks"].keys() == {"data frame"}
    for row in advice["recommendations"]:
        assert (row["quality"], row["failure"], row["because"], row["origin"]) == (
            None,
            None,
            [],
            "default",
        )
        assert row["seconds"] > 0


def test_a_model_and_method_of_which_nothing_is_known_says_so(
    taught: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ExperienceStore(taught["store"]) as store:
        scratch = [
            one for one in store.experiences() if one.configuration.model.startswith("scratch")
        ]
    with ExperienceStore(tmp_path / "scratch.db") as store:
        store.add(scratch)
    options = {**taught, "store": str(tmp_path / "scratch.db")}
    rows = AutoLM(**options).recommend(SECOND).to_plain()["recommendations"]
    methods = {one.configuration.method for one in scratch}
    known = [row for row in rows if row["configuration"]["method"] in methods]
    unknown = [row for row in rows if row["configuration"]["method"] not in methods]
    assert known and unknown and all(row["because"] for row in known)
    assert all(
        (row["quality"], row["failure"], row["because"]) == (None, None, []) for row in unknown
    )
    SECOND.to_csv(tmp_path / "t.csv", index=False)
    command = [
        "xautolm",
        "recommend",
        str(tmp_path / "t.csv"),
        "--store",
        options["store"],
        "--device",
        "cpu",
    ]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().out
    assert shown.count("nothing near is known") == len(unknown) and " - " not in shown
    assert "Past data sets, each foretold from the others:" in shown and "Wall time: " in shown


def test_nearness_by_hand() -> None:
    now = {
        "classification-paper.v1": (math.e - 1,) * 10,
        "classification.v1": (0.0,) * 8,
        "system-paper.v1": (9.0,) * 5,
    }
    there = {
        "classification-paper.v1": (0.0,) * 10,
        "classification.v1": (0.0,) * 8,
        "system-paper.v1": (0.0,) * 5,
    }
    assert gap(there, now) == pytest.approx(
        1.0
    )  # of the groups the farthest; the machine is no task
    fewer = {"classification-paper.v1": (1e6, *(math.e - 1,) * 9)}
    assert gap(fewer, now) == 0.0  # a sample of the same task
    assert (
        gap({"system-paper.v1": (9.0,) * 5}, now)
        == gap({"classification-paper.v1": (1.0,)}, now)
        == math.inf
    )


def test_the_knobs_of_the_warm_start_reach_the_advice(taught: dict[str, str]) -> None:
    weights = {"task_weight": "0", "semantic_weight": "0", "system_weight": "1"}
    near = AutoLM(**taught, warm_start_options=weights).recommend(SECOND).to_plain()
    limits = (
        AutoLM(**taught, warm_start_options={**weights, "distance": "manhattan"})
        .recommend(SECOND)
        .to_plain()
    )
    usual = AutoLM(**taught).recommend(SECOND).to_plain()
    # The machine is the same, the time limit of a trial is not: one number of the six of one of two groups.
    assert near["tasks"] == {"data frame": 0.5} == limits["tasks"]
    assert usual["tasks"]["data frame"] != 0.5
    with pytest.raises(UnknownNameError, match="warm start"):
        AutoLM(**taught, warm_start="lo").recommend(SECOND)
    for choice in ("none", "knn", "low-a-neg"):
        assert AutoLM(**taught, warm_start=choice).recommend(SECOND).to_plain()["recommendations"]


QUESTIONS = lookup_questions(60, seed=1)


def as_in_the_papers_store(f1: float, **values: object) -> dict:
    """A record of question answering whose sizes are those of `QUESTIONS`."""
    prompts = [len(f"{row.context}\n{row.question}") for row in QUESTIONS.itertuples()]
    lengths = sum(prompts) / len(prompts)
    meta = [87_599.0, lengths, 30.0, 0.01, 5.0, 2.0, 0.2, 5 / lengths, 0.1, 0.3, 0.05]
    record = change(NEW, values=values, metrics={"f1": f1, "evaluation_time": 100.0})
    return {**record, "task_features": {"meta": meta, "semantic": [0.1, 0.2]}}


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize(
    "method", ["LoraGenLLMTask", "FineTuneGenLLMTask", "PartialFineTuneGenLLMTask"]
)
def test_a_past_success_of_the_papers_store_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str, method: str
) -> None:
    record = as_in_the_papers_store(
        85.0, batch_size=8, max_length=500, epochs=10, learning_rate=1e-4, data_downsize="1/4", quantization="bnb-4bit",
        lora_r=4, early_stopping_patience=10, early_stopping_delta=0.001, lr_scheduler="cosine",
    )  # fmt: skip
    record = {
        **record,
        "algorithms": [{method: pipeline} for pipeline in record["algorithms"][0].values()],
    }
    read = import_autogoal(write(tmp_path / "autogoal", record))
    with ExperienceStore(tmp_path / "s.db") as store:
        store.add(read.experiences)
    monkeypatch.setattr("xautolm.scenario.find_models", lambda *_: [ZOO.things["flan-t5-base"]])
    auto = AutoLM(
        task="question-answering",
        store=str(tmp_path / "s.db"),
        device="cpu",
        space=preset,
        budget="100h",
    )
    advice = auto.recommend(QUESTIONS).to_plain()
    row = advice["recommendations"][0]
    configuration = row["configuration"]
    assert row["origin"].startswith(f"as {read.experiences[0].data.name} trial 0")
    assert ("instead of partial.v1" in row["origin"]) == (method == "PartialFineTuneGenLLMTask")
    assert row["because"] == ["squad/0 flan-t5-base token_f1 0.850"]
    assert (configuration["model"], configuration["batch_size"], configuration["scheduler"]) == (
        "flan-t5-base",
        8,
        "cosine",
    )
    if preset == "paper":
        assert (configuration["data_downsize"], configuration["learning_rate"]) == ("quarter", 1e-4)


@pytest.mark.data
def test_the_papers_success_on_squad_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_set("squad")
    fixtures = Path(os.environ["XAUTOLM_TEST_DATA"]).parent / "fixtures" / "autogoal_experiences"
    if not fixtures.is_dir():
        pytest.skip("the fixtures are not there")
    read = import_autogoal(fixtures)
    with ExperienceStore(tmp_path / "s.db") as store:
        store.add(read.experiences)
    monkeypatch.setattr("xautolm.scenario.find_models", lambda *_: [ZOO.things["flan-t5-base"]])
    auto = AutoLM(
        task="question-answering", store=str(tmp_path / "s.db"), device="cpu", budget="100h"
    )
    advice = auto.recommend(str(data)).to_plain()
    assert "Judged by" in advice["note"] and "squad" in advice["tasks"]
    row = advice["recommendations"][0]
    assert (
        row["origin"].startswith("as squad trial 0")
        and "squad/0 flan-t5-base token_f1 0.857" in row["because"]
    )


def test_without_experience_it_says_so(tmp_path: Path) -> None:
    advice = AutoLM(store=str(tmp_path / "empty.db"), device="cpu").recommend(SECOND).to_plain()
    assert "no past trials" in advice["note"]
    assert advice["recommendations"] and advice["recommendations"][0]["because"] == []


def test_the_command(
    taught: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    SECOND.to_csv(tmp_path / "t.csv", index=False)
    command = [
        "xautolm",
        "recommend",
        str(tmp_path / "t.csv"),
        "--store",
        taught["store"],
        "--device",
        "cpu",
    ]
    monkeypatch.setattr(sys, "argv", [*command, "--count", "3"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert "because of" in shown and "nearest tasks: data frame" in shown
    monkeypatch.setattr(sys, "argv", [*command, "--json", "--no-starter", "--hide", "data frame"])
    with pytest.raises(SystemExit):
        main()
    assert "no past trials" in json.loads(capsys.readouterr().out)["note"]
    assert not Path("runs").exists()


@pytest.fixture
def starter(taught: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store of `taught` be what comes with the package."""
    path = tmp_path / "starter.parquet"
    with ExperienceStore(taught["store"]) as store:
        came_with = [replace(trial, provenance=STARTER) for trial in store.experiences()]
        export_experiences(came_with, path)
    monkeypatch.setenv("XAUTOLM_STARTER", str(path))


@pytest.mark.usefixtures("starter")
def test_advice_and_search_begin_with_the_starter_store(
    taught: dict[str, str], tmp_path: Path
) -> None:
    """A first search is not the first: what comes with the package is seen where the user's own store is empty."""
    empty = {**taught, "store": str(tmp_path / "empty.db")}
    assert "Judged by 40 past trials" in AutoLM(**empty).recommend(SECOND).to_plain()["note"]
    without = AutoLM(**empty, starter=False).recommend(SECOND).to_plain()
    assert "Judged by" not in without["note"]

    for begins, options in {
        "38 came with xautolm": {},
        "no past experience applies": {"starter": False},
    }.items():
        screen = Listener()
        own_store = {**empty, "store": str(tmp_path / f"{begins}.db")}
        auto = AutoLM(**own_store, trials=2, out=str(tmp_path / begins), **options)
        auto.fit(SECOND, screen=screen, executor=FakeExecutor(play))
        (said,) = [note for note in screen.notes if note.startswith("warm start: ")]
        assert begins in said


@pytest.mark.usefixtures("starter")
def test_what_a_store_says_takes_turns_with_what_is_near_the_best_training(
    taught: dict[str, str], tmp_path: Path
) -> None:

    def proposals(store: str, name: str) -> list[str]:
        def succeed(spec: TrialSpec) -> TrialOutcome:
            return success(**dict.fromkeys(spec.metrics, 0.5))

        auto = AutoLM(**{**taught, "store": store}, trials=7, out=str(tmp_path / name))
        auto.fit(SECOND, screen=Quiet(), executor=FakeExecutor(succeed))
        return [experience.proposal for experience in auto.experiences_]

    alone = proposals(str(tmp_path / "empty.db"), "first of all")
    assert NEAR_BEST in alone and "xautolm" not in alone
    # After two probes and the default.
    in_turn = [NEAR_BEST, "xautolm", NEAR_BEST, "xautolm"]
    assert proposals(taught["store"], "with a store")[3:] == in_turn


@pytest.mark.usefixtures("starter")
def test_a_search_does_not_end_where_all_that_is_proposed_had_better_wait(
    taught: dict[str, str], tmp_path: Path
) -> None:
    empty = {**taught, "store": str(tmp_path / "empty.db")}
    # The store speaks for models from scratch, which wait where a pretrained one was probed; only they work here.
    auto = AutoLM(**empty, trials=6, out=str(tmp_path / "run"))
    auto.fit(SECOND, screen=Quiet(), executor=FakeExecutor(play))
    assert len(auto.experiences_) == 6


def test_a_search_begins_anew_when_its_store_is_not_trusted_any_more(
    taught: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than any trust: the first proposal of the sampler is the last that follows the store.
    monkeypatch.setattr("xautolm.opening.LEAST_TRUST", 1.1)
    auto = AutoLM(**taught, trials=6, out=str(tmp_path / "run"))
    listener = Listener()
    auto.fit(SECOND, screen=listener, executor=FakeExecutor(play))
    doubts = [text for text in listener.notes if "begins as without it" in text]
    assert len(doubts) == 1
    origins = [trial.proposal for trial in auto.experiences_]
    asked = origins.index(next(origin for origin in origins if origin != DEFAULT))
    # Probe and default had been there already: what is near the best training is left.
    assert NEAR_BEST in origins[asked:]


def test_advice_from_a_large_store_does_without_the_starter_store(
    taught: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = tmp_path / "starter.parquet"
    with ExperienceStore(taught["store"]) as store:
        stored = store.experiences()
    export_experiences([replace(trial, run="came with it") for trial in stored], starter)
    monkeypatch.setenv("XAUTOLM_STARTER", str(starter))
    monkeypatch.setattr("xautolm.past_trials.READ_WHOLE", len(stored))
    small = AutoLM(**taught).recommend(SECOND)
    assert small.experiences == 2 * len(stored)
    monkeypatch.setattr("xautolm.past_trials.READ_WHOLE", len(stored) - 1)
    large = AutoLM(**taught).recommend(SECOND)
    assert large.experiences == len(stored)
