"""Name every peer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ftbench.contestants import Make
from benchmarks.ftbench.peers.foreign import ForeignPeer, Interpreter
from benchmarks.ftbench.peers.meta_learn_tpe import meta_learn_tpe
from benchmarks.ftbench.peers.optuna_peers import OPTUNA_PEERS
from benchmarks.ftbench.peers.rgpe import rgpe

PEERS: Mapping[str, Make] = {
    **OPTUNA_PEERS,
    "meta-learn-tpe": meta_learn_tpe,
    "rgpe": rgpe,
}
"""Those that play in this interpreter, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Hold the peers that share an interpreter."""

    name: str
    """Of its folder, and of the file of its requirements."""
    module: str
    peers: tuple[str, ...]
    with_a_past: tuple[str, ...] = ()
    """Peers that are given the past too."""

    def python(self, environments: Path) -> Path:
        """Return the interpreter in a folder of environments."""
        return environments / self.name / "bin" / "python"

    def makes(self, environments: Path) -> Mapping[str, Make]:
        """Return its peers by name."""
        interpreter = Interpreter(self.python(environments), self.module)
        numbers = itertools.count()
        makes: dict[str, Make] = {}
        for peer in self.peers + self.with_a_past:
            makes[f"{self.name} {peer}"] = ForeignPeer(
                interpreter=interpreter,
                name=peer,
                numbers=numbers,
                uses_past=peer in self.with_a_past,
            )
        return makes


ENVIRONMENTS = (
    Environment(name="smac", module="benchmarks.ftbench.peers.smac_peer", peers=("parego",)),
    Environment(name="flaml", module="benchmarks.ftbench.peers.flaml_peer", peers=("blendsearch",)),
    Environment(
        name="syne-tune",
        module="benchmarks.ftbench.peers.syne_tune_peer",
        peers=("cqr", "bore", "ehvi", "evolution"),
        with_a_past=("bounding-box", "quantile-transfer"),
    ),
)


def foreign_peers(environments: Path) -> Mapping[str, Make]:
    """Return the peers whose interpreters are in a folder, by name; those that are not there are left out."""
    makes: dict[str, Make] = {}
    for environment in ENVIRONMENTS:
        if environment.python(environments).exists():
            makes.update(environment.makes(environments))
    return makes
