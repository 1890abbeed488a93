"""TensorBoard: event files in the run's folder, written without TensorFlow and without torch."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm.callbacks import TrialEvaluated, TrialFinished, TrialStarted
from xautolm.records import TrialOutcome
from xautolm.trackers.base import (
    SearchEnded,
    TrackedRun,
    Tracker,
    numbers_of,
    parameters_of,
    results_of,
    standing_of,
    status_of,
)

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

FOLDER = "tensorboard"
"""In the run's folder; what `tensorboard --logdir` is given."""
SEARCH = "search"
"""Folder of the run of the whole search; those of the trials are named by their numbers."""
RESULT = "result"
"""Begins the tags of what a trial ends with, so that they stand apart from the curves of its evaluations."""


class TensorBoardRun:
    """A folder for the search and one for each trial, which TensorBoard shows as runs.

    Nested runs are nested folders there, and files are not kept beside them: the models lie in the folders of the
    trials anyway.
    """

    def __init__(self, run: TrackedRun) -> None:
        self.run = run
        self.root = run.folder / FOLDER
        self.writers: dict[int, EventFileWriter] = {}
        # What a search that goes on has of its earlier trials is in the files of its earlier sessions.
        self.search = _writer(self.root / SEARCH)
        self._write_text(self.search, "parameters", run.parameters)

    def started(self, event: TrialStarted) -> None:
        """Open the trial's folder; its parameters are those of the HParams page."""
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        folder = self.root / self.run.trial_name(event.trial).replace(" ", "-")
        # A trial that is told once more would be drawn twice.
        shutil.rmtree(folder, ignore_errors=True)
        writer = _writer(folder)
        self.writers[event.trial] = writer
        parameters = parameters_of(event.configuration)
        identity = self.run.trial_id(event.trial)
        _write(writer, hparams_pb(parameters, trial_id=identity))
        self._write_text(writer, "proposal", {"proposal": event.proposal})

    def evaluated(self, event: TrialEvaluated) -> None:
        """Add a point to each curve."""
        writer = self.writers[event.trial]
        _write(writer, _scalars(numbers_of(event)), event.step)
        writer.flush()

    def finished(self, event: TrialFinished) -> None:
        """Write what the trial ends with, and how the search stands."""
        outcome = event.experience.outcome
        writer = self.writers.pop(event.trial)
        results = {f"{RESULT}/{name}": value for name, value in results_of(outcome).items()}
        _write(writer, _scalars(results))
        self._write_text(writer, "status", status_of(outcome))
        _write(writer, _session_end(outcome))
        writer.close()
        standing = standing_of(event, self.run.lead)
        _write(self.search, _scalars(standing), event.ended)
        self.search.flush()

    def ended(self, event: SearchEnded) -> None:
        """Close all files."""
        self.search.close()
        for writer in self.writers.values():
            writer.close()

    def _write_text(self, writer: EventFileWriter, tag: str, words: Mapping[str, object]) -> None:
        """Write some words as a table, which TensorBoard's page of texts draws from Markdown."""
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.plugins.text.metadata import create_summary_metadata

        lines = ["| | |", "| --- | --- |"]
        for name, value in words.items():
            # A line break, or a stroke, would end the row of the table.
            text = " ".join(str(value).split()).replace("|", "\\|")
            lines.append(f"| {name} | {text} |")
        table = "\n".join(lines)
        tensor = TensorProto(dtype="DT_STRING", string_val=[table.encode()])
        tensor.tensor_shape.dim.add(size=1)
        metadata = create_summary_metadata(display_name=tag, description="")
        value = Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
        _write(writer, Summary(value=[value]))


def _writer(folder: Path) -> EventFileWriter:
    """Return what writes the events of one run; the folder is made."""
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    return EventFileWriter(str(folder))


def _write(writer: EventFileWriter, summary: Summary, step: int = 0) -> None:
    """Write a summary as an event of now."""
    from tensorboard.compat.proto.event_pb2 import Event

    writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))


def _scalars(numbers: Mapping[str, float]) -> Summary:
    """Return a summary of numbers by their tags."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    values = []
    for tag, number in numbers.items():
        values.append(Summary.Value(tag=tag, simple_value=number))
    return Summary(value=values)


def _session_end(outcome: TrialOutcome) -> Summary:
    """Return what the HParams page takes a trial's status from."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = "STATUS_SUCCESS"
    if outcome.failed:
        status = "STATUS_FAILURE"
    information = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.Status.Value(status), end_time_secs=time.time()
    )
    content = plugin_data_pb2.HParamsPluginData(session_end_info=information)
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(content),
        tensor=metadata.NULL_TENSOR,
    )
    return Summary(value=[value])


TRACKER = Tracker(
    name="tensorboard", module="tensorboard.summary.writer.event_file_writer", begin=TensorBoardRun
)
