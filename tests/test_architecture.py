"""Imports go down: a file imports lower levels and its own folder, nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import xautolm
from tests.levels import LEVEL_OF, PAGE, ROOT, page
from tests.pages import blocks_of

FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = sorted(
    [REPOSITORY / "README.md", *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("examples/*.py")]
)
"""What shows people how to use xautolm."""


def room(module: str) -> str:
    """The top-level file or folder that a module `xautolm.x.y` lies in."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(source: str) -> set[str]:
    """Return the top-level files and folders of xautolm that a file inside it imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        assert not (isinstance(node, ast.ImportFrom) and node.level), "relative import"
    for module, name in imported_names(source):
        assert (module, name) != ("xautolm", ""), (
            "`import xautolm` gives a file all that is loaded; import what it needs"
        )
        # Names such as `xautolm.AutoLM` are loaded from their homes on first use; `__version__` has none.
        home = xautolm._HOMES.get(name, "") if module == "xautolm" else module
        if room(home):
            found.add(room(home))
    return found


def imported_names(source: str) -> Iterator[tuple[str, str]]:
    """Return each import from xautolm: the module, and the name that is taken from it, if any."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
            yield from [(module, "") for module in modules if module.split(".")[0] == "xautolm"]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "xautolm":
            for alias in node.names:
                # `from xautolm import loop` is another way to say `import xautolm.loop`.
                is_module = node.module == "xautolm" and alias.name in LEVEL_OF
                yield (f"xautolm.{alias.name}", "") if is_module else (node.module, alias.name)


def problems_of_imports(source: str, own: str = "") -> list[str]:
    """Return which imports of a source from xautolm go round what is offered.

    Args:
        source: Python.
        own: The folder that it lies in, of which it may use everything; none for a program outside.
    """
    problems = []
    for module, name in imported_names(source):
        where = room(module)
        if where in {"", own}:
            continue
        if name.startswith("_"):
            problems.append(f"{name} is private to {module}")
        if where not in OFFERED:
            continue
        # Of `xautolm.space.presets` the folder offers the file, and with it all that is not private there.
        _, _, *files = module.split(".")
        entered = files[0] if files else name
        if not entered:
            problems.append(f"{module}: a whole folder hides what is used of it; name that")
        elif entered not in OFFERED[where]:
            problems.append(f"{module}: `__all__` of {where}/ has no {entered!r}")
    return problems


def offer(folder: Path) -> list[str]:
    """Return the names and files of a folder that others may use: its `__all__`, without importing it."""
    for node in ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and "__all__" in {ast.unparse(it) for it in node.targets}:
            return list(ast.literal_eval(node.value))
    raise AssertionError(f"{folder.name}/ does not say in `__all__` what it offers")


def python_of(path: Path) -> list[str]:
    """Return a Python file, or the blocks of Python in a page."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return [text]
    return [block.source for block in blocks_of(text) if block.language == "python"]


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
    imported = imports(path.read_text(encoding="utf-8")) - {own}
    wrong = {other for other in imported if LEVEL_OF[other] >= LEVEL_OF[own]}
    assert not wrong, f"{own} (level {LEVEL_OF[own]}) imports {wrong}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_is_entered_by_what_it_offers(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert problems_of_imports(path.read_text(encoding="utf-8"), own) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_import_what_is_offered(path: Path) -> None:
    for source in python_of(path):
        assert problems_of_imports(source) == []


def test_the_pages_have_python_to_look_at() -> None:
    pages = {path.name for path in EXAMPLES if python_of(path)}
    assert {"README.md", "extending.md", "experience.md", "01_first.py"} <= pages


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("from xautolm import loop", {"loop"}),
        ("from xautolm import space, loop as conductor", {"space", "loop"}),
        ("from xautolm import AutoLM, __version__", {"automl"}),
        ("import xautolm.loop", {"loop"}),
        ("import xautolm.space.presets as presets", {"space"}),
        ("from xautolm.loop import conduct", {"loop"}),
        ("import xautolmlike, numpy", set()),
    ],
)
def test_every_way_to_import_counts(source: str, rooms: set[str]) -> None:
    assert imports(source) == rooms


@pytest.mark.parametrize("source", ["import xautolm", "import xautolm as x", "from . import loop"])
def test_imports_that_hide_what_they_use_are_refused(source: str) -> None:
    with pytest.raises(AssertionError, match="import"):
        imports(source)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("from xautolm.tasks.base import Row", "`__all__` of tasks/ has no 'base'"),
        ("from xautolm.tasks import base", "`__all__` of tasks/ has no 'base'"),
        ("import xautolm.tasks.base", "`__all__` of tasks/ has no 'base'"),
        ("from xautolm import tasks", "a whole folder hides what is used of it"),
        ("import xautolm.tasks", "a whole folder hides what is used of it"),
        ("from xautolm.space.presets import _own", "_own is private"),
    ],
)
def test_what_is_not_offered_is_found(source: str, problem: str) -> None:
    (said,) = problems_of_imports(source)
    assert problem in said


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
