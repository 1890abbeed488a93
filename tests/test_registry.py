"""Registries find things in modules and entry points, and refuse what they cannot tell apart or cannot find."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

from xautolm.errors import RegistryError, UnknownNameError
from xautolm.finetuning.forms import TORCH_FORMS
from xautolm.metafeatures import FEATURES
from xautolm.methods import METHODS
from xautolm.registry import Named, Registry
from xautolm.search import SAMPLERS
from xautolm.tasks import TASKS
from xautolm.tasks.forms import FORMS
from xautolm.zoo import FAMILIES, ZOO

REGISTRIES = (FAMILIES, FEATURES, FORMS, METHODS, SAMPLERS, TASKS, TORCH_FORMS, ZOO)
NAMED = """
    class Tool:
        def __init__(self, name):
            self.name = name
"""


@dataclass(frozen=True)
class Package:
    """A folder of plug-ins that a test writes."""

    folder: Path

    def write(self, module: str, source: str) -> None:
        (self.folder / f"{module}.py").write_text(dedent(source), encoding="utf-8")

    def registry(self, *helpers: str) -> Registry[Named]:
        return Registry("tool", self.folder.name, "TOOL", helpers=helpers)

    def add_entry_point(self, name: str, value: str) -> None:
        """Let an installed distribution offer something to the registry."""
        distribution = self.folder.parent / f"{self.folder.name}_more-1.0.dist-info"
        distribution.mkdir(exist_ok=True)
        (distribution / "METADATA").write_text(
            f"Name: {self.folder.name}-more\nVersion: 1.0\n", encoding="utf-8"
        )
        with (distribution / "entry_points.txt").open("a", encoding="utf-8") as file:
            file.write(f"[{self.folder.name}]\n{name} = {value}\n")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    folder = tmp_path / "toolbox"
    folder.mkdir()
    (folder / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    package = Package(folder)
    package.write("base", NAMED)
    yield package
    for module in [name for name in sys.modules if name.partition(".")[0] == "toolbox"]:
        del sys.modules[module]


def tool(name: str) -> str:
    return f"from toolbox.base import Tool\nTOOL = Tool({name!r})\n"


def test_modules_and_entry_points_are_found_in_order(package: Package) -> None:
    package.write("saw", tool("saw.v1"))
    package.write(
        "hammers", "from toolbox.base import Tool\nTOOL = (Tool('hammer.v1'), Tool('hammer.v2'))\n"
    )
    package.write("more", tool("plane.v1"))
    package.add_entry_point("plane", "toolbox.more:TOOL")
    registry = package.registry("base", "more")
    assert list(registry.things) == ["hammer.v1", "hammer.v2", "saw.v1", "plane.v1"]
    assert registry.names() == ["hammer", "plane", "saw"]
    assert (
        registry.get("hammer").name == "hammer.v2" and registry.get("hammer.v1").name == "hammer.v1"
    )
    with pytest.raises(UnknownNameError, match="Did you mean 'hammer'"):
        registry.get("hamer")


def test_two_modules_of_one_name_are_refused_and_both_are_named(package: Package) -> None:
    package.write("saw", tool("saw.v1"))
    package.write("second_saw", tool("saw.v1"))
    with pytest.raises(
        RegistryError, match=r"tool 'saw.v1'[^$]*toolbox\.saw and toolbox\.second_saw"
    ):
        _ = package.registry("base").things


def test_an_entry_point_cannot_take_the_name_of_a_module(package: Package) -> None:
    package.write("saw", tool("saw.v1"))
    package.add_entry_point("mine", "toolbox.saw:TOOL")
    with pytest.raises(
        RegistryError, match=r"toolbox\.saw and toolbox\.saw:TOOL \(entry point 'mine' of toolbox\)"
    ):
        _ = package.registry("base").things


def test_a_module_without_a_thing_is_refused(package: Package) -> None:
    package.write("saw", tool("saw.v1").replace("TOOL", "TOOLS"))
    with pytest.raises(RegistryError, match=r"toolbox\.saw has no TOOL"):
        _ = package.registry("base").things


@pytest.mark.parametrize("value", ["3", "[object()]", "(3, 4)"])
def test_what_has_no_name_is_refused(package: Package, value: str) -> None:
    package.write("saw", f"TOOL = {value}\n")
    with pytest.raises(RegistryError, match=r"without a name, in toolbox\.saw"):
        _ = package.registry("base").things


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.package)
def test_helpers_are_modules_that_exist(registry: Registry[Named]) -> None:
    (folder,) = import_module(registry.package).__path__
    assert registry.helpers <= {path.stem for path in Path(folder).iterdir()}
