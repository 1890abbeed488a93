"""What a search begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from xautolm.metrics import METRICS
from xautolm.opening import LONG_PROBE, REFINEMENTS, Opening, is_trained
from xautolm.records import Budget, Configuration, DataProfile, Experience, SystemProfile
from xautolm.search_space import build_space
from xautolm.tasks import TASKS
from xautolm.testing import made_up_experience, success
from xautolm.vocabulary import Origin, TrialStatus
from xautolm.zoo import ZOO

LEAD = METRICS.get("f1_macro").objective


def no_obstacle(configuration: Configuration) -> str:
    return ""


def opening_of(
    task: str, names: Sequence[str], profile: DataProfile, machine: SystemProfile
) -> Opening:
    another = replace(ZOO.things["minilm-l2"], name="another", path="another")
    cards = {name: another if name == "another" else ZOO.things[name] for name in names}
    space = build_space("default", TASKS.get(task), list(cards.values()), [], profile, machine)
    return Opening(space=space, cards=cards)


@pytest.fixture
def opening(profile: DataProfile, machine: SystemProfile) -> Opening:
    return opening_of(
        "text-classification", ("minilm-l6", "another", "scratch-tiny"), profile, machine
    )


def probed(configurations: Sequence[Configuration], scores: Sequence[float]) -> list[Experience]:
    ended = []
    for trial, (configuration, score) in enumerate(zip(configurations, scores, strict=True)):
        ended.append(made_up_experience(trial, configuration, success(f1_macro=score)))
    return ended


def test_the_cheapest_body_is_probed_first(opening: Opening) -> None:
    first = opening.first(no_obstacle)
    assert [(each.model, each.method) for each in first] == [
        ("another", "probe.v1"),
        ("minilm-l6", "probe.v1"),
    ]
    assert (
        opening.first(lambda each: "large" if each.model == "another" else "")[0].model
        == "minilm-l6"
    )


@pytest.mark.parametrize(("scores", "best"), [((0.5, 0.7), "minilm-l6"), ((0.7, 0.5), "another")])
def test_the_default_follows_on_the_body_whose_probe_is_best(
    opening: Opening, scores: tuple[float, float], best: str
) -> None:
    probes = opening.first(no_obstacle)
    (following,) = opening.after_probes(probed(probes, scores), [], LEAD, no_obstacle)
    assert (following.model, following.method) == (best, "full.v1") and following.values[
        "head_init"
    ] == "probe"
    # Nothing follows while a probe runs or waits, or twice; one that did not fit before comes first.
    ended = probed(probes, scores)
    assert opening.after_probes(ended[:1], probes[1:], LEAD, no_obstacle) == []
    assert opening.after_probes(ended[:1], [], LEAD, no_obstacle) == probes[1:]
    begun = [*ended, *probed([following], [0.9])]
    assert opening.after_probes(begun, [], LEAD, no_obstacle) == []
    assert opening.has_ended(begun, []) and not opening.has_ended(ended, [])
    assert opening.has_ended(ended, [following])


def test_a_search_with_a_store_asks_the_sampler_where_the_default_would_be_cut(
    opening: Opening,
) -> None:
    warm = replace(opening, follows_store=True)
    probes = warm.first(no_obstacle)
    assert probes == opening.first(no_obstacle)
    ended = probed(probes, (0.5, 0.7))

    def would_be_cut(configuration: Configuration) -> str:
        return "cut" if is_trained(configuration) else ""

    trainings = warm.after_probes(ended, [], LEAD, no_obstacle)
    assert trainings == opening.after_probes(ended, [], LEAD, no_obstacle)[:1]
    assert warm.after_probes(ended, [], LEAD, would_be_cut) == []
    # Without a store, the default is trained as far as it comes.
    assert opening.after_probes(ended, [], LEAD, would_be_cut) != []
    assert warm.has_ended(ended, []) and not warm.has_ended([], [])
    assert not opening.has_ended(ended, [])
    # Once anything was trained, the opening is over.
    begun = [*ended, *probed(trainings, [0.9])]
    assert warm.after_probes(begun, [], LEAD, no_obstacle) == []


def test_a_store_that_is_hardly_trusted_any_more_leaves_the_opening_of_a_search_without_one(
    opening: Opening,
) -> None:
    warm = replace(opening, follows_store=True)
    assert warm.is_misled(0.1) and not warm.is_misled(0.5) and not warm.is_misled(None)
    assert not opening.is_misled(0.1)
    fallen = warm.from_zero()
    assert not fallen.is_misled(0.1) and fallen.refinements > 0
    probes = fallen.first(no_obstacle)
    # The store asked for trainings of its own after one probe.
    default = fallen.trained_defaults()[-1]
    own = replace(default, values={**default.values, "epochs": 1})
    ended = probed([probes[1], own], (0.5, 0.2))
    rest = fallen.left_out(ended, [], LEAD, no_obstacle)
    assert rest[0] == probes[0]
    assert (rest[1].model, rest[1].method) == (probes[1].model, "full.v1")
    assert fallen.left_out(ended, rest, LEAD, no_obstacle) == []


def test_what_a_search_without_probes_left_out_is_named_once(
    profile: DataProfile, machine: SystemProfile
) -> None:
    names = ("scratch-small", "scratch-tiny", "scratch-decoder")
    opening = opening_of("text-classification", names, profile, machine)
    first = opening.first(no_obstacle)
    assert len(first) == 2 and all(is_trained(each) for each in first)
    assert opening.left_out([], [], LEAD, no_obstacle) == first


def test_bodies_without_their_top_layers_are_probed_first_where_quickness_counts(
    profile: DataProfile, machine: SystemProfile
) -> None:
    opening = opening_of(
        "text-classification", ("minilm-l2", "minilm-l4", "minilm-l6"), profile, machine
    )
    beginning = opening.beginning(no_obstacle, lambda probe: 1.0)
    assert [(each.model, each.method) for each in beginning] == [
        ("minilm-l6", "probe.v1"),
        ("minilm-l2", "probe.v1"),
        ("minilm-l4", "probe.v1"),
    ]
    # What is trained is decided by the whole body, whether the others have ended or not.
    (whole, *cut) = beginning
    for ended in ([whole], beginning):
        (default,) = opening.after_probes(
            probed(ended, [0.5, 0.9, 0.9][: len(ended)]), cut[len(ended) :], LEAD, no_obstacle
        )
        assert (default.model, default.method) == ("minilm-l6", "full.v1")
    assert opening.cuts_of("minilm-l6") == (2, 4) and opening.cuts_of("minilm-l4") == (2,)
    # Where only quality counts, they are hardly ever worth it.
    patient = replace(opening, seeks_quick=False)
    assert patient.beginning(no_obstacle, lambda probe: 1.0) == [whole]
    assert patient.cuts_of("minilm-l6") == ()
    # Where trials are counted, most are left to what is trained.
    for trials, probes in ((1, [whole]), (3, [whole]), (7, beginning[:2]), (8, beginning)):
        counted = replace(opening, budget=Budget(trials=trials))
        assert counted.beginning(no_obstacle, lambda probe: 1.0) == probes
    # Where the budget is short, time is.
    for seconds, probes in ((7.0, [whole]), (8.0, beginning)):
        short = replace(opening, budget=Budget(seconds=seconds))
        assert short.beginning(no_obstacle, lambda probe: 1.0) == probes


def test_a_whole_body_whose_probe_failed_leaves_the_first_training_to_one_without_its_top_layers(
    profile: DataProfile, machine: SystemProfile
) -> None:
    opening = opening_of("text-classification", ("minilm-l4", "minilm-l6"), profile, machine)
    whole, cut = opening.beginning(no_obstacle, lambda probe: 1.0)
    ended = probed([whole, cut], (0.9, 0.5))
    failed = replace(ended[0].outcome, status=TrialStatus.FAILED, metrics={})
    ended[0] = replace(ended[0], outcome=failed)
    (default,) = opening.after_probes(ended, [], LEAD, no_obstacle)
    assert default.model == "minilm-l4"


def test_a_body_without_its_top_layers_is_probed_after_the_first_training_at_the_latest(
    profile: DataProfile, machine: SystemProfile
) -> None:
    opening = opening_of(
        "text-classification", ("minilm-l2", "minilm-l4", "minilm-l6"), profile, machine
    )
    (whole,) = opening.first(no_obstacle)
    assert whole.model == "minilm-l6"
    (default,) = opening.after_probes(probed([whole], [0.5]), [], LEAD, no_obstacle)
    begun, scores = [whole, default], [0.5, 0.7]
    later = replace(opening, refinements=1)
    for _ in range(3):
        following = later.refinement(probed(begun, scores), [], LEAD, no_obstacle)
        assert following is not None
        begun.append(following)
        scores.append(0.4)
    assert [(each.model, each.method) for each in begun[2:]] == [
        ("minilm-l6", "full.v1"),
        ("minilm-l2", "probe.v1"),
        ("minilm-l4", "probe.v1"),
    ]
    assert later.refinement(probed(begun, scores), [], LEAD, no_obstacle) is None
    # Where the whole body is not asked for, what there is of it comes first.
    opening = opening_of("text-classification", ("minilm-l2", "minilm-l4"), profile, machine)
    assert [each.model for each in opening.first(no_obstacle)] == ["minilm-l4"]


def test_a_body_without_its_top_layers_answers_first_where_the_whole_one_takes_long(
    profile: DataProfile, machine: SystemProfile
) -> None:
    cut = opening_of(
        "text-classification", ("minilm-l6", "minilm-l4", "minilm-l2"), profile, machine
    )
    seconds = {"minilm-l6": LONG_PROBE, "minilm-l4": 7.0, "minilm-l2": 4.0}
    quick, whole, other = cut.beginning(no_obstacle, lambda probe: seconds[probe.model])
    assert (quick.model, quick.method) == ("minilm-l2", "probe.v1")
    assert other.model == "minilm-l4"
    soon = cut.beginning(no_obstacle, lambda probe: seconds[probe.model] - 0.1)
    assert soon == [whole, quick, other]
    patient = replace(cut, seeks_quick=False)
    assert [quick, whole] == patient.beginning(no_obstacle, lambda probe: seconds[probe.model])

    # It opens nothing: the search goes on with the whole body, whatever the quick one has reached.
    assert [whole] == cut.first(no_obstacle)
    assert cut.after_probes(probed([quick], [0.9]), [], LEAD, no_obstacle) == [whole, other]
    assert not cut.after_probes(probed([quick], [0.9]), [whole], LEAD, no_obstacle)
    ended = probed([quick, whole], [0.9, 0.8])
    (following, *_) = cut.after_probes(ended, [], LEAD, no_obstacle)
    assert following.model == "minilm-l6"


def test_where_no_whole_body_fits_the_cheapest_says_first_how_long_probes_take(
    profile: DataProfile, machine: SystemProfile
) -> None:
    opening = opening_of(
        "text-classification", ("minilm-l6", "minilm-l4", "minilm-l2"), profile, machine
    )

    def too_slow(configuration: Configuration) -> str:
        return "too slow" if configuration.model == "minilm-l6" else ""

    (quick,) = opening.beginning(too_slow, lambda probe: 100.0)
    assert quick.model == "minilm-l2"
    ended = probed([quick], [0.5])
    assert [each.model for each in opening.after_probes(ended, [], LEAD, too_slow)] == ["minilm-l4"]
    whole, cut = opening.after_probes(ended, [], LEAD, no_obstacle)
    assert (whole.model, whole.method) == ("minilm-l6", "probe.v1")
    assert (cut.model, cut.method) == ("minilm-l4", "probe.v1")
    for other in (
        replace(opening, seeks_quick=False),
        replace(opening, budget=Budget(trials=3)),
    ):
        assert other.after_probes(ended, [], LEAD, no_obstacle) == [whole]


def test_a_default_takes_the_place_of_one_that_has_no_time_whether_its_body_was_probed_or_not(
    profile: DataProfile, machine: SystemProfile
) -> None:
    opening = opening_of("text-classification", ("minilm-l6", "minilm-l4"), profile, machine)
    searching = replace(opening, refinements=REFINEMENTS)
    ended = probed(searching.first(no_obstacle), [0.5])

    def too_slow(configuration: Configuration) -> str:
        is_large = configuration.model == "minilm-l6"
        return "too slow" if is_large and is_trained(configuration) else ""

    (default,) = searching.after_probes(ended, [], LEAD, too_slow)
    assert (default.model, default.method) == ("minilm-l4", "full.v1")
    assert not searching.reason_to_wait(default, ended, LEAD)
    another = replace(default, values={**default.values, "epochs": 1})
    assert searching.reason_to_wait(another, ended, LEAD)


def test_where_all_bodies_are_whole_or_none_is_here_no_other_answers_first(
    opening: Opening, profile: DataProfile, machine: SystemProfile
) -> None:
    scratch = opening_of("text-classification", ("scratch-tiny",), profile, machine)
    alone = opening_of("text-classification", ("minilm-l2",), profile, machine)
    for each in (opening, scratch, alone):
        assert each.beginning(no_obstacle, lambda probe: 100.0) == each.first(no_obstacle)


def test_a_probe_that_failed_is_not_built_on(opening: Opening) -> None:
    probes = opening.first(no_obstacle)
    ended = probed(probes, (0.9, 0.5))
    crashed = replace(
        ended[0], outcome=replace(ended[0].outcome, status=TrialStatus.FAILED, metrics={})
    )
    (following,) = opening.after_probes([crashed, ended[1]], [], LEAD, no_obstacle)
    assert following.model == "minilm-l6"


def test_what_is_too_slow_gives_way_to_the_next_best_body(opening: Opening) -> None:
    ended = probed(opening.first(no_obstacle), (0.5, 0.7))

    def too_slow(configuration: Configuration) -> str:
        return (
            "slow"
            if configuration.model == "minilm-l6" and configuration.method == "full.v1"
            else ""
        )

    (following,) = opening.after_probes(ended, [], LEAD, too_slow)
    assert (following.model, following.method) == ("another", "full.v1")


def test_without_a_pretrained_body_a_search_begins_with_a_training(
    profile: DataProfile, machine: SystemProfile
) -> None:
    opening = opening_of("text-classification", ("scratch-tiny",), profile, machine)
    assert [each.method for each in opening.first(no_obstacle)] == ["full.v1"]


def test_a_search_opens_with_every_architecture(
    profile: DataProfile, machine: SystemProfile
) -> None:
    names = ("scratch-small", "scratch-tiny", "scratch-decoder", "scratch-encoder-decoder")
    opening = opening_of("question-answering", names, profile, machine)
    first = opening.first(no_obstacle)
    assert [each.model for each in first] == [
        "scratch-small",
        "scratch-decoder",
        "scratch-encoder-decoder",
    ]
    assert first[0] == opening.space.default()
    assert all(int(str(each.values["epochs"])) <= 4 for each in first[1:])
    assert all(opening.space.problems(each.values) == [] for each in first)
    # What is too slow gives way to the next model by the same method; where everything is, the default stays.
    assert (
        opening.first(lambda each: "slow" if each.model == "scratch-small" else "")[0].model
        == "scratch-tiny"
    )
    assert opening.first(lambda each: "slow")[0] == opening.space.default()
    # A store says what the others are worth.
    warm = replace(opening, follows_store=True)
    assert [each.model for each in warm.first(no_obstacle)] == ["scratch-small"]


def test_beside_a_pretrained_model_none_from_scratch_has_a_short_trial(
    profile: DataProfile, machine: SystemProfile
) -> None:
    names = ("minilm-l6", "scratch-decoder", "scratch-encoder-decoder")
    opening = opening_of("question-answering", names, profile, machine)
    assert [each.model for each in opening.first(no_obstacle)] == ["minilm-l6"]
    # One that the user asks for by name has.
    asked_for = replace(opening, named=frozenset({"scratch-decoder"}))
    first = asked_for.first(no_obstacle)
    assert [each.model for each in first] == ["minilm-l6", "scratch-decoder"]
    # And a pretrained one of another architecture has.
    downloaded = replace(opening.cards["scratch-decoder"], origin=Origin.HUB)
    cards = {**opening.cards, "scratch-decoder": downloaded}
    opening = replace(opening, cards=cards)
    assert [each.model for each in opening.first(no_obstacle)] == ["minilm-l6", "scratch-decoder"]


def test_models_that_say_words_are_asked_before_they_are_trained(
    profile: DataProfile, machine: SystemProfile
) -> None:
    opening = opening_of("text-generation", ("t5-small", "gpt2"), profile, machine)
    first = opening.first(no_obstacle)
    assert [(each.model, each.method) for each in first] == [
        ("t5-small", "zero_shot.v1"),
        ("gpt2", "zero_shot.v1"),
    ]
    assert not any(is_trained(each) for each in first)


def test_the_best_training_is_varied_before_a_sampler_is_asked(
    profile: DataProfile, machine: SystemProfile
) -> None:
    opening = replace(
        opening_of("text-classification", ("minilm-l6",), profile, machine),
        refinements=REFINEMENTS,
    )
    probes = opening.first(no_obstacle)
    (default,) = opening.after_probes(probed(probes, [0.5]), [], LEAD, no_obstacle)
    begun, scores = [*probes, default], [0.5, 0.7]
    changes = []
    while (
        following := opening.refinement(probed(begun, scores), [], LEAD, no_obstacle)
    ) is not None:
        best = begun[scores.index(max(scores))]
        (change,) = (
            (name, value) for name, value in following.values.items() if value != best.values[name]
        )
        changes.append(change)
        assert opening.space.problems(following.values) == []
        begun.append(following)
        # The mean is better than the first token, and twice the epochs are better still.
        gains = {("pooling", "mean"): 0.8, ("epochs", 6): 0.9}
        scores.append(gains.get(change, 0.6))
    rate = default.values["learning_rate"]
    assert isinstance(rate, float)
    assert changes == [
        ("pooling", "mean"),
        ("learning_rate", 2 * rate),
        ("learning_rate", rate / 2),
        ("epochs", 6),
        ("batch_size", 8),
        ("label_smoothing", 0.05),
        # Neither the first token nor another rate again: both had their chance beside an earlier best.
        ("class_weights", True),
    ]


def test_every_second_training_is_left_to_a_store(opening: Opening) -> None:
    warm = replace(opening, refinements=3, follows_store=True)
    assert warm.refinement([], [], LEAD, no_obstacle) is None
    probes = warm.first(no_obstacle)
    (default,) = warm.after_probes(probed(probes, (0.5, 0.7)), [], LEAD, no_obstacle)
    begun, scores = [*probes, default], [0.5, 0.7, 0.8]
    neighbor = warm.refinement(probed(begun, scores), [], LEAD, no_obstacle)
    assert neighbor is not None
    assert warm.refinement(probed(begun, scores), [neighbor], LEAD, no_obstacle) is None
    said_by_store = replace(default, values={**default.values, "epochs": 5})
    begun, scores = [*begun, neighbor, said_by_store], [*scores, 0.6, 0.6]
    second = warm.refinement(probed(begun, scores), [], LEAD, no_obstacle)
    assert second is not None and second != neighbor
    assert second.values["epochs"] == default.values["epochs"]
    # Bodies that are far behind wait in a search without a store only.
    scratch = replace(default, values={**default.values, "model": "scratch-tiny"})
    assert not warm.reason_to_wait(scratch, probed(begun, scores), LEAD)


def test_without_refinements_the_sampler_is_asked_at_once(opening: Opening) -> None:
    probes = opening.first(no_obstacle)
    (default,) = opening.after_probes(probed(probes, (0.5, 0.7)), [], LEAD, no_obstacle)
    ended = [*probed(probes, (0.5, 0.7)), *probed([default], [0.8])]
    assert opening.refinement(ended, [], LEAD, no_obstacle) is None
    assert replace(opening, refinements=3).refinement(ended, [], LEAD, lambda each: "slow") is None


def test_bodies_that_are_far_behind_wait_for_the_likely_ones(opening: Opening) -> None:
    cold = replace(opening, refinements=3)
    probes = opening.first(no_obstacle)
    trainings = {
        each.model: each for each in opening.trained_defaults() if each.method == "full.v1"
    }
    ended = probed(probes, (0.5, 0.7))

    def reason(model: str, experiences: Sequence[Experience] = ended) -> str:
        return cold.reason_to_wait(trainings[model], experiences, LEAD)

    assert reason("minilm-l6") == ""
    assert reason("another") == "the probe of another is far behind: 0.500 of 0.700"
    assert (
        reason("scratch-tiny") == "scratch-tiny was not probed, others reach 0.700 without training"
    )
    assert reason("another", probed(probes, (0.65, 0.7))) == ""
    # Probes never wait, nothing waits where there is no probe, where a store leads, or for ever.
    assert cold.reason_to_wait(probes[0], ended, LEAD) == ""
    assert reason("scratch-tiny", []) == ""
    assert opening.reason_to_wait(trainings["another"], ended, LEAD) == ""
    assert reason("another", ended + probed([trainings["minilm-l6"]] * 12, [0.7] * 12)) == ""


def test_the_body_with_the_smallest_error_is_the_best(opening: Opening) -> None:
    mae = METRICS.get("mae").objective
    cold = replace(opening, refinements=3)
    probes = opening.first(no_obstacle)
    ended = [
        made_up_experience(trial, probes[trial], success(mae=error))
        for trial, error in enumerate((70.0, 50.0))
    ]
    (following,) = opening.after_probes(ended, [], mae, no_obstacle)
    assert following.model == "minilm-l6"
    trainings = {
        each.model: each for each in opening.trained_defaults() if each.method == "full.v1"
    }
    assert cold.reason_to_wait(trainings["minilm-l6"], ended, mae) == ""
    said = "the probe of another is far behind: 70.000 of 50.000"
    assert cold.reason_to_wait(trainings["another"], ended, mae) == said
    # The training with the smaller error is the one whose neighbours are tried.
    errors = {"minilm-l6": 40.0, "another": 45.0}
    begun = [
        made_up_experience(2, trainings[model], success(mae=error))
        for model, error in errors.items()
    ]
    refined = cold.refinement([*ended, *begun], [], mae, no_obstacle)
    assert refined is not None and refined.model == "minilm-l6"


def test_short_trials_of_other_architectures_that_never_ran_are_not_missed(
    profile: DataProfile, machine: SystemProfile
) -> None:
    names = ("minilm-l6", "scratch-decoder", "scratch-encoder-decoder")
    opening = opening_of("text-classification", names, profile, machine)
    downloaded = {name: replace(opening.cards[name], origin=Origin.HUB) for name in names}
    opening = replace(opening, refinements=2, cards=downloaded)
    probes = opening.first(no_obstacle)
    default, *short = opening.after_probes(probed(probes, [0.5]), [], LEAD, no_obstacle)
    # What was not probed waits where a probe has an answer, so only the default was trained.
    assert short and all(
        opening.reason_to_wait(each, probed(probes, [0.5]), LEAD) for each in short
    )
    begun, scores = [*probes, default], [0.5, 0.7]
    varied = 0
    while (
        following := opening.refinement(probed(begun, scores), [], LEAD, no_obstacle)
    ) is not None:
        assert is_trained(following)
        varied += 1
        begun.append(following)
        scores.append(0.6)
    assert varied == 2
