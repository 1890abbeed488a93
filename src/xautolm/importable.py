"""Functions by their name, `package.module:function`, and names of functions: what processes tell each other of code.

Processes talk in JSON and share no memory, so a function travels as the place that it can be imported from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import reduce
from importlib import import_module
from inspect import unwrap
from pathlib import Path

SEPARATOR = ":"
"""Stands between the module and the function."""
PROGRAM = "__main__"
"""What Python calls the module of the program itself; no other process can import it."""
LOCAL = "<"
"""In the qualified name of what is defined inside a function, or is a lambda: nobody can import it."""


def is_function_name(name: str) -> bool:
    """Return whether a name says where to import something from."""
    return SEPARATOR in name


def object_named(name: str) -> object:
    """Import what a name `package.module:attribute` stands for.

    Raises:
        ValueError: It is no such name, or there is nothing of that name; says why.
    """
    module_name, _, attributes = name.partition(SEPARATOR)
    # A path, or a name relative to nothing, is no module's.
    if not module_name or not attributes or module_name.startswith(".") or "/" in module_name:
        raise ValueError(f"{name!r} does not name a function; write package.module:function")
    try:
        module: object = import_module(module_name)
    except Exception as error:
        # A module runs while it is imported, so anything can go wrong in it, a mistake in its syntax included.
        raise ValueError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    try:
        return reduce(getattr, attributes.split("."), module)
    except AttributeError as error:
        raise ValueError(f"{name} cannot be imported: {error}") from None


def name_of_function(function: Callable[..., object]) -> str:
    """Return the name that another process can import a function by.

    Raises:
        ValueError: There is none: it is a lambda, is defined inside a function or in the program itself, or is no
            function with a name of its own.
    """
    module = getattr(function, "__module__", None)
    qualified = getattr(function, "__qualname__", None)
    if not module or not qualified:
        kind = type(function).__name__
        raise ValueError(
            f"a {kind} has no name that a trial's process could import it by; give a function of a module"
        )
    if LOCAL in qualified:
        raise ValueError(
            f"{qualified} is defined inside a function, and a trial's process imports it: move it out"
        )
    if module == PROGRAM:
        raise ValueError(
            f"{qualified} is defined in the program itself, which a trial's process cannot import: "
            "put it in a module of its own"
        )
    name = f"{module}{SEPARATOR}{qualified}"
    if unwrap(_function(object_named(name))) is not unwrap(function):
        raise ValueError(f"{name} is another object than the one given")
    return name


def import_folders(names: Iterable[str]) -> tuple[str, ...]:
    """Return the folders that must be searched to import functions; nothing for names that are not of functions.

    A program searches the folder of its script; the processes that it starts do not.

    Args:
        names: Of functions that were imported here, among others.
    """
    folders: list[str] = []
    for name in names:
        if not is_function_name(name):
            continue
        module_name, _, _ = name.partition(SEPARATOR)
        # The folder to search is that of the outermost package.
        package_name, _, _ = module_name.partition(".")
        package = sys.modules.get(package_name)
        file = getattr(package, "__file__", None)
        # Modules that are built in lie in no file.
        if file is None:
            continue
        path = Path(file)
        folder = path.parent
        if path.stem == "__init__":
            folder = folder.parent
        if str(folder) not in folders:
            folders.append(str(folder))
    return tuple(folders)


def search_here() -> None:
    """Let modules be imported from the working folder too, as `python -m` does; last, so that none is hidden."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)


def _function(value: object) -> Callable[..., object]:
    if not callable(value):
        raise ValueError(f"{value!r} is no function")
    return value
