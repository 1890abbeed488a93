"""Searches with rungs over a fake executor: the order of trials, failures, resuming, pruning, and what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from xautolm import AutoLM, ExperienceStore
from xautolm.errors import RunFolderError
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.space.shares import RUNG_SHARES, rung_share, without_rung
from xautolm.testing import FakeExecutor, SteppingExecutor, success
from xautolm.vocabulary import TrialStatus

LOW, MIDDLE, ALL = RUNG_SHARES
METRICS = ("f1_macro", "accuracy", "f1_weighted", "mcc")


class Listener(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def share_of(spec: TrialSpec) -> float:
    return rung_share(spec.configuration.values)


def play(spec: TrialSpec) -> TrialOutcome:
    """Play a trial whose score grows with its rows, and falls with its number."""
    share = share_of(spec)
    quality = 0.3 + 0.4 * share - 0.001 * spec.number
    return success(seconds=10.0 + 100.0 * share, **dict.fromkeys(METRICS, quality))


Fit = Callable[..., tuple[AutoLM, FakeExecutor, list[str]]]


@pytest.fixture
def fit(tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Fit:
    """Search on a set that counts as large."""
    monkeypatch.setattr("xautolm.search_space.LARGE_DATA", 100)
    monkeypatch.setattr("xautolm.pruner.LOOK_SECONDS", 0.0)

    def run(
        how: Callable[[TrialSpec], TrialOutcome] = play,
        executor: FakeExecutor | None = None,
        **options: Any,
    ) -> tuple[AutoLM, FakeExecutor, list[str]]:
        executor = executor or FakeExecutor(how)
        settings = {
            "out": str(tmp_path / "run"),
            "sampler": "random",
            "device": "cpu",
            "models": "minilm-l6",
        }
        usual = {"methods": "full", "rungs": True, "objectives": "f1_macro"}
        auto = AutoLM(**{**settings, **usual, **options})
        screen = Listener()
        auto.fit(tickets, screen=screen, executor=executor)
        return auto, executor, screen.said

    return run


def test_the_best_third_of_a_rung_goes_up(fit: Fit) -> None:
    auto, executor, _ = fit(trials=13)
    shares = [share_of(spec) for spec in executor.specs]
    assert shares == [LOW, LOW, LOW, MIDDLE, LOW, LOW, LOW, MIDDLE, LOW, LOW, LOW, MIDDLE, ALL]
    proposals = [experience.proposal for experience in auto.experiences_]
    assert [proposal == "promoted" for proposal in proposals] == [share != LOW for share in shares]
    for promoted, origin in ((3, 0), (7, 1), (11, 2), (12, 3)):
        values = without_rung(executor.specs[promoted].configuration)
        assert values == without_rung(executor.specs[origin].configuration)
    assert auto.best_.trial == 12


def test_probes_see_all_rows(fit: Fit) -> None:
    _, executor, _ = fit(trials=3, methods="probe,full", sampler="xautolm", warm_start="none")
    methods = [spec.configuration.method for spec in executor.specs]
    assert methods == ["probe.v1", "full.v1", "full.v1"]
    assert [share_of(spec) for spec in executor.specs] == [ALL, LOW, LOW]
    assert "train_share" not in executor.specs[0].configuration.values


def test_the_winner_is_the_best_whatever_its_share(fit: Fit) -> None:
    def lucky(spec: TrialSpec) -> TrialOutcome:
        quality = 0.9 if spec.number == 2 else 0.5
        return success(**dict.fromkeys(METRICS, quality))

    auto, executor, _ = fit(lucky, trials=8)
    assert auto.best_.trial == 2 and share_of(executor.specs[2]) == LOW
    assert Counter(map(share_of, executor.specs)) == {LOW: 6, MIDDLE: 2}


def test_the_neighbourhood_of_the_best_is_explored_on_the_lowest_rung(fit: Fit) -> None:
    auto, executor, _ = fit(trials=13, sampler="xautolm", warm_start="none")
    proposals = [experience.proposal for experience in auto.experiences_]
    # The best was promoted before its last neighbours; and its promotions are none of the seven neighbours.
    assert proposals[:11] == [
        "default",
        "near the best",
        "near the best",
        "promoted",
        "near the best",
        "near the best",
        "near the best",
        "promoted",
        "near the best",
        "near the best",
        "xautolm",
    ]
    shares = [share_of(spec) for spec in executor.specs]
    assert shares[:11] == [LOW, LOW, LOW, MIDDLE, LOW, LOW, LOW, MIDDLE, LOW, LOW, LOW]


def test_a_third_of_the_budget_entitles_the_next_rung(
    fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.budget.Clock.spent", 0.5)
    _, executor, _ = fit(trials=5, budget="10h")
    assert [share_of(spec) for spec in executor.specs] == [LOW, MIDDLE, LOW, LOW, LOW]
    assert all(
        spec.limits.seconds == pytest.approx(36_000, rel=0.01) for spec in executor.specs[:2]
    )


def test_a_person_may_choose_the_rungs(fit: Fit, tmp_path: Path) -> None:
    ranges = tmp_path / "ranges.yaml"
    ranges.write_text("train_share: [0.1, 1]")
    _, executor, _ = fit(trials=8, space=str(ranges))
    assert [share_of(spec) for spec in executor.specs] == [LOW, LOW, LOW, ALL, LOW, LOW, LOW, ALL]


def test_failures_stay_where_they_are(fit: Fit) -> None:
    def sometimes(spec: TrialSpec) -> TrialOutcome:
        if spec.number in (0, 3):
            raise MemoryError("no room")
        return play(spec)

    _, executor, _ = fit(sometimes, trials=8)
    # Trial 0 would have been the best of three; the promotion of trial 1 fails as well, and is not repeated.
    assert [share_of(spec) for spec in executor.specs] == [
        LOW,
        LOW,
        LOW,
        MIDDLE,
        LOW,
        LOW,
        LOW,
        MIDDLE,
    ]
    assert without_rung(executor.specs[3].configuration) == without_rung(
        executor.specs[1].configuration
    )
    assert without_rung(executor.specs[7].configuration) == without_rung(
        executor.specs[2].configuration
    )


def test_a_run_that_is_resumed_goes_on_where_it_was(fit: Fit) -> None:
    fit(trials=3)
    auto, executor, _ = fit(trials=5)
    assert [share_of(spec) for spec in executor.specs] == [MIDDLE, LOW]
    assert auto.experiences_[3].proposal == "promoted"
    auto, executor, _ = fit(trials=8)
    assert [share_of(spec) for spec in executor.specs] == [LOW, LOW, MIDDLE]
    digests = [experience.configuration.digest for experience in auto.experiences_]
    assert len(set(digests)) == len(digests)


def test_a_promotion_that_was_interrupted_is_made_again(fit: Fit) -> None:
    def killed_while_promoted(spec: TrialSpec) -> TrialOutcome:
        if share_of(spec) == MIDDLE:
            raise KeyboardInterrupt
        return play(spec)

    with pytest.raises(KeyboardInterrupt):
        fit(killed_while_promoted, trials=5)
    auto, executor, _ = fit(trials=5)
    assert [share_of(spec) for spec in executor.specs] == [MIDDLE, LOW]
    assert auto.experiences_[4].proposal == "again after trial 3"
    assert auto.experiences_[4].configuration == auto.experiences_[3].configuration


def test_rungs_belong_to_what_a_run_is(fit: Fit) -> None:
    fit(trials=2)
    with pytest.raises(RunFolderError, match="space"):
        fit(trials=3, rungs=False)


def test_the_store_says_which_share_it_was(fit: Fit) -> None:
    fit(trials=4)
    with ExperienceStore() as store:
        stored = sorted(store.experiences(), key=lambda experience: experience.trial)
    assert [experience.configuration.values["train_share"] for experience in stored] == [
        LOW,
        LOW,
        LOW,
        MIDDLE,
    ]


def test_without_large_data_it_is_said_that_rungs_have_no_effect(
    fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.search_space.LARGE_DATA", 5_000)
    _, executor, said = fit(trials=6)
    assert all("train_share" not in spec.configuration.values for spec in executor.specs)
    assert [line for line in said if "rungs" in line] == [
        "rungs have no effect: 129 training rows are fewer than 5,000"
    ]


def test_by_default_every_trial_sees_all_rows(fit: Fit) -> None:
    _, executor, _ = fit(trials=6, rungs=False)
    assert all("train_share" not in spec.configuration.values for spec in executor.specs)


def lines(qualities: Sequence[float], seconds: float) -> list[Mapping[str, float]]:
    """Return what a trial of some epochs writes, with seconds for each epoch."""
    written = []
    for epoch, quality in enumerate(qualities, start=1):
        counters = {"epoch": float(epoch), "step": 10.0 * epoch, "steps": 10.0 * len(qualities)}
        written.append({**counters, "seconds": epoch * seconds, **dict.fromkeys(METRICS, quality)})
    return written


def test_a_trial_is_only_stopped_by_others_with_no_more_rows(fit: Fit) -> None:
    usual = lines([0.55, 0.60, 0.61, 0.61, 0.61], seconds=50.0)
    by_number = {
        # Better and faster than all, on three tenths of the rows.
        3: lines([0.90, 0.95, 0.95, 0.95, 0.95], seconds=1.0),
        # Behind trial 3 in everything, but faster than the others on a tenth.
        4: lines([0.50, 0.56, 0.57, 0.57, 0.57], seconds=20.0),
        # Behind all others on a tenth.
        5: lines([0.20, 0.22, 0.23, 0.23, 0.23], seconds=50.0),
    }

    def curve(spec: TrialSpec) -> list[Mapping[str, float]]:
        return by_number.get(spec.number, usual)

    executor = SteppingExecutor(curve)
    options = {"models": "scratch-tiny", "objectives": "f1_macro,evaluation_time"}
    auto, _, _ = fit(executor=executor, trials=6, **options)
    assert [share_of(spec) for spec in executor.specs] == [LOW, LOW, LOW, MIDDLE, LOW, LOW]
    statuses = [experience.outcome.status for experience in auto.experiences_]
    assert statuses == [TrialStatus.COMPLETE] * 5 + [TrialStatus.PRUNED]
