"""What can be known before a search: the data, the machine, the models, the space, and what trials will need."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from xautolm.data import Dataset, estimated_tokens, prepare
from xautolm.description import describe, known_description
from xautolm.errors import UnknownNameError, UsageError
from xautolm.limits import check_resources, fitting_models, trial_limits
from xautolm.metafeatures import system_profile
from xautolm.metrics import EVALUATION_TIME, objective
from xautolm.options import FitOptions
from xautolm.records import Features, Limits, ModelCard, Objective, SystemProfile
from xautolm.resources import ResourceModel
from xautolm.run_folder import RunFolder
from xautolm.search_space import build_space, data_needs, default_configurations, methods_by_model, read_space_option
from xautolm.space import Space
from xautolm.tasks import TASKS, Task
from xautolm.zoo import ZOO, Meter, cannot_be_had, fetch, find_models, is_asked_for, tell_left_out

logger = logging.getLogger(__name__)
ARCHITECTURES = ("encoder", "decoder", "encoder-decoder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A search that could be made."""

    task: Task
    objectives: tuple[Objective, ...]
    metric: str
    """The first quality metric among the objectives."""
    dataset: Dataset
    system: SystemProfile
    cards: Mapping[str, ModelCard]
    resources: ResourceModel
    space: Space
    limits: Limits
    folder: RunFolder
    required: frozenset[str]
    """Names of the models that the user, or the run to resume, asks for; `auto` may do without the others."""

    def features(self) -> Features:
        """The meta-features of the task on this machine."""
        profile = self.dataset.profile
        return describe(self.dataset.train, self.task, self.system, self.limits, profile.fingerprint)

    def known_features(self) -> Features:
        """Return those of the meta-features that need not be measured."""
        return known_description(self.task, self.system, self.limits, self.dataset.profile.fingerprint)


def make_scenario(data: Any, options: FitOptions) -> Scenario:
    """Look at data, machine and models as the options ask for; nothing is written.

    Raises:
        UsageError: Anything that would make a search fail or its result meaningless.
    """
    task = TASKS.get(options.task)
    objectives, metric = chosen_objectives(options, task)
    preset, changes = read_space_option(options.space)
    system = system_profile(options.device)
    dataset = read_data(data, options, task)
    folder = RunFolder(Path(options.out or f"runs/{_slug(dataset.profile.name)}").absolute())
    earlier = folder.earlier()
    # What `auto` finds depends on the hub and on measured speed; a resumed run keeps the models it began with.
    wanted = earlier.models if earlier and options.models == ("auto",) else options.models
    families = chosen_families(options, task)
    notes: list[str] = []
    cards = {card.name: card for card in find_models(wanted, ZOO.things, families, notes.append)}
    required = frozenset(name for name, card in cards.items() if is_asked_for(card, wanted, ZOO.things))
    resources = ResourceModel(cards, dataset.profile, system, 1 / options.parallel, forms=task.forms)

    def space_of(names: Sequence[str]) -> Space:
        models = [cards[name] for name in names]
        return build_space(
            preset, task, models, options.methods, dataset.profile, system, changes, export=options.export
        )

    dataset = replace(dataset, notes=(*dataset.notes, *notes, *length_notes(dataset, list(cards.values()), task)))
    space = space_of(list(cards))
    limits = trial_limits(options, system, resources.cheapest(default_configurations(space)).seconds)
    if wanted == ("auto",):
        space = space_of(fitting_models(space, resources, limits))
    check_resources(space, resources, limits, options)
    return Scenario(
        task=task,
        objectives=objectives,
        metric=metric,
        dataset=dataset,
        system=system,
        cards=cards,
        resources=resources,
        space=space,
        limits=limits,
        folder=folder,
        required=required,
    )


def with_weights(sight: Scenario, options: FitOptions, note: Callable[[str], None], meter: Meter) -> Scenario:
    """Fetch the models of the space that are not on this machine yet; what of `auto` does not come is left out.

    Args:
        sight: The problem; comes back with the models' folders in the cards.
        options: What the user asked for.
        note: Takes the total size before anything is fetched, and what is left out.
        meter: Shows how it goes on.

    Raises:
        ModelUnavailableError: A model that was asked for cannot be had, or none is left.
    """
    names = list(methods_by_model(sight.space))
    absent = [sight.cards[name] for name in names if sight.cards[name].origin == "hub" and not sight.cards[name].path]
    if not absent:
        return sight
    fetched = fetch(absent, sight.required, note, meter)
    cards = {**sight.cards, **fetched.cards}
    if not fetched.troubles:
        return replace(sight, cards=cards)
    tell_left_out(fetched.troubles, note)
    remaining = [cards[name] for name in names if name not in fetched.troubles]
    if not remaining:
        raise cannot_be_had(*next(iter(fetched.troubles.items())))
    preset, changes = read_space_option(options.space)
    profile = sight.dataset.profile
    space = build_space(
        preset, sight.task, remaining, options.methods, profile, sight.system, changes, export=options.export
    )
    return replace(sight, cards=cards, space=space)


def read_data(data: Any, options: FitOptions, task: Task) -> Dataset:
    """The data as the options ask for it: checked and split, with what a person should know of it."""
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
    rows = [{str(name): cell for name, cell in row.items()} for row in dataset.train.to_dict("records")]
    return replace(dataset, notes=(*dataset.notes, *task.notes(rows)))


def given_columns(options: FitOptions) -> dict[str, str | None]:
    """The names of columns that the user gave, by role."""
    return {"text": options.text, "label": options.label, **options.columns}


def described(data: Any, options: FitOptions) -> Features:
    """The meta-features of data on this machine, without a search."""
    task, system = TASKS.get(options.task), system_profile(options.device)
    dataset = read_data(data, options, task)
    say_notes(dataset)
    limits = trial_limits(options, system, 0.0)
    return describe(dataset.train, task, system, limits, dataset.profile.fingerprint)


def say_notes(dataset: Dataset) -> None:
    """Log what was done to the data, where there is no search whose notes would say it."""
    for note in dataset.notes:
        logger.warning("%s", note)


def chosen_objectives(options: FitOptions, task: Task) -> tuple[tuple[Objective, ...], str]:
    """The objectives, and the quality metric that leads.

    Raises:
        UsageError: No quality metric among them, or one twice.
        UnknownNameError: The task has no such metric.
    """
    names = options.objectives or (task.metrics[0], EVALUATION_TIME)
    found = tuple(objective(name, task.metrics) for name in names)
    quality = [name for name in names if name != EVALUATION_TIME]
    if not quality or len(set(names)) < len(names):
        raise UsageError(
            "The objectives need at least one quality metric, and none twice.",
            got=", ".join(names),
            fix=f"This task has {', '.join(task.metrics)}.",
        )
    return found, quality[0]


def length_notes(dataset: Dataset, cards: Sequence[ModelCard], task: Task) -> list[str]:
    """Whether inputs are longer than what some of the models read, by estimate."""
    short = [card for card in cards if card.positions < dataset.profile.tokens_max]
    if not short or task.problem_type:
        return []
    shortest = min(short, key=lambda card: card.positions)
    lengths = np.sum([estimated_tokens(list(dataset.train[name])) for name in task.inputs], axis=0)
    beyond = int((lengths > shortest.positions).sum())
    return [
        f"{beyond} of {len(dataset.train)} training inputs have more than the {shortest.positions} tokens that "
        f"{shortest.name} reads at once, by estimate; the longest has about {dataset.profile.tokens_max}, more than "
        f"{', '.join(card.name for card in short)} read: models that extract look at windows, models that generate see "
        "the context cut, never the question"
    ]


def chosen_families(options: FitOptions, task: Task) -> tuple[str, ...]:
    """The architectures that `--models auto` considers.

    Raises:
        UnknownNameError: No such architecture.
        UsageError: The task is not for any of them.
    """
    if options.families == ("auto",):
        return task.families
    for name in options.families:
        if name not in ARCHITECTURES:
            raise UnknownNameError("architecture", name, ARCHITECTURES)
    if not set(options.families) & set(task.forms):
        raise UsageError(
            f"{task.name} is not for these architectures.",
            got=", ".join(options.families),
            fix=f"It is for {', '.join(task.forms)}.",
        )
    return options.families


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", Path(name).stem) or "run"
