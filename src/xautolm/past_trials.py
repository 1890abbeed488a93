"""Past trials that a search may learn from: a small store is read whole, of a large one what a search looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from xautolm.data.naming import is_called
from xautolm.experience import Tally
from xautolm.experience.adoption import adopted, our_features
from xautolm.metafeatures import FEATURES, Part, Sample, known_features
from xautolm.metalearning import (
    Distances,
    Mode,
    WarmStart,
    distances_of,
    telling,
)
from xautolm.records import DataProfile, Experience, Experiences, Features, Limits, SystemProfile

SELF = "self"
"""Stands for the data at hand among the names of data to hide."""
READ_WHOLE = 10_000
"""Trials of a task type up to which a store is read whole. 10,000 take 2 s, and 100,000 would take 20 s and 1.5 GB."""
RECENT = 2_000
"""Trials of a larger store, the newest, that tell how fast the machine is and how much trainings gain late."""


class CountsTrials(Protocol):
    """Count the experiences of a task type."""

    def count(self, task: str) -> int:
        """Return how many there are."""


class Store(CountsTrials, Protocol):
    """Read the experiences of a task type."""

    def experiences(self, task: str, *, limit: int | None = None) -> list[Experience]:
        """Return them, the newest first; with a limit, so many."""

    def tallies(self, task: str) -> list[Tally]:
        """Return how many there are of each search and end."""

    def of_runs(self, runs: Sequence[str], task: str) -> list[Experience]:
        """Return those of some searches."""

    def of_ids(self, ids: Sequence[str]) -> list[Experience]:
        """Return those with some ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Decide which past trials a search may learn from."""

    task: str
    data: DataProfile
    run: str
    """The run's own identifier."""
    hide: Sequence[str]
    limits: Limits
    system: SystemProfile

    def visible(self, experiences: Experiences) -> list[Experience]:
        """Return those that the search may see."""
        return visible(experiences, self.task, self.data, self.run, self.hide)

    def hiding_notes(self, experiences: Experiences) -> list[str]:
        """Return what a person should know of what `hide` does, a sentence each."""
        return hiding_notes(experiences, self.task, self.data, self.run, self.hide)

    def telling(self, experiences: Experiences) -> list[Experience]:
        """Return those that say something here: what lacked memory or time somewhere smaller does not."""
        return telling(experiences, self.limits, self.system)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearby:
    """Hold the past trials that a search begins with."""

    experiences: Experiences
    """In a large store, all trials on the nearest data sets."""
    distances: Distances
    """Theirs; the count of those that cannot be compared is that of the whole store."""
    overview: Experiences
    """At least one trial of each past search: what there is in the store."""
    every_distance: Sequence[float]
    """Of all trials of the store that can be compared, from which the decay with distance follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PastSearch:
    """The trials of one search on one data set, which share task, machine, limits and meta-features."""

    sample: Experience
    """The one of them that was read."""
    tallies: Sequence[Tally]
    """How often they ended how; of ends that say something here."""

    def __len__(self) -> int:
        return sum(tally.count for tally in self.tallies)


class PastTrials:
    """Read the past trials that a search may learn from.

    What a search begins with is exact for a large store too, if the trials of a search share their meta-features: then
    the distance of one of them is that of all, and those on data sets too far to be looked at need not be read.

    Args:
        store: The store.
        sight: Which of its trials may be looked at.
        cache: Folder with the meta-features of data that was described on this machine.
        add_starter: Adds to a store's trials those of the starter store; a large store has enough of its own.
    """

    def __init__(
        self,
        store: Store,
        sight: Sight,
        cache: Path,
        add_starter: Callable[[Experiences], Experiences] | None = None,
    ) -> None:
        self.store = store
        self.sight = sight
        self.cache = cache
        self.is_whole = is_small(store, sight.task)
        limit = None if self.is_whole else RECENT
        read: Experiences = store.experiences(sight.task, limit=limit)
        if add_starter is not None and self.is_whole:
            read = add_starter(read)
        self.recent: list[Experience] = sight.telling(sight.visible(read))
        """The newest, or all of a small store."""
        self.hiding_notes: Sequence[str] = ()
        """What a person should know of what is hidden, a sentence each."""
        if sight.hide:
            if not self.is_whole:
                read = [sample for sample, _ in self._samples(self._tallies())]
            self.hiding_notes = sight.hiding_notes(read)

    def nearby(
        self, current: Features, options: WarmStart, evidence: int, *, needs_all: bool = False
    ) -> Nearby:
        """Return the past trials that a search begins with.

        Args:
            current: Meta-features of the task at hand.
            options: The knobs of the warm start.
            evidence: Trials that the sampler's models learn from.
            needs_all: Whether the whole store is needed, however large it is.
        """
        takes_all = options.k_positive is None or options.k_negative is None
        if self.is_whole or takes_all or needs_all:
            return self._whole(current, options)
        searches = self._searches()
        runs = _runs_to_read(searches, current, options, evidence)
        read = self.store.of_runs(sorted(runs), self.sight.task)
        looked_at = with_features(self.sight.telling(self.sight.visible(read)), self.cache)
        # Normalisation and decay are over the whole store, so each trial that was not read is there as the sample.
        stand_ins: list[Experience] = []
        for search in searches:
            if search.sample.run not in runs:
                stand_ins += len(search) * [search.sample]
        neighbors, incomparable = distances_of([*looked_at, *stand_ins], current, options)
        ids = {experience.id for experience in looked_at}
        near = [neighbor for neighbor in neighbors if neighbor.experience.id in ids]
        return Nearby(
            experiences=looked_at,
            distances=(near, incomparable),
            overview=[search.sample for search in searches if len(search)],
            every_distance=[neighbor.distance for neighbor in neighbors],
        )

    def _whole(self, current: Features, options: WarmStart) -> Nearby:
        """Return all past trials that may be looked at."""
        experiences = self.recent
        if not self.is_whole:
            read = self.store.experiences(self.sight.task)
            experiences = self.sight.telling(self.sight.visible(read))
        described = with_features(experiences, self.cache)
        distances = distances_of(described, current, options)
        neighbors, _ = distances
        every_distance = [neighbor.distance for neighbor in neighbors]
        return Nearby(
            experiences=described,
            distances=distances,
            overview=described,
            every_distance=every_distance,
        )

    def _searches(self) -> list[_PastSearch]:
        """Return the past searches that may be looked at, with one trial of each."""
        samples: list[Experience] = []
        tallies_by_sample: dict[str, Sequence[Tally]] = {}
        for sample, tallies in self._samples(self._tallies()):
            tallies_by_sample[sample.id] = tallies
            samples.append(sample)
        searches: list[_PastSearch] = []
        for sample in with_features(self.sight.visible(samples), self.cache):
            telling_tallies = []
            for tally in tallies_by_sample[sample.id]:
                ended_so = replace(sample, outcome=tally.outcome)
                if self.sight.telling([ended_so]):
                    telling_tallies.append(tally)
            searches.append(_PastSearch(sample=sample, tallies=telling_tallies))
        return searches

    def _tallies(self) -> list[list[Tally]]:
        """Return how the trials of each past search ended."""
        by_search: dict[tuple[str, str], list[Tally]] = {}
        for tally in self.store.tallies(self.sight.task):
            members = by_search.setdefault((tally.run, tally.fingerprint), [])
            members.append(tally)
        return list(by_search.values())

    def _samples(
        self, searches: Sequence[Sequence[Tally]]
    ) -> list[tuple[Experience, Sequence[Tally]]]:
        """Return for each search one of its trials, and its tallies."""
        first_ids = [tallies[0].sample for tallies in searches]
        by_id = {experience.id: experience for experience in self.store.of_ids(first_ids)}
        # Damaged records are left out of what is read. Any other trial of the search will do as well.
        damaged_runs: set[str] = set()
        for first, *_ in searches:
            if first.sample not in by_id:
                damaged_runs.add(first.run)
        substitutes: dict[tuple[str, str], Experience] = {}
        for experience in self.store.of_runs(sorted(damaged_runs), self.sight.task):
            search = (experience.run, experience.data.fingerprint)
            substitutes.setdefault(search, experience)
        samples: list[tuple[Experience, Sequence[Tally]]] = []
        for tallies in searches:
            first = tallies[0]
            sample = by_id.get(first.sample)
            if sample is None:
                sample = substitutes.get((first.run, first.fingerprint))
            if sample is not None:
                samples.append((sample, tallies))
        return samples


def is_small(store: CountsTrials, task: str) -> bool:
    """Return whether a store has so few trials of a task that all are read, and those of the starter store added."""
    return store.count(task) <= READ_WHOLE


def _runs_to_read(
    searches: Sequence[_PastSearch], current: Features, options: WarmStart, evidence: int
) -> set[str]:
    """Return the searches whose trials are needed: all on the data sets of the nearest trials.

    The standing of a trial is that among all on its data.

    Args:
        searches: Past searches.
        current: Meta-features of the task at hand.
        options: The knobs of the warm start.
        evidence: Trials that the sampler's models learn from.
    """
    by_sample = {search.sample.id: search for search in searches}
    neighbors, _ = distances_of([search.sample for search in searches], current, options)
    data_sets: set[str] = set()
    informative = 0
    successes = 0
    failures = 0
    farthest = 0.0
    for neighbor in neighbors:
        has_prior = successes >= (options.k_positive or 0) and failures >= (options.k_negative or 0)
        is_enough = has_prior and informative >= evidence
        # Of equally near trials, ids decide which are taken, so all of them are needed.
        if is_enough and neighbor.distance > farthest:
            break
        farthest = neighbor.distance
        search = by_sample[neighbor.experience.id]
        data_sets.add(search.sample.data_set)
        for tally in search.tallies:
            outcome = tally.outcome
            if outcome.succeeded:
                successes += tally.count
            elif outcome.failed and outcome.is_evidence:
                failures += tally.count
            mode = options.negatives if outcome.failed else options.positives
            if mode != Mode.NONE and outcome.is_evidence:
                informative += tally.count
    return {search.sample.run for search in searches if search.sample.data_set in data_sets}


def visible(
    experiences: Sequence[Experience], task: str, data: DataProfile, run: str, hide: Sequence[str]
) -> list[Experience]:
    """Return the experiences of the same task type that a search may see, in today's words; never those of its own run.

    Args:
        experiences: The store.
        task: The task type.
        data: The data at hand; `self` in `hide` stands for it under any name, whole or sampled. Experiences that came
            from elsewhere, imported or with the package, are known by their data's name as well.
        run: The run's own identifier.
        hide: Names or fingerprints of data, aliases, or `self`.
    """
    hidden_names = [name for name in hide if name != SELF]
    hides_self = SELF in hide
    result = []
    for experience in adopted(_of_others(experiences, task, run)):
        if hides_self and (_has_same_content(experience, data) or _is_namesake(experience, data)):
            continue
        if any(_is_called(experience, name) for name in hidden_names):
            continue
        result.append(experience)
    return result


def hiding_notes(
    experiences: Experiences, task: str, data: DataProfile, run: str, hide: Sequence[str]
) -> list[str]:
    """Return what a person should know of what `hide` does, a sentence each: a misspelt name hides nothing.

    Args:
        experiences: As for `visible`, and so the others.
        task: The task type.
        data: The data at hand.
        run: The run's own identifier.
        hide: Names.
    """
    # All trials of one search on one data set are called alike, and there may be thousands.
    searches: dict[tuple[str, ...], Experience] = {}
    for experience in _of_others(experiences, task, run):
        past_data = experience.data
        search = experience.run, experience.alias, past_data.name, past_data.fingerprint
        searches.setdefault(search, experience)
    notes: list[str] = []
    for name in hide:
        is_known = any(_is_called(experience, name) for experience in searches.values())
        if name != SELF and not is_known:
            notes.append(
                f"--hide {name} hides nothing: no past trial of this task type is on data of that name"
            )
    namesakes: set[str] = set()
    for experience in searches.values():
        if _is_namesake(experience, data) and not _has_same_content(experience, data):
            namesakes.add(experience.data.name)
    if SELF in hide and namesakes:
        names = ", ".join(sorted(namesakes))
        notes.append(
            f"--hide self hides by their name alone, too, past trials that came from elsewhere: those on {names}"
        )
    return notes


def _of_others(experiences: Experiences, task: str, run: str) -> list[Experience]:
    """Return the experiences of a task type without those of a run itself."""
    return [
        experience
        for experience in experiences
        if experience.task == task and experience.run != run
    ]


def _has_same_content(experience: Experience, data: DataProfile) -> bool:
    """Return whether an experience is of this data, whole or sampled, whatever it is called."""
    fingerprints = {data.fingerprint, data.source_fingerprint}
    past_fingerprints = {experience.data.fingerprint, experience.data.source_fingerprint}
    return not fingerprints.isdisjoint(past_fingerprints)


def _is_namesake(experience: Experience, data: DataProfile) -> bool:
    """Return whether an experience came from elsewhere, and its data is called as this data is.

    Of another system's data nobody knows the content; and elsewhere the same data may have been another sample, another
    split or another file, as that of the starter store is.
    """
    is_foreign = bool(experience.alias or experience.provenance)
    name = experience.data.name
    return is_foreign and (is_called(data.name, name) or is_called(name, data.name))


def _is_called(experience: Experience, name: str) -> bool:
    """Return whether an experience, its search or its data has a name, as it stands or by its folders."""
    data = experience.data
    names = {data.fingerprint, data.source_fingerprint, data.name}
    names |= {experience.alias, experience.run}
    # An experience without an alias is not called by the empty name.
    names.discard("")
    if name in names:
        return True
    # A file is also called by its own name, wherever it lies.
    _, _, file_name = data.name.rpartition("/")
    return name == file_name or is_called(data.name, name)


def with_features(experiences: Iterable[Experience], cache: Path) -> list[Experience]:
    """Return experiences with the meta-features that they lack, as far as they can be had without their data.

    Those of the task come from the cache, if that data was described on this machine; the machine's from its record.
    """
    cached_by_data: dict[str, Features] = {}
    described: list[Experience] = []
    for experience in experiences:
        fingerprint = experience.data.fingerprint
        # A store has thousands of trials on one data set, and the cache a file for each.
        if fingerprint not in cached_by_data:
            cached_by_data[fingerprint] = known_features(cache, fingerprint)
        described.append(_described(experience, cached_by_data[fingerprint]))
    return described


def _described(experience: Experience, cached: Features) -> Experience:
    """Return an experience with the meta-features that it lacks; itself if it lacks none."""
    features: dict[str, tuple[float, ...]] = {}
    features.update(cached)
    features.update(experience.features)
    # Groups of the system look at the machine and the limits only, so a sample without texts will do.
    sample = Sample(
        texts=(), targets=(), examples=0, system=experience.system, limits=experience.limits, seed=0
    )
    for name, group in FEATURES.things.items():
        if group.part == Part.SYSTEM and name not in features:
            features[name] = group.compute(sample)
    renamed = our_features(features, imported=False)
    if renamed == experience.features:
        return experience
    return replace(experience, features=renamed)
