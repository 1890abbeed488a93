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

TRIAL_SHARE = 1 / 3
"""Share of the time budget that one trial may use, where no limit is given."""
MEMORY_SHARE = 0.9
"""Share of the machine's memory that trials may use, where no limit is given."""


def trial_limits(options: FitOptions, system: SystemProfile, cheapest_seconds: float) -> Limits:
    """The limits given, or a third of the budget (more where even the cheapest trial needs it) and most memory."""
    budget, seconds = options.spending.seconds, options.trial_time_limit
    if seconds is None and budget is not None:
        seconds = min(budget, max(budget * TRIAL_SHARE, cheapest_seconds))
    host = int(MEMORY_SHARE * system.memory / options.parallel)
    if system.device != "cuda":
        return Limits(seconds=seconds, memory=min(host, options.trial_memory_limit or host))
    sharing = math.ceil(options.parallel / len(system.gpus))
    gpu = int(MEMORY_SHARE * system.device_memory / sharing)
    return Limits(seconds=seconds, memory=host, gpu_memory=min(gpu, options.trial_memory_limit or gpu))


def opening_limits(options: FitOptions, limits: Limits) -> Limits:
    """Return the limits of the trials that a search begins with: without one given, all the time that is left.

    One training with its whole schedule is a better answer than three that are cut in the middle of theirs.
    """
    return limits if options.trial_time_limit is not None else replace(limits, seconds=None)


def fitting_models(space: Space, resources: ResourceModel, limits: Limits) -> list[str]:
    """Names of the models that fit the machine and the limits with at least one method."""
    names = [one.model for one in default_configurations(space) if not resources.obstacle(one, limits)]
    return list(dict.fromkeys(names)) or list(dict.fromkeys(one.model for one in default_configurations(space)))


def check_resources(space: Space, resources: ResourceModel, limits: Limits, options: FitOptions) -> None:
    """Refuse limits within which nothing can run.

    Raises:
        BudgetError: Not even the cheapest configuration would give a result in time; the message has the estimate.
        ModelUnavailableError: None of the models fits into memory.
    """
    candidates = default_configurations(space)
    cheapest = resources.cheapest(candidates)
    if limits.seconds is not None and cheapest.first_result_seconds > limits.seconds:
        what = "time limit" if options.trial_time_limit else "budget"
        raise BudgetError(
            f"The {what} is too small for one trial.",
            got=f"{limits.seconds:.0f} s; the cheapest trial needs about "
            f"{cheapest.first_result_seconds:.0f} s until its first epoch is validated",
            fix=f"Give a larger {what}, a smaller --max-train, or a smaller model.",
        )
    if all(resources.obstacle(one, replace(limits, seconds=None)) for one in candidates):
        raise ModelUnavailableError(
            "None of the models fits into memory.",
            got=resources.obstacle(candidates[0], replace(limits, seconds=None)),
            fix="Choose a smaller model, or raise --trial-memory-limit.",
        )
