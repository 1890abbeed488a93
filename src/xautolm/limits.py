"""What a trial may use, and whether anything fits into it."""

from __future__ import annotations

import math
from dataclasses import replace

from xautolm.errors import BudgetError, ModelUnavailableError
from xautolm.options import FitOptions
from xautolm.records import Limits, SystemProfile
from xautolm.resources import ResourceModel
from xautolm.search_space import default_configurations
from xautolm.space import Space
from xautolm.vocabulary import DeviceKind

TRIAL_SHARE = 1 / 3
"""Share of the time budget that one trial may use, where no limit is given."""
MEMORY_SHARE = 0.9
"""Share of the machine's memory that trials may use, where no limit is given."""


def trial_limits(options: FitOptions, system: SystemProfile, cheapest_seconds: float) -> Limits:
    """Return the limits of each trial: those given, else a share of the budget's time and of the machine's memory.

    Args:
        options: What the user asked for.
        system: The machine.
        cheapest_seconds: What the cheapest trial is predicted to take; it gets as much even of a small budget.
    """
    seconds = options.trial_time_limit
    budget = options.spending.seconds
    if seconds is None and budget is not None:
        share = budget * TRIAL_SHARE
        usual = max(share, cheapest_seconds)
        seconds = min(budget, usual)
    # Trials that run at once share the main memory.
    host = int(MEMORY_SHARE * system.memory / options.parallel)
    asked = options.trial_memory_limit
    if system.device != DeviceKind.CUDA:
        memory = host
        if asked is not None:
            memory = min(host, asked)
        return Limits(seconds=seconds, memory=memory)
    # The limit that is asked for is one of the device that trials run on.
    trials_per_gpu = math.ceil(options.parallel / len(system.gpus))
    gpu = int(MEMORY_SHARE * system.device_memory / trials_per_gpu)
    if asked is not None:
        gpu = min(gpu, asked)
    return Limits(seconds=seconds, memory=host, gpu_memory=gpu)


def opening_limits(options: FitOptions, limits: Limits) -> Limits:
    """Return the limits of the trials that a search begins with: without one given, all the time that is left.

    One training with its whole schedule is a better answer than three that are cut in the middle of theirs.
    """
    if options.trial_time_limit is not None:
        return limits
    return replace(limits, seconds=None)


def fitting_models(space: Space, resources: ResourceModel, limits: Limits) -> list[str]:
    """Return the names of the models that fit the machine and the limits with at least one method.

    Where none does, all come back: who checks them says what is lacking.
    """
    models = []
    fitting = []
    for default in default_configurations(space):
        models.append(default.model)
        if not resources.obstacle(default, limits):
            fitting.append(default.model)
    # A model stands there once for each method that fits.
    names = fitting or models
    return list(dict.fromkeys(names))


def check_resources(
    space: Space, resources: ResourceModel, limits: Limits, options: FitOptions
) -> None:
    """Refuse limits within which nothing can run.

    Raises:
        BudgetError: Not even the cheapest configuration would give a result in time; the message has the estimate.
        ModelUnavailableError: None of the models fits into memory.
    """
    candidates = default_configurations(space)
    cheapest = resources.cheapest(candidates)
    seconds = cheapest.first_result_seconds
    if limits.seconds is not None and seconds > limits.seconds:
        # Where no limit was given, it came from the budget, which is what can be changed.
        limit = "budget"
        if options.trial_time_limit is not None:
            limit = "time limit"
        raise BudgetError(
            f"The {limit} is too small for one trial.",
            got=f"{limits.seconds:.0f} s; the cheapest trial needs about {seconds:.0f} s until its first epoch is "
            "validated",
            fix=f"Give a larger {limit}, a smaller --max-train, or a smaller model.",
        )
    memory_only = replace(limits, seconds=None)
    obstacles = [resources.obstacle(candidate, memory_only) for candidate in candidates]
    if all(obstacles):
        raise ModelUnavailableError(
            "None of the models fits into memory.",
            got=obstacles[0],
            fix="Choose a smaller model, or raise --trial-memory-limit.",
        )
