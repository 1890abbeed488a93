"""Which experiences a search sees, and that they change what it proposes."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import xautolm.past_trials
from benchmarks.synthetic import SPACE
from tests.conftest import place_in
from xautolm import AutoLM, ExperienceStore
from xautolm.data.demo import support_tickets
from xautolm.errors import UnknownNameError, UsageError
from xautolm.experience import STARTER
from xautolm.metalearning import PRESETS, Influence, Nearness, Warmed, WarmStart
from xautolm.past_trials import hiding_notes, visible
from xautolm.records import (
    Configuration,
    DataProfile,
    Experience,
    TrialOutcome,
    TrialSpec,
)
from xautolm.report.screen import Plain, Quiet
from xautolm.search.settings import SearchSettings
from xautolm.space import Prior
from xautolm.testing import FakeExecutor, success
from xautolm.warm_start import knobs_of, summary


class Heard(Plain):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def play(spec: TrialSpec) -> TrialOutcome:
    if spec.configuration.method == "probe.v1":
        return success(1.0, f1_macro=0.3, accuracy=0.3, f1_weighted=0.3, mcc=0.1)
    if spec.card.name.startswith("minilm"):
        raise MemoryError("no room")
    return success(5.0, f1_macro=0.5, accuracy=0.5, f1_weighted=0.5, mcc=0.1)


def taught_store(folder: Path, sampler: str, **options: Any) -> Path:
    """Return a store with forty trials on `FIRST`: every training of a MiniLM failed, and no other."""
    store = folder / "s.db"
    with place_in(folder):
        auto = AutoLM(sampler=sampler, trials=40, store=str(store), out="first", **options)
        auto.fit(FIRST, screen=Quiet(), executor=FakeExecutor(play))
    return store


@pytest.fixture(scope="module")
def first_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught_store(tmp_path_factory.mktemp("first"), "pge", device="cpu")


@pytest.fixture
def taught(first_store: Path, tmp_path: Path) -> None:
    """Let `fit` learn from a copy of that store, and have the features that were cached meanwhile."""
    shutil.copy(first_store, tmp_path / "s.db")
    shutil.copytree(first_store.parent / "cache", tmp_path / "cache")


@pytest.fixture
def fit(tmp_path: Path) -> Callable[..., tuple[list[str], list[str]]]:
    def run(name: str, data: pd.DataFrame, **options: Any) -> tuple[list[str], list[str]]:
        executor, screen = FakeExecutor(play), Heard()
        settings = {
            "out": str(tmp_path / name),
            "sampler": "pge",
            "device": "cpu",
            "trials": 40,
            "store": str(tmp_path / "s.db"),
        }
        AutoLM(**{**settings, **options}).fit(data, screen=screen, executor=executor)
        return [spec.card.name for spec in executor.specs], screen.said

    return run


FIRST, SECOND = support_tickets(160, seed=1), support_tickets(200, seed=2)


@pytest.mark.usefixtures("taught")
def test_experience_changes_the_proposals_and_avoids_what_failed(
    fit: Callable, tmp_path: Path
) -> None:
    cold, said = fit("cold", SECOND, trials=20)
    warm, told = fit("warm", SECOND, trials=20, warm_start="moderate-linear", hide="self")
    assert cold != warm and not any("warm start" in line for line in said)
    failures = [sum(name.startswith("minilm") for name in names) for names in (cold, warm)]
    assert failures[1] < failures[0]
    assert any("successes and 20 failures, from data frame" in line for line in told), told
    account = json.loads((tmp_path / "warm" / "warm_start.json").read_text())
    assert Counter(row["outcome"] for row in account["influences"])["out_of_memory"] == 20
    assert all(
        row["rate"] * (1 if row["outcome"] == "success" else -1) > 0
        for row in account["influences"]
    )


@pytest.mark.usefixtures("taught")
def test_knn_is_another_strategy(fit: Callable) -> None:
    runs = [
        fit(name, SECOND, trials=8, warm_start=name)[0]
        for name in ("knn", "low-linear", "high-sum")
    ]
    assert runs[0] != runs[1] != runs[2]


@pytest.mark.usefixtures("taught")
def test_the_same_data_is_hidden_under_any_name_and_size(fit: Callable) -> None:
    shuffled = FIRST.sample(frac=1.0, random_state=1).rename(
        columns={"text": "review", "label": "stars"}
    )
    options = {"warm_start": "moderate-linear", "trials": 2, "text": "review", "label": "stars"}
    _, seen = fit("seen", shuffled, **options)
    _, hidden = fit("hidden", shuffled, hide="self", **options)
    _, sampled = fit("sampled", shuffled, hide="self", max_train=80, **options)
    assert any("successes" in line for line in seen)
    assert any("begins from zero" in line for line in hidden)
    assert any("begins from zero" in line for line in sampled)


def test_an_empty_store_is_said_once(fit: Callable) -> None:
    _, said = fit("first", FIRST, warm_start="moderate-linear", trials=2)
    assert [line for line in said if "no past experience applies" in line]


@pytest.mark.usefixtures("taught")
def test_a_search_says_first_of_all_where_nothing_near_is_known(fit: Callable) -> None:
    texts = [f"{number} " + "word " * 900 for number in range(60)]
    far = pd.DataFrame({"text": texts, "label": ["yes", "no"] * 30})
    _, said = fit("far", far, trials=2, warm_start="moderate-linear")
    line = next(line for line in said if line.startswith("warm start"))
    assert line.startswith(
        "warm start: nothing near is known (its nearest data set, data frame, is"
    )
    assert "failures, from data frame" in line, "the prior is shaped all the same"
    _, said = fit("near", SECOND, trials=2, warm_start="moderate-linear")
    assert any("warm start: " in line for line in said)
    assert not any("nothing near" in line for line in said)


@pytest.mark.usefixtures("taught")
def test_a_resumed_search_keeps_the_prior_that_it_began_with(fit: Callable, tmp_path: Path) -> None:
    fit("warm", SECOND, trials=3, warm_start="moderate-linear")
    before = (tmp_path / "warm" / "warm_start.json").read_bytes()
    fit("another", support_tickets(180, seed=9), trials=10)
    fit("warm", SECOND, trials=6, warm_start="moderate-linear")
    assert (tmp_path / "warm" / "warm_start.json").read_bytes() == before


@pytest.mark.usefixtures("taught", "own_features")
def test_features_of_another_version_are_had_from_the_cache_or_counted(
    fit: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExperienceStore(tmp_path / "s.db") as store:
        assert store.experiences()[0].features
    original = ExperienceStore.experiences
    monkeypatch.setattr(
        ExperienceStore,
        "experiences",
        lambda self, **k: [replace(one, features={}) for one in original(self, **k)],
    )
    _, said = fit("cached", SECOND, trials=2, warm_start="moderate-linear")
    assert any("successes and 20 failures" in line for line in said)
    monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "empty"))
    _, said = fit("counted", SECOND, trials=2, warm_start="moderate-linear")
    # Those of the first run. The second was on the data at hand, whose features have just been measured.
    assert any(
        "at 0.00; 0 came with xautolm, 0 map in part, 0 have no weight, 40 cannot be compared"
        in line
        for line in said
    )


def test_mistakes_are_refused(fit: Callable) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'moderate-linear'"):
        fit("a", FIRST, warm_start="moderate-liner")
    with pytest.raises(UsageError, match="would have no effect"):
        fit("a", FIRST, warm_start="knn", sampler="tpe")


@pytest.mark.usefixtures("taught")
def test_every_proposal_is_explained(fit: Callable, tmp_path: Path) -> None:
    _, said = fit("second", SECOND, sampler="xautolm", trials=8, explain=True)
    lines = [line for line in said if "comes from" in line]
    assert len(lines) == 8 and "default" in lines[0]
    found = [
        json.loads(path.read_text())
        for path in sorted((tmp_path / "second").glob("trials/*/explanation.json"))
    ]
    assert len(found) == 8
    followed = [one for one in found if one.get("because")]
    assert followed and all(
        one.startswith("data frame trial") for row in followed for one in row["because"]
    )
    # Two probes and the first training come before the sampler.
    _, said = fit("third", SECOND, trials=5, explain=True)
    assert sum("model of generation 0" in line or "unbiased" in line for line in said) == 2


@pytest.mark.usefixtures("taught")
def test_the_knobs_of_the_warm_start(fit: Callable) -> None:
    _, some = fit(
        "some",
        SECOND,
        trials=9,
        warm_start="low-linear",
        warm_start_options="k_positive=3,task_weight=0.9",
    )
    assert any("warm start: 3 successes and 0 failures" in line for line in some)
    for options, error in (
        ({"warm_start": "low-linear", "warm_start_options": "k_posit=3"}, UnknownNameError),
        ({"warm_start": "low-linear", "warm_start_options": "distance=far"}, UnknownNameError),
        ({"warm_start": "low-linear", "warm_start_options": "k_positive=many"}, UsageError),
        ({"warm_start": "low-linear", "warm_start_options": "alpha_max=-1"}, UsageError),
        ({"warm_start": "knn", "warm_start_options": "k_positive=3"}, UsageError),
        ({"warm_start": "low-linear", "warm_start_options": "k_positive"}, UsageError),
    ):
        with pytest.raises(error):
            fit("bad", SECOND, trials=1, **options)


def test_distances_are_measured_once(fit: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    fit("first", FIRST, trials=6, models="scratch-tiny")
    seen: list[WarmStart] = []
    measure = xautolm.past_trials.distances_of

    def counted(experiences: Any, current: Any, options: WarmStart) -> Any:
        seen.append(options)
        return measure(experiences, current, options)

    monkeypatch.setattr(xautolm.past_trials, "distances_of", counted)
    options = {"warm_start": "low-linear", "warm_start_options": "distance=cosine"}
    fit("second", SECOND, trials=2, sampler="xautolm", models="scratch-tiny", **options)
    assert [knobs.distance for knobs in seen] == ["cosine"]


def test_the_knobs_of_a_choice() -> None:
    assert knobs_of("none", {}) == knobs_of("knn", {}) == knobs_of("moderate-linear", {})
    assert knobs_of("moderate-linear", {}) == WarmStart(method_choice="distribution")
    assert knobs_of("low-a-neg", {"k_negative": "3"}) == replace(PRESETS["low-a-neg"], k_negative=3)


@pytest.mark.parametrize(
    ("name", "is_hidden"),
    [
        ("squad/train.parquet", True),
        ("SQuAD/data/train-00000-of-00001.parquet", True),
        ("rajpurkar/squad", True),
        ("squad", True),
        ("squad_train.jsonl", True),
        ("squad_v2/train.parquet", False),
        ("train.parquet", False),
        ("drop/train.parquet", False),
    ],
)
def test_imported_experience_of_the_same_data_is_hidden_by_name(
    answered: Callable[..., Experience], profile: DataProfile, name: str, is_hidden: bool
) -> None:
    imported = answered(0.5, "squad")
    data = replace(profile, name=name, fingerprint="0a", source_fingerprint="0b")
    assert (visible([imported], "question-answering", data, "", ["self"]) == []) is is_hidden
    assert visible([imported], "question-answering", data, "", []) == [imported]


@pytest.mark.parametrize("provenance", [STARTER, "colleague.jsonl"])
@pytest.mark.parametrize("name", ["SST-2/train.csv", "sst2", "stanfordnlp/sst2"])
def test_what_came_from_elsewhere_is_hidden_by_its_datas_name_and_that_is_said(
    answered: Callable[..., Experience], profile: DataProfile, provenance: str, name: str
) -> None:
    foreign = replace(answered(0.5, "r", "sst2", alias=False), provenance=provenance)
    data = replace(profile, name=name, fingerprint="0a", source_fingerprint="0b")
    other = replace(data, name="subj.csv")
    task = "question-answering"
    assert visible([foreign], task, data, "", ["self"]) == []
    assert visible([foreign], task, other, "", ["self"]) == [foreign]
    (note,) = hiding_notes([foreign], task, data, "", ["self"])
    assert "by their name alone" in note and note.endswith("those on sst2")
    assert hiding_notes([foreign], task, other, "", ["self"]) == []


def test_a_hidden_name_that_nothing_has_is_said(
    answered: Callable[..., Experience], profile: DataProfile
) -> None:
    past = [answered(0.5, "r", "sst2.csv", alias=False)]
    notes = hiding_notes(
        past, "question-answering", profile, "", ["sst2", "sst2.cvs", "sst3", "self"]
    )
    first, second = notes
    assert first.startswith("--hide sst2.cvs hides nothing")
    assert second.startswith("--hide sst3 hides nothing")


def test_our_own_experience_is_hidden_by_content_and_not_by_name(
    answered: Callable[..., Experience], profile: DataProfile
) -> None:
    own = answered(0.5, "r", "reviews/train.csv", alias=False)
    same = replace(
        profile,
        name="other/train.csv",
        fingerprint="0a",
        source_fingerprint="reviews/train.csv-content",
    )
    namesake = replace(profile, name="reviews/train.csv", fingerprint="0a", source_fingerprint="0b")
    assert visible([own], "question-answering", same, "", ["self"]) == []
    assert visible([own], "question-answering", namesake, "", ["self"]) == [own]
    for hide in ("reviews/train.csv", "train.csv", "reviews", "r", "r-split"):
        assert visible([own], "question-answering", namesake, "", [hide]) == []
    assert visible([own], "question-answering", namesake, "", ["train", "review"]) == [own]


def test_a_success_that_is_worth_nothing_is_no_failure(
    answered: Callable[..., Experience],
) -> None:
    worst = Influence(experience=answered(0.1, "squad"), distance=0.2, rate=0.0)
    best = Influence(experience=answered(0.9, "squad"), distance=0.1, rate=0.05)
    prior = Prior.plain(SPACE)
    warmed = Warmed(prior=prior, influences=(best, worst), incomparable=0)
    line = summary(warmed, Nearness(data="squad", gap=0.1, usual=0.2, data_sets=1))
    assert "2 successes and 0 failures" in line and "1 have no weight" in line


def test_a_file_in_a_folder_is_hidden_by_the_folders_name(fit: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "made_up"
    folder.mkdir()
    FIRST.to_csv(folder / "train.csv", index=False)
    fit("first", str(folder / "train.csv"), trials=6, models="scratch-tiny")
    with ExperienceStore(tmp_path / "s.db") as store:
        assert {experience.data.name for experience in store.experiences()} == {"made_up/train.csv"}
    for hide, expected in (
        ("self", "begins from zero"),
        ("made_up", "begins from zero"),
        ("other", "successes"),
    ):
        options = {
            "warm_start": "moderate-linear",
            "trials": 1,
            "hide": hide,
            "models": "scratch-tiny",
        }
        _, said = fit(f"again {hide}", str(folder / "train.csv"), **options)
        assert any(expected in line for line in said), (hide, said)


def test_earlier_imports_are_seen_in_our_words(
    answered: Callable[..., Experience], profile: DataProfile
) -> None:
    values = {"model": "openai-community/gpt2", "method": "full.v1", "data_downsize": "1/4"}
    stored = answered(0.5, "squad", configuration=Configuration(values=values, space="paper.v1"))
    (experience,) = visible([stored], "question-answering", profile, "", [])
    assert dict(experience.configuration.values) == {
        "model": "gpt2",
        "method": "full.v1",
        "data_downsize": "quarter",
    }


@pytest.mark.usefixtures("taught")
def test_what_a_search_begins_with_does_not_grow_with_the_store(
    fit: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.warm_start.LISTED", 5)
    monkeypatch.setattr("xautolm.warm_start.DEFAULTS", SearchSettings(largest_store=10))
    fit("few", SECOND, trials=6, warm_start="low-linear")
    fit("another", support_tickets(180, seed=9), trials=40)
    fit("many", SECOND, trials=6, warm_start="low-linear")
    few, many = (
        json.loads((tmp_path / name / "warm_start.json").read_text()) for name in ("few", "many")
    )
    assert many["experiences"] > few["experiences"] > 5
    for account in (few, many):
        assert len(account["influences"]) == 5 and len(account["evidence"]) == 10
        rates = [abs(row["rate"]) for row in account["influences"]]
        assert rates == sorted(rates, reverse=True)
