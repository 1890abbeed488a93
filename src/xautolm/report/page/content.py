"""All that a page is made from, as far as a run has recorded it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xautolm.forecasts import ForecastCheck
from xautolm.metrics import METRICS
from xautolm.objectives import Objective
from xautolm.records import Assessment, Experience, Mark
from xautolm.report.tables import best_first
from xautolm.run_folder import RunInfo

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """What the page says of the model in `best/`."""

    trial: int
    usage: str
    """Python that asks it."""
    validation: Mapping[str, float]
    """Scores on the validation split."""
    test: Mapping[str, float]
    """Scores on the test split; empty where there is none."""
    kind: str = ""
    """Which library loads its folder."""
    disk_bytes: int | None = None
    """Of its folder."""
    is_refit: bool = False
    """Whether it was trained once more, on the rows of validation, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The winner's answers to rows that no trial was trained on."""

    assessment: Assessment
    rows: pd.DataFrame
    """The columns `text` (all inputs as one text), `target` (as the task reads labels), `prediction`, `confidence`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContent:
    """A run, read for its page."""

    info: RunInfo
    experiences: Sequence[Experience]
    """The trials that ended; at least one."""
    front: Sequence[int]
    """Numbers of the Pareto-optimal trials."""
    lead: Objective
    """The first quality among the objectives."""
    winner: Winner | None = None
    answers: Answers | None = None
    warm_start: Mapping[str, Any] = field(default_factory=dict)
    """The content of `warm_start.json`; empty where the search began from zero."""
    explanations: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Where the proposals came from, by trial."""
    forecasts: ForecastCheck | None = None
    """How what was predicted of the trials compares with what happened."""
    marks: Sequence[Mark] = ()
    options: str = ""
    """The YAML of the last invocation's options."""
    root: str = "RUN"
    """The run's folder as a person would type it."""
    predict: str = ""
    """A command that asks the winner."""
    troubles: Sequence[str] = ()
    """What could not be read, a sentence each."""
    version: str = ""
    """Of the xautolm that makes the page."""

    @property
    def title(self) -> str:
        """Return what the run is called."""
        return f"{self.info.data.name}: {self.info.task}"

    @property
    def metric(self) -> str:
        """Return what people call the leading quality."""
        return spoken_metric(self.lead.name)

    @property
    def scored(self) -> list[Experience]:
        """Return the trials that have a value of the leading quality, the best first."""
        scored = []
        for experience in self.experiences:
            if self.lead.name in experience.outcome.metrics:
                scored.append(experience)
        return best_first(scored, self.lead)

    @property
    def best(self) -> Experience | None:
        """Return the trial of the winner."""
        if self.winner is None:
            return None
        for experience in self.experiences:
            if experience.trial == self.winner.trial:
                return experience
        return None


def spoken_metric(name: str) -> str:
    """Return what people call a metric; a function of somebody's own by its name without its module."""
    metric = METRICS.things.get(name)
    if metric is not None and metric.title:
        return metric.title
    # `package.module:function`, as `--objectives` takes it.
    _, _, function = name.rpartition(":")
    return function.replace("_", " ")
