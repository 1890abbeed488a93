"""The only door to pretrained files: whatever is loaded is read as data, from this machine, and never runs code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase

from xautolm.errors import ModelUnavailableError, TrialError
from xautolm.vocabulary import FailureKind

CODE_REFUSED = "trust_remote_code"
"""What the message of transformers names when a model can only be had by running Python code that comes with it."""


def read_config(source: str | Path, **changes: Any) -> Any:
    """Return the configuration of a model.

    Args:
        source: A folder, or the hub id of a model in the hub cache.
        **changes: Values other than those in `config.json`.

    Raises:
        ModelUnavailableError: It needs code of its own.
    """
    try:
        return AutoConfig.from_pretrained(str(source), trust_remote_code=False, local_files_only=True, **changes)
    except ValueError as error:
        raise _explained(error, source) from error


def stored_config(source: str | Path) -> dict[str, Any]:
    """Return what stands in the `config.json` of a model, as it stands there.

    Args:
        source: A folder, or the hub id of a model in the hub cache.
    """
    content, _ = PretrainedConfig.get_config_dict(str(source), local_files_only=True)
    return dict(content)


def read_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a model.

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
    return tokenizer


def read_weights(auto_class: Any, source: str | Path, **how: Any) -> Any:
    """Return a model with its weights, which are read as safetensors only: pickled weights can run code.

    Args:
        auto_class: The class of transformers that loads such a model.
        source: A folder, or the hub id of a model in the hub cache.
        **how: Further arguments of its `from_pretrained`.

    Raises:
        ModelUnavailableError: It needs code of its own.
    """
    try:
        return auto_class.from_pretrained(
            str(source), use_safetensors=True, trust_remote_code=False, local_files_only=True, **how
        )
    except ValueError as error:
        raise _explained(error, source) from error


def fresh_weights(auto_class: Any, config: Any) -> Any:
    """Return a model of this shape with random weights."""
    return auto_class.from_config(config, trust_remote_code=False)


def read_adapters(model: Any, folder: str | Path) -> Any:
    """Return a model with the adapters that lie in a folder; they hold weights and settings, and name no code."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(folder), local_files_only=True)


def load_failure(what: str, source: str | Path, error: BaseException) -> TrialError:
    """Return what it means that a trial could not load something; to be raised from what was raised, which decides.

    A file that cannot be read says something about the model; a folder that is gone does not.

    Args:
        what: What was to be loaded, for a person.
        source: The folder or hub id that it was to be loaded from.
        error: What was raised.
    """
    has_vanished = Path(source).is_absolute() and not Path(source).is_dir()
    kind = FailureKind.INFRASTRUCTURE if has_vanished else FailureKind.LOAD_ERROR
    return TrialError(kind, f"{what}: {type(error).__name__}: {error}")


def _explained(error: ValueError, source: str | Path) -> ValueError | ModelUnavailableError:
    """Return the error to raise: our own where code of a model was refused, else the same."""
    if CODE_REFUSED not in str(error):
        return error
    return ModelUnavailableError(
        "The model needs Python code of its own, which xautolm never runs.",
        got=f"{source}: `auto_map` in config.json or tokenizer_config.json",
        fix="Choose a model of an architecture that transformers knows.",
    )
