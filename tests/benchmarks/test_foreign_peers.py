"""Peers in interpreters of their own: what goes over the pipes, and the contract of those that are installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.ftbench.contest import methods_with
from benchmarks.ftbench.contestants import Told
from benchmarks.ftbench.peers.catalog import ENVIRONMENTS, foreign_peers
from benchmarks.ftbench.peers.foreign import ForeignPeer, Interpreter
from tests.benchmarks.peer_games import FEATURES, PAST, SPACE, game, outcome
from xautolm.records import Values

PEERS_FOLDER = "XAUTOLM_TEST_PEERS"
"""Environment variable that names the folder of the peers' environments."""
FOREIGN = [
    f"{environment.name} {peer}"
    for environment in ENVIRONMENTS
    for peer in environment.peers + environment.with_a_past
]
LARGE_LORA: Values = {
    "model": "large",
    "method": "lora",
    "rate": 0.02,
    "rank": 7,
    "depth": 3,
    "batch": 16,
}
FULL: Values = {"model": "small", "method": "full", "rate": 0.002, "warmup": True, "batch": 8}


@pytest.fixture
def interpreter() -> Iterator[Interpreter]:
    """Return an interpreter that runs the fixed peer, and end it."""
    interpreter = Interpreter(Path(sys.executable), "tests.benchmarks.fixed_peer")
    yield interpreter
    interpreter.close()


@pytest.mark.parametrize(
    "values", [LARGE_LORA, FULL, {"model": "frozen", "method": "probe", "batch": 32}]
)
def test_a_trial_comes_back_as_it_was_told(interpreter: Interpreter, values: Values) -> None:
    contestant = ForeignPeer(interpreter=interpreter, name="fixed")(SPACE, 0, PAST, FEATURES)
    assert contestant.ask() == SPACE.default().values
    contestant.tell(Told(values=values, quality=0.5, seconds=1.0))
    assert contestant.ask() == values
    contestant.close()


def test_searches_in_one_interpreter_do_not_mix(interpreter: Interpreter) -> None:
    peer = ForeignPeer(interpreter=interpreter, name="fixed")
    first, second = (peer(SPACE, 0, PAST, FEATURES) for _ in range(2))
    first.tell(Told(values=FULL, quality=0.5, seconds=1.0))
    second.tell(Told(values=LARGE_LORA, quality=0.5, seconds=1.0))
    assert (first.ask(), second.ask()) == (FULL, LARGE_LORA)


def test_the_past_goes_to_those_that_use_it(interpreter: Interpreter) -> None:
    peer = ForeignPeer(interpreter=interpreter, name="fixed", uses_past=True)
    near, _ = PAST
    assert peer(SPACE, 0, PAST, FEATURES).ask() == near.trials[0].values


def test_a_failure_has_the_worst_quality(interpreter: Interpreter) -> None:
    contestant = ForeignPeer(interpreter=interpreter, name="fixed")(SPACE, 1, PAST, FEATURES)
    with pytest.raises(RuntimeError, match=r"losses \(-0.5, 0.0\)"):
        contestant.tell(Told(values=FULL, quality=0.5, seconds=1.0))
    with pytest.raises(RuntimeError, match=r"losses \(-0.5, 0.0\)"):
        contestant.tell(Told(values=FULL, quality=None, seconds=1.0, failure="timeout"))


def test_a_peer_that_ends_says_its_last_words(interpreter: Interpreter) -> None:
    contestant = ForeignPeer(interpreter=interpreter, name="fixed")(SPACE, 2, PAST, FEATURES)
    with pytest.raises(RuntimeError, match=r"ended \(3\): a peer that talks\nout of luck"):
        contestant.tell(Told(values=FULL, quality=0.5, seconds=1.0))


def test_peers_that_are_not_installed_are_left_out(tmp_path: Path) -> None:
    assert foreign_peers(tmp_path) == {}
    python = tmp_path / "smac" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert list(foreign_peers(tmp_path)) == ["smac parego"]


def test_an_interpreter_of_a_peer_serves_all_games_of_a_contest(tmp_path: Path) -> None:
    python = tmp_path / "smac" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert methods_with(tmp_path)["smac parego"] is methods_with(tmp_path)["smac parego"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FOREIGN)
def test_every_proposal_is_a_configuration_and_seeds_repeat(name: str) -> None:
    folder = os.environ.get(PEERS_FOLDER)
    if folder is None:
        pytest.skip(f"{PEERS_FOLDER} names no folder of environments")
    make = foreign_peers(Path(folder)).get(name)
    if not isinstance(make, ForeignPeer):
        pytest.skip(f"{name} is not installed")
    # More than the eight random trials of those that begin with some.
    asked = game(make, PAST, trials=11)
    assert not any(SPACE.problems(values) for values in asked)
    assert any(outcome(values, 1e-3).quality for values in asked)
    assert game(make, PAST, trials=11) == asked
    make.interpreter.close()
