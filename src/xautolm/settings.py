"""Default folders, and the only place that reads environment variables."""

from __future__ import annotations

import os
from pathlib import Path

STORE_VARIABLE = "XAUTOLM_STORE"
CACHE_VARIABLE = "XAUTOLM_CACHE"


def data_folder() -> Path:
    """The user's data folder for xautolm, for example `~/.local/share/xautolm`."""
    import platformdirs

    return Path(platformdirs.user_data_dir("xautolm", appauthor=False))


def cache_folder() -> Path:
    """Where what can be computed again is kept: `XAUTOLM_CACHE`, else the user's cache folder for xautolm."""
    import platformdirs

    given = os.environ.get(CACHE_VARIABLE)
    return Path(given) if given else Path(platformdirs.user_cache_dir("xautolm", appauthor=False))


def store_url(given: str | None = None) -> str:
    """The SQLAlchemy URL of the experience store: the one given, `XAUTOLM_STORE`, or a file in the data folder.

    Args:
        given: A URL, or the path of an SQLite file.
    """
    location = given or os.environ.get(STORE_VARIABLE) or str(data_folder() / "experience.db")
    return location if "://" in location else f"sqlite:///{Path(location).expanduser().resolve()}"


def hub_is_offline() -> bool:
    """Whether the user forbids access to the model hub (`HF_HUB_OFFLINE`)."""
    return os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}


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
        # Ask the driver library, not the CUDA runtime: the runtime does not survive a fork.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }
