"""Imports go down: a file imports lower levels and its own folder, nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.levels import LEVEL_OF, PAGE, ROOT, page

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


def test_the_page_has_the_levels() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "`make docs` writes the table anew"


def test_every_level_is_of_something_that_is_there() -> None:
    there = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in FILES}
    assert set(LEVEL_OF) == there


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_go_down(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert own in LEVEL_OF, f"{own} has no level"
    wrong = {other for other in imports(path) if other != own and LEVEL_OF[other] >= LEVEL_OF[own]}
    assert not wrong, f"{own} (level {LEVEL_OF[own]}) imports {wrong}"


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
