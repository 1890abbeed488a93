"""Of a large store only what is near is read, and a search begins with the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from benchmarks.synthetic import SPACE, SYSTEM, TASK, Task, experience, play, related_tasks
from benchmarks.transfer_synthetic import GOALS
from xautolm.experience import ExperienceStore
from xautolm.experience.schema import EXPERIENCES
from xautolm.past_trials import PastTrials, Sight
from xautolm.records import Experience, Limits
from xautolm.search import Memory
from xautolm.search.settings import SearchSettings
from xautolm.search_store import SearchStore
from xautolm.space import Prior
from xautolm.traits import Circumstances, TraitReader
from xautolm.warm_start import remembered

DATA_SETS, TRIALS = 6, 1_200
EVIDENCE = 150
*PAST, TARGET = related_tasks(DATA_SETS + 1, 3)


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(0)
    prior = Prior.plain(SPACE)
    trials = []
    for number in range(TRIALS):
        task = PAST[number % DATA_SETS]
        configuration = prior.sample(rng)
        outcome = play(task, dict(configuration.values))
        run = f"{task.name}-{number // (DATA_SETS * 20)}"
        trial = experience(task, run, number, configuration, outcome)
        # One search left its task undescribed, and cannot be compared.
        if run.endswith("-0-4"):
            trial = replace(trial, features={})
        trials.append(trial)
    place = str(tmp_path_factory.mktemp("store") / "s.db")
    with ExperienceStore(place) as store:
        store.add(trials)
    return place


class Counting(SearchStore):
    """Counts the experiences that were read."""

    read = 0

    def experiences(
        self, task: str, *, run: str | None = None, limit: int | None = None
    ) -> list[Experience]:
        return self.counted(super().experiences(task, run=run, limit=limit))

    def of_runs(self, runs: Sequence[str], task: str) -> list[Experience]:
        return self.counted(super().of_runs(runs, task))

    def counted(self, experiences: list[Experience]) -> list[Experience]:
        self.read += len(experiences)
        return experiences


def begin(
    location: str,
    folder: Path,
    setting: str,
    knobs: dict[str, str] | None = None,
    hide: Sequence[str] = (),
    data: Task = TARGET,
) -> tuple[Memory, list[str], int]:
    """Return what a search begins with, what it says of it, and how many experiences it read."""
    folder.mkdir(exist_ok=True)
    said: list[str] = []
    # Twice the time of the past searches: their timeouts say nothing any more.
    limits = Limits(seconds=7_200.0)
    sight = Sight(task=TASK, data=data.data, run="now", hide=hide, limits=limits, system=SYSTEM)
    store = Counting(location, said.append, must_open=True)
    past = PastTrials(store, sight, folder)
    traits = TraitReader({}, Circumstances(TASK, data.data, SYSTEM, limits))
    path = folder / "warm_start.json"
    memory = remembered(
        setting, knobs or {}, SPACE, past, data.features, GOALS, traits, path, said.append
    )
    store.close()
    assert memory is not None
    return memory, said, store.read


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xautolm.warm_start.DEFAULTS", SearchSettings(largest_store=EVIDENCE))


@pytest.fixture
def in_part(monkeypatch: pytest.MonkeyPatch, small: None) -> pytest.MonkeyPatch:
    monkeypatch.setattr("xautolm.past_trials.RECENT", 30)
    return monkeypatch


@pytest.mark.parametrize(
    ("setting", "knobs", "hide"),
    [
        ("moderate-linear", {}, ()),
        ("low-logarithmic", {}, ()),
        ("high-sum", {"k_positive": "60", "k_negative": "120"}, ()),
        ("moderate-linear", {"distance": "manhattan"}, (PAST[0].name, PAST[2].name)),
    ],
)
def test_of_a_large_store_a_search_begins_with_the_same(
    location: str,
    tmp_path: Path,
    in_part: pytest.MonkeyPatch,
    setting: str,
    knobs: dict[str, str],
    hide: Sequence[str],
) -> None:
    whole, whole_said, whole_read = begin(location, tmp_path / "whole", setting, knobs, hide)
    in_part.setattr("xautolm.past_trials.READ_WHOLE", 100)
    part, part_said, part_read = begin(location, tmp_path / "part", setting, knobs, hide)
    assert part.evidence == whole.evidence and len(part.evidence) == EVIDENCE
    assert part.prior.to_plain() == whole.prior.to_plain()
    assert part_said == whole_said
    assert whole_read == TRIALS and part_read < TRIALS * 2 / 3


@pytest.mark.parametrize("setting", ["knn", "high-f-pos-f-neg"])
def test_settings_that_take_every_trial_read_the_whole_store(
    location: str, tmp_path: Path, in_part: pytest.MonkeyPatch, setting: str
) -> None:
    whole, *_ = begin(location, tmp_path / "whole", setting)
    in_part.setattr("xautolm.past_trials.READ_WHOLE", 100)
    part, _, read = begin(location, tmp_path / "part", setting)
    assert part.prior.to_plain() == whole.prior.to_plain()
    assert read >= TRIALS


def test_the_newest_trials_of_a_large_store_are_at_hand(
    location: str, tmp_path: Path, in_part: pytest.MonkeyPatch
) -> None:
    in_part.setattr("xautolm.past_trials.READ_WHOLE", 100)
    limits = Limits(seconds=3_600.0)
    sight = Sight(task=TASK, data=TARGET.data, run="now", hide=(), limits=limits, system=SYSTEM)
    store = SearchStore(location, print, must_open=True)
    past = PastTrials(store, sight, tmp_path)
    assert sorted(trial.trial for trial in past.recent) == list(range(TRIALS - 30, TRIALS))
    store.close()


def test_a_search_whose_first_trial_is_damaged_is_not_lost(
    location: str, tmp_path: Path, in_part: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "damaged.db"
    with ExperienceStore(location) as source, ExperienceStore(damaged) as target:
        target.add(source.experiences())
        samples = [tally.sample for tally in target.tallies(TASK)]
        first_of_runs = {tally.run: tally.sample for tally in reversed(target.tallies(TASK))}
        assert len(samples) > len(first_of_runs)
        with target.engine.begin() as connection:
            is_first = EXPERIENCES.c.id.in_(list(first_of_runs.values()))
            connection.execute(update(EXPERIENCES).where(is_first).values(record="{"))
    whole, *_ = begin(str(damaged), tmp_path / "whole", "moderate-linear")
    in_part.setattr("xautolm.past_trials.READ_WHOLE", 100)
    part, *_ = begin(str(damaged), tmp_path / "part", "moderate-linear")
    assert len(part.evidence) == len(whole.evidence) == EVIDENCE
    assert {item.data for item in part.evidence} == {item.data for item in whole.evidence}


def test_a_search_whose_trials_all_ended_alike_is_not_lost_with_its_first(
    location: str, tmp_path: Path, in_part: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "alike.db"
    with ExperienceStore(location) as source, ExperienceStore(place) as target:
        successes = [trial for trial in source.experiences() if trial.outcome.succeeded]
        target.add(successes)
        first_ids = [tally.sample for tally in target.tallies(TASK)]
        with target.engine.begin() as connection:
            is_first = EXPERIENCES.c.id.in_(first_ids)
            connection.execute(update(EXPERIENCES).where(is_first).values(record="{"))
    whole, *_ = begin(str(place), tmp_path / "whole", "moderate-linear")
    in_part.setattr("xautolm.past_trials.READ_WHOLE", 100)
    part, *_ = begin(str(place), tmp_path / "part", "moderate-linear")
    assert len(part.evidence) == len(whole.evidence) == EVIDENCE
    assert {item.data for item in part.evidence} == {item.data for item in whole.evidence}
