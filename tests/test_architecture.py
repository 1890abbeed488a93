"""Imports go down: a file imports lower levels and its own folder, nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import xautolm

ROOT = Path(xautolm.__file__).parent

LEVELS = {
    "errors": 0, "records": 0, "settings": 0,
    "ranking": 1, "registry": 1, "documents": 1, "space": 1, "options": 1,
    "runs": 2, "data": 2, "tasks": 2, "metafeatures": 2, "zoo": 2, "methods": 2, "metrics": 2,
    "recipe": 3, "resources": 3,
    "experience": 4, "search": 4, "execution": 4, "limits": 4, "metalearning": 4, "finetuning": 4, "report": 4,
    "memory": 5, "prospect": 5, "testing": 5,
    "plan": 6, "recommend": 6, "integrations": 6,
    "loop": 7, "results": 7,
    "automl": 8,
    "cli": 9,
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
