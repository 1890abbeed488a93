"""From what a user asks for (`--models`) to cards of models that can really be had here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from xautolm.errors import ModelUnavailableError, UnknownNameError
from xautolm.records import ModelCard, SystemProfile
from xautolm.settings import hub_is_offline
from xautolm.vocabulary import Architecture, DeviceKind, Origin
from xautolm.zoo.downloads import (
    CONVERT_ON_HUB,
    NO_SAFETENSORS,
    cached_folder,
    cannot_be_had,
    hub_name,
    is_partly_cached,
    needed_files,
    sized,
    usable,
    with_folder,
)
from xautolm.zoo.folders import (
    card_of_config,
    card_of_folder,
    parameters_of_files,
    with_parameters,
)
from xautolm.zoo.hub import HubName, HubTrouble, Repository, look_up, read_hub_name
from xautolm.zoo.lookup import known_card

AUTO = "auto"
"""The name that stands for all models that are considered without being asked for."""
AUTO_BYTES = 2e9
"""What `auto` may fetch for a processor at most, in bytes: some six models up to the size of BERT base, minutes on a
common line. All hub encoders that it considers there are 9 GB."""
PROCESSOR_PARAMETERS = 600_000_000
"""Weights of the largest model that `auto` fetches for a processor: Qwen3 0.6B has 596 million."""
WEIGHTS_SHARE = 0.5
"""Share of a GPU's memory that a model's weights may take in `auto`; adapters, activations and what the driver keeps
need the rest. Chosen and not measured: what is predicted of each configuration decides afterwards what fits."""
TRAINED_BYTES_PER_WEIGHT = 2
"""What a frozen weight takes on a GPU: bfloat16."""
BYTES_PER_WEIGHT = 4
"""What a weight takes on the hub at most: older models lie there in float32, newer ones in half of it."""

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Describe which models `auto` takes for a machine."""

    parameters: int
    """Weights of the largest model."""
    fetched: float
    """Bytes that it fetches at most, all models together."""
    is_gpu: bool = False

    def order(self, cards: Iterable[ModelCard]) -> list[ModelCard]:
        """Return models in the order in which they are taken.

        On a processor the smallest first. On a GPU first the largest, then the largest of at most half its size, and so
        on down, so that a few sizes are tried; the others after them, the smallest first.
        """
        by_size = sorted(cards, key=lambda card: card.parameters)
        if not self.is_gpu:
            return by_size
        steps: list[ModelCard] = []
        between: list[ModelCard] = []
        for card in reversed(by_size):
            if not steps or 2 * card.parameters <= steps[-1].parameters:
                steps.append(card)
            else:
                between.append(card)
        return [*steps, *reversed(between)]


def reach_of(system: SystemProfile | None) -> Reach:
    """Return what `auto` takes for a machine; for a processor where none is given.

    For a GPU it fetches no more than the memory holds, each weight counted with the four bytes that it may have on the
    hub: one model that fills half of the memory in bfloat16, or several smaller ones.
    """
    if system is None or system.device != DeviceKind.CUDA:
        return Reach(parameters=PROCESSOR_PARAMETERS, fetched=AUTO_BYTES)
    memory = system.device_memory
    parameters = int(WEIGHTS_SHARE * memory / TRAINED_BYTES_PER_WEIGHT)
    fetched = max(AUTO_BYTES, float(memory))
    return Reach(parameters=parameters, fetched=fetched, is_gpu=True)


def unsaid(text: str) -> None:
    """Drop a note that nobody wants."""


def find_models(
    names: Sequence[str],
    cards: Mapping[str, ModelCard],
    families: Sequence[str] = (Architecture.ENCODER,),
    note: Note = unsaid,
    system: SystemProfile | None = None,
) -> list[ModelCard]:
    """Return the cards of models that were asked for, each checked to be had; weights are not fetched.

    Args:
        names: Names in the zoo, hub ids (`owner/name` or `owner/name@revision`), folders, or `auto`.
        cards: The zoo.
        families: Architectures that `auto` considers.
        note: Takes what `auto` leaves out, and why.
        system: The machine that `auto` chooses for; a processor if left out.

    Raises:
        UnknownNameError: Neither a name of the zoo, nor a folder, nor a hub id.
        ModelUnavailableError: Known, but neither on this machine nor to be had from the hub.
    """
    local: dict[str, ModelCard] = {}
    absent: list[str] = []
    for name in names:
        if name == AUTO:
            continue
        card = _on_this_machine(name, cards)
        if card is None:
            absent.append(name)
        else:
            local[name] = card
    # All that the hub has to be asked about is asked at once.
    cards_by_name = local | _on_the_hub(absent, cards)
    models: dict[str, ModelCard] = {}
    for name in names:
        # A model may be named twice, by different names or by `auto` as well.
        if name != AUTO:
            card = cards_by_name[name]
            models.setdefault(card.name, card)
            continue
        for card in _automatic(cards, families, note, reach_of(system)):
            models.setdefault(card.name, card)
    return list(models.values())


def local_models(
    cards: Mapping[str, ModelCard], families: Sequence[str] = tuple(Architecture)
) -> list[ModelCard]:
    """Return the models that `auto` considers and that are on this machine: packaged, from scratch, or cached."""
    models: list[ModelCard] = []
    for card in cards.values():
        if not card.automatic or card.architecture not in families:
            continue
        placed = _placed(card)
        if placed is not None:
            models.append(placed)
    return models


def is_asked_for(card: ModelCard, names: Sequence[str], cards: Mapping[str, ModelCard]) -> bool:
    """Return whether a user named a model, by whatever of its names, rather than left the choice to `auto`."""
    if AUTO not in names:
        return True
    for name in names:
        if name == card.name:
            return True
        zoo_card = known_card(name, cards)
        if zoo_card is not None and zoo_card.name == card.name:
            return True
        # A model that the zoo does not know is called by its hub id, which a person may give as an address.
        if card.hub_id and read_hub_name(name) == hub_name(card):
            return True
    return False


def tell_left_out(troubles: Mapping[str, HubTrouble], note: Note) -> None:
    """Say which models `auto` leaves out, together where the reason is the same."""
    names_by_reason: dict[str, list[str]] = {}
    for name, trouble in troubles.items():
        names = names_by_reason.setdefault(trouble.reason, [])
        names.append(name)
    for reason, names in names_by_reason.items():
        # What to do about a single model is in its own words; one of several such is enough.
        cure = troubles[names[0]].cure
        listed = ", ".join(names)
        note(f"auto leaves out {listed}: {reason}. {cure}")


def _on_this_machine(name: str, cards: Mapping[str, ModelCard]) -> ModelCard | None:
    """Return the card of a model that needs no hub, None if only the hub may have it.

    Raises:
        UnknownNameError: Neither a name of the zoo, nor a folder, nor a hub id.
        ModelUnavailableError: A folder without a model, or a package that is not installed.
    """
    folder = Path(name).expanduser()
    # Where there is a folder of that name, only the zoo's exact names go before it.
    card = known_card(name, cards, exactly=folder.is_dir())
    if card is not None:
        placed = _placed(card)
        if placed is None and card.origin == Origin.PACKAGED:
            raise ModelUnavailableError(
                f"The model {name!r} is not on this machine.",
                got=f"the package {card.distribution} is not installed",
                fix=_what_is_here(cards),
            )
        # Files in the cache may have been cut short or deleted since they were fetched.
        if placed is not None and placed.origin == Origin.HUB:
            return with_folder(placed, Path(placed.path))
        return placed
    if folder.is_dir():
        return card_of_folder(folder, name)
    repository = read_hub_name(name)
    if repository is not None:
        cached = cached_folder(repository)
        if cached is None:
            return None
        return _cached_stranger(repository, cached, cards)
    # What has a slash was meant as a place; anything else as a name, to which a similar one is suggested.
    if "/" in name or "\\" in name:
        raise ModelUnavailableError(
            f"There is no folder {name!r}, and no hub id has this form.",
            got=f"looked in {Path.cwd()}",
            fix="Give a model's folder, or a hub id: owner/name, or owner/name@revision.",
        )
    raise UnknownNameError("model", name, cards)


def _cached_stranger(
    repository: HubName, folder: Path, cards: Mapping[str, ModelCard]
) -> ModelCard:
    """Return the card of a model in the hub cache that was named by hub id: the zoo's where it knows the model."""
    zoo_card = _known_repository(repository, cards)
    if zoo_card is not None:
        return with_folder(zoo_card, folder)
    card = card_of_folder(folder, str(repository))
    # It was read from a folder, but it is a model of the hub: on another machine, the folder is another one.
    return replace(card, origin=Origin.HUB, hub_id=repository.hub_id, revision=repository.revision)


def _known_repository(repository: HubName, cards: Mapping[str, ModelCard]) -> ModelCard | None:
    """Return the zoo's card of a model, under a name of its own where a revision is asked for."""
    card = known_card(repository.hub_id, cards)
    if card is None or not repository.revision:
        return card
    return replace(card, name=str(repository), revision=repository.revision)


def _placed(card: ModelCard) -> ModelCard | None:
    """Return a card with the folder of its model, None if the model is not on this machine."""
    if card.origin == Origin.PACKAGED:
        # Found and not imported: only its folder is needed.
        spec = find_spec(card.package)
        if spec is None or spec.origin is None:
            return None
        package_folder = Path(spec.origin).parent
        return replace(card, path=str(package_folder / card.path))
    if card.origin == Origin.SCRATCH:
        return card
    folder = cached_folder(hub_name(card))
    if folder is None:
        return None
    return replace(card, path=str(folder))


def _on_the_hub(names: Iterable[str], cards: Mapping[str, ModelCard]) -> dict[str, ModelCard]:
    """Return the cards of models that the hub gives, by the names that they were asked for with.

    Raises:
        ModelUnavailableError: One of them cannot be had; the message says why, and what to do.
    """
    repositories: dict[str, HubName] = {}
    for name in names:
        card = known_card(name, cards)
        repository = hub_name(card) if card is not None else read_hub_name(name)
        assert repository is not None, "what is on no hub was refused before"
        if hub_is_offline():
            raise _without_hub(name, repository, cards)
        repositories[name] = repository
    answers = look_up(list(repositories.values()))
    fetchable: dict[str, ModelCard] = {}
    for name, repository in repositories.items():
        answer = answers[repository]
        fetchable[name] = _fetchable(name, repository, answer, cards)
    return fetchable


def _fetchable(
    name: str, repository: HubName, answer: Repository | HubTrouble, cards: Mapping[str, ModelCard]
) -> ModelCard:
    """Return the card of a model that the hub was asked about: the zoo's, or one from its configuration.

    Raises:
        ModelUnavailableError: It cannot be had, or its configuration lacks what planning needs.
    """
    answer = usable(answer)
    if isinstance(answer, HubTrouble):
        raise cannot_be_had(name, answer)
    zoo_card = _known_repository(repository, cards)
    if zoo_card is not None:
        return zoo_card
    assert answer.config is not None, "a repository without a configuration is not usable"
    card = card_of_config(answer.config, str(repository), path=None)
    # Many repositories hold the same weights a second time, in one file for other programs (`consolidated.safetensors`)
    # or in folders: only what would be fetched counts.
    sizes = {file: answer.files[file] for file in needed_files(answer)}
    parameters = parameters_of_files(answer.config, sizes)
    card = with_parameters(card, parameters)
    return replace(card, hub_id=repository.hub_id, revision=repository.revision, chat=answer.chat)


def _without_hub(
    name: str, repository: HubName, cards: Mapping[str, ModelCard]
) -> ModelUnavailableError:
    """Return the error for a model that only the hub could give, where it must not be asked."""
    part = "only a part of it is" if is_partly_cached(repository) else f"{repository} is not"
    return ModelUnavailableError(
        f"The model {name!r} is neither a folder here nor on a hub that may be asked.",
        got=f"{part} in the hub cache, and the hub is turned off (HF_HUB_OFFLINE)",
        fix=f"Unset HF_HUB_OFFLINE to fetch it. {_what_is_here(cards)}",
    )


def _what_is_here(cards: Mapping[str, ModelCard]) -> str:
    """Return a sentence that names the models on this machine."""
    models = local_models(cards)
    names = ", ".join(card.name for card in models)
    return f"Without the hub you can use: {names}, or a model folder."


def _automatic(
    cards: Mapping[str, ModelCard], families: Sequence[str], note: Note, reach: Reach
) -> list[ModelCard]:
    """Return what `auto` considers: all that is on this machine, then what is within its reach on the hub."""
    local = local_models(cards, families)
    usable_cards: list[ModelCard] = []
    for card in local:
        if card.origin != Origin.HUB:
            usable_cards.append(card)
            continue
        # Nobody asked for this one: where it is damaged, the search goes on without it.
        try:
            checked_card = with_folder(card, Path(card.path))
        except ModelUnavailableError as error:
            reason = " ".join(str(error).splitlines())
            note(f"auto leaves out {card.name}: {reason}")
        else:
            usable_cards.append(checked_card)
    if hub_is_offline():
        return usable_cards
    # What lies in the cache damaged is not fetched again either: the note says why it is left out.
    local_names = {card.name for card in local}
    absent: list[ModelCard] = []
    for card in cards.values():
        is_considered = card.automatic and card.architecture in families
        is_within_reach = is_considered and card.parameters <= reach.parameters
        if is_within_reach and card.origin == Origin.HUB and card.name not in local_names:
            absent.append(card)
    return usable_cards + _from_the_hub(absent, note, reach)


def _from_the_hub(absent: Sequence[ModelCard], note: Note, reach: Reach) -> list[ModelCard]:
    """Return models that can be had from the hub, as many as may be fetched; what is left out is told."""
    loadable: list[ModelCard] = []
    unloadable: list[str] = []
    for card in absent:
        # The hub is not asked about what it could not give; whoever names such a model hears what it has today.
        if card.safetensors:
            loadable.append(card)
        else:
            unloadable.append(card.name)
    affordable: list[ModelCard] = []
    beyond: list[ModelCard] = []
    size = 0
    for card in reach.order(loadable):
        size_with_card = size + BYTES_PER_WEIGHT * card.parameters
        if size_with_card <= reach.fetched:
            size = size_with_card
            affordable.append(card)
        else:
            beyond.append(card)
    answers = look_up([hub_name(card) for card in affordable])
    troubles: dict[str, HubTrouble] = {}
    fetchable: list[ModelCard] = []
    for card in affordable:
        answer = usable(answers[hub_name(card)])
        if isinstance(answer, HubTrouble):
            troubles[card.name] = answer
        else:
            fetchable.append(card)
    tell_left_out(troubles, note)
    if unloadable and fetchable:
        note(f"auto leaves out {', '.join(unloadable)}: {NO_SAFETENSORS}. {CONVERT_ON_HUB}")
    # Where the hub gives nothing at all, nobody needs to hear of what it would give besides.
    if beyond and fetchable:
        names = ", ".join(card.name for card in beyond)
        parameters = sum(card.parameters for card in beyond)
        size_beyond = sized(BYTES_PER_WEIGHT * parameters)
        note(
            f"auto fetches up to {sized(reach.fetched)}, and leaves out {names} (about {size_beyond}): "
            "name them to have them"
        )
    return fetchable
