"""The game on a table: what is looked up, and what it is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.nmthpo import (
    KNN,
    METHODS,
    SENTENCES,
    best_of_nearest,
    experiences_of,
    nearest,
    play,
    read_corpus,
    share,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a made-up table of thirty configurations for each corpus."""
    rng = np.random.default_rng(0)
    for name in SENTENCES:
        layers = rng.integers(1, 7, 30)
        rate = np.exp(rng.uniform(np.log(3e-4), np.log(1e-3), 30))
        configurations = [
            [10_000, count, 512, 1024, 8, value] for count, value in zip(layers, rate, strict=True)
        ]
        np.savetxt(tmp_path / f"{name}.hyps", configurations)
        np.savetxt(
            tmp_path / f"{name}.evals", np.column_stack([layers * 3.0, layers * 100.0, rate])
        )
    return tmp_path


def test_nothing_is_looked_up_twice_and_all_of_it_is_the_whole(folder: Path) -> None:
    corpora = [read_corpus(folder, name) for name in ("ru-en", "zh-en", "so-en")]
    target, *past = corpora
    for method in METHODS:
        order, seconds = play(method, target, past, 0, 8)
        assert len(set(order)) == len(seconds) == 8
        again, _ = play(method, target, past, 0, 8)
        assert order == again
    assert share(target, range(30)) == 1.0
    assert share(target, [0]) < 1.0
    taken = list(range(29))
    assert nearest(target, target.configurations[3], taken, np.random.default_rng(0)) == 29


def test_a_mirrored_past_says_the_opposite(folder: Path) -> None:
    past = [read_corpus(folder, "ru-en")]
    plain, mirrored = (experiences_of(past, is_mirrored=flag) for flag in (False, True))
    bleu, opposite = (
        np.asarray([experience.outcome.metrics["objective_0"] for experience in experiences])
        for experiences in (plain, mirrored)
    )
    assert np.corrcoef(bleu, opposite)[0, 1] == pytest.approx(-1.0)


def test_neighbours_best_come_first(folder: Path) -> None:
    target, far, near = (read_corpus(folder, name) for name in ("ru-en", "en-ja", "zh-en"))
    first, *_ = best_of_nearest(target, [far, near])
    assert first in near.configurations
    order, _ = play(KNN, target, [far, near], 0, 1)
    assert order == [nearest(target, first, [], np.random.default_rng(0))]
