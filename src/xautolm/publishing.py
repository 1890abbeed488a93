"""The winner of a run on a model hub: what a push would put there, and putting it there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm.best_folder import CARD, read_results
from xautolm.errors import DamagedFileError, NoModelError, UsageError
from xautolm.report.card import DATASET_TYPE, dataset_type
from xautolm.report.usage import PLACEHOLDER
from xautolm.run_folder import RunFolder, holds_adapters
from xautolm.settings import hub_is_offline
from xautolm.zoo.hub import MOST_LETTERS, read_hub_name
from xautolm.zoo.hub_errors import explained

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi
    from yaml import Node

MODEL_FILES = (
    "*.safetensors",
    "*.safetensors.index.json",
    "*config.json",
    "xautolm.json",
    "modules.json",
    "config_sentence_transformers.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*.json",
    "*vocab.json",
    "vocab.txt",
    "merges.txt",
    "bpe.codes",
    "*.model",
    "*.spm",
    "*.jinja",
)
"""What an earlier push may have left beside the card that belongs to its model, and would be loaded beside the new one.

What transformers, tokenizers and sentence-transformers write, by name (vocabularies as the `vocab_files_names` of
transformers have them): what people add on the hub (`LICENSE.txt`, pictures, results, a folder with another format)
stays.
"""
INNER_FILES = re.compile(r"\d+_\w+/[^/]+|additional_chat_templates/[^/]+\.jinja")
"""The same in the folder of a module of sentence-transformers, such as `2_Dense/model.safetensors`, and in that of
transformers for chat templates beside the usual one, all of which a tokenizer loads."""
UNAUTHORIZED = 401
"""Status of HTTP: the token is not known."""
REFUSED = frozenset({400, 409, 413, 422})
"""Statuses of HTTP: what was sent cannot be taken, and the answer says why; once more is no cure."""
FORBIDDEN = 403
"""Status of HTTP: the token is known, and may not do this."""
TEXT, FLOAT = "tag:yaml.org,2002:str", "tag:yaml.org,2002:float"
"""What YAML calls the types of texts and of real numbers."""
ONE_LINE = (None, "'", '"')
"""Styles in which YAML writes a text within its line."""
NOT_FINITE = re.compile(r"[-+]?\.(nan|inf)", re.IGNORECASE)
"""How YAML writes numbers that are none."""
PUSH_AGAIN = "Check the network, proxy and HF_ENDPOINT, then push again: the files are shown together or not at all."
"""What to do where the hub or the way to it is at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What a push puts on the hub."""

    run: RunFolder
    repository: str
    """Owner and name."""
    is_private: bool
    card: str
    """The card as it stands there: its lines load the model from the hub."""
    sizes: Mapping[str, int]
    """Bytes of each file, by its path in the repository."""
    is_final: bool
    """Whether the search has ended; before, a better model may come."""

    @property
    def visibility(self) -> str:
        """Return who may see the repository, in a word."""
        return "private" if self.is_private else "public"


def planned_upload(run: RunFolder, repository: str, *, is_private: bool = True) -> Upload:
    """Return what a push of a run's winner would put on the hub; nothing is sent.

    Args:
        run: The run.
        repository: Owner and name on the hub.
        is_private: Whether only the owner may see it.

    Raises:
        UsageError: No such name can be on a hub, there is no run, its winner is not a whole model, or the hub would
            refuse its card.
        NoModelError: The run has no model yet.
    """
    run.info()
    name = _checked_name(repository)
    if not run.best.is_dir():
        raise NoModelError(f"The run in {run.root} has no model yet.")
    # A search keeps what it may yet replace as small as it is trained, and merges the winner at its end.
    if holds_adapters(run.best):
        raise UsageError(
            "The model of this run is adapters beside a model of this machine, which nobody else could load.",
            got=run.best,
            fix="Run the same fit again: at its end the adapters are merged.",
        )
    card = _card_of(run.best, name)
    _check_card(card, run.best / CARD)
    sizes = {}
    for path in sorted(run.best.rglob("*")):
        if path.is_file():
            place = path.relative_to(run.best).as_posix()
            sizes[place] = path.stat().st_size
    # The card that goes up is not the one that lies here: its lines name the repository.
    sizes[CARD] = len(card.encode())
    results = read_results(run)
    return Upload(
        run=run,
        repository=name,
        is_private=is_private,
        card=card,
        sizes=sizes,
        is_final=results is not None and results.is_final,
    )


def push(upload: Upload) -> str:
    """Put a model on the hub, in one commit, and return the address of its page.

    The repository is made if there is none. Files of an earlier push that the new model does not have are deleted.

    Raises:
        UsageError: The hub is turned off, nobody has signed in, it refuses or cannot be reached, or the repository
            is there and may be seen by others than was asked for.
        RunFolderError: A search works on the run, which may replace the model at any moment.
    """
    from huggingface_hub import HfApi, get_token

    if hub_is_offline():
        raise UsageError("The hub is turned off (HF_HUB_OFFLINE).", fix="Unset it to push.")
    # Before any request: the hub would only say 401, as for a token that it does not know.
    if get_token() is None:
        raise UsageError(
            "Nobody has signed in to the hub.",
            fix="Sign in with `hf auth login`, or set HF_TOKEN to a token that may write.",
        )
    client = HfApi()
    with _undisturbed(upload.run), _in_words(upload):
        client.create_repo(upload.repository, private=upload.is_private, exist_ok=True)
        _check_visibility(client, upload)
        _commit(client, upload)
    return f"{client.endpoint}/{upload.repository}"


def _commit(client: HfApi, upload: Upload) -> CommitInfo:
    """Send all files, and delete those of an earlier model."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    operations: list[CommitOperationAdd | CommitOperationDelete] = []
    for place in upload.sizes:
        content: bytes | Path = upload.run.best / place
        if place == CARD:
            content = upload.card.encode()
        addition = CommitOperationAdd(path_in_repo=place, path_or_fileobj=content)
        operations.append(addition)
    # Whoever loads the repository would get the earlier model's parts beside the new one's.
    for place in client.list_repo_files(upload.repository):
        if _is_of_a_model(place) and place not in upload.sizes:
            operations.append(CommitOperationDelete(path_in_repo=place))
    # One commit, which the hub shows whole or not at all, however long its files take to arrive.
    run_id = upload.run.info().id
    return client.create_commit(
        upload.repository, operations, commit_message=f"Model of run {run_id}, found by xautolm"
    )


def _is_of_a_model(place: str) -> bool:
    """Return whether a file of a repository may be part of a model that was pushed."""
    if "/" in place:
        return INNER_FILES.fullmatch(place) is not None
    return any(fnmatch(place, pattern) for pattern in MODEL_FILES)


def _checked_name(repository: str) -> str:
    """Return owner and name.

    Raises:
        UsageError: It cannot be the name of a repository.
    """
    from huggingface_hub.errors import HFValidationError

    # Documented, and in the list of exports, which is computed: mypy cannot follow it.
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    name = read_hub_name(repository)
    fix = "Say owner/name, such as me/tickets."
    if name is None or name.revision:
        raise UsageError("That is no name of a repository on the hub.", got=repository, fix=fix)
    # What the client would refuse in the middle of a push is refused before anything is sent.
    try:
        validate_repo_id(name.hub_id)
    except HFValidationError as error:
        raise UsageError(str(error), fix=fix) from None
    return name.hub_id


def _card_of(folder: Path, repository: str) -> str:
    """Return the card of a model, with lines that load it from the hub.

    Raises:
        DamagedFileError: It cannot be read.
    """
    path = folder / CARD
    try:
        card = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedFileError(path, str(error)) from None
    return _with_fit_types(card.replace(PLACEHOLDER, repository))


def _with_fit_types(card: str) -> str:
    """Return a card in which the hub takes the types of datasets, where they repeat the dataset's name.

    That is how they were written before; any other is somebody's own, who may have meant something else.
    """
    from yaml import ScalarNode, YAMLError

    try:
        metadata = _card_metadata(card)
    except YAMLError:
        return card
    # From the last to the first: what is before a change stays where it is.
    for dataset in reversed(_parts(metadata, "model-index", "results", "dataset")):
        names = _parts(dataset, "name")
        for node in _parts(dataset, "type"):
            repeats_name = any(node.value == name.value for name in names)
            if not repeats_name or node.tag != TEXT:
                continue
            # Of a text over several lines, and of a reference to the name, no place says where it ends.
            is_reference = any(node is name for name in names)
            if is_reference or not isinstance(node, ScalarNode) or node.style not in ONE_LINE:
                continue
            if dataset_type(node.value) != node.value:
                # In quotes: a plain 2024-01-31 would be a date.
                quoted = f'"{dataset_type(node.value)}"'
                before = card[: node.start_mark.index]
                card = before + quoted + card[node.end_mark.index :]
    return card


def _card_metadata(card: str) -> Node | None:
    """Return the YAML at the beginning of a card, if it has any, with the places of its parts in the card.

    Its nodes rather than its values: people add names and values that no class of the hub's client takes.

    Raises:
        YAMLError: It cannot be read.
    """
    import yaml
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    block = REGEX_YAML_BLOCK.search(card)
    if block is None:
        return None
    # Blanks in place of the line above it, so that places are those in the card.
    metadata = "\n" * block.start(2) + block.group(2)
    node: Node | None = yaml.compose(metadata, Loader=yaml.SafeLoader)
    return node


def _parts(owner: Node | None, *names: str) -> list[Node]:
    """Return what stands under a path of names in a card, of a list each element; nothing where the path ends early."""
    from yaml import MappingNode, SequenceNode

    nodes = [owner]
    for name in names:
        values: list[Node | None] = []
        for node in nodes:
            pairs = node.value if isinstance(node, MappingNode) else []
            for key, value in pairs:
                if key.value != name:
                    continue
                if isinstance(value, SequenceNode):
                    values.extend(value.value)
                else:
                    values.append(value)
        nodes = values
    return [node for node in nodes if node is not None]


def _check_card(card: str, path: Path) -> None:
    """Refuse a card that the hub would refuse: it looks at one after the repository is made.

    Covered are the rules for scores, which hold names from outside. Not covered are those that only the hub knows, such
    as its list of licences, and metadata in another form than xautolm writes.

    Args:
        card: As it would lie there.
        path: Where it can be mended.

    Raises:
        UsageError: Its metadata is no YAML, or a score has a name or a number that the hub does not take.
    """
    from yaml import YAMLError

    try:
        metadata = _card_metadata(card)
    except YAMLError as error:
        raise UsageError(
            "The hub would refuse the model's card, whose metadata cannot be read.",
            got=_in_one_line(error),
            fix=f"Mend it in {path}.",
        ) from None
    for node in _parts(metadata, "model-index", "results", "dataset", "type"):
        if node.tag == TEXT and not DATASET_TYPE.fullmatch(node.value):
            raise UsageError(
                "The hub would refuse the model's card: a dataset's type is a name without blanks.",
                got=repr(node.value),
                fix=f"Write type: {dataset_type(node.value)} in {path}.",
            )
    for metric in _parts(metadata, "model-index", "results", "metrics"):
        names = [name.value for name in _parts(metric, "type")]
        for score in _parts(metric, "value"):
            if score.tag == FLOAT and NOT_FINITE.fullmatch(score.value):
                raise UsageError(
                    "The hub would refuse the model's card: a score is no finite number.",
                    got=" ".join([*names, score.value]),
                    fix=f"Take it out of {path}.",
                )


def _check_visibility(client: HfApi, upload: Upload) -> None:
    """Refuse a repository that was there before and is seen by others than was asked for.

    Making a repository that exists changes nothing, so what was meant to be private would lie open.
    """
    is_private = bool(client.model_info(upload.repository).private)
    if is_private == upload.is_private:
        return
    visibility = "private" if is_private else "public"
    flag = "leave out --public" if is_private else "say --public"
    raise UsageError(
        f"The repository {upload.repository} is there, and {visibility}.",
        got=f"a push that is to be {upload.visibility}",
        fix=f"Choose another name, {flag}, or change it in its settings on the hub.",
    )


@contextmanager
def _undisturbed(run: RunFolder) -> Iterator[None]:
    """Keep searches off a run, so that all files are of one model.

    Raises:
        RunFolderError: A search works on it.
    """
    # Where no file can be written no search runs, and there is no place for a lock.
    if not os.access(run.root, os.W_OK):
        yield
        return
    lock = run.lock()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _in_words(upload: Upload) -> Iterator[None]:
    """Raise what the hub or the network refuses as a sentence.

    Raises:
        UsageError: Whatever the client raised.
    """
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except UsageError:
        raise
    # The client, the network libraries under it and the disk raise what they like.
    except Exception as error:
        reason = explained(error, upload.repository, "")["reason"]
        fix = PUSH_AGAIN
        # What the hub has to say against a card, the client raises from its answer.
        answer = error.__cause__ if isinstance(error, ValueError) else error
        status = answer.response.status_code if isinstance(answer, HfHubHTTPError) else None
        if status in REFUSED:
            reason = f"the hub refuses it (HTTP {status}): {_in_one_line(error)}"
            fix = "Look at the name, the files and the card with --dry-run, and mend what the hub names."
        elif status == UNAUTHORIZED:
            fix = "Replace it with `hf auth login`, or set HF_TOKEN to another."
        elif status == FORBIDDEN:
            owner, _, _ = upload.repository.partition("/")
            reason = (
                f"the token that is set here may not write to what belongs to {owner} (HTTP 403)"
            )
            fix = "Use a token with the right to write, or push under a name of your own."
        sentence = f"The model cannot be pushed to {upload.repository}."
        raise UsageError(sentence, got=reason, fix=fix) from error


def _in_one_line(error: Exception) -> str:
    """Return what the hub says against a push, without what the client adds to it."""
    message = getattr(error, "server_message", None) or str(error)
    return " ".join(message.split())[:MOST_LETTERS]
