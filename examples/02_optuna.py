"""Experience in a study of your own: past trials of any kind of search, failures included, begin an Optuna study.

    python examples/02_optuna.py

Any objective and any search space; nothing here is about language models.
"""

from __future__ import annotations

import optuna

from xautolm import XAutoLMSampler
from xautolm.integrations.table import experiences_from_rows


def objective(trial: optuna.Trial) -> tuple[float, float]:
    """Loss and cost of a made-up training with a conditional space; wide nets do not fit."""
    if trial.suggest_categorical("kind", ["linear", "net"]) == "linear":
        return 0.6, 1.0
    width, rate = (
        trial.suggest_int("width", 16, 1024, log=True),
        trial.suggest_float("rate", 1e-5, 1.0, log=True),
    )
    if width > 400:
        raise MemoryError
    return 0.1 + abs(rate - 1e-2) ** 0.5 + 8 / width, width / 10


optuna.logging.set_verbosity(optuna.logging.CRITICAL)
# What is known of an earlier task: a table, here of an earlier study, and what tells tasks apart, as numbers.
earlier = optuna.create_study(
    directions=["minimize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0)
)
earlier.optimize(objective, n_trials=40, catch=MemoryError)
rows = [
    {"task": "earlier", "params": trial.params}
    | ({"values": trial.values} if trial.values else {"failure": "out_of_memory"})
    for trial in earlier.trials
]
features = {"earlier": {"rows": 5_000, "classes": 4}}
past = experiences_from_rows(rows, features, directions=("minimize", "minimize"))
sampler = XAutoLMSampler(past, {"rows": 8_000, "classes": 4}, seed=0)

study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
study.optimize(objective, n_trials=15, catch=MemoryError)
print("best loss:", min(trial.values[0] for trial in study.trials if trial.values))
print("failures:", sum(trial.values is None for trial in study.trials))
print("the last came from:", study.trials[-1].user_attrs["explanation"])
