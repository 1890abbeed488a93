"""Finds the best way to fine-tune a language model on your data within your budget, and learns from every trial.

Example:
    >>> from xautolm import AutoLM
    >>> auto = AutoLM(task="text-classification", budget="10m")
    >>> auto.fit("train.csv").predict(["a text"])  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xautolm.automl import AutoLM
    from xautolm.errors import (
        BudgetError,
        DataError,
        ModelUnavailableError,
        NoModelError,
        RunFolderError,
        SpaceError,
        StoreError,
        UnknownNameError,
        UsageError,
        XAutoLMError,
    )
    from xautolm.experience import ExperienceStore
    from xautolm.integrations.optuna import XAutoLMSampler

__version__ = "0.1.0"

_HOMES = {
    "AutoLM": "xautolm.automl",
    "BudgetError": "xautolm.errors",
    "DataError": "xautolm.errors",
    "ExperienceStore": "xautolm.experience",
    "ModelUnavailableError": "xautolm.errors",
    "NoModelError": "xautolm.errors",
    "RunFolderError": "xautolm.errors",
    "SpaceError": "xautolm.errors",
    "StoreError": "xautolm.errors",
    "UnknownNameError": "xautolm.errors",
    "UsageError": "xautolm.errors",
    "XAutoLMError": "xautolm.errors",
    "XAutoLMSampler": "xautolm.integrations.optuna",
}

__all__ = [
    "AutoLM",
    "BudgetError",
    "DataError",
    "ExperienceStore",
    "ModelUnavailableError",
    "NoModelError",
    "RunFolderError",
    "SpaceError",
    "StoreError",
    "UnknownNameError",
    "UsageError",
    "XAutoLMError",
    "XAutoLMSampler",
]


def __getattr__(name: str) -> Any:
    """Load a promised name on first use, so that `import xautolm` stays light."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'xautolm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
