"""The levels of the code, lowest first: the tests hold imports to them, and `docs/architecture.md` is made from them.

`python -m tests.levels` writes the table of the page anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import xautolm

ROOT = Path(xautolm.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
HEADER = "| level | what | why there |\n| --- | --- | --- |\n"
"""What the table begins with; it ends with an empty line."""


@dataclass(frozen=True, slots=True)
class Level:
    """Files and folders that import only what is below them."""

    rooms: tuple[str, ...]
    """Names of files, without their ending, and of folders."""
    reason: str
    """Why they are there, for the page."""


LEVELS = (
    Level(
        ("vocabulary", "printable", "words", "importable", "notices"),
        "closed sets of names that several rooms share; text from outside as it may be printed; "
        "the words of a text in any writing, and answers among them; "
        "functions by the place to import them from; warnings that are said once",
    ),
    Level(
        ("errors", "records", "settings"),
        "nouns and errors; `settings` alone reads environment variables",
    ),
    Level(
        (
            "registry",
            "serialization",
            "cells",
            "options",
            "objectives",
            "processes",
            "local_server",
            "symptoms",
            "kept_activations",
            "time_ratios",
            "space",
        ),
        "mechanisms that know no task, model or method",
    ),
    Level(
        (
            "class_values",
            "forecasts",
            "trial_folder",
            "budget",
            "metrics",
            "data",
            "tasks",
            "hardware",
            "metafeatures",
            "zoo",
            "methods",
        ),
        "things, each for itself",
    ),
    Level(
        ("memory",),
        "what a method takes of memory with a model",
    ),
    Level(
        ("gpu_time",),
        "what it takes of a GPU's time",
    ),
    Level(
        ("run_folder", "search_space", "resources", "description", "callbacks"),
        "the files of a run; the only places where zoo, methods and task meet: the space, and "
        "what a configuration will need; meta-features of a task's data; what a search tells to "
        "objects of a person's own",
    ),
    Level(
        (
            "experience",
            "metalearning",
            "search",
            "execution",
            "finetuning",
            "report",
            "limits",
            "packed_run",
            "opening",
            "forecaster",
            "traits",
            "trackers",
        ),
        "engines; none imports another; a run inside a pickle; what a search begins with, in order; "
        "what is predicted of a trial when it begins; what a configuration's model is and what its "
        "training needs, as numbers for the models; programs that track experiments",
    ),
    Level(
        (
            "scenario",
            "past_evidence",
            "past_trials",
            "search_store",
            "best_folder",
            "pruner",
            "late_features",
            "testing",
        ),
        "what is known before a search; past trials as a sampler's models see them; "
        "which past trials a search learns from; the store as "
        "a search uses it; the best model so far; which running trials are hopeless; meta-"
        "features measured beside the first trials; fakes of engines, and contracts of parts as "
        "tests",
    ),
    Level(
        ("resuming", "warm_start", "past_forecasts"),
        "what a run's folder holds from its first start on, and what a later start makes of it; "
        "from the store to what a search begins with; what forecasts from the store are worth",
    ),
    Level(
        ("recommend", "store_view", "integrations", "session"),
        "advice without a search; what the page of the store shows; our sampler in other people's "
        "studies; engines put together, after every check",
    ),
    Level(
        ("after_search",),
        "children that run once the last trial has ended",
    ),
    Level(
        ("refit",),
        "the winner's last training, for which the loop keeps time",
    ),
    Level(
        ("loop", "artifacts", "best_model", "publishing"),
        "the conductor, what a run leaves behind, and its winner at work and on a hub",
    ),
    Level(
        ("operations", "serving", "exporting", "watching"),
        "search, score, describe, advise, report: what `AutoLM` and the command line call, "
        "without scikit-learn; the winner as a web service and in other formats; "
        "the page of a run that goes on",
    ),
    Level(
        ("automl",),
        "`AutoLM`, in scikit-learn's manners",
    ),
    Level(
        ("cli",),
        "one file per command group",
    ),
    Level(
        ("__main__",),
        "`python -m xautolm`",
    ),
)
"""From the bottom up; a file imports lower levels and its own folder, nothing else."""
LEVEL_OF = {name: number for number, level in enumerate(LEVELS) for name in level.rooms}
"""The level of each file and folder."""


def table() -> str:
    """Return the table of the levels, as the page has it."""
    lines = []
    for number, level in enumerate(LEVELS):
        rooms = []
        for name in level.rooms:
            ending = "/" if (ROOT / name).is_dir() else ""
            rooms.append(f"`{name}{ending}`")
        lines.append(f"| {number} | {', '.join(rooms)} | {level.reason} |\n")
    return HEADER + "".join(lines)


def page() -> str:
    """Return the page with the table as it should be."""
    before, header, behind = PAGE.read_text(encoding="utf-8").partition(HEADER)
    assert header, f"{PAGE.name} has no table of levels"
    _, end, after = behind.partition("\n\n")
    return before + table() + end[1:] + after


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
