"""Shared fixtures: small data, a tiny model's card, a store of its own for every test."""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

# Before anything imports a hub client: tests never reach for the network.
os.environ["HF_HUB_OFFLINE"] = "1"
# What a test searches for follows from its own store alone; processes of fixtures inherit it too.
os.environ["XAUTOLM_STARTER"] = "off"

from xautolm.data.demo import support_tickets
from xautolm.execution import ForkServerLauncher
from xautolm.hardware import bf16_speedup
from xautolm.records import (
    Configuration,
    DataProfile,
    Experience,
    Failure,
    Limits,
    ModelCard,
    SystemProfile,
    TrialOutcome,
)
from xautolm.session import PRELOAD
from xautolm.testing import made_up_card, success
from xautolm.vocabulary import FailureKind, TrialStatus

ROOT = Path(__file__).parents[1]
PATIENCE_VARIABLE = "XAUTOLM_TEST_PATIENCE"
"""Environment variable: a factor on every limit of wall time in the tests, for slow or busy machines."""


def patience(seconds: float) -> float:
    """Return a limit of wall time, in seconds, as this machine needs it.

    Limits in tests only catch what hangs; nothing that is merely slow under load should reach them.
    """
    return seconds * float(os.environ.get(PATIENCE_VARIABLE, "1"))


def pytest_configure() -> None:
    """Prepare a process: no looks at garbage while it loads, and a core of its own if it has siblings."""
    gc.disable()
    take_own_core()


def pytest_collection_finish() -> None:
    """Look for garbage from now on, but not among the modules and tests that are loaded: they stay.

    Each look at all of them takes half a second, and tests of what is done when memory runs out look dozens of times.
    """
    gc.freeze()
    gc.enable()


def take_own_core() -> None:
    """Give each of several processes of one run a core of its own, where the system can.

    Trials take as many threads as they see cores. Two trials of small models with two threads each on two cores took 20
    times as long as one: each step waits for a thread that has no core.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        number = int(worker.removeprefix("gw"))
        os.sched_setaffinity(0, {cores[number % len(cores)]})
        # numpy is here already, with a thread of BLAS for each core that it saw.
        threadpool_limits(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Scale the limit of each test by `XAUTOLM_TEST_PATIENCE`, its own or that of all."""
    limit = float(config.getoption("timeout") or config.getini("timeout"))
    for item in items:
        marker = item.get_closest_marker("timeout")
        own_limit = limit if marker is None else float(marker.args[0])
        # In front, where it counts before the test's own.
        item.add_marker(pytest.mark.timeout(patience(own_limit)), append=False)


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path) -> Iterator[None]:
    """Give each test a working folder, store and cache of its own: none depends on the caller's, or on another's."""
    with place_in(tmp_path):
        yield


@contextmanager
def place_in(folder: Path) -> Iterator[None]:
    """Work in a folder, with a store and a cache there: fixtures of whole modules begin before a test has its own."""
    working_folder = folder / "cwd"
    working_folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(working_folder)
        patch.setenv("XAUTOLM_STORE", str(folder / "experience.db"))
        patch.setenv("XAUTOLM_CACHE", str(folder / "cache"))
        patch.setenv("XAUTOLM_SENTENCES", "off")  # some seconds for each data set
        yield


@pytest.fixture(scope="session")
def features_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(autouse=True)
def features_measured_once(
    request: pytest.FixtureRequest, features_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let meta-features be kept for all tests of this process: they are half of what a played search takes."""
    if "own_features" not in request.fixturenames:
        monkeypatch.setattr("xautolm.description.feature_cache", lambda: features_folder)


@pytest.fixture
def own_features() -> None:
    """Measure meta-features anew, and keep them where a test says: it is about that."""


@pytest.fixture(scope="session", autouse=True)
def steady_machine() -> Iterator[None]:
    """Let the measured speed of the machine be the same in all tests: under load, predictions of time would differ.

    For fixtures of whole modules, too: a run that such a one begins could not go on in a test.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xautolm.hardware.profile._gflops", lambda: 100.0)
        patch.setattr("xautolm.hardware.bf16.CPU_INFO", Path("no-such-file"))
        yield


@pytest.fixture(scope="session", autouse=True)
def migrations_read_once() -> Iterator[None]:
    """Let Optuna read its thirty migrations once, and not three times for each of a thousand new databases."""
    manager = optuna.storages._rdb.storage._VersionManager
    with pytest.MonkeyPatch.context() as patch:
        create_script = manager._create_alembic_script
        scripts: list[Any] = []

        def create_once(self: Any) -> Any:
            if not scripts:
                scripts.append(create_script(self))
            return scripts[0]

        patch.setattr(manager, "_create_alembic_script", create_once)
        yield


class SharedServer(ForkServerLauncher):
    """Starts the last children of all searches that are played, which would each load torch for themselves."""

    def close(self) -> None:
        """Stay, for the next search needs it too; one that was lost goes."""
        if self.server is not None and self.server.poll() is not None:
            super().close()

    def end(self) -> None:
        """End it, as launchers are closed."""
        super().close()


@pytest.fixture(scope="session")
def last_children() -> Iterator[SharedServer]:
    """Return a server that is started by the first child; children find these tests' own entries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'src'}")
        server = SharedServer(PRELOAD, 1)
    yield server
    server.end()


@pytest.fixture(autouse=True)
def one_server_for_last_children(
    last_children: SharedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let searches whose trials are played start their last children quickly."""
    monkeypatch.setattr("xautolm.after_search.SpawnLauncher", lambda threads: last_children)


@pytest.fixture(autouse=True)
def unknown_bf16() -> None:
    """Let no test know what another one measured."""
    bf16_speedup.cache_clear()


@pytest.fixture
def tickets() -> pd.DataFrame:
    return support_tickets(160, seed=1)


@pytest.fixture
def profile() -> DataProfile:
    return DataProfile(
        train_examples=1000,
        validation_examples=250,
        classes=3,
        tokens_mean=30.0,
        tokens_max=200,
        fingerprint="f" * 16,
        source_fingerprint="5" * 16,
        name="made-up",
    )


@pytest.fixture
def machine() -> SystemProfile:
    return SystemProfile(
        physical_cores=2,
        logical_cores=4,
        cpu_frequency=3.0,
        memory=16_000_000_000,
        device="cpu",
        gflops=200.0,
    )


@pytest.fixture
def card() -> ModelCard:
    return made_up_card()


@pytest.fixture
def experience(profile: DataProfile, machine: SystemProfile) -> Experience:
    return Experience(
        id="a1" * 12,
        created="2026-01-02T03:04:05+00:00",
        run="run-1",
        trial=3,
        task="text-classification",
        data=profile,
        system=machine,
        configuration=Configuration(
            values={
                "model": "m",
                "method": "lora.v1",
                "rate": 1e-4,
                "r": 8,
                "weights": True,
                "extra": None,
            },
            space="default.v1",
        ),
        outcome=success(12.5, f1_macro=0.7),
        limits=Limits(seconds=60.0),
        objectives=("f1_macro", "evaluation_time"),
        seed=0,
        versions={"torch": "2"},
        proposal="tpe",
    )


def data_set(name: str) -> Path:
    """The folder of a real data set; skips the test where there is none."""
    folder = Path(os.environ.get("XAUTOLM_TEST_DATA", "none")) / name
    if not folder.is_dir():
        pytest.skip("XAUTOLM_TEST_DATA names no folder with the data sets")
    return folder


@pytest.fixture
def answered(profile: DataProfile, machine: SystemProfile) -> Callable[..., Experience]:
    """Experiences of question answering, as the importer makes them."""

    def build(
        score: float | None, run: str, data: str = "squad", *, alias: bool = True, **more: Any
    ) -> Experience:
        failure = Failure(kind=FailureKind.OUT_OF_MEMORY, message="")
        failed = TrialOutcome(status=TrialStatus.FAILED, failure=failure)
        fields = {
            "id": f"{run}-{score}-{data}",
            "created": "2026-01-01T00:00:00+00:00",
            "run": run,
            "trial": 0,
            "task": "question-answering",
            "data": replace(
                profile, name=data, source_fingerprint=f"{data}-content", fingerprint=f"{run}-split"
            ),
            "system": machine,
            "configuration": Configuration(
                values={"model": "gpt2", "method": "full.v1"}, space="paper.v1"
            ),
            "outcome": failed if score is None else success(math.e, token_f1=score),
            "limits": Limits(),
            "objectives": ("token_f1", "evaluation_time"),
            "seed": 0,
            "versions": {},
            "features": {"generation-sizes.v1": (5.0,) * 6},
            "alias": run if alias else "",
        }
        return Experience(**{**fields, **more})

    return build
