"""One suite for every search strategy on the registry, in the study that real runs use."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from tests.search.toy import OBJECTIVES, SPACE, play
from xautolm.objectives import pareto_front
from xautolm.records import Configuration, Failure, TrialOutcome
from xautolm.search import SAMPLERS, Evidence, Memory, SearchStudy, Strategy, open_study
from xautolm.search.candidates import Proposer
from xautolm.search.settings import SearchSettings
from xautolm.search.strategies.pge import POPULATION, PgeSampler
from xautolm.search.strategies.xautolm import LearningSampler
from xautolm.space import Prior, Space
from xautolm.testing import check_strategy, success
from xautolm.testing.strategies import TINY_SPACE, toy_search
from xautolm.vocabulary import FailureKind, Recall, TrialStatus

pytestmark = pytest.mark.filterwarnings(
    "ignore::optuna.exceptions.ExperimentalWarning", "ignore::FutureWarning"
)


@pytest.fixture(params=list(SAMPLERS.things.values()), ids=lambda strategy: strategy.name)
def strategy(request: pytest.FixtureRequest) -> Strategy:
    return request.param


def test_a_strategy_keeps_its_contract(strategy: Strategy, tmp_path: Path) -> None:
    check_strategy(strategy, tmp_path)


@pytest.mark.parametrize(
    ("make", "promise"),
    [
        (lambda space, seed, memory: optuna.samplers.RandomSampler(), "one seed, other proposals"),
        (
            lambda space, seed, memory: optuna.samplers.RandomSampler(seed=1),
            "the seed makes no difference",
        ),
    ],
)
def test_the_contract_finds_what_breaks_a_promise(
    make: Callable[..., optuna.samplers.BaseSampler], promise: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_strategy(Strategy(name="broken", title="breaks a promise", make=make), tmp_path)


class OutOfSpace(optuna.samplers.RandomSampler):
    """Proposes a learning rate of seven."""

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        value = super().sample_independent(study, trial, name, distribution)
        return 7.0 if isinstance(value, float) else value


class OneByOne(optuna.samplers.RandomSampler):
    """Waits for what it has asked for."""

    def before_trial(self, study: optuna.Study, trial: Any) -> None:
        running = study.get_trials(states=(optuna.trial.TrialState.RUNNING,))
        if len(running) > 1:
            raise RuntimeError("one is running")


class TwoObjectives(optuna.samplers.RandomSampler):
    """Looks at the second objective, whether or not there is one."""

    def before_trial(self, study: optuna.Study, trial: Any) -> None:
        assert study.directions[1] is not None


class Stubborn(optuna.samplers.RandomSampler):
    """Proposes the first of everything."""

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        is_choice = isinstance(distribution, optuna.distributions.CategoricalDistribution)
        return distribution.choices[0] if is_choice else distribution.low


def forgetful(space: Space, seed: int, memory: Memory | None) -> optuna.samplers.BaseSampler:
    if memory is not None:
        raise KeyError("prior")
    return optuna.samplers.RandomSampler(seed=seed)


@pytest.mark.parametrize(
    ("sampler", "promise"),
    [
        (OutOfSpace, "raises where it proposes: .*7.0"),
        (OneByOne, "raises where it is asked twice before it is told: .*one is running"),
        (TwoObjectives, "raises where it has a single objective: IndexError"),
        (Stubborn, "ends after"),
    ],
)
def test_the_contract_finds_a_sampler_that_fails(
    sampler: type[optuna.samplers.RandomSampler], promise: str, tmp_path: Path
) -> None:
    def make(space: Space, seed: int, memory: Memory | None) -> optuna.samplers.BaseSampler:
        return sampler(seed=seed)

    with pytest.raises(AssertionError, match=promise):
        check_strategy(Strategy(name="broken", title="breaks a promise", make=make), tmp_path)


@pytest.mark.parametrize("memory", [Recall.PRIOR, Recall.EVIDENCE])
def test_the_contract_finds_a_strategy_that_cannot_begin_with_what_it_takes(
    memory: Recall, tmp_path: Path
) -> None:
    strategy = Strategy(name="broken", title="breaks a promise", make=forgetful, memory=memory)
    with pytest.raises(AssertionError, match="begins with past experiences: KeyError"):
        check_strategy(strategy, tmp_path)


def test_a_strategy_that_takes_nothing_is_handed_nothing(tmp_path: Path) -> None:
    check_strategy(Strategy(name="sound", title="keeps its promises", make=forgetful), tmp_path)


@pytest.mark.parametrize("name", ["tpe", "nsga2", "pge", "xautolm"])
def test_failures_make_a_model_rarer(name: str) -> None:
    shares = Counter()
    for seed in range(3):
        found = toy_search(SAMPLERS.get(name), 90 if name == "pge" else 50, None, seed)
        shares[name] += sum(values["model"] == "broken" for values in found[-20:])
    # A third of 60 would be 20.
    assert shares[name] < 17


def test_the_order_of_the_objectives_does_not_change_what_is_learned() -> None:
    from xautolm.search.strategies.xautolm import own_evidence

    names = {key: parameter.name for key, parameter in SPACE.sites().items()}

    seen = []
    for objectives in (OBJECTIVES, OBJECTIVES[::-1]):
        study = open_study(
            None, SPACE, objectives, lambda s: optuna.samplers.RandomSampler(seed=s), 0
        )
        for _ in range(6):
            asked = study.ask(lambda one: "too large" if one.values["model"] == "broken" else "")
            study.tell(asked.number, play(dict(asked.configuration.values)))
        told = study.record.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
        time = [objective.name for objective in objectives].index("evaluation_time")
        evidence = own_evidence(objectives, told, names, time)
        seen.append(
            [
                (one.values, one.scores and (one.scores[1 - time], one.scores[time]))
                for one in evidence
            ]
        )
    assert seen[0] == seen[1]
    assert len({scores[1] for _, scores in seen[0] if scores}) > 1


def test_an_interrupted_trial_teaches_nothing_and_a_failed_one_is_infeasible() -> None:
    study = open_study(None, SPACE, OBJECTIVES, lambda s: optuna.samplers.RandomSampler(seed=s), 0)
    outcomes = [
        play({"model": "broken"}),
        TrialOutcome(
            status=TrialStatus.FAILED, failure=Failure(kind=FailureKind.INTERRUPTED, message="")
        ),
        success(f1_macro=0.7),
    ]
    for outcome in outcomes:
        asked = study.ask(lambda configuration: "")
        study.tell(asked.number, outcome)
    trials = study.record.trials
    states = [trial.state for trial in trials]
    complete, fail = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL
    assert states == [complete, fail, complete]
    assert trials[0].values == [0.0, 5.0] and trials[0].constraints == {"failed": 1.0}
    assert [trial.number for trial in study.record.best_trials] == [2]


def test_obstacles_are_passed_over_and_end_the_search_when_there_is_nothing_else() -> None:
    study = open_study(None, SPACE, OBJECTIVES, lambda s: optuna.samplers.RandomSampler(seed=s), 0)
    for _ in range(8):
        asked = study.ask(lambda one: "" if one.values["model"] == "bad" else "too large")
        assert asked is not None and asked.configuration.values["model"] == "bad"
    assert any(
        trial.user_attrs.get("passed_over") == "too large" for trial in study.proposals.trials
    )
    assert study.ask(lambda one: "too large") is None


def study_that_follows_its_past() -> SearchStudy:
    """Return a study of which the models want the same past trial every time; only chance would lead elsewhere."""
    past = []
    for epochs in range(1, 6):
        values = SPACE.default().values | {"epochs": epochs}
        past += [Evidence(values=values, scores=(epochs / 5, 0.0))] * 2
    memory = Memory(prior=Prior.plain(SPACE), evidence=past)
    settings = SearchSettings(first_trust=1.0, largest_trust=1.0)
    return open_study(
        None, SPACE, OBJECTIVES, lambda seed: LearningSampler(SPACE, seed, memory, settings), 0
    )


def test_what_was_passed_over_is_not_proposed_again_until_the_next_trial() -> None:
    study = study_that_follows_its_past()
    asked: list[Configuration] = []

    def refused(configuration: Configuration) -> str:
        asked.append(configuration)
        return "" if len(asked) % 10 == 0 else "too large"

    begun = study.ask(refused)
    assert begun is not None
    assert len({configuration.digest for configuration in asked}) == len(asked) == 10
    study.tell(begun.number, play(dict(begun.configuration.values)))
    # What stood in their way may be gone by now.
    study.ask(refused)
    assert len(asked) == 20 and any(configuration in asked[:9] for configuration in asked[10:])


def test_what_met_one_obstacle_is_proposed_again_where_another_is_asked_about() -> None:
    study = study_that_follows_its_past()
    refused: list[Configuration] = []

    def nothing_fits(configuration: Configuration) -> str:
        refused.append(configuration)
        return "no whole epoch fits"

    assert study.ask(nothing_fits) is None
    tried = list(refused)
    assert study.ask(lambda configuration: "" if configuration in tried else "too large")


def test_the_front_by_hand() -> None:
    outcomes = {
        0: success(10.0, f1_macro=0.8),
        1: success(5.0, f1_macro=0.7),
        2: success(7.0, f1_macro=0.6),
        3: play({"model": "broken"}),
    }
    assert pareto_front(outcomes, OBJECTIVES) == [0, 1]
    assert pareto_front({3: outcomes[3]}, OBJECTIVES) == []


def test_pge_moves_toward_the_best_fifth_of_each_population(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "xautolm.search.strategies.pge.explain", lambda *_: None
    )  # the trials asked for here are in no storage
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=PgeSampler(SPACE, seed=1)
    )
    for _ in range(POPULATION):
        trial = study.ask()
        configuration = SPACE.walk(
            lambda key, parameter, trial=trial: trial._suggest(key, parameter.distribution())
        )
        outcome = play(dict(configuration.values))
        if outcome.succeeded:
            study.tell(trial, [outcome.metrics["f1_macro"], outcome.evaluation_time])
        else:
            trial.set_constraint("failed", 1.0)
            study.tell(trial, [0.0, 99.0])
    from xautolm.search.strategies.pge import best_samples

    best = best_samples(study.trials, study.directions)
    assert len(best) == 4 and all(params["model"] != "broken" for params in best)
    expected = Prior.plain(SPACE).toward(best, 0.05)
    share = sum(params["model"] == "good" for params in best) / 4
    assert expected.beliefs["model"].weights[0] == pytest.approx(0.95 / 3 + 0.05 * share)
    # Position 0 and 1 of a population explore with the plain model, position 2 follows the moved one.
    sampler = PgeSampler(SPACE, seed=1)
    space = sampler.infer_relative_search_space(study, None)
    for number, model in ((20, Prior.plain(SPACE)), (20, None)):
        trial = optuna.trial.create_trial(values=[0.0, 1.0])
        trial.number = number
        if model is not None:
            drawn = SPACE.site_values(model.sample(np.random.default_rng([1, number])).values)
            assert sampler.sample_relative(study, trial, space) == drawn
    study.add_trials([study.trials[0], study.trials[1]])
    trial.number = 22
    drawn = SPACE.site_values(expected.sample(np.random.default_rng([1, 22])).values)
    assert sampler.sample_relative(study, trial, space) == drawn


def test_gp_is_the_only_strategy_that_may_load_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from xautolm.search import SAMPLERS; from xautolm.space import Space, Int\n"
        "s = Space('a.v1', (Int(name='a', low=1, high=2, default=1),))\n"
        "[SAMPLERS.get(n).make(s, 0, None) for n in SAMPLERS.names() if n != 'gp']; print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=True,
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "metrics", [{"f1_macro": float("nan")}, {"f1_macro": float("inf")}, {"accuracy": 0.5}]
)
def test_a_result_without_a_finite_objective_is_told_as_a_failure_and_on_no_front(
    metrics: dict[str, float],
) -> None:
    """As an earlier version, or a plug-in, may have left it in a run's folder."""
    study = open_study(
        None, SPACE, OBJECTIVES, lambda seed: SAMPLERS.get("tpe").make(SPACE, seed, None), 0
    )
    outcomes = [success(seconds=1.0, **metrics), success(seconds=2.0, f1_macro=0.5)]
    for number, outcome in enumerate(outcomes):
        asked = study.ask(lambda configuration: "")
        assert asked is not None and asked.number == number
        study.tell(number, outcome)
    told = study.record.get_trials(deepcopy=False)
    assert told[0].values[0] == 0.0 and np.isfinite(told[0].values).all()
    assert pareto_front(dict(enumerate(outcomes)), OBJECTIVES) == [1]


def test_two_settings_can_be_compared_in_one_process() -> None:
    configuration = SPACE.default()
    store = [
        Evidence(values=configuration.values, scores=(1.0, 0.0), source=f"past {number}")
        for number in range(6)
    ]
    memory = Memory(prior=Prior.plain(SPACE), evidence=store)
    followed = Proposer(SPACE, 0, memory, SearchSettings(first_trust=1.0, largest_trust=1.0))
    doubted = Proposer(SPACE, 0, memory, SearchSettings(first_trust=0.0, trials_to_contradict=0))
    for proposer, follows in ((followed, True), (doubted, False)):
        rng = np.random.default_rng(0)
        proposal = proposer.propose((), (), rng, objectives=2, lead=0, time=1)
        assert (proposal.values is not None) is follows


ALWAYS_FOLLOWED = SearchSettings(trials_to_contradict=99)
"""Settings under which a store that says something is never left for a search from zero."""


def test_where_no_objective_leads_trust_is_the_geometric_mean() -> None:
    # Of the two objectives, the store ranks the target's trials rightly in the second only.
    grid = [SPACE.default().values | {"epochs": epochs} for epochs in range(1, 6)]
    store = []
    target = []
    for position, values in enumerate(grid):
        store.append(Evidence(values=values, scores=(position / 4, position / 4), data="past"))
        target.append(Evidence(values=values, scores=(-position / 4, position / 4)))
    memory = Memory(prior=Prior.plain(SPACE), evidence=store * 2)
    trusts = []
    for lead_share in (1.0, 0.0):
        settings = SearchSettings(lead_share=lead_share)
        proposer = Proposer(SPACE, 0, memory, settings)
        in_each = proposer.surrogates.trust_in_store(proposer.surrogates.look_at(target, 2))
        rng = np.random.default_rng(0)
        proposal = proposer.propose(target, (), rng, objectives=2, lead=0, time=1)
        trusts.append(proposal.explanation["trust"])
    assert in_each[0] < 0.2 < 0.8 < in_each[1]
    assert trusts == pytest.approx([in_each[0], np.sqrt(in_each.prod())], abs=1e-3)


def few_successes() -> Memory:
    """Return what four successes and many failures leave, with a prior that leads to where the failures were."""
    prior = Prior.plain(SPACE)
    rng = np.random.default_rng(1)
    store = []
    for number in range(30):
        values = dict(prior.sample(rng).values)
        if number < 4:
            values["model"] = "good"
            store.append(Evidence(values=values, scores=(1.0, 0.0)))
        else:
            values["model"] = "broken"
            store.append(Evidence(values=values, scores=None))
    return Memory(prior=prior.nudged({"model": "broken"}, 0.5), evidence=store)


def test_of_a_past_without_a_model_of_quality_failures_are_heeded() -> None:
    proposer = Proposer(SPACE, 0, few_successes(), ALWAYS_FOLLOWED)
    assert proposer.surrogates.past is None
    for seed in range(10):
        rng = np.random.default_rng(seed)
        proposal = proposer.propose((), (), rng, objectives=2, lead=0, time=1)
        assert proposal.values is not None and proposal.values["model"] != "broken"


def test_trust_in_a_past_without_a_model_of_quality_fades() -> None:
    proposer = Proposer(SPACE, 0, few_successes(), ALWAYS_FOLLOWED)
    own = Evidence(values=SPACE.default().values, scores=(0.0, 0.0))
    trusts = []
    for count in (0, 4, 40):
        rng = np.random.default_rng(0)
        proposal = proposer.propose([own] * count, (), rng, objectives=2, lead=0, time=1)
        trusts.append(proposal.explanation["trust"])
    assert trusts == [0.5, 0.25, 0.045]


def test_a_prior_alone_proposes_nothing_that_was_tried() -> None:
    prior = Prior.plain(TINY_SPACE).nudged({"a": 3}, 0.9)
    memory = Memory(prior=prior, evidence=[Evidence(values={"a": 3, "b": 1}, scores=(1.0,))])
    proposer = Proposer(TINY_SPACE, 0, memory, ALWAYS_FOLLOWED)
    target: list[Evidence] = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        proposal = proposer.propose(target, (), rng, objectives=1, lead=0, time=None)
        assert proposal.values is not None
        target.append(Evidence(values=proposal.values, scores=(0.5,)))
    assert len({frozenset(trial.values.items()) for trial in target}) == 6
