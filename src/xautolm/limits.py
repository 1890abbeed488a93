"""What a trial may use, and whether anything fits into it."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace

from xautolm.errors import BudgetError, ModelUnavailableError, UsageError
from xautolm.methods import METHODS
from xautolm.options import FitOptions
from xautolm.records import Configuration, Limits, Machines, Place, SystemProfile
from xautolm.resources import ResourceModel, reason_against_division
from xautolm.search_space import default_configurations, is_cut, methods_by_model
from xautolm.space import Space
from xautolm.vocabulary import DeviceKind, Where

TRIAL_SHARE = 1 / 3
"""Share of the time budget that one trial may use, where no limit is given."""
PROBE_SHARE = 0.1
"""Share of the time budget that the first probe may take: it is the first answer, and everything builds on it."""
LEAST_PROBE_ROWS = 2_000
"""Training rows that a probe is fitted to in any case, where there are as many."""
PROBE_ROWS_PER_CLASS = 10
"""As many for each class, where that is more in all."""
MEMORY_SHARE = 0.9
"""Share of the machine's memory that trials may use, where no limit is given."""
OTHERS_SHARE = 0.1
"""Share of a GPU's memory from which on it is worth saying that other processes hold it: a driver takes 1 to 2 %."""
LESS_MEMORY = (
    "Choose a smaller model, texts cut to fewer tokens (`max_length` in --space), --methods lora, which on a GPU with "
    "bitsandbytes stores weights in 4 bits, or raise --trial-memory-limit."
)
"""What makes a search fit that does not."""


def parallel_trials(options: FitOptions, system: SystemProfile) -> int:
    """Return how many trials run at once: what the user asked for, else one on each GPU, and one without."""
    if options.parallel is not None:
        return options.parallel
    return max(1, len(system.gpus))


def sharing_trials(options: FitOptions, system: SystemProfile) -> int:
    """Return how many trials share the memory of the device's kind: those on one GPU, or all on a processor."""
    parallel = parallel_trials(options, system)
    if system.device != DeviceKind.CUDA:
        return parallel
    return math.ceil(parallel / len(system.gpus))


def most_devices(options: FitOptions, machines: Machines) -> int:
    """Return over how many GPUs a model may be divided at most: those of this machine, where that can be done.

    Raises:
        UsageError: A model is to be divided where that cannot be done, or over more GPUs than there are.
    """
    count = len(machines.places)
    asked = options.devices_per_trial
    obstacle = _obstacle_to_division(options, machines)
    if not obstacle and asked is not None and asked > count:
        obstacle = f"there are {count} GPUs that are worth using"
    if obstacle and asked is not None and asked > 1:
        raise UsageError(
            "A model cannot be divided over so many devices.",
            got=f"--devices-per-trial {asked}; {obstacle}",
            fix="Leave --devices-per-trial out: then models are proposed that fit on one.",
        )
    return 1 if obstacle else count


def _obstacle_to_division(options: FitOptions, machines: Machines) -> str:
    """Return why no model can be divided over several devices here; nothing if it can."""
    if options.executor is Where.RAY or machines.at_once is not None:
        return "on a cluster each trial has one GPU"
    if machines.system.device != DeviceKind.CUDA:
        return (
            f"the device is {machines.system.device}, and only models on GPUs of NVIDIA are divided"
        )
    if sys.platform != "linux":
        return "PyTorch connects GPUs by NCCL, which is for Linux only"
    if any(place.is_slice for place in machines.places):
        return "slices of a GPU (MIG) cannot train one model together"
    return ""


def limits_of_divided(limits: Limits, devices: int, system: SystemProfile) -> Limits:
    """Return the limits of a trial that has several devices: the main memory of as many trials, as far as it goes."""
    if limits.memory is None:
        return limits
    most = int(MEMORY_SHARE * system.memory)
    return replace(limits, memory=min(most, devices * limits.memory))


def trial_limits(
    options: FitOptions,
    system: SystemProfile,
    cheapest_seconds: float,
    places: Sequence[Place] = (),
) -> Limits:
    """Return the limits of each trial: those given, else a share of the budget's time and of the machine's memory.

    Args:
        options: What the user asked for.
        system: The machine.
        cheapest_seconds: What the cheapest trial is predicted to take; it gets as much even of a small budget.
        places: Where trials run; without them, all of a GPU's memory is taken to be free.
    """
    seconds = options.trial_time_limit
    budget = options.spending.seconds
    if seconds is None and budget is not None:
        share = budget * TRIAL_SHARE
        usual = max(share, cheapest_seconds)
        seconds = min(budget, usual)
    # Trials that run at once share the main memory.
    host = int(MEMORY_SHARE * system.memory / parallel_trials(options, system))
    asked = options.trial_memory_limit
    if system.device != DeviceKind.CUDA:
        memory = host
        if asked is not None:
            memory = min(host, asked)
        return Limits(seconds=seconds, memory=memory)
    # The limit that is asked for is one of the device that trials run on.
    available = system.device_memory
    for place in places:
        # A trial may come to any GPU, so the one that others have left least of decides.
        if place.free_memory is not None:
            available = min(available, place.free_memory)
    gpu = int(MEMORY_SHARE * available / sharing_trials(options, system))
    if asked is not None:
        gpu = min(gpu, asked)
    return Limits(seconds=seconds, memory=host, gpu_memory=gpu)


def probe_rows(options: FitOptions, resources: ResourceModel, space: Space) -> int | None:
    """Return how many training rows probes are fitted to at most, so that the first does not take much of the time.

    The number is a half, a quarter, ... of what a probe takes otherwise: a search that is resumed on a machine that
    measures a little faster comes to the same.

    Args:
        options: What the user asked for.
        resources: Predicts what configurations need.
        space: Of the search.

    Returns:
        None for all that the method takes.
    """
    seconds = _probe_seconds(options)
    cards = [resources.cards[model] for model in methods_by_model(space)]
    probes = []
    for default in default_configurations(space):
        # Cut bodies come after it, and would make the first look quicker than it is.
        is_whole = not is_cut(resources.cards[default.model], cards)
        if METHODS.get(default.method).most_training_rows and is_whole:
            probes.append(default)
    if seconds is None or not probes:
        return None
    cheapest = min(probes, key=lambda probe: resources.predict(probe).first_result_seconds)
    sample = METHODS.get(cheapest.method).most_training_rows or 0
    profile = resources.profile
    least = max(LEAST_PROBE_ROWS, PROBE_ROWS_PER_CLASS * profile.classes)
    rows = min(profile.train_examples, sample)
    whole = rows
    while rows // 2 >= least:
        limited = replace(resources, probe_rows=rows)
        if limited.predict(cheapest).first_result_seconds <= seconds:
            break
        rows //= 2
    return rows if rows < whole else None


def _probe_seconds(options: FitOptions) -> float | None:
    """Return how long the first probe may take; None where no time was limited."""
    allowances = []
    budget = options.spending.seconds
    if budget is not None:
        allowances.append(PROBE_SHARE * budget)
    if options.trial_time_limit is not None:
        # Predictions are off by as much before anything was measured.
        allowances.append(options.trial_time_limit / 2)
    return min(allowances, default=None)


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
    space: Space,
    resources: ResourceModel,
    limits: Limits,
    options: FitOptions,
    places: Sequence[Place] = (),
) -> None:
    """Refuse limits within which nothing can run.

    Args:
        space: Of the search.
        resources: Predicts what its configurations need.
        limits: Of each trial.
        options: What the user asked for.
        places: Where trials run.

    Raises:
        UsageError: No training can be divided over as many GPUs as were asked for.
        BudgetError: Not even the cheapest configuration would give a result in time; the message has the estimate.
        ModelUnavailableError: None of the models fits into memory.
    """
    candidates = default_configurations(space)
    _check_division(candidates, resources.devices_asked)
    seconds = min(resources.least_seconds(candidate) for candidate in candidates)
    if limits.seconds is not None and seconds > limits.seconds:
        # Where no limit was given, it came from the budget, which is what can be changed.
        limit = "budget"
        if options.trial_time_limit is not None:
            limit = "time limit"
        raise BudgetError(
            f"The {limit} is too small for one trial.",
            got=f"{limits.seconds:.0f} s; the cheapest trial needs about {seconds:.0f} s until its first "
            "result",
            fix=f"Give a larger {limit}, a smaller --max-train, or a smaller model.",
        )
    memory_only = replace(limits, seconds=None)
    obstacles = [resources.obstacle(candidate, memory_only) for candidate in candidates]
    if all(obstacles):
        got = obstacles[0]
        taken = _taken_by_others(places, resources.system)
        if taken:
            got = f"{got}; {taken}"
        fix = LESS_MEMORY
        sharing = sharing_trials(options, resources.system)
        if sharing > 1:
            fix = f"Lower --parallel: {sharing} trials share the memory. {LESS_MEMORY}"
        raise ModelUnavailableError("None of the models fits into memory.", got=got, fix=fix)


def _check_division(candidates: Sequence[Configuration], devices: int | None) -> None:
    """Refuse a number of devices over which none of the trainings that a search begins with can be divided.

    Raises:
        UsageError: It names what stands in the way of the first.
    """
    trainings = [
        candidate for candidate in candidates if METHODS.get(candidate.method).trains_by_gradient
    ]
    if devices is None or not trainings:
        return
    reasons = [reason_against_division(training, devices) for training in trainings]
    if all(reasons):
        raise UsageError(
            "No training can be divided over so many devices.",
            got=f"--devices-per-trial {devices}; {reasons[0]}",
            fix="Give a number of which the batch is a multiple, or leave --devices-per-trial out.",
        )


def _taken_by_others(places: Sequence[Place], system: SystemProfile) -> str:
    """Return how much of the GPU other processes hold, where that is more than a driver takes for itself."""
    free_memories = [place.free_memory for place in places if place.free_memory is not None]
    total = system.device_memory
    free = min(free_memories, default=total)
    taken = total - free
    if taken < OTHERS_SHARE * total:
        return ""
    return f"other processes hold {taken / 1e9:.1f} of {total / 1e9:.1f} GB of the GPU (nvidia-smi)"
