"""Names in a folder of plug-ins, read from its sources: to load it, and numpy with it, would take `--help` a second."""

from __future__ import annotations

import ast
import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSION = re.compile(r"\.v\d+$")


def names_declared_in(home: str) -> list[str]:
    """Return the names of the things in a registry's folder, and of entry points, without version and sorted.

    Args:
        home: The folder and what its modules call their things: `xautolm.tasks:TASK`.
    """
    package, _, attribute = home.partition(":")
    _, *parts = package.split(".")
    folder = ROOT.joinpath(*parts)
    names: list[str] = []
    for path in folder.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        module = ast.parse(source)
        names += _names_in(module, attribute)
    # Entry points of strategies are in a group that is named without their folder.
    for group in (package, package.removesuffix(".strategies")):
        for entry in metadata.entry_points(group=group):
            names.append(entry.name)
    # A person names a method without its version, and gets the latest.
    unversioned = {VERSION.sub("", name) for name in names}
    return sorted(unversioned)


def _names_in(module: ast.Module, attribute: str) -> list[str]:
    """Return the names of what a module assigns to an attribute: one object, or several in a tuple."""
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    names: list[str] = []
    for node in module.body:
        value = _value_of(node, attribute)
        if value is None:
            continue
        # A module holds one thing, or several in a tuple.
        things = [value]
        if isinstance(value, ast.Tuple):
            things = value.elts
        for thing in things:
            assert isinstance(thing, ast.Call), f"{attribute} is made by calls"
            name = _name_of(thing, classes)
            names.append(name)
    return names


def _value_of(node: ast.stmt, name: str) -> ast.expr | None:
    """Return what a statement assigns to a name, None if it assigns nothing to it."""
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return None
    # With a type or without: `NAME: Type = value` or `NAME = value`.
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if isinstance(target, ast.Name) and target.id == name:
        return node.value
    return None


def _name_of(call: ast.Call, classes: dict[str, ast.ClassDef]) -> str:
    """Return the `name` of an object: an argument of the call that makes it, else of its class."""
    for keyword in call.keywords:
        if keyword.arg == "name":
            name = ast.literal_eval(keyword.value)
            return str(name)
    assert isinstance(call.func, ast.Name)
    kind = classes[call.func.id]
    for node in kind.body:
        value = _value_of(node, "name")
        if value is not None:
            name = ast.literal_eval(value)
            return str(name)
    raise AssertionError(f"{kind.name} has no name")
