"""Names in a folder of plug-ins, read from its sources: to load it, and numpy with it, would take `--help` a second."""

from __future__ import annotations

import ast
import re
from importlib import metadata
from pathlib import Path

import xautolm

ROOT = Path(xautolm.__file__).parent
VERSION = re.compile(r"\.v\d+$")


def names_declared_in(home: str) -> list[str]:
    """Return the names of the things in a registry's folder, and of entry points, without version and sorted.

    Args:
        home: The folder and what its modules call their things: `xautolm.tasks:TASK`.
    """
    package, _, attribute = home.partition(":")
    folder = ROOT.joinpath(*package.split(".")[1:])
    names: list[str] = []
    for path in folder.glob("*.py"):
        names += _names_in(ast.parse(path.read_text(encoding="utf-8")), attribute)
    for group in (package, package.removesuffix(".strategies")):
        names += [entry.name for entry in metadata.entry_points(group=group)]
    return sorted({VERSION.sub("", name) for name in names})


def _names_in(module: ast.Module, attribute: str) -> list[str]:
    """Return the names of what a module assigns to an attribute: one object, or several in a tuple."""
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    names = []
    for node in module.body:
        if (
            not isinstance(node, ast.Assign | ast.AnnAssign)
            or _assigned(node) != attribute
            or node.value is None
        ):
            continue
        things = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for thing in things:
            assert isinstance(thing, ast.Call), f"{attribute} is made by calls"
            names.append(_name_of(thing, classes))
    return names


def _assigned(node: ast.Assign | ast.AnnAssign) -> str:
    """Return the name that a statement gives a value to; empty where it is no plain name."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""


def _name_of(call: ast.Call, classes: dict[str, ast.ClassDef]) -> str:
    """Return the `name` of an object: an argument of the call that makes it, else of its class."""
    for keyword in call.keywords:
        if keyword.arg == "name":
            return str(ast.literal_eval(keyword.value))
    assert isinstance(call.func, ast.Name)
    for node in classes[call.func.id].body:
        if (
            isinstance(node, ast.Assign | ast.AnnAssign)
            and _assigned(node) == "name"
            and node.value is not None
        ):
            return str(ast.literal_eval(node.value))
    raise AssertionError(f"{call.func.id} has no name")
