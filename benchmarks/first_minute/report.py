"""The page of the benchmark: the table of scores by time, and whether each goal is met."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.first_minute.measurements import Measurement, RunFacts, System

TIMES = (30, 60, 120, 300, 900)
"""Seconds since the start of a system's process."""
NOISE = 0.005
"""Scores that differ by less count as equal."""
GAIN = 0.01
"""What a search must add to the policy, which does not search, on the mean over the sets."""
FIRST_MODEL_SECONDS = 30.0
WEAK_SECONDS_SHARE = 0.08
OVERSHOOT = 0.03
WARM_SECONDS, COLD_SECONDS = 6.0, 15.0
BASELINES = (
    System.TFIDF,
    System.PROBE,
    System.TRAINER,
    System.TRAINER_TUNED,
    System.SETFIT,
    System.POLICY,
)
TITLES = {
    System.TFIDF: "TF-IDF + logistic regression",
    System.PROBE: "MiniLM + logistic regression",
    System.TRAINER: "Trainer, defaults",
    System.TRAINER_TUNED: "Trainer, 1e-4, batch 16",
    System.SETFIT: "SetFit",
    System.POLICY: "policy, no search",
    System.OURS: "ours, cold",
    System.OURS_STARTED: "ours, starter store",
    System.OURS_REFIT: "ours, the winner on all rows",
    System.OURS_EXPERIENCED: "ours, the same after other sets",
    System.OURS_BEFORE: "ours before",
}
VERSIONS = (System.OURS, System.OURS_STARTED, System.OURS_REFIT, System.OURS_EXPERIENCED)
"""What is judged by the goals, each for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a goal is reached."""

    goal: str
    measured: str
    is_met: bool | None
    """None if it was not measured."""


class Table:
    """Measurements by set, system and time.

    Args:
        measurements: Of any sets, seeds and systems.
        version: That of ours which the goals are about.
    """

    def __init__(self, measurements: Sequence[Measurement], version: System = System.OURS) -> None:
        self.measurements = measurements
        self.version = version

    @property
    def datasets(self) -> list[str]:
        """Return the sets in the order in which they were measured."""
        return list(dict.fromkeys(measurement.dataset for measurement in self.measurements))

    def of(self, dataset: str, system: System) -> list[Measurement]:
        """Return the measurements of a system on a set."""
        return [
            measurement
            for measurement in self.measurements
            if measurement.dataset == dataset and measurement.system is system
        ]

    def facts(self) -> list[tuple[Measurement, RunFacts]]:
        """Return the searches of the version that is judged, with how their budgets were spent."""
        return [
            (measurement, measurement.facts)
            for measurement in self.measurements
            if measurement.system is self.version and measurement.facts is not None
        ]

    def runs_for(self, dataset: str, system: System, seconds: float) -> list[Measurement]:
        """Return the runs, one for each seed, that say what a system has after some seconds.

        Of searches, those with the smallest budget that is not over by then: who has five minutes says so.
        """
        runs = self.of(dataset, system)
        budgets = sorted(
            {run.minutes for run in runs if run.minutes is not None and 60 * run.minutes >= seconds}
        )
        if system.has_budget:
            return [run for run in runs if budgets and run.minutes == budgets[0]]
        return runs

    def score(self, dataset: str, system: System, seconds: float) -> tuple[float, float] | None:
        """Return macro-F1 and accuracy after some seconds, means over the seeds.

        None where the system was not measured, or has no answer by then for one of the seeds.
        """
        runs = self.runs_for(dataset, system, seconds)
        answers = [run.answer_at(seconds) for run in runs]
        there = [answer for answer in answers if answer is not None]
        if not there or len(there) < len(answers):
            return None
        f1_macro = statistics.fmean(answer.f1_macro for answer in there)
        return f1_macro, statistics.fmean(answer.accuracy for answer in there)

    def f1(self, dataset: str, system: System, seconds: float) -> float | None:
        """Return macro-F1 after some seconds, as `score` does."""
        score = self.score(dataset, system, seconds)
        return None if score is None else score[0]

    def lead(self, dataset: str, baseline: System, seconds: float) -> float | None:
        """Return macro-F1 of the version that is judged less that of a baseline after some seconds.

        The mean over the seeds of both, for rows differ from seed to seed; None where they have none in common.
        """
        theirs: dict[int, float] = {}
        for run in self.runs_for(dataset, baseline, seconds):
            answer = run.answer_at(seconds)
            if answer is not None:
                theirs[run.seed] = answer.f1_macro
        leads = []
        for run in self.runs_for(dataset, self.version, seconds):
            if run.seed in theirs:
                answer = run.answer_at(seconds)
                # No answer at all is a macro-F1 of zero.
                own = 0.0 if answer is None else answer.f1_macro
                leads.append(own - theirs[run.seed])
        return statistics.fmean(leads) if leads else None


def markdown(measurements: Sequence[Measurement]) -> str:
    """Return the page."""
    table = Table(measurements)
    lines = [
        "# The first minute",
        "",
        "`python -m benchmarks.first_minute`: test macro-F1 (accuracy) by seconds from the start of a process, on one",
        "core; the same rows for all, means over the seeds. Scoring on the test split does not count. A dash: no",
        "answer yet for some seed; empty: not measured. An answer counts for a time if it is there at most 3 % later.",
        "Of searches, the row of a time is from the run with the smallest budget that is not over by then. Goals",
        "compare on the seeds that both have.",
        "",
        *header(measurements),
        "",
        *score_lines(table),
        "",
        "## What must be reached",
        "",
        *goal_lines(measurements),
        "## How searches spent their budget",
        "",
        *fact_lines(table),
    ]
    return "\n".join(lines) + "\n"


def goal_lines(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Yield what became of each goal, a table for each version of ours that was measured."""
    measured = {measurement.system for measurement in measurements}
    versions = [version for version in VERSIONS if version in measured]
    for version in versions or [System.OURS]:
        yield f"### {TITLES[version]}"
        yield ""
        yield "| goal | measured | met |"
        yield "| --- | --- | --- |"
        for verdict in verdicts(Table(measurements, version)):
            yield f"| {verdict.goal} | {verdict.measured} | {met(verdict)} |"
        yield ""


def header(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Yield machine, versions, seeds and sizes."""
    for machine in sorted({measurement.machine for measurement in measurements}):
        yield f"- {machine}"
    for system in (*VERSIONS, System.OURS_BEFORE):
        commits = sorted(
            {measurement.commit for measurement in measurements if measurement.system is system}
        )
        if commits:
            yield f"- {TITLES[system]}: commit {', '.join(commits)}"
    busiest = max((measurement.load for measurement in measurements), default=0.0)
    yield f"- load average when a measurement began: at most {busiest:.1f}"
    yield from seed_lines(measurements)
    sizes: dict[tuple[int, int], None] = {}
    test_rows = {}
    for measurement in measurements:
        sizes[measurement.train_rows, measurement.validation_rows] = None
        test_rows[measurement.dataset] = measurement.test_rows
    for train_rows, validation_rows in sizes:
        yield f"- {train_rows:,} training and {validation_rows:,} validation rows, drawn by seed, stratified"
    yield f"- test rows: {', '.join(f'{dataset} {rows:,}' for dataset, rows in test_rows.items())}"


def seed_lines(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Yield which seeds each system has, a line for those that have the same."""
    seeds: dict[str, set[int]] = {}
    for measurement in measurements:
        budget = f" ({duration(60 * measurement.minutes)})" if measurement.minutes else ""
        seeds.setdefault(TITLES[measurement.system] + budget, set()).add(measurement.seed)
    alike: dict[str, list[str]] = {}
    for name, numbers in seeds.items():
        alike.setdefault(", ".join(map(str, sorted(numbers))), []).append(name)
    for numbers_of_some, names in alike.items():
        yield f"- seeds {numbers_of_some}: {'; '.join(names)}"


def score_lines(table: Table) -> Iterator[str]:
    """Yield the table of scores."""
    measured = {measurement.system for measurement in table.measurements}
    systems = [system for system in System if system in measured]
    yield f"| set | after | {' | '.join(TITLES[system] for system in systems)} |"
    yield "| --- | --- |" + " --- |" * len(systems)
    for dataset in table.datasets:
        for seconds in TIMES:
            cells = [score_cell(table, dataset, system, seconds) for system in systems]
            yield f"| {dataset} | {duration(seconds)} | {' | '.join(cells)} |"


def score_cell(table: Table, dataset: str, system: System, seconds: float) -> str:
    """Return a score as the table shows it."""
    if not table.runs_for(dataset, system, seconds):
        return ""
    score = table.score(dataset, system, seconds)
    return "-" if score is None else f"{score[0]:.3f} ({score[1]:.3f})"


def fact_lines(table: Table) -> Iterator[str]:
    """Yield a line for each search."""
    yield "| set | seed | version | budget | ended | first model | first step | warm | trials | cut | weak seconds |"
    yield "| --- |" + " --- |" * 10
    for run in table.measurements:
        facts = run.facts
        if facts is None:
            continue
        first = seconds_cell(run.checkpoints[0].seconds if run.checkpoints else None)
        weak = facts.weak_seconds / facts.trial_seconds if facts.trial_seconds else 0.0
        yield (
            f"| {run.dataset} | {run.seed} | {TITLES[run.system]} | {duration(60 * (run.minutes or 0))} "
            f"| {facts.seconds:.0f} s | {first} | {seconds_cell(facts.first_step_seconds)} "
            f"| {seconds_cell(facts.warm_first_step_seconds)} | {facts.trials} | {facts.cut_trials} | {weak:.0%} |"
        )


def verdicts(table: Table) -> list[Verdict]:
    """Judge each goal."""
    return [
        judged_first_model(table),
        judged_against_probe(table),
        *(judged_against_baselines(table, seconds) for seconds in (300, 900)),
        judged_against_policy(table),
        judged_cut_trials(table),
        judged_weak_seconds(table),
        judged_overshoot(table),
        judged_start("cold", COLD_SECONDS, table, lambda facts: facts.first_step_seconds),
        judged_start("warm", WARM_SECONDS, table, lambda facts: facts.warm_first_step_seconds),
    ]


def judged_first_model(table: Table) -> Verdict:
    """Judge when the first usable model is there."""
    goal = f"first usable model within {FIRST_MODEL_SECONDS:.0f} s, on every set"
    runs = [run for run, _ in table.facts()]
    if not runs:
        return not_measured(goal)
    without = [run for run in runs if not run.checkpoints]
    if without:
        return Verdict(goal=goal, measured=f"{len(without)} runs without any", is_met=False)
    slowest = max(runs, key=lambda run: run.checkpoints[0].seconds)
    seconds = slowest.checkpoints[0].seconds
    return Verdict(
        goal=goal,
        measured=f"at latest {seconds:.1f} s ({slowest.dataset})",
        is_met=seconds <= FIRST_MODEL_SECONDS,
    )


def judged_against_probe(table: Table) -> Verdict:
    """Judge whether any answer, from the first one on, is worse than the probe."""
    goal = f"never below the probe - {NOISE}, on every set"
    margins = {}
    for dataset in table.datasets:
        probes = {run.seed: run.checkpoints for run in table.of(dataset, System.PROBE)}
        leads = []
        for run in table.of(dataset, table.version):
            if run.checkpoints and probes.get(run.seed):
                lowest = min(checkpoint.f1_macro for checkpoint in run.checkpoints)
                leads.append(lowest - probes[run.seed][-1].f1_macro)
        if leads:
            margins[dataset] = statistics.fmean(leads)
    return judged_margins(goal, margins, -NOISE)


def judged_against_baselines(table: Table, seconds: float) -> Verdict:
    """Judge whether ours is as good as the best baseline."""
    goal = f"at {duration(seconds)}: at least the best baseline - {NOISE}, on every set"
    margins = {}
    for dataset in table.datasets:
        leads = [table.lead(dataset, baseline, seconds) for baseline in BASELINES]
        known = [lead for lead in leads if lead is not None]
        if known:
            margins[dataset] = min(known)
    return judged_margins(goal, margins, -NOISE)


def judged_margins(goal: str, margins: dict[str, float], least: float) -> Verdict:
    """Judge differences of ours, one for each set."""
    if not margins:
        return not_measured(goal)
    below = [dataset for dataset, margin in margins.items() if margin < least]
    worst = min(margins, key=lambda dataset: margins[dataset])
    measured = (
        f"{len(margins) - len(below)} of {len(margins)} sets; least {margins[worst]:+.3f} ({worst})"
    )
    return Verdict(goal=goal, measured=measured, is_met=not below)


def judged_against_policy(table: Table) -> Verdict:
    """Judge what the search adds to a policy without one."""
    goal = f"at {duration(TIMES[-1])}: the policy + {GAIN} on the mean over the sets"
    leads = [table.lead(dataset, System.POLICY, TIMES[-1]) for dataset in table.datasets]
    known = [lead for lead in leads if lead is not None]
    if not known:
        return not_measured(goal)
    gain = statistics.fmean(known)
    return Verdict(goal=goal, measured=f"{gain:+.3f} on {len(known)} sets", is_met=gain >= GAIN)


def judged_cut_trials(table: Table) -> Verdict:
    """Judge whether trials were stopped in the middle of their schedule."""
    goal = "no trial cut in the middle of its schedule"
    facts = [facts for _, facts in table.facts()]
    if not facts:
        return not_measured(goal)
    cut, trials = sum(run.cut_trials for run in facts), sum(run.trials for run in facts)
    return Verdict(goal=goal, measured=f"{cut} of {trials} trials", is_met=cut == 0)


def judged_weak_seconds(table: Table) -> Verdict:
    """Judge the time that went to trials far below their run's best."""
    goal = f"at most {WEAK_SECONDS_SHARE:.0%} of trial seconds below 60 % of the run's best"
    facts = [facts for _, facts in table.facts()]
    total = sum(run.trial_seconds for run in facts)
    if not total:
        return not_measured(goal)
    share = sum(run.weak_seconds for run in facts) / total
    return Verdict(
        goal=goal, measured=f"{share:.1%} of {total:,.0f} s", is_met=share <= WEAK_SECONDS_SHARE
    )


def judged_overshoot(table: Table) -> Verdict:
    """Judge by how much the budget is passed, from the start of the process to its end."""
    goal = f"budget passed by at most {OVERSHOOT:.0%}"
    runs = [
        (run, facts.seconds / (60 * run.minutes) - 1) for run, facts in table.facts() if run.minutes
    ]
    if not runs:
        return not_measured(goal)
    worst, share = max(runs, key=lambda pair: pair[1])
    measured = f"at most {share:+.1%} ({worst.dataset}, {duration(60 * (worst.minutes or 0))})"
    return Verdict(goal=goal, measured=measured, is_met=share <= OVERSHOOT)


def judged_start(
    name: str, limit: float, table: Table, seconds_of: Callable[[RunFacts], float | None]
) -> Verdict:
    """Judge the seconds until the first trial computes."""
    goal = f"first training step within {limit:.0f} s, {name}"
    seconds = [seconds_of(facts) for _, facts in table.facts()]
    there = [value for value in seconds if value is not None]
    if not there:
        return not_measured(goal)
    measured = f"at latest {max(there):.1f} s, median {statistics.median(there):.1f} s"
    return Verdict(goal=goal, measured=measured, is_met=max(there) <= limit)


def not_measured(goal: str) -> Verdict:
    """Return the verdict on a goal of which nothing is known."""
    return Verdict(goal=goal, measured="not measured", is_met=None)


def met(verdict: Verdict) -> str:
    """Return the last cell of a verdict."""
    if verdict.is_met is None:
        return ""
    return "yes" if verdict.is_met else "**no**"


def duration(seconds: float) -> str:
    """Return a time as the table shows it."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:g} min"


def seconds_cell(seconds: float | None) -> str:
    """Return seconds as the table shows them."""
    return "" if seconds is None else f"{seconds:.1f} s"
