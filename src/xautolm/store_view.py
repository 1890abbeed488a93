"""The experience store as its page shows it: counted once, and again when rows came or went."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from xautolm.experience import ExperienceStore
from xautolm.experience.overview import Group, Line, groups_of, newest_lines, version_of
from xautolm.metalearning import task_map
from xautolm.records import Experience
from xautolm.report.page.store import (
    DataCount,
    FailureCount,
    MappedData,
    ShownTrial,
    StoreContent,
    StoreFilter,
    StoreMap,
)
from xautolm.vocabulary import TrialStatus

SHOWN = 50
"""Experiences in the list, the newest; the form asks for others."""
MAPPED = 60
"""Data sets on a map, those with the most trials: each is compared with each, and more could not be told apart."""


@dataclass(slots=True)
class StoreView:
    """Look at a store for a page; several browsers share it, each in a thread of its own."""

    location: str | None
    """A file or a database URL; that of the settings if None."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    version: tuple[int, str] | None = None
    """Of the rows that were counted."""
    groups: Sequence[Group] = ()
    maps: dict[str, StoreMap] = field(default_factory=dict)
    """By task, as far as they were asked for."""

    def content(self, asked: StoreFilter) -> StoreContent:
        """Return what the page shows.

        Raises:
            StoreError: There is no store, or it cannot be read; none is made.
        """
        with self.lock, ExperienceStore(self.location, must_exist=True) as store:
            version = version_of(store)
            if version != self.version:
                self.groups = groups_of(store)
                self.maps.clear()
                self.version = version
            matching = [group for group in self.groups if is_asked(group, asked)]
            lines = newest_lines(store, asked.columns, asked.text, matching, SHOWN)
            return StoreContent(
                name=store.name,
                total=version[0],
                asked=asked,
                matching=sum(group.count for group in matching),
                data=data_counts(matching),
                failures=failure_counts(matching),
                map=self._map(store, matching),
                trials=_shown(store, lines),
                options=_options(self.groups),
            )

    def _map(self, store: ExperienceStore, matching: Sequence[Group]) -> StoreMap | None:
        """Return the map of the task with the most trials among those that match; of all of the task's data sets."""
        trials_of: Counter[str] = Counter()
        for group in matching:
            trials_of[group.task] += group.count
        if not trials_of:
            return None
        ((task, _),) = trials_of.most_common(1)
        if task not in self.maps:
            of_task = [group for group in self.groups if group.task == task]
            self.maps[task] = mapped(store, task, of_task)
        return self.maps[task]


def is_asked(group: Group, asked: StoreFilter) -> bool:
    """Return whether everything holds for a group that is asked."""
    for name, value in asked.columns.items():
        if value and getattr(group, name) != value:
            return False
    return bool(group.names_with(asked.text))


def data_counts(groups: Sequence[Group]) -> list[DataCount]:
    """Return what there is of each data set, that with the most trials first."""
    by_data: dict[tuple[str, str, str], list[Group]] = {}
    for group in groups:
        key = (group.task, group.data, group.fingerprint)
        by_data.setdefault(key, []).append(group)
    counts: list[DataCount] = []
    for (task, data, fingerprint), alike in by_data.items():
        failed = [group.count for group in alike if group.status == TrialStatus.FAILED]
        count = DataCount(
            task=task,
            data=data,
            fingerprint=fingerprint,
            trials=sum(group.count for group in alike),
            failed=sum(failed),
            models=len({group.model for group in alike}),
            newest=max(group.newest for group in alike),
        )
        counts.append(count)
    return sorted(counts, key=lambda count: (-count.trials, count.data, count.fingerprint))


def failure_counts(groups: Sequence[Group]) -> list[FailureCount]:
    """Return what trials failed of, the most frequent first."""
    by_kind: dict[str, Counter[tuple[str, str]]] = {}
    for group in groups:
        if group.status == TrialStatus.FAILED:
            where = by_kind.setdefault(group.failure, Counter())
            where[group.model, group.method] += group.count
    counts = [
        FailureCount(kind=kind, trials=where.total(), where=where)
        for kind, where in by_kind.items()
    ]
    return sorted(counts, key=lambda count: (-count.trials, count.kind))


def mapped(store: ExperienceStore, task: str, groups: Sequence[Group]) -> StoreMap:
    """Return the map of a task's data sets, of those with the most trials."""
    counts = data_counts(groups)
    sample_of = {group.fingerprint: group.sample for group in groups}
    largest = counts[:MAPPED]
    ids = [sample_of[count.fingerprint] for count in largest]
    experience_of = {experience.id: experience for experience in store.of_ids(ids)}
    # A record that is damaged, or that a search wrote before its meta-features were measured, has no place.
    described: list[DataCount] = []
    samples: list[Experience] = []
    for count, identity in zip(largest, ids, strict=True):
        # Taken out, since data that was renamed between searches has two names and one fingerprint.
        sample = experience_of.pop(identity, None)
        if sample is not None:
            described.append(count)
            samples.append(sample)
    plane = task_map(samples)
    places: list[MappedData] = []
    for position, (x, y) in zip(plane.placed, plane.places.tolist(), strict=True):
        places.append(MappedData(data=described[position], x=x, y=y))
    return StoreMap(task=task, places=places, share=plane.share, left_out=len(counts) - len(places))


def _shown(store: ExperienceStore, lines: Sequence[Line]) -> list[ShownTrial]:
    """Return the rows of the list, with the scores that only their records have."""
    ids = [line.id for line in lines]
    experience_of = {experience.id: experience for experience in store.of_ids(ids)}
    trials: list[ShownTrial] = []
    for line in lines:
        experience = experience_of.get(line.id)
        metric, score = _score(experience)
        trial = ShownTrial(
            id=line.id,
            created=line.created,
            run=line.run,
            trial=line.trial,
            task=line.task,
            data=line.data,
            model=line.model,
            method=line.method,
            ending=line.failure or line.status,
            metric=metric,
            score=score,
            is_damaged=experience is None,
        )
        trials.append(trial)
    return trials


def _score(experience: Experience | None) -> tuple[str, float | None]:
    """Return the first objective of a trial that its metrics have, and its value; nothing for a failure."""
    if experience is not None:
        for name in experience.objectives:
            if name in experience.outcome.metrics:
                return name, experience.outcome.metrics[name]
    return "", None


def _options(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return the values that each column of the form has."""
    options: dict[str, list[str]] = {}
    for name in StoreFilter().columns:
        values = {str(getattr(group, name)) for group in groups}
        options[name] = sorted(values - {""})
    return options
