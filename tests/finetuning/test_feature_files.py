"""Features on the disk: bounded, whole, and read as they were written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from xautolm.finetuning.feature_files import (
    LARGEST_FILES,
    Batch,
    Readout,
    features_in_memory,
    read_features,
    stored_type,
    write_features,
)
from xautolm.vocabulary import Layers, Pooling

OWN = Readout(Pooling.OWN)
MEAN = Readout(Pooling.MEAN, Layers.ALL)


def batches() -> Iterator[Batch]:
    """Yield three rows, the last first; one number is larger than float16 can be."""
    yield [2], {OWN: np.array([[5.0, 6.0]]), MEAN: np.array([[0.5]])}
    yield [0, 1], {OWN: np.array([[1.0, 2.0], [3.0, 1e6]]), MEAN: np.array([[0.25], [0.75]])}


@pytest.mark.parametrize(
    ("free", "expected"),
    [(40_000, np.float32), (39_999, np.float16), (20_000, np.float16), (19_999, None), (0, None)],
)
def test_a_tenth_of_the_free_space_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, expected: type | None
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=free))
    assert stored_type(tmp_path, 1_000) is expected


def test_a_large_disk_is_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=10**15))
    assert stored_type(tmp_path, LARGEST_FILES // 4) is np.float32
    assert stored_type(tmp_path, LARGEST_FILES // 4 + 1) is np.float16
    assert stored_type(tmp_path, LARGEST_FILES // 2 + 1) is None


@pytest.mark.parametrize(("number", "largest"), [(np.float32, 1e6), (np.float16, 65504.0)])
def test_features_are_read_as_they_were_written(
    tmp_path: Path, number: type, largest: float
) -> None:
    write_features(tmp_path, "train", batches(), 3, number)
    own = read_features(tmp_path, "train", OWN)
    assert isinstance(own.values, np.memmap) and own.values.dtype == number
    assert own.rows.tolist() == [2, 0, 1]
    assert own.values.tolist() == [[5.0, 6.0], [1.0, 2.0], [3.0, largest]]
    assert read_features(tmp_path, "train", MEAN).values.tolist() == [[0.5], [0.25], [0.75]]


def test_features_without_a_file_are_those_of_one_readout() -> None:
    features = features_in_memory(batches(), MEAN)
    assert features.rows.tolist() == [2, 0, 1]
    assert features.values.tolist() == [[0.5], [0.25], [0.75]]
