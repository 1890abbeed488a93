"""The scenario of a search: what can be known of data, machine, models, space and cost before it begins."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from xautolm.data import Dataset, estimated_tokens, prepare
from xautolm.description import describe, known_description
from xautolm.errors import UnknownNameError, UsageError
from xautolm.hardware import measured_machine, system_profile
from xautolm.importable import is_function_name
from xautolm.limits import (
    check_resources,
    fitting_models,
    most_devices,
    parallel_trials,
    probe_rows,
    trial_limits,
)
from xautolm.metrics import direction_note, metric_named, offered_metrics
from xautolm.objectives import COSTS, EVALUATION_TIME, LATENCY, Objective, lead_of
from xautolm.options import FitOptions
from xautolm.records import Features, Limits, Machines, ModelCard, Place, SystemProfile, digest_of
from xautolm.resources import ResourceModel
from xautolm.run_folder import RunFolder
from xautolm.search_space import (
    build_space,
    data_needs,
    default_configurations,
    methods_by_model,
    read_space_option,
)
from xautolm.space import Space, narrowed
from xautolm.tasks import TASKS, Task
from xautolm.traits import Circumstances, TraitReader
from xautolm.vocabulary import Architecture, Origin, TargetKind, Targets
from xautolm.zoo import ZOO, Meter, cannot_be_had, fetch, find_models, is_asked_for, tell_left_out

logger = logging.getLogger(__name__)
DIGEST_LENGTH = 8
"""Hexadecimal digits that tell folders of runs apart: of 1,000 runs two have the same with a chance of 1 in 8,000."""
AUTO = ("auto",)
"""Asks for the models that suit task, machine and budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Hold a problem that can be searched: data, task, machine, models, space and limits."""

    options: FitOptions
    """What the user asked for."""
    task: Task
    objectives: tuple[Objective, ...]
    """At least one quality among them."""
    dataset: Dataset
    machines: Machines
    cards: Mapping[str, ModelCard]
    resources: ResourceModel
    space: Space
    limits: Limits
    """Of each trial, besides what is left of the budget."""
    folder: RunFolder
    required: frozenset[str]
    """Names of the models that the user, or the run to resume, asks for; `auto` may do without the others."""

    @property
    def lead(self) -> Objective:
        """Return the first quality among the objectives: it chooses the best epoch, and the winner."""
        return lead_of(self.objectives)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the names of the metrics that every trial reports: the task's own, and the objectives."""
        names = list(self.task.metrics)
        for objective in self.objectives:
            # Costs are measured, not computed from answers.
            if objective.is_quality and objective.name not in names:
                names.append(objective.name)
        return tuple(names)

    @property
    def measures_latency(self) -> bool:
        """Return whether every trained model is asked for single texts, which takes a second or more of each trial."""
        names = {objective.name for objective in self.objectives}
        return LATENCY in names

    @property
    def system(self) -> SystemProfile:
        """Return the machine that trials run on; of several, the weakest."""
        return self.machines.system

    @property
    def places(self) -> tuple[Place, ...]:
        """Return where trials run."""
        return self.machines.places

    @property
    def parallel(self) -> int:
        """Return how many trials run at once."""
        return self.options.parallel or self.machines.slots

    @property
    def threads(self) -> int:
        """Return the number of threads that a trial has for numerical libraries."""
        return threads_of_trial(self.system, self.machines.at_once or self.parallel)

    def features(self) -> Features:
        """Measure the meta-features of the task on this machine."""
        fingerprint = self.dataset.profile.fingerprint
        return describe(self.dataset.train, self.task, self.system, self.limits, fingerprint)

    def traits(self) -> TraitReader:
        """Return what tells the traits of configurations on this task, machine and limits."""
        here = Circumstances(self.task.name, self.dataset.profile, self.system, self.limits)
        return TraitReader(self.cards, here)

    def known_features(self) -> Features:
        """Return those of the meta-features that need not be measured."""
        fingerprint = self.dataset.profile.fingerprint
        return known_description(self.task, self.system, self.limits, fingerprint)


def this_machine(options: FitOptions) -> Machines:
    """Measure this machine as a search plans with it; a new kind of GPU takes some seconds, once.

    Raises:
        UsageError: A device that is not here, or that does not work.
    """
    system, places = measured_machine(options.device)
    return Machines(system=system, places=places, slots=parallel_trials(options, system))


def threads_of_trial(system: SystemProfile, at_once: int) -> int:
    """Return the number of threads that each of so many trials on a machine has for numerical libraries."""
    return max(1, system.physical_cores // at_once)


def make_scenario(data: object, options: FitOptions, machines: Machines | None = None) -> Scenario:
    """Look at data, machine and models as the options ask for; nothing is written.

    Args:
        data: The training data.
        options: What the user asked for.
        machines: What trials run on; this machine by default.

    Raises:
        UsageError: Anything that would make a search fail or its result meaningless.
    """
    task = TASKS.get(options.task)
    objectives = chosen_objectives(options, task)
    # A space that cannot be read is an error before any data is.
    read_space_option(options.space)
    machines = machines or this_machine(options)
    system = machines.system
    # What cannot be is an error before any data is read.
    dividable = most_devices(options, machines)
    dataset = read_data(data, options, task)
    place = options.out or default_folder(data, dataset, options)
    folder = RunFolder(Path(place).absolute())

    names = _wanted_models(options, folder)
    cards, dataset = _found_models(names, options, task, dataset, system)
    required = frozenset(card.name for card in cards if is_asked_for(card, names, ZOO.things))
    own_options = _options_of_a_machine(options, machines)
    resources = ResourceModel(
        {card.name: card for card in cards},
        dataset.profile,
        system,
        forms=task.forms,
        # Trials that run at once share the processor.
        threads_share=1 / parallel_trials(own_options, system),
        most_devices=dividable,
        devices_asked=options.devices_per_trial,
    )
    space = _space(options, task, cards, dataset, system)
    resources.probe_rows = probe_rows(options, resources, space)
    dataset = _with_note_on_probes(dataset, resources.probe_rows)
    cheapest = resources.cheapest(default_configurations(space))
    limits = trial_limits(own_options, system, cheapest.seconds, machines.places)
    # Models that were named stay in the space, so that what is lacking is said; `auto` takes those that fit.
    if names == AUTO:
        fitting_names = fitting_models(space, resources, limits)
        space = narrowed(space, {"model": fitting_names})
    check_resources(space, resources, limits, own_options, machines.places)
    return Scenario(
        options=options,
        task=task,
        objectives=objectives,
        dataset=dataset,
        machines=machines,
        cards=resources.cards,
        resources=resources,
        space=space,
        limits=limits,
        folder=folder,
        required=required,
    )


def _found_models(
    names: tuple[str, ...],
    options: FitOptions,
    task: Task,
    dataset: Dataset,
    system: SystemProfile,
) -> tuple[Sequence[ModelCard], Dataset]:
    """Return the models that are asked for, and the data with notes on what they leave out and cut."""
    notes: list[str] = []
    families = chosen_families(options, task)
    cards = find_models(names, ZOO.things, families, notes.append, system)
    notes.extend(length_notes(dataset, cards, task))
    return cards, replace(dataset, notes=(*dataset.notes, *notes))


def _options_of_a_machine(options: FitOptions, machines: Machines) -> FitOptions:
    """Return the options as a single machine sees them.

    Of several machines, each shares its memory and its cores among the trials that it runs, not among all.
    """
    if machines.at_once is None:
        return options
    return options.model_copy(update={"parallel": machines.at_once})


def _with_note_on_probes(dataset: Dataset, rows: int | None) -> Dataset:
    """Return data that says to how many training rows probes are fitted, where that is not all that they take."""
    if rows is None:
        return dataset
    whole = dataset.profile.train_examples
    note = f"probes look at {rows:,} of {whole:,} training rows, so that the first takes little of the time"
    return replace(dataset, notes=(*dataset.notes, note))


def _wanted_models(options: FitOptions, folder: RunFolder) -> tuple[str, ...]:
    """Return the names of models that are asked for.

    What `auto` finds depends on the hub and on measured speed; a resumed run keeps the models that it began with.
    """
    earlier = folder.earlier()
    is_open_choice = options.models == AUTO
    # Runs from before the models were written down name none.
    if is_open_choice and earlier is not None and earlier.models:
        return earlier.models
    return options.models


def _space(
    options: FitOptions,
    task: Task,
    cards: Sequence[ModelCard],
    dataset: Dataset,
    system: SystemProfile,
) -> Space:
    """Build the space over models as the options ask for it."""
    preset, changes = read_space_option(options.space)
    return build_space(
        preset,
        task,
        cards,
        options.methods,
        dataset.profile,
        system,
        changes,
        export=options.export,
        rungs=options.rungs,
        devices=options.devices_per_trial or 1,
    )


def with_weights(scenario: Scenario, note: Callable[[str], None], meter: Meter) -> Scenario:
    """Fetch the models of the space that are not on this machine yet; what of `auto` does not come is left out.

    Args:
        scenario: The problem; comes back with the models' folders in the cards.
        note: Takes the total size before anything is fetched, and what is left out.
        meter: Shows how it goes on.

    Raises:
        ModelUnavailableError: A model that was asked for cannot be had, or none is left.
    """
    names = list(methods_by_model(scenario.space))
    absent = []
    for name in names:
        card = scenario.cards[name]
        # A card of the hub has a folder once its model lies in the cache.
        if card.origin == Origin.HUB and not card.path:
            absent.append(card)
    if not absent:
        return scenario
    fetched = fetch(absent, scenario.required, note, meter)
    cards = {**scenario.cards, **fetched.cards}
    troubles = fetched.troubles
    if not troubles:
        return replace(scenario, cards=cards)
    tell_left_out(troubles, note)
    remaining = [cards[name] for name in names if name not in troubles]
    if not remaining:
        # Why the first did not come stands for all of them, which were told just now.
        name, trouble = next(iter(troubles.items()))
        raise cannot_be_had(name, trouble)
    space = _space(scenario.options, scenario.task, remaining, scenario.dataset, scenario.system)
    return replace(scenario, cards=cards, space=space)


def read_data(data: object, options: FitOptions, task: Task) -> Dataset:
    """Read the data as the options ask for it: checked and split, with what a person should know of it."""
    dataset = prepare(
        data,
        data_needs(task),
        columns=given_columns(options),
        validation=options.validation,
        test=options.test,
        max_train=options.max_train,
        unlabelled=options.unlabelled,
        seed=options.seed,
        encoding=options.encoding,
    )
    rows = []
    for row in dataset.train.to_dict("records"):
        # Columns of a table without a header have numbers as names.
        rows.append({str(name): cell for name, cell in row.items()})
    notes = task.notes(rows)
    return replace(dataset, notes=(*dataset.notes, *notes))


def given_columns(options: FitOptions) -> dict[str, str | None]:
    """Return the names of columns that the user gave, by role."""
    return {"text": options.text, "label": options.label, **options.columns}


def described(data: object, options: FitOptions) -> Features:
    """Measure the meta-features of data on this machine, without a search."""
    task = TASKS.get(options.task)
    system = system_profile(options.device)
    dataset = read_data(data, options, task)
    say_notes(dataset)
    limits = trial_limits(options, system, 0.0)
    return describe(dataset.train, task, system, limits, dataset.profile.fingerprint)


def say_notes(dataset: Dataset) -> None:
    """Log what was done to the data, where there is no search whose notes would say it."""
    for note in dataset.notes:
        logger.warning("%s", note)


def chosen_objectives(options: FitOptions, task: Task) -> tuple[Objective, ...]:
    """Return the objectives that the options name; by default the task's first metric, and the time.

    Raises:
        UsageError: No quality metric among them, or one twice, or a function that cannot be imported.
        UnknownNameError: The task has no such metric.
    """
    names = options.objectives or (task.metrics[0], EVALUATION_TIME)
    objectives = [_objective(name, task) for name in names]
    # Without a quality, the fastest or smallest model would win: one that has learned nothing.
    has_quality = any(objective.is_quality for objective in objectives)
    has_repeated = len(set(names)) < len(names)
    if not has_quality or has_repeated:
        offered = ", ".join(offered_metrics(task.problem_type))
        raise UsageError(
            "The objectives need at least one quality metric, and none twice.",
            got=", ".join(names),
            fix=f"This task has {offered}.",
        )
    return tuple(objectives)


def _objective(name: str, task: Task) -> Objective:
    """Return what it means to improve a metric of a task, a function of the user's own, or a cost."""
    if name in COSTS:
        return COSTS[name]
    offered = offered_metrics(task.problem_type)
    if name not in offered and not is_function_name(name):
        raise UnknownNameError("metric for this task", name, [*offered, *COSTS])
    metric = metric_named(name)
    if metric.needs_probabilities and task.target_kind != TargetKind.CLASSES:
        raise UsageError(
            "The metric needs probabilities of classes.", got=f"{name} for {task.name}"
        )
    return metric.objective


def direction_notes(objectives: Sequence[Objective]) -> list[str]:
    """Return which values of functions of the user's own are taken for better, one line each."""
    notes = []
    for objective in objectives:
        # That of a function may be a guess from its name, and a search in the wrong direction is lost.
        if is_function_name(objective.name):
            notes.append(direction_note(objective))
    return notes


def length_notes(dataset: Dataset, cards: Sequence[ModelCard], task: Task) -> list[str]:
    """Return a note where inputs are longer than what some of the models read, by estimate."""
    # A head on top, of classes or a number, reads the beginning of a text; that is what everyone expects.
    if task.problem_type != Targets.TEXTS:
        return []
    longest = dataset.profile.tokens_max
    short = [card for card in cards if card.positions < longest]
    if not short:
        return []
    shortest = min(short, key=lambda card: card.positions)
    # An input may have several parts, such as a question and its context.
    lengths = np.zeros(len(dataset.train), dtype=int)
    for name in task.inputs:
        texts = list(dataset.train[name])
        lengths += estimated_tokens(texts)
    beyond = int((lengths > shortest.positions).sum())
    names = ", ".join(card.name for card in short)
    return [
        f"{beyond} of {len(dataset.train)} training inputs have more than the {shortest.positions} tokens that "
        f"{shortest.name} reads at once, by estimate; the longest has about {longest}, more than "
        f"{names} read: models that extract look at windows, models that generate see the context cut, never the "
        "question"
    ]


def chosen_families(options: FitOptions, task: Task) -> tuple[str, ...]:
    """Return the architectures that `--models auto` considers.

    Raises:
        UnknownNameError: No such architecture.
        UsageError: The task is not for any of them, or there is no `auto` that could consider them.
    """
    if options.families == AUTO:
        return task.families
    architectures = [architecture.value for architecture in Architecture]
    for name in options.families:
        if name not in architectures:
            raise UnknownNameError("architecture", name, architectures)
    if not set(options.families) & set(task.forms):
        raise UsageError(
            f"{task.name} is not for these architectures.",
            got=", ".join(options.families),
            fix=f"It is for {', '.join(task.forms)}.",
        )
    if set(AUTO).isdisjoint(options.models):
        raise UsageError(
            "Families say what `auto` considers, and it is not among the models.",
            got=f"families={','.join(options.families)}, models={','.join(options.models)}",
            fix="Leave the families out, or add auto to the models.",
        )
    return options.families


def default_folder(data: object, dataset: Dataset, options: FitOptions) -> str:
    """Return where a run goes that was given no folder.

    A file or a data set of the hub has a name, and one run. Tables in memory have none, and there are many of them in a
    cross-validation or a grid search, also at once: each table with each setting gets a folder of its own.
    """
    profile = dataset.profile
    name = f"runs/{_slug(profile.name)}"
    if isinstance(data, str | Path):
        return name
    # The splits are in the fingerprints, and tables cannot be written as JSON.
    settings = options.model_dump(mode="json", exclude={"out", "validation", "test"})
    identity: list[object] = [profile.fingerprint, profile.source_fingerprint, settings]
    # Only where there is one, so that earlier runs without are found again.
    if dataset.test_fingerprint:
        identity.append(dataset.test_fingerprint)
    digest = digest_of(identity)
    return f"{name}-{digest[:DIGEST_LENGTH]}"


def _slug(name: str) -> str:
    """Return what a folder can be called on any file system."""
    stem = Path(name).stem
    slug = re.sub(r"[^\w.-]+", "-", stem)
    return slug or "run"
