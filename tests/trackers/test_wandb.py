"""Weights & Biases without its server: what its client writes for a later upload is read back."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import patience
from tests.trackers.searches import EPOCHS, FAILING, fit, score
from xautolm.errors import UsageError
from xautolm.trackers import reporter

# Its client starts a service of its own.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
pytest.importorskip("wandb")

HEADER_BYTES = 7
BLOCK_BYTES = 2**15
FRAME = struct.Struct("<IHB")
"""Checksum, length and kind of a part of a record."""
WHOLE, LAST = 1, 4
"""Kinds of parts that end a record."""


def records(path: Path) -> list[Any]:
    """Return the records in a file of its client."""
    from wandb.proto.wandb_internal_pb2 import Record

    content = path.read_bytes()
    position = HEADER_BYTES
    parts = b""
    found = []
    while position + FRAME.size <= len(content):
        # LevelDB's log: a frame never lies across two blocks, and the rest of a block is empty.
        room = BLOCK_BYTES - position % BLOCK_BYTES
        if room < FRAME.size:
            position += room
            continue
        _, length, kind = FRAME.unpack_from(content, position)
        position += FRAME.size
        parts += content[position : position + length]
        position += length
        if kind in (WHOLE, LAST):
            record = Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found


def test_a_search_without_its_server(
    tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "OPENING_SECONDS", patience(60.0))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    auto = fit(tmp_path / "run", tickets, "wandb")
    identity = auto.info_.id
    files = {path.stem.removeprefix("run-"): path for path in tmp_path.rglob("*.wandb")}
    assert set(files) == {identity, *(f"{identity}-{number:04d}" for number in range(3))}

    contents = {name: records(path) for name, path in files.items()}
    groups = {
        record.run.run_group
        for content in contents.values()
        for record in content
        if record.WhichOneof("record_type") == "run"
    }
    assert len(groups) == 1 and identity[:6] in groups.pop()
    codes = {
        name: record.exit.exit_code
        for name, content in contents.items()
        for record in content
        if record.WhichOneof("record_type") == "exit"
    }
    assert codes == {
        identity: 0,
        f"{identity}-0000": 0,
        f"{identity}-{FAILING:04d}": 1,
        f"{identity}-0002": 0,
    }
    rows = [record.history for record in contents[f"{identity}-0002"] if record.history.item]
    scores = []
    for row in rows:
        values = {(item.key or item.nested_key[0]): item.value_json for item in row.item}
        scores.append((int(values["step"]), float(values["f1_macro"])))
    steps = range(1, EPOCHS + 1)
    assert scores == [(10 * step, pytest.approx(score(2, step))) for step in steps]


def test_without_a_key_it_is_refused_in_a_sentence(
    tmp_path: Path, tickets: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    wandb.teardown()
    monkeypatch.setattr(reporter, "OPENING_SECONDS", patience(60.0))
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match="wandb login"):
        fit(tmp_path / "run", tickets, "wandb")
