"""A sampler that is made late proposes what one made at once does, and is not made for what was queued."""

from __future__ import annotations

import pytest

from tests.search.toy import OBJECTIVES, SPACE, play
from xautolm.search import SAMPLERS, Memory, open_study

pytestmark = pytest.mark.filterwarnings(
    "ignore::optuna.exceptions.ExperimentalWarning", "ignore::FutureWarning"
)


def proposals(name: str, *, is_late: bool, asked: list[int]) -> list[dict]:
    strategy = SAMPLERS.get(name)

    def remember() -> Memory | None:
        asked.append(len(values))
        return None

    def make(seed: int):
        return (
            strategy.make_late(SPACE, seed, remember)
            if is_late
            else strategy.make(SPACE, seed, None)
        )

    values: list[dict] = []
    study = open_study(None, SPACE, OBJECTIVES, make, seed=3)
    for _ in range(5):
        trial = study.ask(lambda configuration: "")
        assert trial is not None
        values.append(dict(trial.configuration.values))
        study.tell(trial.number, play(values[-1]))
    return values


@pytest.mark.parametrize("name", ["xautolm", "pge", "random"])
def test_late_or_at_once_the_proposals_are_the_same(name: str) -> None:
    asked: list[int] = []
    assert proposals(name, is_late=True, asked=asked) == proposals(name, is_late=False, asked=asked)
    # The first is the default, which was queued; who takes nothing from past experiences is not asked at all.
    assert asked == ([] if name == "random" else [1])
