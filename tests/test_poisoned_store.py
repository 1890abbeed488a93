"""One bad record never stops a search, and never leads it astray."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import pytest

from tests.conftest import place_in
from tests.poison import EXTREMES, KINDS, poison
from xautolm import AutoLM, ExperienceStore
from xautolm.data.demo import support_tickets
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.report.screen import Plain
from xautolm.search import SAMPLERS
from xautolm.testing import FakeExecutor, success

TRIALS = 6
TICKETS = support_tickets(60, seed=3)


class Heard(Plain):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def play(spec: TrialSpec) -> TrialOutcome:
    """Return a better score for a model that knows something."""
    score = 0.9 if spec.card.name.startswith("minilm") else 0.4
    return success(5.0, **dict.fromkeys(spec.metrics, score))


def play_earlier(spec: TrialSpec) -> TrialOutcome:
    """Fail for each second trial of a model that is trained from scratch."""
    if spec.card.name.startswith("scratch") and spec.number % 2:
        raise ValueError("no such thing")
    return play(spec)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the twenty trials of an earlier search on other data."""
    folder = tmp_path_factory.mktemp("taught")
    with place_in(folder):
        options = {"store": str(folder / "s.db"), "out": str(folder / "run"), "device": "cpu"}
        auto = AutoLM(sampler="random", trials=20, **options)
        auto.fit(support_tickets(60, seed=1), screen=Heard(), executor=FakeExecutor(play_earlier))
    return folder / "s.db"


@pytest.fixture
def poisoned(taught: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a copy of the store with one record of each of some kinds of poison."""

    def make(*kinds: str) -> Path:
        path = tmp_path / "poisoned.db"
        copyfile(taught, path)
        with ExperienceStore(path) as store:
            sound = store.experiences(status="complete")[0]
        poison(path, replace(sound, run="poisoned"), kinds)
        return path

    return make


def searched(store: Path, out: Path, **options: object) -> tuple[AutoLM, list[str]]:
    screen = Heard()
    settings = {"sampler": "xautolm", "trials": TRIALS, "device": "cpu", "budget": "10m", **options}
    auto = AutoLM(**settings, store=str(store), out=str(out))
    auto.fit(TICKETS, screen=screen, executor=FakeExecutor(play))
    return auto, screen.said


def check_sensible(auto: AutoLM) -> None:
    """Fail unless all trials ran, on configurations of numbers, with finite expectations."""
    assert len(auto.experiences_) == TRIALS
    for experience in auto.experiences_:
        assert experience.outcome.succeeded
        for value in experience.configuration.values.values():
            assert not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_every_search_with_one_poisoned_record_of_each_kind(
    sampler: str, poisoned: Callable[..., Path], tmp_path: Path
) -> None:
    store = poisoned(*KINDS, *EXTREMES)
    auto, said = searched(store, tmp_path / "run", sampler=sampler)
    check_sensible(auto)
    note = f"{len(KINDS)} damaged records of the experience store left out; see `xautolm experience list --damaged`"
    assert said.count(note) == 1
    with ExperienceStore(store) as opened:
        own = opened.experiences(run=auto.info_.id)
        assert len(own) == TRIALS


@pytest.mark.parametrize("start", ["low-sum", "high-logarithmic", "knn"])
@pytest.mark.parametrize("sampler", ["pge", "xautolm"])
def test_every_warm_start(
    start: str, sampler: str, poisoned: Callable[..., Path], tmp_path: Path
) -> None:
    auto, _ = searched(
        poisoned(*KINDS, *EXTREMES), tmp_path / "run", sampler=sampler, warm_start=start
    )
    check_sensible(auto)


@pytest.mark.parametrize("beta", ["0", "1e9", "1e300"])
def test_experience_that_counts_for_nothing_at_its_distance(
    beta: str, taught: Path, tmp_path: Path
) -> None:
    store = tmp_path / "s.db"
    copyfile(taught, store)
    knobs = {"warm_start": "moderate-linear", "warm_start_options": f"beta={beta}"}
    auto, _ = searched(store, tmp_path / "run", **knobs)
    check_sensible(auto)


def test_poison_that_is_left_out_changes_no_proposal(
    taught: Path, poisoned: Callable[..., Path], tmp_path: Path
) -> None:
    clean = tmp_path / "clean.db"
    copyfile(taught, clean)
    runs = [searched(store, tmp_path / store.stem)[0] for store in (clean, poisoned(*KINDS))]
    proposals = [[dict(each.configuration.values) for each in auto.experiences_] for auto in runs]
    assert proposals[0] == proposals[1]


@pytest.mark.parametrize("kind", EXTREMES)
def test_a_store_of_nothing_but_one_odd_record(kind: str, taught: Path, tmp_path: Path) -> None:
    with ExperienceStore(taught) as store:
        sound = store.experiences(status="complete")[0]
    alone = tmp_path / "alone.db"
    poison(alone, replace(sound, run="poisoned"), (kind,))
    auto, _ = searched(alone, tmp_path / "run", trials=3)
    assert len(auto.experiences_) == 3


def test_recommend_and_describe(poisoned: Callable[..., Path], tmp_path: Path) -> None:
    store = poisoned(*KINDS, *EXTREMES)
    auto = AutoLM(store=str(store), device="cpu")
    advice = auto.recommend(TICKETS).to_plain()
    known = [row for row in advice["recommendations"] if row["because"]]
    assert known
    for row in known:
        assert all(math.isfinite(row[name]) for name in ("quality", "seconds", "memory"))
        assert 0 <= row["failure"] <= 1
    assert f"{len(KINDS)} damaged records" in advice["note"]
    for values in auto.describe(TICKETS).values():
        assert all(map(math.isfinite, values))


@pytest.mark.usefixtures("own_features")
@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1]",
        "null",
        '{"classification-paper.v1": [NaN]}',
        '{"a": "b"}',
        '{"a": [1e999]}',
        "\0",
    ],
)
def test_damaged_files_in_the_cache(content: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "metafeatures"
    auto = AutoLM(device="cpu")
    first = auto.describe(TICKETS)
    files = list(cache.glob("*.json"))
    assert files
    for file in files:
        file.write_text(content)
    assert auto.describe(TICKETS) == first


@pytest.mark.usefixtures("own_features")
def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "file"))
    assert AutoLM(device="cpu").describe(TICKETS)


def test_a_search_with_a_store_that_may_only_be_read(taught: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    copyfile(taught, store)
    store.chmod(0o444)
    auto, said = searched(store, tmp_path / "run", explain=True)
    check_sensible(auto)
    assert sum("nothing will be added" in line for line in said) == 1
    assert any("warm start: " in line and "successes and" in line for line in said)
    with ExperienceStore(store) as opened:
        assert len(opened) == 20
