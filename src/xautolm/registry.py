"""Names for things: each folder of plug-ins is a registry, and other packages can add to it by entry points."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from importlib import import_module, metadata
from pkgutil import iter_modules
from typing import Any, Generic, Protocol, TypeVar

from xautolm.errors import UnknownNameError


class Named(Protocol):
    """Anything with a name; the name may end in a version, as in `lora.v1`."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """The named objects of a folder: one module per thing, found without a list to maintain.

    A module takes part by defining `attribute`: one object, or several in a tuple. Another package takes part with
    an entry point in the group named like the folder, for example `xautolm.methods`.

    Args:
        kind: What the things are called in error messages, for example "method".
        package: The folder as a package name.
        attribute: The module-level name that holds the thing or things.
    """

    def __init__(self, kind: str, package: str, attribute: str) -> None:
        self.kind = kind
        self.package = package
        self.attribute = attribute

    @cached_property
    def things(self) -> dict[str, T]:
        """All things by full name, in the order of their modules."""
        found: list[Any] = []
        for module in iter_modules(import_module(self.package).__path__):
            found += _several(getattr(import_module(f"{self.package}.{module.name}"), self.attribute, ()))
        for entry in metadata.entry_points(group=self.package):
            found += _several(entry.load())
        return {thing.name: thing for thing in found}

    def names(self) -> list[str]:
        """All names without version, sorted."""
        return sorted({_unversioned(name) for name in self.things})

    def get(self, name: str) -> T:
        """The thing of that name; a name without version means the newest version.

        Raises:
            UnknownNameError: There is none; the message suggests the nearest name.
        """
        if name in self.things:
            return self.things[name]
        versions = [full for full in self.things if _unversioned(full) == name]
        if not versions:
            # In the order of the modules, in which the usual thing of a kind comes before its variants.
            raise UnknownNameError(self.kind, name, dict.fromkeys(_unversioned(full) for full in self.things))
        return self.things[max(versions, key=_version)]


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Iterable) and not hasattr(value, "name") else [value]


def _version(name: str) -> int:
    tail = name.rpartition(".v")[2]
    return int(tail) if tail.isdigit() else 0


def _unversioned(name: str) -> str:
    return name.rpartition(".v")[0] if _version(name) else name
