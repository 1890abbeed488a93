"""Runs that never were, for pages of all kinds."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd

from xautolm.metrics import METRICS
from xautolm.objectives import TIME, pareto_front
from xautolm.records import (
    Assessment,
    Budget,
    Configuration,
    Experience,
    Failure,
    Mark,
    TrialOutcome,
)
from xautolm.report import Answers, PageContent, Winner
from xautolm.run_folder import RunInfo
from xautolm.testing import made_up_experience
from xautolm.vocabulary import FailureKind, Split, Stage, TrialStatus

LEAD = METRICS.get("f1_macro").objective
BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LABELS = ("billing", "delivery", "other", "praise", "technical")
METHODS = ("probe.v1", "full.v1", "lora.v1", "partial.v1")


def info_of(experiences: list[Experience], task: str = "text-classification") -> RunInfo:
    """Return what a run of these trials is about."""
    first = experiences[0]
    return RunInfo(
        id="0123456789abcdef",
        created=BEGIN.isoformat(),
        task=task,
        labels=LABELS if task == "text-classification" else (),
        objectives=("f1_macro", "evaluation_time"),
        metrics=("f1_macro", "accuracy"),
        data=first.data,
        system=first.system,
        seed=7,
        versions={"xautolm": "0.1.0", "torch": "2.9.1"},
        settings={"sampler": "xautolm"},
        notes=("validation split made: 20 rows",),
        models=("minilm-l6", "minilm-l3"),
    )


def content_of(experiences: list[Experience], **changes: object) -> PageContent:
    """Return the page of these trials, with nothing recorded besides."""
    outcomes = {experience.trial: experience.outcome for experience in experiences}
    front = pareto_front(outcomes, (LEAD, TIME))
    content = PageContent(
        info=info_of(experiences),
        experiences=experiences,
        front=front,
        lead=LEAD,
        root="runs/first",
    )
    return replace(content, **changes)


def made_up_run(trials: int = 24) -> PageContent:
    """Return the page of a search of some minutes, with stopped and failed trials and a store that helped."""
    chance = random.Random(5)
    experiences = []
    ended = BEGIN + timedelta(seconds=9)
    for trial in range(trials):
        outcome = _outcome(trial, chance)
        ended += timedelta(seconds=outcome.wall_time + 0.4)
        experience = made_up_experience(trial, _configuration(trial, chance), outcome)
        proposal = "default" if trial < 3 else chance.choice(["prior", "near the best", "xautolm"])
        experiences.append(
            replace(experience, created=ended.isoformat(timespec="seconds"), proposal=proposal)
        )
    succeeded = [experience for experience in experiences if experience.outcome.succeeded]
    best = max(succeeded, key=lambda experience: experience.outcome.metrics["f1_macro"])
    marks = (
        Mark(stage=Stage.START_UP, time=BEGIN.isoformat(), budget=Budget(seconds=600.0)),
        Mark(stage=Stage.SEARCH, time=(BEGIN + timedelta(seconds=9)).isoformat()),
        Mark(stage=Stage.SCORING, time=ended.isoformat()),
        Mark(stage=Stage.END, time=(ended + timedelta(seconds=11)).isoformat()),
    )
    winner = Winner(
        trial=best.trial,
        usage='from transformers import pipeline\n\nask = pipeline("text-classification", "runs/first/best")',
        validation=best.outcome.metrics,
        test={"f1_macro": 0.8123, "accuracy": 0.8391},
        kind="This is a plain folder of transformers.",
        disk_bytes=91_000_000,
    )
    return content_of(
        experiences,
        winner=winner,
        answers=classified(),
        marks=marks,
        explanations=_explanations(experiences, chance),
        warm_start=warm_start(),
        options="data: train.csv\nbudget: 600\nseed: 7\n",
        predict='xautolm predict runs/first "some text"',
        version="0.1.0",
    )


def _configuration(trial: int, chance: random.Random) -> Configuration:
    """Return what a trial runs: probes of both models first."""
    method = METHODS[0] if trial < 2 else chance.choice(METHODS[1:])
    model = (
        ("minilm-l6", "minilm-l3")[trial % 2]
        if trial < 2
        else chance.choice(["minilm-l6", "minilm-l3"])
    )
    values = {"model": model, "method": method, "max_length": chance.choice([64, 128])}
    if method != METHODS[0]:
        values |= {
            "learning_rate": 10 ** chance.uniform(-5, -3),
            "batch_size": chance.choice([16, 32]),
            "epochs": chance.randint(2, 8),
            "head_init": chance.choice(["probe", "random"]),
            "weight_decay": chance.choice([0.0, 0.01, 0.1]),
        }
    return Configuration(values=values, space="default.v1")


def _outcome(trial: int, chance: random.Random) -> TrialOutcome:
    """Return what came of a trial: every seventh fails, every fifth is stopped."""
    seconds = 6.0 + trial if trial < 2 else chance.uniform(15, 40)
    if trial > 2 and trial % 7 == 0:
        kind = chance.choice([FailureKind.OUT_OF_MEMORY, FailureKind.DIVERGED])
        failure = Failure(kind=kind, message="the loss is nan after 40 steps\nmore", stderr_tail="")
        return TrialOutcome(status=TrialStatus.FAILED, wall_time=seconds, failure=failure)
    score = 0.70 + 0.004 * trial + chance.uniform(-0.05, 0.05)
    points = []
    for epoch in range(1, 2 if trial < 2 else 6):
        value = (
            score - 0.2 / epoch**1.5 + (0.004 if epoch == 4 else 0.0) + (0.2 if trial < 2 else 0.0)
        )
        points.append({"epoch": float(epoch), "seconds": seconds * epoch / 6, "f1_macro": value})
    best = max(point["f1_macro"] for point in points)
    is_stopped = trial > 2 and trial % 5 == 0
    return TrialOutcome(
        status=TrialStatus.PRUNED if is_stopped else TrialStatus.COMPLETE,
        metrics={"f1_macro": best, "accuracy": best + 0.03},
        history=tuple(points),
        evaluation_time=seconds * 0.9,
        planned_time=seconds * 2 if is_stopped else None,
        wall_time=seconds,
        peak_memory=int(chance.uniform(0.6, 1.4) * 1e9),
    )


def _explanations(
    experiences: list[Experience], chance: random.Random
) -> dict[int, dict[str, object]]:
    """Return where proposals came from: the first ones from defaults, which nobody had to trust."""
    explanations: dict[int, dict[str, object]] = {}
    for experience in experiences:
        explanation: dict[str, object] = {"origin": experience.proposal}
        if experience.trial > 2:
            explanation["trust"] = round(0.8 - 0.015 * experience.trial, 3)
            explanation["failure"] = round(chance.uniform(0, 0.3), 3)
            explanation["because"] = [
                "tickets_2024/3 minilm-l6 0.812",
                "reviews/11 minilm-l3 0.774",
            ]
        explanations[experience.trial] = explanation
    return explanations


def warm_start() -> dict[str, object]:
    """Return what a search began with that knew two past tasks."""
    influences = []
    for number in range(12):
        name, distance = ("tickets_2024", 0.21) if number % 3 else ("reviews", 0.58)
        influences.append(
            {
                "experience": f"{number:024x}",
                "data": name,
                "model": "minilm-l6",
                "method": "full.v1",
                "outcome": "success" if number % 4 else "out_of_memory",
                "distance": distance,
                "rate": 0.4 - 0.05 * number,
                "unmapped": [],
            }
        )
    return {"experiences": 12, "successes": 9, "influences": influences}


def assessment(split: Split = Split.TEST, rows: int = 200) -> Assessment:
    """Return what was measured of a winner."""
    return Assessment(
        split=split,
        rows=rows,
        scores={"f1_macro": 0.8123, "accuracy": 0.8391},
        interval=(0.7712, 0.8504),
        constant={"f1_macro": 0.0812, "accuracy": 0.2510},
        seconds_per_text=0.0042,
        device="cpu",
        threads=2,
    )


def classified(labels: tuple[str, ...] = LABELS, rows: int = 200) -> Answers:
    """Return answers to rows with classes, of which "other" fails most."""
    chance = random.Random(3)
    lines = []
    for row in range(rows):
        target = labels[row % len(labels)]
        confidence = chance.uniform(0.4, 1.0)
        is_right = chance.random() < (0.5 if target == "other" else 0.9) * confidence + 0.1
        prediction = target if is_right else labels[0 if target != labels[0] else 1]
        text = f"Row {row}: my parcel has not arrived, and nobody answers the telephone. " * 3
        lines.append((text, target, prediction, confidence))
    table = pd.DataFrame(lines, columns=["text", "target", "prediction", "confidence"])
    return Answers(assessment=assessment(rows=rows), rows=table)
