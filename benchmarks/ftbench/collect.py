"""Collect the table: real trials on real tasks, each an experience of a store.

    python -m benchmarks.ftbench.collect --data FOLDER --work FOLDER [--core 1] [--tasks liar,...]
        [--presets default,paper] [--trials 20] [--hours 2]

FOLDER of `--data` holds a folder for each task, with `train.parquet`. Trials are run by our own executor under the
task's limits, which are not planned for. First come the linear probe of each body and the default configuration, then
random configurations, of the presets in turn. Nothing is refused because it is predicted to fail:
failures belong to the table.

What was collected lies in `--work`, a store and the folders of the runs; the same command goes on where it ended.
A new `--work` begins with what the package's table holds. Tasks take turns, so that the table is even whenever it is
stopped. `--export FILE.parquet` writes the table; there are no texts in it.
"""

from __future__ import annotations

import argparse
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.ftbench.tasks import TASKS, BenchmarkTask
from benchmarks.random_configurations import random_configuration
from xautolm.experience import (
    STARTER,
    ExperienceStore,
    export_experiences,
    import_experiences,
)
from xautolm.hardware import profile
from xautolm.options import FitOptions
from xautolm.records import Configuration, Experience, Place, TrialOutcome
from xautolm.report import choose_screen
from xautolm.run_folder import experience_of
from xautolm.session import Session, open_session
from xautolm.settings import PACKAGED_STARTER
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Preset

SHARED_CONFIGURATIONS = 10
"""So many draws of a preset are the same on all tasks, so that tasks can be compared; the others are a task's own."""
TRIALS_PER_TURN = 6
SEED = 0
LOOK_SECONDS = 0.2
"""Between two looks at whether a trial has ended."""
MODELS = (
    "scratch-decoder",
    "scratch-encoder-decoder",
    "minilm-l6",
    "minilm-l4",
    "minilm-l3",
    "minilm-l2",
    "scratch-tiny",
    "scratch-small",
)
"""Those that are on every machine."""
OPENING = "opening"
RANDOM = "random"


def main() -> None:
    """Collect trials until there are enough or time is up, or export what there is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the sets")
    parser.add_argument("--work", type=Path, required=True, help="where store and runs lie")
    parser.add_argument("--core", type=int, help="the only core that trials may use")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--presets", default=f"{Preset.DEFAULT},{Preset.PAPER}")
    parser.add_argument("--trials", type=int, default=20, help="of a task and preset, at least")
    parser.add_argument("--hours", type=float, default=float("inf"), help="no turn begins later")
    parser.add_argument("--export", type=Path, help="write the table, collect nothing")
    options = parser.parse_args()
    if options.export is not None:
        export(options.work, options.export)
        return
    if options.data is None:
        parser.error("--data FOLDER is needed, or --export FILE")
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    tasks = [TASKS[name] for name in options.tasks.split(",")]
    begin_with_table(options.work)
    leave_bf16_unused()
    collect(tasks, options)


def leave_bf16_unused() -> None:
    """Take the processor for one without bfloat16: trials on machines with and without it could not be compared."""
    profile.bf16_speedup = lambda: 0.0


def begin_with_table(work: Path) -> None:
    """Put the experiences of the package's table in a store that is new, so that only what it lacks is run."""
    if Path(store_of(work)).exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    with ExperienceStore(store_of(work)) as store:
        store.add(import_experiences(PACKAGED_STARTER).experiences)


def collect(tasks: Sequence[BenchmarkTask], options: argparse.Namespace) -> None:
    """Let tasks and presets take turns of a few trials until each has as many as asked for."""
    end = time.monotonic() + options.hours * 3600
    presets = [Preset(name) for name in options.presets.split(",")]
    for wanted in range(TRIALS_PER_TURN, options.trials + TRIALS_PER_TURN, TRIALS_PER_TURN):
        for preset in presets:
            for task in tasks:
                if time.monotonic() > end:
                    return
                take_turn(task, preset, min(wanted, options.trials), options)


def take_turn(
    task: BenchmarkTask, preset: Preset, wanted: int, options: argparse.Namespace
) -> None:
    """Run what a task lacks of the trials that are wanted of a preset."""
    train, validation = task.draw(options.data, options.work / "data")
    run_folder = options.work / "runs" / f"{task.name}-{preset}"
    fit_options = FitOptions(
        task=task.task,
        validation=str(validation),
        space=preset,
        models=MODELS,
        trials=10_000,
        trial_time_limit=task.seconds,
        sampler=RANDOM,
        device="cpu",
        store=store_of(options.work),
        out=str(run_folder),
        seed=SEED,
    )
    screen = choose_screen(quiet=True, as_json=False)
    with open_session(str(train), fit_options, screen) as session:
        session.measure_features()
        present = numbers_present(options.work, task, session.scenario.space.name)
        missing = [number for number in range(wanted) if number not in present]
        for number in missing:
            experience = run_trial(session, task, number)
            outcome = experience.outcome
            kind = outcome.failure.kind.value if outcome.failure else outcome.status.value
            print(
                f"{task.name} {preset} {number}: {experience.configuration.model} "
                f"{experience.configuration.method} {kind} {outcome.wall_time:.0f} s",
                flush=True,
            )
        session.record([], are_last=True)


def numbers_present(work: Path, task: BenchmarkTask, space: str) -> set[int]:
    """Return the numbers of a task's trials in a space, whichever collection ran them."""
    with ExperienceStore(store_of(work), must_exist=True) as store:
        return {
            experience.trial
            for experience in store.experiences(task=task.task)
            if publishable(experience).data.name == task.name
            and experience.configuration.space == space
        }


def store_of(work: Path) -> str:
    """Return the file of the store."""
    return str(work / "ftbench.db")


def run_trial(session: Session, task: BenchmarkTask, number: int) -> Experience:
    """Run the configuration of a number, and record what came of it."""
    configuration, origin = configuration_of(session, task, number)
    # Batches are not halved to fit the limit, as a search would: what fails for lack of memory belongs to the table.
    on_processor = Place(device="cpu")
    roomy = session.spec(number, configuration, session.scenario.limits, on_processor, origin)
    limits = replace(roomy.limits, memory=task.memory)
    spec = replace(roomy, limits=limits)
    folder = session.folder.trial(number)
    folder.mkdir(parents=True)
    session.executor.start(spec, folder)
    outcome = outcome_of(session)
    trial_folder = TrialFolder(folder)
    experience = experience_of(session.info, spec, outcome, trial_folder)
    session.record([experience])
    trial_folder.remove_weights()
    return experience


def outcome_of(session: Session) -> TrialOutcome:
    """Wait for the only running trial."""
    while True:
        for _, outcome in session.executor.finished(LOOK_SECONDS):
            return outcome


def configuration_of(
    session: Session, task: BenchmarkTask, number: int
) -> tuple[Configuration, str]:
    """Return the configuration of a number, and where it comes from."""
    opening = opening_of(session)
    if number < len(opening):
        return opening[number], OPENING
    draw = number - len(opening)
    is_shared = draw < SHARED_CONFIGURATIONS
    seed = SEED if is_shared else zlib.crc32(task.name.encode())
    return random_configuration(session.scenario.space, seed, draw), RANDOM


def opening_of(session: Session) -> list[Configuration]:
    """Return what comes before random configurations in the preset `default`: the probes, then the default."""
    if session.scenario.options.space != Preset.DEFAULT:
        return []
    probes = session.opening.probes(no_obstacle)
    return [*probes, session.scenario.space.default()]


def no_obstacle(configuration: Configuration) -> str:
    """Refuse nothing: what cannot run is told by its failure."""
    return ""


def export(work: Path, file: Path) -> None:
    """Write the table from the store."""
    with ExperienceStore(store_of(work), must_exist=True) as store:
        experiences = [publishable(experience) for experience in store.experiences()]
    # In an order that does not depend on when a trial ran, so that a longer table differs by its new lines only.
    experiences.sort(
        key=lambda experience: (experience.data.name, experience.run, experience.trial)
    )
    count = export_experiences(experiences, file)
    print(f"{count} experiences in {file}")


def publishable(experience: Experience) -> Experience:
    """Return a trial as others may see it: by the name of its data set, without paths of this machine."""
    data = replace(experience.data, name=Path(experience.data.name).stem)
    outcome = experience.outcome
    if outcome.failure is not None:
        failure = replace(outcome.failure, stderr_tail="")
        outcome = replace(outcome, failure=failure)
    return replace(experience, data=data, outcome=outcome, provenance=STARTER)


if __name__ == "__main__":
    main()
