"""The small conditional space of the contract of strategies, and what its configurations are worth."""

from __future__ import annotations

from collections.abc import Callable

from xautolm.records import Experience, TrialOutcome, Values
from xautolm.search import SearchStudy
from xautolm.testing import made_up_experience
from xautolm.testing.strategies import TOY_OBJECTIVES as OBJECTIVES
from xautolm.testing.strategies import TOY_SPACE as SPACE
from xautolm.testing.strategies import play_toy as play

__all__ = ["OBJECTIVES", "SPACE", "play", "searched"]


def searched(
    study: SearchStudy, trials: int, outcome_of: Callable[[Values], TrialOutcome] = play
) -> list[Experience]:
    """Return what a search of so many trials leaves in its folder."""
    experiences = []
    for _ in range(trials):
        asked = study.ask(lambda configuration: "")
        assert asked is not None
        outcome = outcome_of(dict(asked.configuration.values))
        study.tell(asked.number, outcome)
        experiences.append(made_up_experience(asked.number, asked.configuration, outcome))
    return experiences
