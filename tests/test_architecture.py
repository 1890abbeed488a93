"""Imports go down: a file imports lower levels and its own folder, nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import xautolm

ROOT = Path(xautolm.__file__).parent

LEVELS = {
    "vocabulary": 0, "printable": 0, "importable": 0,
    "errors": 1, "records": 1, "settings": 1,
    "objectives": 2, "processes": 2, "symptoms": 2, "registry": 2, "serialization": 2, "cells": 2, "space": 2,
    "options": 2,
    "trial_folder": 3, "budget": 3, "data": 3, "tasks": 3, "metafeatures": 3, "hardware": 3, "zoo": 3,
    "methods": 3, "metrics": 3,
    "class_values": 3,
    "run_folder": 4, "search_space": 4, "resources": 4, "description": 4,
    "experience": 5, "search": 5, "execution": 5, "limits": 5, "metalearning": 5, "finetuning": 5, "report": 5,
    "opening": 5,
    "past_evidence": 6,
    "search_store": 6, "scenario": 6, "late_features": 6, "testing": 6, "best_folder": 6, "pruner": 6,
    "packed_run": 5,
    "resuming": 7, "warm_start": 7,
    "recommend": 8, "integrations": 8, "session": 8,
    "loop": 9, "artifacts": 9, "best_model": 9,
    "operations": 10,
    "automl": 11,
    "cli": 12,
    "__main__": 13,
}  # fmt: skip

FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room(module: str) -> str:
    """The top-level file or folder that a module `xautolm.x.y` lies in."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )  # fmt: skip
        found |= {room(name) for name in names if name.startswith("xautolm.")}
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_go_down(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert own in LEVELS, f"{own} has no level"
    wrong = {other for other in imports(path) if other != own and LEVELS[other] >= LEVELS[own]}
    assert not wrong, f"{own} (level {LEVELS[own]}) imports {wrong}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_fine_tuning_imports_torch_at_the_top(path: Path) -> None:
    if path.relative_to(ROOT).parts[0] == "finetuning":
        return
    tops = [
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {alias.name for node in tops if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in tops if isinstance(node, ast.ImportFrom)}
    assert not {name.split(".")[0] for name in names} & {"torch", "transformers", "peft"}
