"""Say on which machine, and by which version, something was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("torch", "transformers", "scikit-learn")
FORMATS = ("avx512f", "avx512_bf16", "amx_bf16")
"""Flags of processors that decide how fast which number format is."""


def machine_description() -> str:
    """Return processor, its number formats, and the versions that matter."""
    name, flags = platform.machine(), set()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            field, _, value = line.partition(":")
            if field.strip() == "model name":
                name = value.strip()
            if field.strip() == "flags":
                flags = set(value.split())
    formats = [flag for flag in FORMATS if flag in flags]
    packages = [f"{package} {version(package)}" for package in PACKAGES]
    cores = f"1 of {os.cpu_count()} cores"
    return ", ".join([name, *formats, cores, f"Python {platform.python_version()}", *packages])


def commit_of(folder: Path) -> str:
    """Return the short commit of a checkout; nothing where there is none."""
    command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip()
