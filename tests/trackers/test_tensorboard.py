"""TensorBoard, by reading its files back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.trackers.searches import EPOCHS, FAILING, fit, score

pytest.importorskip("tensorboard")


def read(folder: Path) -> Any:
    """Return what TensorBoard itself reads of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def text_of(events: Any, tag: str) -> str:
    (event,) = events.Tensors(tag)
    return str(event.tensor_proto.string_val[0].decode())


def session(events: Any) -> tuple[Any, Any]:
    """Return what the HParams page reads of a trial: its start and its end."""
    from tensorboard.plugins.hparams import metadata

    tags = events.summary_metadata
    start = metadata.parse_session_start_info_plugin_data(
        tags[metadata.SESSION_START_INFO_TAG].plugin_data.content
    )
    end = metadata.parse_session_end_info_plugin_data(
        tags[metadata.SESSION_END_INFO_TAG].plugin_data.content
    )
    return start, end


def test_a_search_can_be_read_back(tmp_path: Path, tickets: pd.DataFrame) -> None:
    from tensorboard.plugins.hparams.api_pb2 import Status

    auto = fit(tmp_path / "run", tickets, "tensorboard")
    root = tmp_path / "run" / "tensorboard"
    names = sorted(path.name for path in root.iterdir())
    assert names == ["search", "trial-0000", "trial-0001", "trial-0002"]

    events = read(root / "trial-0002")
    points = [(point.step, point.value) for point in events.Scalars("f1_macro")]
    expected = [(10 * epoch, pytest.approx(score(2, epoch))) for epoch in range(1, EPOCHS + 1)]
    assert points == expected
    (result,) = events.Scalars("result/f1_macro")
    assert result.value == pytest.approx(score(2, EPOCHS))
    start, end = session(events)
    configuration = auto.experiences_[2].configuration
    assert start.hparams["model"].string_value == configuration.model
    assert end.status == Status.Value("STATUS_SUCCESS")

    failed = read(root / f"trial-{FAILING:04d}")
    assert "out_of_memory" in text_of(failed, "status")
    assert session(failed)[1].status == Status.Value("STATUS_FAILURE")

    search = read(root / "search")
    best = [(point.step, point.value) for point in search.Scalars("best_f1_macro")]
    assert [step for step, _ in best] == [1, 2, 3]
    assert best[-1][1] == pytest.approx(auto.best_.outcome.metrics["f1_macro"])
    assert "text-classification" in text_of(search, "parameters")


def test_a_trial_that_is_told_once_more_is_not_drawn_twice(
    tmp_path: Path, tickets: pd.DataFrame
) -> None:
    auto = fit(tmp_path / "run", tickets, "tensorboard", trials=1)
    auto.run_.reported("tensorboard").unlink()
    fit(tmp_path / "run", tickets, "tensorboard", trials=1)
    events = read(tmp_path / "run" / "tensorboard" / "trial-0000")
    assert len(events.Scalars("f1_macro")) == EPOCHS


def test_its_client_loads_no_torch() -> None:
    code = (
        "import sys\n"
        "import xautolm.trackers.tensorboard as ours\n"
        "ours._writer(__import__('pathlib').Path('board')).close()\n"
        "import tensorboard.plugins.hparams.summary_v2\n"
        "print([name for name in ('torch', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
