"""The best model so far: there from the first success on, whole at every moment, and the same at the end."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.conftest import place_in
from tests.played import fake_predictor, table_for
from xautolm import AutoLM, serialization
from xautolm.best_folder import BestFolder, read_results
from xautolm.errors import NoModelError
from xautolm.records import Experience, TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.run_folder import RunFolder
from xautolm.testing import FakeExecutor, success
from xautolm.zoo import ZOO

__all__ = ["fake_predictor"]

SCORES = (0.5, 0.8, 0.7, 0.9)
"""Of the trials, in order: the second and the fourth are better than all before."""
FILES = {"README.md", "xautolm.json", "model.safetensors", "1_Pooling/config.json"}
INTERIM = "**best model so far**"


def score_of(spec: TrialSpec) -> TrialOutcome:
    return success(seconds=10.0, **dict.fromkeys(spec.metrics, SCORES[spec.number]))


class Watching(FakeExecutor):
    """Plays trials that leave weights, and notes what `best/` is whenever one is asked for."""

    def __init__(self, run: Path, stop_at: int | None = None) -> None:
        super().__init__(score_of)
        self.run = run
        self.stop_at = stop_at
        self.shown: list[int | None] = []

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        self.shown.append(trial_in(self.run / "best"))
        if len(self.shown) - 1 == self.stop_at:
            raise KeyboardInterrupt
        folders = {number: folder for number, (_, folder) in self.waiting.items()}
        ended = super().finished(timeout)
        for number, folder in folders.items():
            add_weights(folder / "model", number)
        return ended


def add_weights(model: Path, number: int) -> None:
    """Write a model's other files; its weights are its trial's number."""
    (model / "1_Pooling").mkdir(exist_ok=True)
    (model / "1_Pooling" / "config.json").write_text(json.dumps({"trial": number}))
    save_file({"trial": np.asarray([number])}, model / "model.safetensors")


def trial_in(best: Path) -> int | None:
    """Return whose model lies in a folder, which has to be whole; None where there is none."""
    if not best.exists():
        return None
    assert {str(path.relative_to(best)) for path in best.rglob("*") if path.is_file()} == FILES
    number = int(load_file(best / "model.safetensors")["trial"][0])
    assert json.loads((best / "1_Pooling" / "config.json").read_text()) == {"trial": number}
    assert f"trial {number} of run" in (best / "README.md").read_text()
    return number


def fitted(run: Path, executor: FakeExecutor, trials: int = 4) -> AutoLM:
    options = {
        "models": "minilm-l2",
        "methods": "head",
        "sampler": "random",
        "device": "cpu",
        "objectives": "f1_macro",
    }
    auto = AutoLM(out=str(run), trials=trials, **options)
    return auto.fit(table_for("text-classification"), screen=Quiet(), executor=executor)


def test_best_is_there_from_the_first_success_on_and_follows_the_score(tmp_path: Path) -> None:
    run = tmp_path / "run"
    executor = Watching(run)
    fitted(run, executor)
    assert executor.shown == [None, 0, 1, 1]
    assert trial_in(run / "best") == 3
    card = (run / "best" / "README.md").read_text()
    assert INTERIM not in card and "| validation f1_macro | 0.9000 |" in card
    results = read_results(RunFolder(run))
    assert results is not None and results.best == 3 and results.is_final
    assert not (run / ".best").exists()
    assert os.path.samefile(
        run / "best" / "model.safetensors", run / "trials" / "0003" / "model" / "model.safetensors"
    )


def test_while_the_search_goes_on_the_card_says_so_and_the_model_answers(
    tmp_path: Path, fake_predictor: type
) -> None:
    run = tmp_path / "run"
    answers: list[str] = []

    class Asking(Watching):
        def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
            if (run / "best").exists():
                answers.extend(AutoLM.load(run).predict(["a pear"]))
                assert INTERIM in (run / "best" / "README.md").read_text()
                results = read_results(RunFolder(run))
                assert results is not None and not results.is_final
            return super().finished(timeout)

    fitted(run, Asking(run))
    assert answers == ["pear"] * 3


@pytest.mark.slow
def test_a_search_that_is_ended_and_goes_on_gives_the_same_best_as_one_that_was_not(
    tmp_path: Path,
) -> None:
    whole, ended = tmp_path / "whole", tmp_path / "ended"
    fitted(whole, Watching(whole), trials=3)
    with pytest.raises(KeyboardInterrupt) as caught:
        fitted(ended, Watching(ended, stop_at=2), trials=3)
    (note,) = caught.value.__notes__
    assert (
        "the best model so far (trial 1, validation f1_macro 0.8000)" in note
        and str(ended / "best") in note
    )
    assert trial_in(ended / "best") == 1 and INTERIM in (ended / "best" / "README.md").read_text()

    worse = FakeExecutor(lambda spec: success(10.0, **dict.fromkeys(spec.metrics, 0.1)))
    fitted(ended, worse, trials=3)
    assert [spec.number for spec in worse.specs] == [3]
    cards = []
    for run in (whole, ended):
        assert trial_in(run / "best") == 1
        card = (run / "best" / "README.md").read_text()
        cards.append(card.replace(AutoLM.load(run).info_.id, "ID"))
    assert cards[0] == cards[1] and INTERIM not in cards[0]


@pytest.mark.parametrize(
    "place", ["xautolm.session.make_scenario", "xautolm.operations._note_start"]
)
def test_a_run_that_is_ended_while_it_starts_once_more_says_where_its_best_model_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    run = tmp_path / "run"
    fitted(run, Watching(run), trials=1)

    def end(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, end)
    with pytest.raises(KeyboardInterrupt) as caught:
        fitted(run, Watching(run), trials=2)
    (note,) = caught.value.__notes__
    assert note.startswith("the best model so far (trial 0") and str(run / "best") in note


def test_what_cannot_be_said_of_a_run_leaves_the_interrupt_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    fitted(run, Watching(run), trials=1)
    info = json.loads((run / "run.json").read_text())
    # That of a plug-in that is not installed any more.
    (run / "run.json").write_text(json.dumps({**info, "task": "of-a-plug-in"}))

    def end(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("xautolm.session.make_scenario", end)
    with pytest.raises(KeyboardInterrupt) as caught:
        fitted(run, Watching(run), trials=2)
    assert not hasattr(caught.value, "__notes__")


def test_ended_before_any_result_it_says_that_there_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        fitted(tmp_path / "run", Watching(tmp_path / "run", stop_at=0))
    assert caught.value.__notes__ == ["no trial has given a model yet"]
    with pytest.raises(NoModelError, match="no model yet"):
        AutoLM.load(tmp_path / "run").predict(["a pear"])


CHANGES = {
    "open",
    "os.link",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "shutil.copyfile",
    "exchange",
}
"""Events by which Python tells what it is about to do to a disk; the last is our own."""


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Let a child of this process work until it is about to change the disk for the nth time, and kill it there.

    Returns:
        Whether it came so far; False if its work was done before.
    """
    with warnings.catch_warnings():
        # Threads of libraries may be there; the child uses none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        steps = itertools.count(1)

        def kill(event: str, arguments: tuple[object, ...]) -> None:
            is_reading = event == "open" and arguments[1] in {"r", "rb"}
            if event in CHANGES and not is_reading and next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(kill)
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Experience]]:
    """A run of two trials, the first one's model in `best/`."""
    run = tmp_path_factory.mktemp("begun") / "run"
    with place_in(run.parent):
        auto = fitted(run, Watching(run), trials=2)
    first, second = auto.experiences_
    # The weights of the first are deleted when the second is better.
    shutil.copytree(run / "trials" / "0001" / "model", run / "trials" / "0000" / "model")
    (run / "trials" / "0000" / "model" / "model.safetensors").unlink()
    add_weights(run / "trials" / "0000" / "model", 0)
    shutil.rmtree(run / "best")
    best_folder(run).follow([first])
    assert trial_in(run / "best") == 0
    return run, [first, second]


def best_folder(run: Path) -> BestFolder:
    folder = RunFolder(run)
    return BestFolder(
        folder=folder, info=folder.info(), cards=ZOO.things, test_data="", say=lambda text: None
    )


@pytest.mark.parametrize("way", ["exchange", "two renames", "copies"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork of this process")
def test_a_kill_at_any_step_leaves_a_whole_model_that_the_next_start_brings_in_order(
    begun: tuple[Path, list[Experience]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    exchange = serialization.exchange_names

    def exchanged(first: Path, second: Path) -> bool:
        sys.audit("exchange")
        return way != "two renames" and exchange(first, second)

    def no_links(source: str, target: str) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(serialization, "exchange_names", exchanged)
    if way == "copies":
        monkeypatch.setattr(os, "link", no_links)
    original, (first, second) = begun
    placed = []
    for step in itertools.count(1):
        run = tmp_path / f"run{step}"
        shutil.copytree(original, run)
        best = best_folder(run)
        was_killed = killed_at(step, partial(best.follow, [first, second]))
        placed.append(trial_in(run / "best"))
        results = read_results(RunFolder(run))
        assert results is None or results.best == placed[-1]
        best.restore([first, second])
        results = read_results(RunFolder(run))
        assert trial_in(run / "best") == 1 and results is not None and results.best == 1
        assert not list(run.glob(".best*"))
        if not was_killed:
            break
    # Before the exchange the old model, after it the new one; without an exchange there is one moment without any.
    without = 1 if way == "two renames" else 0
    assert placed.count(None) == without
    olds = placed.count(0)
    assert placed == [0] * olds + [None] * without + [1] * (len(placed) - olds - without)
    assert olds >= 8 and placed[-1] == 1
