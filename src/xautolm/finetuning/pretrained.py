"""The only door to pretrained files: whatever is loaded is read as data, from this machine, and never runs code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from transformers import (
    AutoConfig,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import CONFIG_NAME

from xautolm.errors import ModelUnavailableError, TrialError
from xautolm.run_folder import ADAPTERS, holds_adapters
from xautolm.serialization import read_json
from xautolm.vocabulary import Architecture, FailureKind

if TYPE_CHECKING:
    from peft import PeftModel

CODE_REFUSED = "trust_remote_code"
"""What the message of transformers names when a model can only be had by running Python code that comes with it."""
NO_ADAPTERS = {"subfolder": CONFIG_NAME, "local_files_only": True}
"""Where transformers is to look for adapters beside a model, which it would put in unasked: below `config.json`, where
nothing can lie, for that is a file."""

SPECIAL_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
"""What configurations call the special tokens that a model goes by when it says words."""


class AutoClass(Protocol):
    """A class of transformers such as `AutoModelForCausalLM`."""

    def from_pretrained(self, source: str, **arguments: object) -> Any:
        """Return a model with its weights; with `output_loading_info`, also a dictionary of what did not match."""

    def from_config(self, config: PretrainedConfig, **arguments: object) -> PreTrainedModel:
        """Return a model of this shape with random weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadingReport:
    """Which of a model's weights a checkpoint did not have."""

    missing: frozenset[str]
    """Names of weights that it lacks."""
    mismatched: frozenset[str]
    """Names of weights that have another shape there."""


def read_config(source: str | Path, **changes: object) -> PretrainedConfig:
    """Return the configuration of a model.

    Args:
        source: A folder, or the hub id of a model in the hub cache.
        **changes: Values other than those in `config.json`.

    Raises:
        ModelUnavailableError: It needs code of its own.
    """
    try:
        return AutoConfig.from_pretrained(
            str(source), trust_remote_code=False, local_files_only=True, **changes
        )
    except ValueError as error:
        raise _explained(error, source) from error


def stored_config(source: str | Path) -> dict[str, Any]:
    """Return what stands in the `config.json` of a model, as it stands there.

    Args:
        source: A folder, or the hub id of a model in the hub cache.
    """
    # Without the class of the family, which would add its defaults.
    content, _ = PretrainedConfig.get_config_dict(str(source), local_files_only=True)
    return dict(content)


def generative_architecture(config: PretrainedConfig) -> Architecture:
    """Return the architecture of a model that says words, which is one of two."""
    if config.is_encoder_decoder:
        return Architecture.ENCODER_DECODER
    return Architecture.DECODER


def read_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a model, to which signs of special tokens in a text are text.

    Args:
        source: A folder, or the hub id of a model in the hub cache.

    Raises:
        ModelUnavailableError: It needs code of its own.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            str(source), trust_remote_code=False, local_files_only=True
        )
    except ValueError as error:
        raise _explained(error, source) from error
    # Texts are data: a `</s>` of HTML does not end one, and `[MASK]` hides no word. Special tokens around a text are
    # added all the same.
    tokenizer.split_special_tokens = True
    return tokenizer


def read_weights(auto_class: AutoClass, source: str | Path, **arguments: object) -> PreTrainedModel:
    """Return a model with its weights, which are read as safetensors only: pickled weights can run code.

    Adapters that were left in the model's folder are not read: what is there besides was checked, and they were not.

    Args:
        auto_class: The class of transformers that loads such a model.
        source: A folder, or the hub id of a model in the hub cache.
        **arguments: Further arguments of its `from_pretrained`.

    Raises:
        ModelUnavailableError: It needs code of its own.
    """
    model, _ = read_weights_and_report(auto_class, source, **arguments)
    return model


def read_weights_and_report(
    auto_class: AutoClass, source: str | Path, **arguments: object
) -> tuple[PreTrainedModel, LoadingReport]:
    """Return a model as `read_weights` does, and which of its weights its files did not have.

    Raises:
        ModelUnavailableError: It needs code of its own.
    """
    try:
        model, loading = auto_class.from_pretrained(
            str(source),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            adapter_kwargs=NO_ADAPTERS,
            **arguments,
        )
    except ValueError as error:
        raise _explained(error, source) from error
    _reset_generation(model)
    missing = frozenset(loading["missing_keys"])
    mismatched = set()
    # Of each that has another shape: its name, the shape in the file, and the model's.
    for name, _, _ in loading["mismatched_keys"]:
        mismatched.add(name)
    report = LoadingReport(missing=missing, mismatched=frozenset(mismatched))
    return model, report


def fresh_weights(auto_class: AutoClass, config: PretrainedConfig) -> PreTrainedModel:
    """Return a model of this shape with random weights."""
    # A configuration may name code as well.
    model = auto_class.from_config(config, trust_remote_code=False)
    _reset_generation(model)
    return model


def _reset_generation(model: PreTrainedModel) -> None:
    """Let a model say words by its special tokens alone.

    Lengths, bans, forced first words and sampling are those of the task that it was published for: a summariser's
    least length would go on after every short answer that it is trained to give.
    """
    if not model.can_generate():
        return
    published = model.generation_config
    special_tokens = {}
    for name in SPECIAL_TOKENS:
        token = getattr(model.config, name, None)
        # Models that read images too have them in the other file only.
        if token is None:
            token = getattr(published, name)
        special_tokens[name] = token
    model.generation_config = GenerationConfig(**special_tokens)


def read_adapters(model: PreTrainedModel, folder: str | Path) -> PeftModel:
    """Return a model with the adapters that lie in a folder; they hold weights and settings, and name no code."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(folder), local_files_only=True)


def read_whole(auto_class: AutoClass, folder: Path, tokens: int, dtype: object) -> PreTrainedModel:
    """Return the model in a trial's folder; where that holds adapters only, merged into the model that they name.

    Args:
        auto_class: The class of transformers that loads such a model.
        folder: The model's.
        tokens: Size of its tokenizer, which may have one for padding that the untrained model lacks.
        dtype: torch's number format of the weights.

    Raises:
        ModelUnavailableError: It needs code of its own.
    """
    if not holds_adapters(folder):
        return read_weights(auto_class, folder, dtype=dtype)
    base = base_of_adapters(folder)
    model = read_weights(auto_class, base, dtype=dtype)
    if tokens > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(tokens)
    return read_adapters(model, folder).merge_and_unload()


def base_of_adapters(folder: Path) -> str:
    """Return the folder or hub id of the model beside which adapters lie."""
    return str(read_json(folder / ADAPTERS)["base_model_name_or_path"])


def load_failure(part: str, source: str | Path, error: BaseException) -> TrialError:
    """Return the error to raise, from the one that was raised, where a trial cannot load a part of its model.

    Raise it `from` that one: where the network or the disk was the cause, `symptoms.kind_of` goes by the cause.

    Args:
        part: What was to be loaded, for a person.
        source: The folder or hub id that it was to be loaded from.
        error: What was raised.
    """
    # A file that cannot be read says something about the model; a folder that is gone does not.
    kind = FailureKind.LOAD_ERROR
    path = Path(source)
    # A hub id is never absolute.
    if path.is_absolute() and not path.is_dir():
        kind = FailureKind.INFRASTRUCTURE
    error_name = type(error).__name__
    return TrialError(kind, f"{part}: {error_name}: {error}")


def _explained(error: ValueError, source: str | Path) -> ValueError | ModelUnavailableError:
    """Return the error to raise: our own where code of a model was refused, else the same."""
    # transformers raises a plain ValueError for it, as for much else: only the message tells.
    if CODE_REFUSED not in str(error):
        return error
    return ModelUnavailableError(
        "The model needs Python code of its own, which xautolm never runs.",
        got=f"{source}: `auto_map` in config.json or tokenizer_config.json",
        fix="Choose a model of an architecture that transformers knows.",
    )
