"""Name every peer."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.ftbench.contestants import Make
from benchmarks.ftbench.peers.meta_learn_tpe import meta_learn_tpe
from benchmarks.ftbench.peers.optuna_peers import OPTUNA_PEERS

PEERS: Mapping[str, Make] = {**OPTUNA_PEERS, "meta-learn-tpe": meta_learn_tpe}
"""Those that play in this interpreter, by name."""
