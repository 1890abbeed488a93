"""Fetching models from the hub before a search: which files, how many bytes, where to, and what stands in the way."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from xautolm.errors import ModelUnavailableError
from xautolm.records import ModelCard
from xautolm.zoo.folders import card_of_folder
from xautolm.zoo.hub import (
    ANSWER_SECONDS,
    HubName,
    HubProcess,
    HubTrouble,
    Repository,
    look_up,
    read_trouble,
)
from xautolm.zoo.hub_errors import OTHER_DISK, RESUME
from xautolm.zoo.inspection import (
    CONFIG,
    FOREIGN_WEIGHTS,
    INDEX,
    NO_TOKENIZER,
    WEIGHTS,
    config_faults,
    has_vocabulary,
    missing_files,
    text_part,
)

SMALL_FILES = (
    CONFIG,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "bpe.codes",
    "dict.txt",
    "normalizer.json",
    "tekken.json",
    "*.model",
    "*.spm",
    "*.tiktoken",
    "*.jinja",
)
"""Configuration and tokenizer, as patterns of names; all that a model needs besides its weights."""
SHARDS = "model-*-of-*.safetensors"
CONVERTER = "https://huggingface.co/spaces/safetensors/convert"
"""A public service that proposes safetensors to the owner of a repository, as a revision that anyone can use."""
NO_SAFETENSORS = "it has no safetensors"
"""What is wrong with a repository whose weights could run code where they are read."""
CONVERT_ON_HUB = (
    f"Convert it at {CONVERTER} and use the revision that this proposes (owner/name@refs/pr/1), "
    "or another."
)
"""What a person can do about it."""
SILENCE_SECONDS = 90.0
"""Seconds without a further byte after which a download has broken off: the client itself gives up after six times the
10 s that it waits for a connection to say something."""
BLOCK = 512
"""Bytes of what `st_blocks` counts, on every system that has it."""
LOOK_SECONDS = 0.5
"""Seconds between looks at how much has come."""
Note = Callable[[str], None]
"""Says something to a person, once."""
Meter = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Shows how a download of so many bytes goes on: the context takes the bytes that have come so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """The files of a model that are to be fetched."""

    card: ModelCard
    repository: Repository
    files: tuple[str, ...]
    """All that the model needs, those that are in the cache already included."""
    size: int
    """Bytes that are not in the cache yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came of fetching models."""

    cards: Mapping[str, ModelCard]
    """The cards of what is on this machine now, each with its folder, by name."""
    troubles: Mapping[str, HubTrouble]
    """Why the others are not, by name."""


def hub_name(card: ModelCard) -> HubName:
    """Return what the hub calls a model."""
    return HubName(hub_id=card.hub_id, revision=card.revision)


def cache_root() -> Path:
    """Return the hub cache, which other programs share."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached_folder(name: HubName) -> Path | None:
    """Return the folder of a model that lies whole in the hub cache, None if it does not."""
    config = _cached_file(name, CONFIG)
    if config is None or missing_files(config.parent):
        return None
    return config.parent


def is_partly_cached(name: HubName) -> bool:
    """Return whether something of a model lies in the hub cache."""
    return _cached_file(name, CONFIG) is not None


def _cached_file(name: HubName, file: str) -> Path | None:
    """Return where a file of a model lies in the hub cache, None if it does not."""
    from huggingface_hub import try_to_load_from_cache

    revision = name.revision or None
    path = try_to_load_from_cache(name.hub_id, file, cache_dir=cache_root(), revision=revision)
    # The answer is an object of its own kind where the hub is known not to have the file.
    if not isinstance(path, str):
        return None
    # The cache holds links to files that somebody may have deleted.
    cached = Path(path)
    return cached if cached.is_file() else None


def needed_files(repository: Repository) -> list[str]:
    """Return the files of a repository that fine-tuning reads: configuration, tokenizer, and weights as safetensors."""
    # A pattern's star reaches into folders; what lies there is for other programs.
    files = [file for file in repository.files if "/" not in file]
    needed: list[str] = []
    for file in files:
        if any(fnmatch(file, pattern) for pattern in SMALL_FILES):
            needed.append(file)
    # Of a model that is there in one file and in several, one file is enough.
    if WEIGHTS in files:
        return [*needed, WEIGHTS]
    shards = [file for file in files if fnmatch(file, SHARDS)]
    if INDEX in files and shards:
        return [*needed, INDEX, *shards]
    return needed


def usable(answer: Repository | HubTrouble) -> Repository | HubTrouble:
    """Return a repository that can be fetched and may hold a model for fine-tuning, else why there is none."""
    if isinstance(answer, HubTrouble):
        return answer
    trouble = _unusable(answer)
    if trouble is not None:
        return trouble
    return answer


def _unusable(repository: Repository) -> HubTrouble | None:
    """Return why a repository, though it can be fetched, holds no model for fine-tuning; None if it may."""
    files = list(repository.files)
    if CONFIG not in files:
        if "adapter_config.json" in files:
            return HubTrouble(
                reason="it holds an adapter, not a model",
                cure="Merge it into its base model (peft: merge_and_unload, save_pretrained), and give that folder.",
            )
        return HubTrouble(
            reason=f"it holds no {CONFIG}", cure="Use a model that transformers can load."
        )
    if repository.config is None:
        return HubTrouble(
            reason=f"its {CONFIG} is no JSON object", cure="Use another revision, or another model."
        )
    for fault in config_faults(text_part(repository.config)):
        return HubTrouble(reason=fault.what, cure=fault.cure)
    needed = needed_files(repository)
    if WEIGHTS not in needed and INDEX not in needed:
        return _without_safetensors(files)
    # Before gigabytes are fetched that nothing can be said to.
    if not has_vocabulary(needed, repository.tokenizer_class, repository.config):
        return HubTrouble(reason=NO_TOKENIZER, cure="Use another revision, or another model.")
    return None


def _without_safetensors(files: Sequence[str]) -> HubTrouble:
    """Return why the weights of a repository cannot be loaded, by what lies in their place."""
    formats: dict[str, str] = {}
    for pattern, kind in FOREIGN_WEIGHTS.items():
        foreign = [file for file in files if fnmatch(file, pattern) and "/" not in file]
        if foreign:
            formats[kind] = foreign[0]
    if not formats:
        reason = f"it holds no {WEIGHTS}"
        # Adapters, and programs other than transformers, name their files differently.
        misnamed = [file for file in files if file.endswith(".safetensors")]
        if misnamed:
            reason += f", only {misnamed[0]}"
        return HubTrouble(
            reason=reason,
            cure="Use a model whose safetensors have the names that transformers gives.",
        )
    descriptions = ", ".join(f"{kind} ({file})" for kind, file in formats.items())
    return HubTrouble(
        reason=f"{NO_SAFETENSORS}, only {descriptions}, which are never loaded",
        cure=CONVERT_ON_HUB,
    )


def fetch(
    cards: Sequence[ModelCard], required: Collection[str], note: Note, meter: Meter
) -> Fetched:
    """Fetch what is not on this machine yet; the total size is said first.

    Args:
        cards: Of models on the hub.
        required: Names of those without which nothing is to be fetched.
        note: Takes what a person should know beforehand.
        meter: Shows how it goes on.

    Raises:
        ModelUnavailableError: A required model cannot be had.
    """
    answers = look_up([hub_name(card) for card in cards])
    troubles: dict[str, HubTrouble] = {}
    downloads: list[Download] = []
    for card in cards:
        answer = usable(answers[hub_name(card)])
        if isinstance(answer, HubTrouble):
            troubles[card.name] = answer
        else:
            downloads.append(_download(card, answer))
    downloads, too_large = _within_disk(downloads)
    troubles |= too_large
    # Before gigabytes are fetched for a search that cannot begin.
    _require(required, troubles)
    if not downloads:
        return Fetched(cards={}, troubles=troubles)

    note(_announcement(downloads))
    folders, broken = _transfer(downloads, meter)
    troubles |= broken
    fetched: dict[str, ModelCard] = {}
    for download in downloads:
        card = download.card
        folder = folders.get(card.name)
        if folder is None:
            continue
        # What the hub gave may be as damaged as any other folder.
        try:
            fetched[card.name] = with_folder(card, folder)
        except ModelUnavailableError as error:
            troubles[card.name] = _fault(error)
    _require(required, troubles)
    return Fetched(cards=fetched, troubles=troubles)


def with_folder(card: ModelCard, folder: Path) -> ModelCard:
    """Return the card of a hub model that lies in a folder of the cache, after the checks of any model folder.

    Raises:
        ModelUnavailableError: The folder holds no model that can be fine-tuned.
    """
    card_of_folder(folder, card.name)
    return replace(card, path=str(folder))


def cannot_be_had(name: str, trouble: HubTrouble) -> ModelUnavailableError:
    """Return the error that says why a model is not to be had from the hub."""
    return ModelUnavailableError(
        f"The model {name!r} cannot be had from the hub.", got=trouble.reason, fix=trouble.cure
    )


def _require(required: Collection[str], troubles: Mapping[str, HubTrouble]) -> None:
    """Refuse to go on without a model that is required.

    Raises:
        ModelUnavailableError: One of them is in trouble.
    """
    for name, trouble in troubles.items():
        if name in required:
            raise cannot_be_had(name, trouble)


def _fault(error: ModelUnavailableError) -> HubTrouble:
    """Return an error of a folder as a trouble: its second line says what is wrong, the others what to do."""
    headline, *details = str(error).splitlines()
    if not details:
        return HubTrouble(reason=headline, cure="")
    reason, *cures = details
    return HubTrouble(reason=reason.removeprefix("Got: "), cure=" ".join(cures))


def _download(card: ModelCard, repository: Repository) -> Download:
    """Return what is to be fetched of a model; files that lie in the cache take no further room."""
    # By its commit: a branch may have moved on since something of it was fetched.
    at_commit = HubName(hub_id=card.hub_id, revision=repository.commit)
    files = needed_files(repository)
    missing = [file for file in files if _cached_file(at_commit, file) is None]
    size = sum(repository.files[file] for file in missing)
    return Download(card=card, repository=repository, files=tuple(files), size=size)


def _within_disk(downloads: Sequence[Download]) -> tuple[list[Download], dict[str, HubTrouble]]:
    """Divide downloads into those that the disk has room for, the smallest first, and the others by name."""
    root = cache_root()
    # On a new machine there is no cache yet: it will lie on the disk of the folder above.
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    fitting: list[Download] = []
    too_large: dict[str, HubTrouble] = {}
    # The smallest first, so that as many models as possible fit.
    by_size = sorted(downloads, key=lambda download: download.size)
    for download in by_size:
        if download.size <= free:
            fitting.append(download)
            free -= download.size
            continue
        needed = sized(download.size)
        reason = f"it needs {needed}, and the disk of the hub cache has {sized(free)} free ({root})"
        too_large[download.card.name] = HubTrouble(reason=reason, cure=OTHER_DISK)
    return fitting, too_large


def _announcement(downloads: Sequence[Download]) -> str:
    """Return what a person is told before anything is fetched: how much, where to, and of what."""
    total = sum(download.size for download in downloads)
    models: list[str] = []
    for download in downloads:
        size = sized(download.size)
        models.append(f"{download.card.name} ({size})")
    listed = ", ".join(models)
    return f"fetching {sized(total)} from the hub before the search, into {cache_root()}: {listed}"


def sized(size: float) -> str:
    """Return a number of bytes for a person."""
    for unit, bytes_of_unit in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_of_unit:
            return f"{size / bytes_of_unit:.1f} {unit}"
    return f"{size:.0f} B"


def _transfer(
    downloads: Sequence[Download], meter: Meter
) -> tuple[dict[str, Path], dict[str, HubTrouble]]:
    """Fetch files until all are there, or the hub is silent for too long; returns folders and troubles by name."""
    names = {hub_name(download.card): download.card.name for download in downloads}
    folders: dict[str, Path] = {}
    troubles: dict[str, HubTrouble] = {}
    total = sum(download.size for download in downloads)
    bytes_before = _bytes_in_cache(downloads)
    received = 0
    last_sign_of_life = time.monotonic()
    with meter(total) as show, HubProcess(_fetch_request(downloads)) as process:
        while len(folders) + len(troubles) < len(downloads):
            reply = process.reply(LOOK_SECONDS)
            # Somebody may clear the cache meanwhile: never less than nothing.
            received_now = max(0, _bytes_in_cache(downloads) - bytes_before)
            # Bytes on the disk, or a word of the client, which may collect for long before it writes.
            if received_now != received or reply is not None:
                received = received_now
                last_sign_of_life = time.monotonic()
            # Other programs fill the cache, too: never more than was announced.
            show(min(received, total))
            if reply is None:
                silent_seconds = time.monotonic() - last_sign_of_life
                if process.has_ended() or silent_seconds > SILENCE_SECONDS:
                    break
                continue
            if "alive" in reply:
                continue
            name = names[HubName(hub_id=reply["hub_id"], revision=reply["revision"])]
            trouble = read_trouble(reply)
            if trouble is None:
                folders[name] = Path(reply["folder"])
            else:
                troubles[name] = trouble
        # Asked before the process is ended here, which would look like a failure.
        failure = process.failure()
    silence = failure or HubTrouble(
        reason=f"the hub sent nothing for {SILENCE_SECONDS:.0f} s", cure=RESUME
    )
    for name in names.values():
        if name not in folders:
            troubles.setdefault(name, silence)
    return folders, troubles


def _fetch_request(downloads: Sequence[Download]) -> dict[str, object]:
    """Return what the process is asked for; see `xautolm.zoo.hub_process`."""
    models: list[dict[str, object]] = []
    for download in downloads:
        card = download.card
        files = list(download.files)
        models.append({"hub_id": card.hub_id, "revision": card.revision, "files": files})
    return {
        "action": "fetch",
        "models": models,
        "cache": str(cache_root()),
        "seconds": ANSWER_SECONDS,
    }


def _bytes_in_cache(downloads: Sequence[Download]) -> int:
    """Return what lies in the cache of some models, halves of files included; it grows as files come."""
    from huggingface_hub.file_download import repo_folder_name

    total = 0
    # Two revisions of a model share a folder, which is counted once.
    hub_ids = {download.card.hub_id for download in downloads}
    for hub_id in hub_ids:
        folder = cache_root() / repo_folder_name(repo_id=hub_id, repo_type="model")
        for path in (folder / "blobs").glob("*"):
            try:
                status = path.stat()
            except OSError:
                # It was renamed from its incomplete name in between.
                continue
            # A file may be given its full length before anything is in it: count what takes room on the disk.
            size = status.st_size
            if hasattr(status, "st_blocks"):
                size = min(size, BLOCK * status.st_blocks)
            total += size
    return total
