"""Which configuration is promoted to more of the training rows, and that samplers begin on the lowest rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.search.toy import OBJECTIVES, SPACE, play
from xautolm.objectives import Objective
from xautolm.records import Configuration, Experience, Scalar, TrialOutcome
from xautolm.search import SAMPLERS, Memory, Rungs, open_study
from xautolm.search.encoding import Encoder
from xautolm.search.rungs import promoted_to
from xautolm.space import Prior, Space
from xautolm.space.shares import RUNG_SHARES, rung_parameter, rung_share
from xautolm.testing import made_up_experience, success
from xautolm.vocabulary import FailureKind, TrialStatus

LOW, MIDDLE, ALL = RUNG_SHARES
QUALITY = OBJECTIVES[:1]
RUNG_SPACE = Space(SPACE.name, (*SPACE.parameters, rung_parameter()))


def no_obstacle(configuration: Configuration) -> str:
    return ""


def configuration(name: int, share: float | None = LOW) -> Configuration:
    values: dict[str, Scalar] = {"model": "tiny", "method": "full.v1", "name": name}
    if share is not None:
        values["train_share"] = share
    return Configuration(values=values, space="toy.v1")


def trial(name: int, outcome: TrialOutcome | float, share: float | None = LOW) -> Experience:
    told = success(f1_macro=outcome) if isinstance(outcome, float) else outcome
    return made_up_experience(name, configuration(name, share), told)


def promoted(
    experiences: Sequence[Experience],
    running: Sequence[Configuration] = (),
    spent: float = 0.0,
    objectives: Sequence[Objective] = QUALITY,
) -> tuple[Scalar, Scalar] | None:
    rungs = Rungs(shares=RUNG_SHARES, objectives=objectives)
    chosen = rungs.promotion(experiences, running, spent, no_obstacle)
    return None if chosen is None else (chosen.values["name"], chosen.values["train_share"])


def test_one_of_three_is_promoted_and_only_once() -> None:
    rung = [trial(0, 0.5), trial(1, 0.7), trial(2, 0.6)]
    assert promoted(rung[:2]) is None
    assert promoted(rung) == (1, MIDDLE)
    assert promoted(rung, running=[configuration(1, MIDDLE)]) is None
    assert promoted([*rung, trial(1, 0.8, MIDDLE)]) is None
    # Six in the rung: two of them. The second was not among the best before.
    more = [*rung, trial(1, 0.8, MIDDLE), trial(3, 0.65), trial(4, 0.1), trial(5, 0.2)]
    assert promoted(more) == (3, MIDDLE)


def test_the_highest_rung_comes_first_and_all_rows_are_the_end() -> None:
    low = [trial(name, 0.5 + name / 100) for name in range(9)]
    middle = [trial(name, 0.6 + name / 100, MIDDLE) for name in (6, 7, 8)]
    assert promoted([*low, *middle]) == (8, ALL)
    assert promoted([*low, *middle, trial(8, 0.9, ALL)]) is None


def test_what_did_well_on_few_rows_is_not_compared_with_what_was_trained_on_more() -> None:
    middle = [trial(name, 0.9, MIDDLE) for name in (7, 8)]
    low = [trial(0, 0.3), trial(1, 0.4), trial(2, 0.2)]
    assert promoted([*middle, *low]) == (1, MIDDLE)


def test_probes_and_trainings_without_a_rung_are_on_none() -> None:
    assert promoted([trial(name, 0.9, None) for name in range(6)]) is None
    without = Rungs.of_space(SPACE, QUALITY)
    assert without.promotion([trial(name, 0.9) for name in range(3)], [], 0.9, no_obstacle) is None
    assert tuple(Rungs.of_space(RUNG_SPACE, QUALITY).shares) == RUNG_SHARES


def test_failed_stopped_and_interrupted_trials_are_not_promoted() -> None:
    failed = play({"model": "broken"})
    stopped = replace(success(f1_macro=0.9), status=TrialStatus.PRUNED)
    assert failed.failure is not None
    interrupted = replace(failed, failure=replace(failed.failure, kind=FailureKind.INTERRUPTED))
    # A failure and a stopped trial are two of three that ended; one that was interrupted says nothing.
    assert promoted([trial(0, failed), trial(1, stopped), trial(2, 0.1)]) == (2, MIDDLE)
    assert promoted([trial(0, interrupted), trial(1, stopped), trial(2, 0.1)]) is None
    assert promoted([trial(0, failed), trial(1, failed), trial(2, failed)]) is None


def test_each_rung_is_entitled_to_its_part_of_the_budget() -> None:
    alone = [trial(0, 0.5)]
    assert promoted(alone, spent=0.32) is None
    assert promoted(alone, spent=0.34) == (0, MIDDLE)
    both = [*alone, trial(0, 0.6, MIDDLE)]
    assert promoted(both, spent=0.6) is None
    assert promoted(both, spent=0.67) == (0, ALL)
    assert promoted([*both, trial(0, 0.7, ALL)], spent=0.99) is None


def test_what_meets_an_obstacle_gives_way_to_a_lower_rung() -> None:
    rungs = Rungs(shares=RUNG_SHARES, objectives=QUALITY)
    trials = [trial(name, 0.5 + name / 100, share) for share in (LOW, MIDDLE) for name in range(3)]
    trials += [trial(name, 0.6 + name / 100) for name in (4, 5, 6)]

    def too_large(promotion: Configuration) -> str:
        return "too slow" if rung_share(promotion.values) == ALL else ""

    chosen = rungs.promotion(trials, [], 0.0, too_large)
    assert chosen == configuration(6, MIDDLE)


def test_several_objectives_are_ranked_by_fronts_and_then_by_quality() -> None:
    def outcome(quality: float, seconds: float) -> TrialOutcome:
        return success(seconds=seconds, f1_macro=quality)

    # 0 and 1 are the front; 2 is dominated by 1, though its quality is second.
    trials = [
        trial(0, outcome(0.3, 1.0)),
        trial(1, outcome(0.9, 10.0)),
        trial(2, outcome(0.8, 20.0)),
    ]
    assert promoted(trials, objectives=OBJECTIVES) == (1, MIDDLE)
    trials += [
        trial(1, outcome(0.95, 30.0), MIDDLE),
        *(trial(name, outcome(0.1, 40.0)) for name in (3, 4, 5)),
    ]
    assert promoted(trials, objectives=OBJECTIVES) == (0, MIDDLE)
    assert promoted(trials, objectives=QUALITY) == (2, MIDDLE)


@pytest.mark.parametrize("name", ["xautolm", "tpe", "nsga2", "random", "pge"])
def test_every_sampler_proposes_on_the_lowest_rung(name: str) -> None:
    strategy = SAMPLERS.get(name)
    memory = Memory(prior=Prior.plain(RUNG_SPACE))
    first = [promoted_to(RUNG_SPACE.default(), MIDDLE)]
    study = open_study(
        None, RUNG_SPACE, OBJECTIVES, lambda seed: strategy.make(RUNG_SPACE, seed, memory), 0, first
    )
    proposals = []
    for number in range(14):
        asked = study.ask(no_obstacle)
        assert asked is not None and not RUNG_SPACE.problems(asked.configuration.values)
        proposals.append(asked.configuration)
        study.tell(asked.number, play(dict(asked.configuration.values)))
        if number == 11:
            study.enqueue(promoted_to(proposals[5], ALL), "promoted")
    # What was queued keeps its rung; the sampler is asked for all the rest.
    assert [rung_share(each.values) for each in proposals] == [MIDDLE, *[LOW] * 11, ALL, LOW]
    assert len({each.digest for each in proposals}) == 14


def test_samplers_tell_a_result_on_a_part_from_one_on_all_rows() -> None:
    default = RUNG_SPACE.default()
    rows = Encoder.of_space(RUNG_SPACE).rows(
        promoted_to(default, share).values for share in RUNG_SHARES
    )
    (column,) = np.flatnonzero(np.ptp(rows, axis=0))
    assert rows[:, column].tolist() == pytest.approx([0.0, 2 / 9, 1.0])
