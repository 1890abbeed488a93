"""Let Syne Tune's searchers play, in its own interpreter.

    PYTHON_OF_SYNE_TUNE -m benchmarks.ftbench.peers.syne_tune_peer

All see a flat space, and are told of failures as trials of the worst quality so far: Syne Tune's own hook for failures
changes no searcher. CQR, BORE and both transfer methods know one objective, the quality. MOASHA is not among them: it
decides which trials to stop early, over random proposals, and the contest runs all trials to their end.
"""

from __future__ import annotations

import datetime
import logging
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from syne_tune.backend.trial_status import Trial as SyneTuneTrial
from syne_tune.config_space import (
    Categorical,
    Domain,
    choice,
    lograndint,
    loguniform,
    randint,
    uniform,
)
from syne_tune.optimizer.baselines import BORE, CQR, EHVI
from syne_tune.optimizer.scheduler import TrialScheduler
from syne_tune.optimizer.schedulers.ask_tell_scheduler import AskTellScheduler
from syne_tune.optimizer.schedulers.multiobjective import MultiObjectiveRegularizedEvolution
from syne_tune.optimizer.schedulers.single_fidelity_scheduler import SingleFidelityScheduler
from syne_tune.optimizer.schedulers.single_objective_scheduler import SingleObjectiveScheduler
from syne_tune.optimizer.schedulers.transfer_learning.bounding_box import BoundingBox
from syne_tune.optimizer.schedulers.transfer_learning.quantile_based.quantile_based_searcher import (
    QuantileBasedSurrogateSearcher,
)
from syne_tune.optimizer.schedulers.transfer_learning.transfer_learning_task_evaluation import (
    TransferLearningTaskEvaluations,
)

from benchmarks.ftbench.peers.conversation import (
    Losses,
    PastTask,
    Request,
    Site,
    SiteValues,
    Trial,
    all_sites,
    serve,
)

LOSS = "loss"
SECONDS = "log_seconds"
REFERENCE = 2.0
"""Syne Tune's EHVI maximises minus the losses, above a reference point that is 2 in both. So losses are shifted until
the worst trial, of quality 0 and an hour, lies there; the other searchers do not notice."""
LONGEST = math.log(3600)
POPULATION = 10
PARENTS = 5
"""Of regularised evolution: with its default population, 100, all trials of a contest would be random; its ten parents
would be the whole of this one."""
BEST_OF_EACH = 1
"""Configurations of each past task that the bounding box spans: Syne Tune's default."""

SearchSpace = Mapping[str, Domain]
Config = dict[str, int | float | str]


class SyneTuneSearch:
    """Search with a scheduler of Syne Tune."""

    def __init__(self, request: Request) -> None:
        self.sites = request.sites
        self.options = {site.key for site in request.sites if site.kind == "options"}
        self.losses = Losses()
        space = {site.key: domain_of(site) for site in request.sites}
        scheduler = SCHEDULERS[request.peer](space, request)
        self.box = space
        if isinstance(scheduler, BoundingBox):
            self.box = scheduler.scheduler.config_space
        self.scheduler = AskTellScheduler(scheduler)
        self.asked: SyneTuneTrial | None = None

    def ask(self) -> SiteValues:
        """Return the scheduler's proposal."""
        self.asked = self.scheduler.ask()
        values = {}
        for site in self.sites:
            value = self.asked.config[site.key]
            values[site.key] = int(value) if site.kind == "options" else value
        return values

    def tell(self, trial: Trial) -> None:
        """Tell the scheduler what was run."""
        assert self.asked is not None, "tell comes after ask"
        loss, log_seconds = self.losses.of(trial)
        run = SyneTuneTrial(
            trial_id=self.asked.trial_id,
            config=self.within_box(config_of(self.sites, trial.values)),
            creation_time=datetime.datetime.now(),
        )
        shifted = {LOSS: loss - REFERENCE, SECONDS: log_seconds - LONGEST - REFERENCE}
        self.scheduler.tell(run, shifted)

    def within_box(self, config: Config) -> Config:
        """Return a configuration with what was asked for in place of values that the scheduler refuses.

        The nearest trial of the table may lie outside a bounding box.
        """
        assert self.asked is not None
        inside = {}
        for key, value in config.items():
            domain = self.box[key]
            if isinstance(domain, Categorical):
                is_inside = value in domain.categories
            else:
                is_inside = domain.lower <= value <= domain.upper
            inside[key] = value if is_inside else self.asked.config[key]
        return inside

    def close(self) -> None:
        """Do nothing: a scheduler holds nothing."""


def domain_of(site: Site) -> Domain:
    """Return a site's range; options are named by their position."""
    if site.kind == "options":
        return choice([str(position) for position in range(site.count)])
    draws = {
        ("int", False): randint,
        ("int", True): lograndint,
        ("float", False): uniform,
        ("float", True): loguniform,
    }
    draw = draws[site.kind, site.log]
    return draw(site.low, site.high)


def config_of(sites: Sequence[Site], values: SiteValues) -> Config:
    """Return a configuration as Syne Tune has it."""
    flat = all_sites(sites, values)
    return {
        site.key: str(flat[site.key]) if site.kind == "options" else flat[site.key]
        for site in sites
    }


def evaluations_of(
    task: PastTask, space: SearchSpace, sites: Sequence[Site]
) -> TransferLearningTaskEvaluations:
    """Return a past task as Syne Tune's transfer methods want it; failures have the worst quality of the task."""
    qualities = [trial.quality for trial in task.trials if trial.quality is not None]
    worst = min(qualities, default=0.0)
    losses = [-(worst if trial.quality is None else trial.quality) for trial in task.trials]
    return TransferLearningTaskEvaluations(
        configuration_space=dict(space),
        hyperparameters=pd.DataFrame([config_of(sites, trial.values) for trial in task.trials]),
        objectives_names=[LOSS],
        objectives_evaluations=np.asarray(losses).reshape(-1, 1, 1, 1),
    )


def past_of(space: SearchSpace, request: Request) -> dict[str, TransferLearningTaskEvaluations]:
    """Return the past tasks that have trials in the space."""
    return {
        task.name: evaluations_of(task, space, request.sites)
        for task in request.past
        if task.trials
    }


def cqr(space: SearchSpace, request: Request) -> TrialScheduler:
    """Return conformal quantile regression."""
    return CQR(space, LOSS, random_seed=request.seed)


def bore(space: SearchSpace, request: Request) -> TrialScheduler:
    """Return optimisation by density-ratio estimation."""
    return BORE(space, LOSS, random_seed=request.seed)


def ehvi(space: SearchSpace, request: Request) -> TrialScheduler:
    """Return expected hypervolume improvement over Gaussian processes."""
    # BoTorch draws from PyTorch's global generator, whatever seed the scheduler has.
    torch.manual_seed(request.seed)
    return EHVI(space, [LOSS, SECONDS], random_seed=request.seed)


def evolution(space: SearchSpace, request: Request) -> TrialScheduler:
    """Return regularised evolution for several objectives."""
    searcher = MultiObjectiveRegularizedEvolution(
        space, population_size=POPULATION, sample_size=PARENTS, random_seed=request.seed
    )
    return SingleFidelityScheduler(
        space, metrics=[LOSS, SECONDS], searcher=searcher, random_seed=request.seed
    )


def bounding_box(space: SearchSpace, request: Request) -> TrialScheduler:
    """Return conformal quantile regression in the box of the best past configurations."""
    past = past_of(space, request)
    if not past:
        return cqr(space, request)
    return BoundingBox(
        lambda box, metric, do_minimize, seed: CQR(box, metric, random_seed=seed),
        space,
        LOSS,
        past,
        num_hyperparameters_per_task=BEST_OF_EACH,
        random_seed=request.seed,
    )


def quantile_transfer(space: SearchSpace, request: Request) -> TrialScheduler:
    """Return Thompson sampling by a surrogate of the past tasks' quantiles."""
    past = past_of(space, request)
    if not past:
        return cqr(space, request)
    searcher = QuantileBasedSurrogateSearcher(space, past, random_seed=request.seed)
    return SingleObjectiveScheduler(space, LOSS, searcher=searcher, random_seed=request.seed)


SCHEDULERS: Mapping[str, Callable[[SearchSpace, Request], TrialScheduler]] = {
    "cqr": cqr,
    "bore": bore,
    "ehvi": ehvi,
    "evolution": evolution,
    "bounding-box": bounding_box,
    "quantile-transfer": quantile_transfer,
}

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    serve(SyneTuneSearch)
