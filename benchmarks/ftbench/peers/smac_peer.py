"""Let SMAC3 play, in its own interpreter: it knows conditions, several objectives (by ParEGO) and crashes.

PYTHON_OF_SMAC -m benchmarks.ftbench.peers.smac_peer
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ConfigSpace import (
    AndConjunction,
    CategoricalHyperparameter,
    Configuration,
    ConfigurationSpace,
    EqualsCondition,
    Float,
    InCondition,
    Integer,
    OrConjunction,
)
from smac import HyperparameterOptimizationFacade, Scenario
from smac.multi_objective.parego import ParEGO
from smac.runhistory import StatusType, TrialInfo, TrialValue

from benchmarks.ftbench.peers.conversation import Losses, Request, Site, SiteValues, Trial, serve

STARTUP_TRIALS = 8
"""Of the initial design, as many as the peers in Optuna draw at random."""
TRIALS = 10_000
"""More than a contest asks for: SMAC ends after its last trial."""
Condition = EqualsCondition | InCondition
OBJECTIVES = ["quality", "seconds"]
STATUSES = {"out_of_memory": StatusType.MEMORYOUT, "timeout": StatusType.TIMEOUT}
"""Of the kinds of failure that SMAC tells apart; the others are crashes."""


class SmacSearch:
    """Search with SMAC's facade for hyperparameter optimisation."""

    def __init__(self, request: Request) -> None:
        self.sites = {site.key: site for site in request.sites}
        self.space = space_of(request.sites, request.seed)
        self.losses = Losses()
        self.asked: TrialInfo | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="smac-"))
        scenario = Scenario(
            self.space,
            objectives=OBJECTIVES,
            n_trials=TRIALS,
            seed=request.seed,
            deterministic=True,
            output_directory=self.folder,
        )
        facade = HyperparameterOptimizationFacade
        self.facade = facade(
            scenario,
            never_called,
            initial_design=facade.get_initial_design(scenario, n_configs=STARTUP_TRIALS),
            # One trial of each configuration, and a model that knows all of them before each ask.
            intensifier=facade.get_intensifier(scenario, max_config_calls=1),
            config_selector=facade.get_config_selector(scenario, retrain_after=1),
            multi_objective_algorithm=ParEGO(scenario),
            overwrite=True,
            logging_level=logging.CRITICAL,
        )

    def ask(self) -> SiteValues:
        """Return SMAC's proposal."""
        self.asked = self.facade.ask()
        configuration = dict(self.asked.config)
        return {
            key: int(value) if self.sites[key].kind == "options" else value
            for key, value in configuration.items()
        }

    def tell(self, trial: Trial) -> None:
        """Tell SMAC what was run."""
        assert self.asked is not None, "tell comes after ask"
        values = {}
        for key, value in trial.values.items():
            values[key] = str(value) if self.sites[key].kind == "options" else value
        run = Configuration(self.space, values=values)
        status = StatusType.SUCCESS
        if trial.failure:
            status = STATUSES.get(trial.failure, StatusType.CRASHED)
        info = TrialInfo(config=run, seed=self.asked.seed, instance=self.asked.instance)
        value = TrialValue(cost=list(self.losses.of(trial)), time=trial.seconds, status=status)
        self.facade.tell(info, value, save=False)

    def close(self) -> None:
        """Remove SMAC's own files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def space_of(sites: Sequence[Site], seed: int) -> ConfigurationSpace:
    """Return the space with its conditions."""
    space = ConfigurationSpace(seed=seed)
    for site in sites:
        if site.kind == "options":
            names = [str(position) for position in range(site.count)]
            space.add(CategoricalHyperparameter(site.key, names, default_value=str(site.default)))
        elif site.kind == "int":
            space.add(Integer(site.key, (site.low, site.high), default=site.default, log=site.log))
        else:
            space.add(Float(site.key, (site.low, site.high), default=site.default, log=site.log))
    for site in sites:
        ways = [condition_of(space, site, opening) for opening in site.openings if opening]
        if len(ways) == 1:
            space.add(ways[0])
        elif ways:
            space.add(OrConjunction(*ways))
    return space


def condition_of(
    space: ConfigurationSpace, site: Site, opening: Mapping[str, Sequence[int]]
) -> Condition | AndConjunction:
    """Return one way to a site: every branch on it has one of some options."""
    child = space[site.key]
    parts: list[Condition] = []
    for key, positions in opening.items():
        names = [str(position) for position in positions]
        # Of a single option, ConfigSpace wants equality.
        if len(names) == 1:
            parts.append(EqualsCondition(child, space[key], names[0]))
        else:
            parts.append(InCondition(child, space[key], names))
    if len(parts) == 1:
        return parts[0]
    return AndConjunction(*parts)


def never_called(configuration: Configuration, seed: int = 0) -> list[float]:
    """Stand for the target function, which SMAC wants and ask and tell do without."""
    raise NotImplementedError


if __name__ == "__main__":
    serve(SmacSearch)
