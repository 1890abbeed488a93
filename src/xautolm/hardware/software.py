"""What is installed: versions that results depend on."""

from __future__ import annotations

import platform
from importlib import metadata

PACKAGES = ("xautolm", "torch", "transformers", "peft", "optuna", "datasets", "tokenizers")
"""Whose versions a run notes: what its results depend on."""


def installed_versions() -> dict[str, str]:
    """Return the versions of `PACKAGES`, and of Python.

    Raises:
        PackageNotFoundError: One of them is not installed.
    """
    versions = {name: metadata.version(name) for name in PACKAGES}
    versions["python"] = platform.python_version()
    return versions
