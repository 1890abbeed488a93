"""Imports go down: a file imports lower levels and its own folder, nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
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


def imported_names(path: Path) -> Iterator[tuple[str, str]]:
    """Return each import of a file from xautolm: the module, and the name that is taken from it, if any."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
            yield from [(module, "") for module in modules if module.startswith("xautolm.")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "xautolm":
            yield from [(str(node.module), alias.name) for alias in node.names]


def offer(folder: Path) -> list[str]:
    """Return the names and files of a folder that others may use: its `__all__`, without importing it."""
    for node in ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and "__all__" in {ast.unparse(it) for it in node.targets}:
            return list(ast.literal_eval(node.value))
    raise AssertionError(f"{folder.name}/ does not say in `__all__` what it offers")


OFFERED = {path.parent.name: offer(path.parent) for path in sorted(ROOT.glob("*/__init__.py"))}


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
def test_a_folder_is_entered_by_what_it_offers(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for module, name in imported_names(path):
        where = room(module)
        if where in {"", own}:
            continue
        assert not name.startswith("_"), f"{name} is private to {module}"
        if where not in OFFERED:
            continue
        # Of `xautolm.space.presets` the folder offers the file, and with it all that is not private there.
        _, _, *files = module.split(".")
        entered = files[0] if files else name
        assert entered in OFFERED[where], f"{module}: `__all__` of {where}/ has no {entered!r}"


@pytest.mark.parametrize("folder", OFFERED)
def test_what_a_folder_offers_is_there(folder: str) -> None:
    offered = OFFERED[folder]
    assert len(set(offered)) == len(offered)
    names = {name for name in offered if not (ROOT / folder / f"{name}.py").exists()}
    names -= {name for name in names if (ROOT / folder / name).is_dir()}
    # A folder that offers files only may be one that loads torch.
    package = import_module(f"xautolm.{folder}") if names else None
    assert not {name for name in names if not hasattr(package, name)}


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
