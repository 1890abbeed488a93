"""Weights are on this machine before a search's clock starts, and what the hub does is never evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.small_hub import SmallHub, small_hub
from xautolm import AutoLM, ExperienceStore
from xautolm.errors import ModelUnavailableError
from xautolm.records import TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.settings import child_environment
from xautolm.testing import FakeExecutor, success
from xautolm.zoo import ZOO
from xautolm.zoo.downloads import cached_folder
from xautolm.zoo.hub import HubName

__all__ = ["small_hub"]

SMALLEST = "electra-small-discriminator"


class Listener(Quiet):
    """Remembers notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Remember."""
        self.notes.append(text)


def play(spec: TrialSpec) -> TrialOutcome:
    return success(f1_macro=0.5, accuracy=0.5, f1_weighted=0.5, mcc=0.5)


Fit = Callable[..., tuple[AutoLM, FakeExecutor, list[str]]]


@pytest.fixture
def fit(tmp_path: Path, tickets: pd.DataFrame) -> Fit:
    def run(models: str, **options: Any) -> tuple[AutoLM, FakeExecutor, list[str]]:
        executor, screen = FakeExecutor(play), Listener()
        given = {
            "out": str(tmp_path / "run"),
            "sampler": "random",
            "device": "cpu",
            "trials": 3,
            "models": models,
        }
        auto = AutoLM(**given | options)
        auto.fit(tickets, screen=screen, executor=executor)
        return auto, executor, screen.notes

    return run


@pytest.fixture
def small_zoo(small_hub: SmallHub) -> SmallHub:
    """The hub, with a small stand-in for each model that `auto` may fetch."""
    for card in ZOO.things.values():
        if card.automatic and card.hub_id:
            small_hub.add(card.hub_id)
    return small_hub


def test_trials_find_the_weights_in_a_folder(small_hub: SmallHub, fit: Fit) -> None:
    small_hub.add("org/odd")
    _, executor, notes = fit("org/odd")
    folder = cached_folder(HubName(hub_id="org/odd"))
    assert folder is not None
    assert {spec.card.path for spec in executor.specs} == {str(folder)}
    assert [note for note in notes if note.startswith("fetching ")]


def test_the_clock_starts_when_all_weights_are_here(
    small_hub: SmallHub, fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xautolm.session import Clock

    small_hub.add("org/odd", small_hub.model_files(rows=1000), pause=0.05)
    begun_with: list[Path | None] = []

    def clock(*arguments: Any) -> Clock:
        begun_with.append(cached_folder(HubName(hub_id="org/odd")))
        return Clock(*arguments)

    monkeypatch.setattr("xautolm.session.Clock", clock)
    fit("org/odd")
    assert begun_with and None not in begun_with


def test_trials_cannot_ask_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert child_environment(1)["HF_HUB_OFFLINE"] == "1"


def test_threads_of_trials_sleep_while_they_wait_unless_they_are_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert child_environment(2)["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert child_environment(2)["OMP_WAIT_POLICY"] == "active"


@pytest.mark.parametrize(
    "behaviour", [{"cut_after": 1000}, {"status": 500}, {"gated": True}], ids=str
)
def test_what_the_hub_does_is_no_experience(
    small_hub: SmallHub, fit: Fit, behaviour: dict[str, Any]
) -> None:
    small_hub.add("org/odd", **behaviour)
    with pytest.raises(ModelUnavailableError, match="'org/odd' cannot be had from the hub"):
        fit("org/odd")
    with ExperienceStore() as store:
        assert list(store.experiences()) == []


def test_auto_goes_on_without_a_model_that_does_not_come(small_zoo: SmallHub, fit: Fit) -> None:
    small_zoo.shelves[ZOO.get(SMALLEST).hub_id].cut_after = 1000
    auto, executor, notes = fit("auto", trials=20)
    (left_out,) = [note for note in notes if note.startswith("auto leaves out electra")]
    assert left_out.startswith(f"auto leaves out {SMALLEST}: the connection to the hub broke off")
    assert SMALLEST not in auto.info_.models and "distilbert-base-uncased" in auto.info_.models
    tried = {spec.card.name: spec.card for spec in executor.specs}
    assert SMALLEST not in tried
    assert all(Path(card.path).is_dir() for card in tried.values() if card.origin == "hub")


def test_a_model_that_was_named_beside_auto_is_an_error(small_zoo: SmallHub, fit: Fit) -> None:
    small_zoo.shelves[ZOO.get(SMALLEST).hub_id].cut_after = 1000
    with pytest.raises(ModelUnavailableError, match=f"'{SMALLEST}' cannot be had from the hub"):
        fit(f"auto,{SMALLEST}")


def test_a_run_goes_on_without_the_hub(small_zoo: SmallHub, fit: Fit) -> None:
    auto, _, _ = fit("auto")
    for shelf in small_zoo.shelves.values():
        shelf.status = 500
    small_zoo.requests.clear()
    again, executor, _ = fit("auto", trials=5)
    assert again.info_.models == auto.info_.models and len(executor.specs) == 2
    assert small_zoo.requests == []


def test_a_hub_in_trouble_does_not_stop_auto(small_zoo: SmallHub, fit: Fit) -> None:
    for shelf in small_zoo.shelves.values():
        shelf.status = 503
    _, executor, notes = fit("auto")
    assert len(executor.specs) == 3
    assert len([note for note in notes if "HTTP 503" in note]) == 1


def test_advice_fetches_no_weights(
    small_zoo: SmallHub, tickets: pd.DataFrame, tmp_path: Path
) -> None:
    small_zoo.add("org/odd")
    options = {"device": "cpu", "out": str(tmp_path / "run")}
    AutoLM(models="auto,org/odd", **options).recommend(tickets)
    AutoLM(models="org/odd", **options).describe(tickets)
    assert not small_zoo.fetched(".safetensors")


def test_only_models_of_the_space_are_fetched(
    small_zoo: SmallHub, fit: Fit, tmp_path: Path
) -> None:
    auto, _, _ = fit("auto", trial_memory_limit="1GB", methods="full")
    fetched = {
        "/".join(path.strip("/").split("/")[:2]) for path in small_zoo.fetched(".safetensors")
    }
    in_space = {ZOO.get(name).hub_id for name in auto.info_.models} - {""}
    considered = {card.hub_id for card in ZOO.things.values() if card.automatic and card.hub_id}
    assert fetched == in_space
    assert fetched < considered
