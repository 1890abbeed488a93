"""What is wrong with a model's folder, found by looking at its files: before any compute, and without torch.

Covered: files that are missing, empty, cut short, Git LFS pointers, of other formats, or do not belong together.
Not covered: whether the weights are any good.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from xautolm.errors import ModelUnavailableError

Config = Mapping[str, Any]
"""The content of a `config.json`, or of a tokenizer's settings."""
CONFIG = "config.json"
"""The file that makes a folder a model's, as transformers calls it."""
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
"""Where the tensors of a model in several files lie."""
TOKENIZER_SETTINGS = "tokenizer_config.json"
LFS_START = b"version https://git-lfs"
"""What a file begins with that Git LFS has not fetched yet."""
FOREIGN_WEIGHTS = {
    "*.bin": "pickled weights",
    "*.pt": "pickled weights",
    "*.pth": "pickled weights",
    "*.gguf": "GGUF weights",
    "*.ggml": "GGML weights",
    "*.h5": "TensorFlow weights",
    "*.msgpack": "Flax weights",
    "*.onnx": "ONNX weights",
}
"""Files of weights that are not read, by pattern: pickles can run code, the others are not for training."""
CONVERT = "Convert it where you trust it (from_pretrained, save_pretrained), or take its safetensors from the hub."
VOCABULARIES = (
    ("tokenizer.json",),
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
    ("spiece.model",),
    ("spm.model",),
    ("sentencepiece.bpe.model",),
    ("tokenizer.model",),
    ("tekken.json",),
)
"""Files that hold a tokenizer's vocabulary; of each row all are needed."""
NO_TOKENIZER = (
    "there is no tokenizer (no tokenizer.json, vocab.txt, vocab.json with merges.txt, or *.model)"
)
"""What is wrong with a model whose files hold no vocabulary."""
FAMILY_TABLES = "auto/*_mappings.py"
"""Where transformers lists its architectures, below the folder of their sources."""
BYTE_TOKENIZERS = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")
"""Tokenizers that need no vocabulary: their tokens are bytes or characters."""
EMBEDDINGS = (
    "word_embeddings.weight",
    "tok_embeddings.weight",
    "embed_tokens.weight",
    "wte.weight",
    "shared.weight",
)
"""How families call the weights that have one row for each token."""


LETTERS_OF_REASON = 120
"""Letters of a library's message that a person is shown, so that a fault stays a line or two."""
MOST_LISTED = 4
"""Folders that a fault names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is wrong with a folder."""

    what: str
    """With the name of the file."""
    cure: str


def read_config(folder: Path, name: str) -> Config:
    """Read the `config.json` of a model's folder.

    Args:
        folder: The model's.
        name: What the user calls the model.

    Raises:
        ModelUnavailableError: There is none, or it is no JSON object; the message says what lies there instead.
    """
    path = folder / CONFIG
    fault = _damage(path) if path.is_file() else _without_config(folder)
    if fault is None:
        config = _json_object(path)
        if config is not None:
            return config
        fault = Fault(
            what=f"{CONFIG} is not a JSON object",
            cure=f"Copy {CONFIG} again from where the model is from.",
        )
    raise _refusal(folder, name, [fault])


def text_part(config: Config) -> Config:
    """Return a configuration with the numbers of its language model beside the others.

    Models that read images as well keep them under `text_config`; what the file calls the whole model stays.
    """
    numbers = config.get("text_config")
    if not isinstance(numbers, dict):
        return config
    return {**numbers, **config}


def check_folder(folder: Path, name: str, config: Config) -> None:
    """Refuse a folder that cannot be loaded or would be trained on without sense.

    Args:
        folder: The model's.
        name: What the user calls the model.
        config: Its `config.json`.

    Raises:
        ModelUnavailableError: Everything that is wrong with it, and what to do.
    """
    config = text_part(config)
    # All that is wrong is said at once, so that nobody mends one thing only to hear of the next.
    faults = [
        *config_faults(config),
        *_weight_faults(folder, config),
        *_tokenizer_faults(folder, config),
    ]
    if faults:
        raise _refusal(folder, name, faults)


def _refusal(folder: Path, name: str, faults: list[Fault]) -> ModelUnavailableError:
    """Return the error that names all faults of a folder, and what to do about them."""
    place = "" if name == str(folder) else f" ({folder})"
    problems = [fault.what for fault in faults]
    # Several faults may have the same cure, which is said once.
    cures = dict.fromkeys(fault.cure for fault in faults)
    return ModelUnavailableError(
        f"The model {name!r}{place} cannot be used.", got="; ".join(problems), fix=" ".join(cures)
    )


def _without_config(folder: Path) -> Fault:
    """Say what a folder without `config.json` is, as far as its files tell."""
    if (folder / "adapter_config.json").is_file():
        settings = _json_object(folder / "adapter_config.json") or {}
        base = settings.get("base_model_name_or_path", "its base model")
        return Fault(
            what=f"it is an adapter of {base}, not a model",
            cure="Merge it into its base model (peft: merge_and_unload, save_pretrained) and give that folder.",
        )
    # The folder of a training run holds checkpoints, each a model of its own.
    inner: list[str] = []
    for path in folder.glob(f"*/{CONFIG}"):
        if _has_weights(path.parent):
            inner.append(path.parent.name)
    inner.sort()
    if inner:
        listed = ", ".join(inner[:MOST_LISTED])
        return Fault(
            what=f"it holds no {CONFIG}, but models in {listed}",
            cure=f"Give the model's own folder, for example {folder / inner[-1]}.",
        )
    for pattern, kind in FOREIGN_WEIGHTS.items():
        if any(folder.glob(pattern)):
            return Fault(what=f"it holds {kind} ({pattern}) and no {CONFIG}", cure=CONVERT)
    return Fault(
        what=f"it holds no {CONFIG}",
        cure=f"A model's folder holds {CONFIG}, {WEIGHTS} and the tokenizer's files.",
    )


def _has_weights(folder: Path) -> bool:
    """Return whether a folder holds weights as safetensors, whatever their names."""
    return any(folder.glob("*.safetensors"))


def _damage(path: Path) -> Fault | None:
    """Say why the content of a file cannot be what its name promises; None if nothing speaks against it."""
    with path.open("rb") as file:
        start = file.read(len(LFS_START))
    if not start:
        return Fault(what=f"{path.name} is empty", cure="Copy or download it again.")
    if start == LFS_START:
        return Fault(
            what=f"{path.name} is a Git LFS pointer, not the file",
            cure="Run `git lfs pull` in its folder.",
        )
    return None


def _json_object(path: Path) -> Config | None:
    """Return the JSON object that a file holds, None if it holds none or cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
    # Thousands of brackets in a damaged file lead the parser too deep.
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _shards(folder: Path) -> list[str] | None:
    """Return the files that the index of weights in several files names, sorted; None if it names none."""
    index = _json_object(folder / INDEX) or {}
    files_by_tensor = index.get("weight_map")
    if not isinstance(files_by_tensor, dict) or not files_by_tensor:
        return None
    files = {str(file) for file in files_by_tensor.values()}
    return sorted(files)


def missing_files(folder: Path) -> list[str]:
    """Return what a folder lacks of weights and tokenizer, by name; looks at names only, so it is fast.

    Args:
        folder: Holds `config.json`.
    """
    weights = [WEIGHTS]
    is_in_parts = (folder / INDEX).is_file() and not (folder / WEIGHTS).is_file()
    if is_in_parts:
        # Nothing is known of the parts where the index is damaged: the model is not there.
        weights = _shards(folder) or [WEIGHTS]
    missing = [file for file in weights if not (folder / file).is_file()]
    config = _json_object(folder / CONFIG) or {}
    settings = _json_object(folder / TOKENIZER_SETTINGS) or {}
    if not _has_vocabulary(folder, settings, config):
        missing.append("tokenizer.json")
    return missing


def config_faults(config: Config) -> Iterator[Fault]:
    """Find models that no training can load, by what their `config.json` says.

    Args:
        config: Its content, with the numbers of the language model beside the others (`text_part`).
    """
    yield from _code_faults(config)
    # An empty value stands there where the model was given its full width again.
    quantization = config.get("quantization_config")
    if quantization:
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        yield Fault(
            what=f"its weights are quantised ({method or 'quantization_config'})",
            cure="Take the unquantised model: xautolm stores it with fewer bits itself where that helps.",
        )


def _code_faults(config: Config) -> Iterator[Fault]:
    """Find models whose architecture is not in transformers: a Python file beside the weights, or not known at all."""
    family = str(config.get("model_type", ""))
    if _is_known_family(family):
        return
    # Families that began as such code and were taken in later still carry the map of their classes.
    if "auto_map" in config:
        yield Fault(
            what=f"its architecture {family!r} is Python code beside the weights",
            cure="Remote code is never run: use a model that transformers knows itself.",
        )
    # Without a name, transformers goes by that of the folder.
    elif family:
        yield Fault(
            what=f"its architecture {family!r} is not in the transformers that is installed",
            cure="Use a model that transformers knows, or install a version that knows it.",
        )


def _is_known_family(family: str) -> bool:
    """Return whether transformers has an architecture, and True where that cannot be told."""
    transformers = find_spec("transformers")
    if transformers is None or transformers.origin is None:
        return True
    if not family:
        return False
    # By its files: to import transformers takes seconds.
    models = Path(transformers.origin).parent / "models"
    if (models / family.replace("-", "_")).is_dir():
        return True
    # Parts of larger models, such as `gemma3_text`, have no folder of their own.
    tables = [path.read_text(encoding="utf-8") for path in models.glob(FAMILY_TABLES)]
    return not tables or any(f'("{family}", ' in table for table in tables)


def _weight_faults(folder: Path, config: Config) -> Iterator[Fault]:
    """Find weights that are missing, damaged, or not read here."""
    files: list[str] | None = [WEIGHTS]
    # transformers reads the single file first where both are there.
    if not (folder / WEIGHTS).is_file():
        if not (folder / INDEX).is_file():
            yield _no_weights(folder)
            return
        files = _shards(folder)
    if files is None:
        yield Fault(what=f"{INDEX} is damaged", cure="Copy or download it again.")
        return
    for file in files:
        yield from _tensor_faults(folder, file, config)


def _no_weights(folder: Path) -> Fault:
    """Say what lies in a folder in place of weights that could be read."""
    for pattern, kind in FOREIGN_WEIGHTS.items():
        foreign = sorted(path.name for path in folder.glob(pattern))
        if foreign:
            first = foreign[0]
            return Fault(what=f"there is no {WEIGHTS}, only {kind} ({first})", cure=CONVERT)
    return Fault(what=f"there is no {WEIGHTS}", cure="Copy or download the weights, too.")


def stored_parameters(folder: Path) -> int:
    """Return the number of weights in a folder's safetensors, by the shapes in their headers; 0 where there is none.

    Args:
        folder: One that `check_folder` found nothing wrong with.
    """
    from safetensors import safe_open

    files = [WEIGHTS]
    if not (folder / WEIGHTS).is_file():
        files = _shards(folder) or []
    parameters = 0
    for file in files:
        with safe_open(folder / file, framework="numpy") as tensors:
            names = list(tensors.keys())
            for name in names:
                shape = tensors.get_slice(name).get_shape()
                parameters += math.prod(shape)
    return parameters


def _tensor_faults(folder: Path, file: str, config: Config) -> Iterator[Fault]:
    """Read the header of a file of weights, which holds names and shapes of its tensors."""
    path = folder / file
    # Names of shards come from a file; none may lead out of the folder.
    if path.parent.resolve() != folder.resolve() or not path.is_file():
        yield Fault(what=f"{file} is missing", cure="Copy or download the weights, too.")
        return
    fault = _damage(path)
    if fault is not None:
        yield fault
        return
    from safetensors import SafetensorError, safe_open

    # The header only: a file of weights may have gigabytes.
    try:
        with safe_open(path, framework="numpy") as tensors:
            names = list(tensors.keys())
            tables = [name for name in names if name.endswith(EMBEDDINGS)]
            shapes = [tensors.get_slice(name).get_shape() for name in tables]
    except (SafetensorError, OSError) as error:
        headline = str(error).splitlines()[0]
        reason = headline.removeprefix("Error while deserializing header: ")
        yield Fault(
            what=f"{file} is damaged ({reason})", cure="Copy or download the weights again."
        )
        return
    if not names:
        yield Fault(what=f"{file} holds no weights", cure="Copy or download the weights again.")
    vocabulary = config.get("vocab_size")
    for shape in shapes:
        # Token type embeddings and the like have other names; packed weights have one dimension.
        is_table = len(shape) == 2
        if is_table and isinstance(vocabulary, int) and shape[0] != vocabulary:
            rows = shape[0]
            yield Fault(
                what=f"{file} has embeddings of {rows} tokens where {CONFIG} says {vocabulary}",
                cure=f"Take {CONFIG} and weights of the same model.",
            )


def _tokenizer_faults(folder: Path, config: Config) -> Iterator[Fault]:
    """Find tokenizers that are missing, damaged or another model's.

    Without its files, transformers gives most families an empty tokenizer, to which every word is unknown.
    """
    settings_path = folder / TOKENIZER_SETTINGS
    settings = _json_object(settings_path) if settings_path.is_file() else {}
    if settings is None:
        yield _damage(settings_path) or Fault(
            what=f"{TOKENIZER_SETTINGS} is not a JSON object", cure="Copy or download it again."
        )
        return
    if not _has_vocabulary(folder, settings, config):
        yield Fault(
            what=NO_TOKENIZER,
            cure="Save the tokenizer into the same folder: tokenizer.save_pretrained(folder).",
        )
        return
    # Of several vocabularies `tokenizer.json` goes first, as in transformers.
    for files in _vocabularies(_names_of_files(folder))[:1]:
        for file in files:
            fault = _damage(folder / file)
            if fault is not None:
                yield fault
                return
    if (folder / "tokenizer.json").is_file():
        yield from _vocabulary_faults(folder / "tokenizer.json", config)


def _has_vocabulary(folder: Path, settings: Config, config: Config) -> bool:
    """Return whether a tokenizer's vocabulary is there, or none is needed."""
    class_name = str(settings.get("tokenizer_class") or "")
    return has_vocabulary(_names_of_files(folder), class_name, config)


def has_vocabulary(names: Collection[str], class_name: str, config: Config) -> bool:
    """Return whether a tokenizer's vocabulary is among a model's files, or none is needed.

    Args:
        names: Of all files in the model's folder.
        class_name: That `tokenizer_config.json` says; empty if it says none.
        config: The model's `config.json`.
    """
    class_name = class_name or str(config.get("tokenizer_class") or "")
    if class_name.removesuffix("Fast") in BYTE_TOKENIZERS:
        return True
    if _vocabularies(names):
        return True
    # These have names of their own, such as `qwen.tiktoken`.
    return any(name.endswith(".tiktoken") for name in names)


def _vocabularies(names: Collection[str]) -> list[tuple[str, ...]]:
    """Return the files of each vocabulary that is whole among files of these names."""
    return [files for files in VOCABULARIES if set(files) <= set(names)]


def _names_of_files(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return [path.name for path in folder.iterdir() if path.is_file()]


def _vocabulary_faults(path: Path, config: Config) -> Iterator[Fault]:
    """Find what is wrong in a `tokenizer.json`: by itself, and beside the configuration."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain exceptions
        headline, _, _ = str(error).partition("\n")
        reason = headline[:LETTERS_OF_REASON]
        yield Fault(
            what=f"{path.name} is damaged ({reason})", cure="Copy or download the tokenizer again."
        )
        return
    # Tokens that were added later may be beyond the embeddings: they get rows of their own.
    tokens = tokenizer.get_vocab_size(with_added_tokens=False)
    vocabulary = config.get("vocab_size")
    if tokens == 0:
        yield Fault(
            what=f"{path.name} knows no tokens", cure="Copy or download the tokenizer again."
        )
    if isinstance(vocabulary, int) and tokens > vocabulary:
        yield Fault(
            what=f"{path.name} knows {tokens} tokens where {CONFIG} says {vocabulary}",
            cure="Take the tokenizer that belongs to the weights.",
        )
