"""Names for things: each folder of plug-ins is a registry, and other packages can add to it by entry points."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from importlib import import_module, metadata
from pkgutil import iter_modules
from typing import Any, Generic, Protocol, TypeVar

from xautolm.errors import RegistryError, UnknownNameError


class Named(Protocol):
    """An object with a name; the name may end in a version, as in `lora.v1`."""

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
        helpers: Modules of the folder that hold no thing. They are named, so that a module whose author misspelt the
            attribute is refused, and not passed over in silence.
        group: Of entry points; named like the folder by default.
    """

    def __init__(
        self,
        kind: str,
        package: str,
        attribute: str,
        *,
        helpers: Collection[str] = (),
        group: str = "",
    ) -> None:
        self.kind = kind
        self.package = package
        self.attribute = attribute
        self.helpers = frozenset(helpers)
        self.group = group or package

    @cached_property
    def things(self) -> dict[str, T]:
        """Return all things by full name, in the order of their modules.

        Raises:
            RegistryError: Two things have one name, or a module or an entry point holds none.
        """
        things: dict[str, T] = {}
        homes: dict[str, str] = {}
        for home, value in self._values():
            for thing in self._things_in(value, home):
                if thing.name in things:
                    raise RegistryError(
                        f"Two of a kind have one name: {self.kind} {thing.name!r}.",
                        got=f"{homes[thing.name]} and {home}",
                        fix="Rename one of them, or give it another version (name.v2).",
                    )
                things[thing.name] = thing
                homes[thing.name] = home
        return things

    def names(self) -> list[str]:
        """Return all names without version, sorted."""
        names = {_unversioned(name) for name in self.things}
        return sorted(names)

    def get(self, name: str) -> T:
        """Return the thing of that name; a name without version means the newest version.

        Raises:
            UnknownNameError: There is none; the message suggests the nearest name.
        """
        if name in self.things:
            return self.things[name]
        versions = []
        for full_name in self.things:
            if _unversioned(full_name) == name:
                versions.append(full_name)
        if not versions:
            # In the order of the modules, in which the usual thing of a kind comes before its variants.
            names = [_unversioned(full_name) for full_name in self.things]
            raise UnknownNameError(self.kind, name, dict.fromkeys(names))
        newest = max(versions, key=_version)
        return self.things[newest]

    def _values(self) -> Iterator[tuple[str, object]]:
        """Find what modules of the folder and entry points hold, each with the name of its home."""
        folder = import_module(self.package)
        for info in iter_modules(folder.__path__):
            if info.name in self.helpers:
                continue
            home = f"{self.package}.{info.name}"
            module = import_module(home)
            if not hasattr(module, self.attribute):
                raise RegistryError(
                    f"A module in the folder of every {self.kind} holds none.",
                    got=f"{home} has no {self.attribute}",
                    fix=f"Define {self.attribute} there, or name {info.name!r} among the helpers of its registry.",
                )
            yield home, getattr(module, self.attribute)
        # Behind our own, whose order says what is usual.
        for entry in metadata.entry_points(group=self.group):
            home = f"{entry.value} (entry point {entry.name!r} of {self.group})"
            yield home, entry.load()

    def _things_in(self, value: object, home: str) -> list[T]:
        """Return the thing, or the several things, that one home holds."""
        things: list[Any] = [value]
        # A thing may itself be iterable: whatever has a name is one.
        if isinstance(value, Iterable) and not hasattr(value, "name"):
            things = list(value)
        for thing in things:
            name = getattr(thing, "name", None)
            if not isinstance(name, str):
                raise RegistryError(
                    f"What is no {self.kind} takes the place of one.",
                    got=f"{thing!r} without a name, in {home}",
                    fix=f"Give an object with the interface of every {self.kind}, or a tuple of them.",
                )
        return things


def is_versioned(name: str) -> bool:
    """Return whether a name ends in a version, such as `.v1`."""
    return _version(name) > 0


def _version(name: str) -> int:
    """Return the number behind `.v`; 0 for a name without version."""
    _, _, tail = name.rpartition(".v")
    if not tail.isdigit():
        return 0
    return int(tail)


def _unversioned(name: str) -> str:
    """Return a name without its version."""
    if not _version(name):
        return name
    stem, _, _ = name.rpartition(".v")
    return stem
