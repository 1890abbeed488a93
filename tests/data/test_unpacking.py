"""What is too large to be unpacked is refused in time."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow
import pytest

from xautolm.data import unpacking
from xautolm.data.unpacking import PIECE, unpacked
from xautolm.errors import DataError

ZEROS = bytes(3 * PIECE)


def zipped(data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("a.csv", data)
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.csv.gz", gzip.compress),
        ("a.csv.bz2", bz2.compress),
        ("a.csv.xz", lzma.compress),
        ("a.csv.zst", lambda data: pyarrow.compress(data, "zstd", asbytes=True)),
        ("a.zip", zipped),
    ],
)
def test_more_than_fits_in_memory_is_refused_before_all_of_it_is_unpacked(
    name: str, pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_bytes(pack(ZEROS))
    data, _, suffix = unpacked(path, {".csv"})
    assert (data, suffix) == (ZEROS, ".csv")

    # Half of it may be filled.
    memory = SimpleNamespace(available=2 * PIECE)
    monkeypatch.setattr(unpacking.psutil, "virtual_memory", lambda: memory)
    with pytest.raises(
        DataError, match=f"{name}.* is too large(.|\n)*Got: 32 MB, and there is more"
    ):
        unpacked(path, {".csv"})
