"""The conductor with a fake executor: budgets, memory of trials, weights, resume."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from xautolm import AutoLM, ExperienceStore
from xautolm.budget import Clock
from xautolm.data.demo import support_tickets
from xautolm.errors import (
    BudgetError,
    ModelUnavailableError,
    NoModelError,
    RunFolderError,
    SearchEndedError,
    TrialError,
    UnknownNameError,
    UsageError,
)
from xautolm.execution.failures import failed
from xautolm.hardware import trial_places
from xautolm.loop import misfortunes_after
from xautolm.methods import METHODS
from xautolm.opening import is_trained
from xautolm.records import Configuration, Failure, Limits, TrialOutcome, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.resources import ResourceModel
from xautolm.resuming import STOPPED
from xautolm.search import KILLED_WITH_SEARCH, AskedTrial, SearchStudy
from xautolm.testing import FakeExecutor, FakeGpu, faked_driver, success
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import FailureKind

SCORES = {
    "minilm-l6": 0.9,
    "minilm-l4": 0.8,
    "minilm-l3": 0.7,
    "minilm-l2": 0.6,
    "scratch-tiny": 0.5,
    "scratch-small": 0.4,
}


def play(spec: TrialSpec) -> TrialOutcome:
    score = SCORES[spec.card.name]
    return success(
        seconds=100 * score, f1_macro=score, accuracy=score, f1_weighted=score, mcc=score
    )


@pytest.fixture
def fit(tmp_path: Path, tickets: pd.DataFrame) -> Callable[..., tuple[AutoLM, FakeExecutor]]:
    def run(
        how: Callable[[TrialSpec], TrialOutcome] = play,
        data: Any = None,
        executor: FakeExecutor | None = None,
        **options: Any,
    ) -> tuple[AutoLM, FakeExecutor]:
        executor = executor or FakeExecutor(how)
        auto = AutoLM(
            **{"out": str(tmp_path / "run"), "sampler": "random", "device": "cpu", **options}
        )
        auto.fit(tickets if data is None else data, screen=Quiet(), executor=executor)
        return auto, executor

    return run


def test_a_search_ends_with_its_trials_and_leaves_everything_behind(
    fit: Callable, tmp_path: Path
) -> None:
    auto, executor = fit(trials=7)
    assert len(executor.specs) == len(auto.experiences_) == 7
    assert auto.best_.outcome.metrics["f1_macro"] == max(
        one.outcome.metrics["f1_macro"] for one in auto.experiences_
    )
    origins = {
        one.configuration.method: one.proposal
        for one in auto.experiences_
        if one.proposal == "default"
    }
    assert origins == {"probe.v1": "default", "full.v1": "default"}
    points = json.loads((tmp_path / "run" / "pareto.json").read_text())
    assert [point["trial"] for point in points] == [one.trial for one in auto.pareto_front_]
    assert list(auto.leaderboard_["f1_macro"]) == sorted(
        auto.leaderboard_["f1_macro"], reverse=True
    )
    assert (tmp_path / "run" / "best" / "README.md").read_text().count(
        auto.info_.data.fingerprint
    ) == 1
    with ExperienceStore() as store:
        assert {one.id for one in store.experiences()} == {one.id for one in auto.experiences_}


def test_weights_are_kept_for_the_front_only(fit: Callable, tmp_path: Path) -> None:
    auto, _ = fit(trials=12, objectives="f1_macro")
    kept = {int(path.parent.name) for path in (tmp_path / "run" / "trials").glob("*/model")}
    assert kept == {one.trial for one in auto.pareto_front_} and len(kept) < 12


def test_failures_are_remembered_and_do_not_end_the_search(fit: Callable) -> None:
    def sometimes(spec: TrialSpec) -> TrialOutcome:
        if spec.number % 2:
            raise MemoryError("no room")
        return play(spec)

    auto, _ = fit(sometimes, trials=6)
    kinds = [one.outcome.failure.kind for one in auto.experiences_ if one.outcome.failure]
    assert kinds == [FailureKind.OUT_OF_MEMORY] * 3
    with ExperienceStore() as store:
        assert store.counts()["failure"] == {"out_of_memory": 3}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("sampler", ["xautolm", "nsga2"])
def test_a_metric_that_is_no_finite_number_is_a_divergence_and_never_the_best(
    sampler: str, value: float, fit: Callable
) -> None:
    def broken_first(spec: TrialSpec) -> TrialOutcome:
        outcome = play(spec)
        if spec.number == 0:
            return replace(outcome, metrics={**outcome.metrics, "f1_macro": value})
        return outcome

    auto, _ = fit(broken_first, trials=4, sampler=sampler)
    first = auto.experiences_[0].outcome
    assert (
        first.failure.kind is FailureKind.DIVERGED
        and first.failure.message == f"f1_macro is {value}"
    )
    assert auto.best_.trial != 0 and 0 not in [one.trial for one in auto.pareto_front_]


def test_no_model_at_all_is_an_error_that_sums_up(fit: Callable) -> None:
    def never(spec: TrialSpec) -> TrialOutcome:
        raise ValueError("broken thing")

    with pytest.raises(
        NoModelError, match=r"None of 3 trials gave a model \(3 crash\)(.|\n)*broken thing"
    ):
        fit(never, trials=3)


def test_the_same_command_resumes_and_a_larger_budget_goes_on(fit: Callable) -> None:
    first, _ = fit(trials=3)
    again, executor = fit(trials=3)
    assert executor.specs == [] and again.info_.id == first.info_.id
    more, executor = fit(trials=5)
    assert [spec.number for spec in executor.specs] == [3, 4]
    assert len(more.experiences_) == 5


def test_a_folder_with_another_run_is_refused_with_the_difference(
    fit: Callable, tmp_path: Path, tickets: pd.DataFrame
) -> None:
    fit(trials=2)
    for options, what in (
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"sampler": "tpe"}, "sampler"),
        ({"data": tickets.tail(100)}, "data"),
    ):
        with pytest.raises(RunFolderError, match=what):
            fit(trials=2, **options)
    # What was chosen then must be chosen now, too.
    chosen = {"sampler": "xautolm", "out": str(tmp_path / "chosen")}
    fit(trials=2, warm_start_options="k_positive=5", **chosen)
    with pytest.raises(RunFolderError, match="warm_start_options: "):
        fit(trials=3, **chosen)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("precious")
    with pytest.raises(RunFolderError, match="not empty and holds no run"):
        fit(trials=2, out=str(tmp_path / "other"))
    assert (tmp_path / "other" / "thesis.tex").read_text() == "precious"


def test_an_interrupted_trial_is_marked_and_run_again(
    fit: Callable, tmp_path: Path, tickets: pd.DataFrame
) -> None:
    class Stopped(FakeExecutor):
        def finished(self, timeout: float) -> list:
            if len(self.specs) == 3:
                raise KeyboardInterrupt
            return super().finished(timeout)

    with pytest.raises(KeyboardInterrupt):
        auto = AutoLM(out=str(tmp_path / "run"), sampler="random", device="cpu", trials=4)
        auto.fit(tickets, screen=Quiet(), executor=Stopped(play))
    assert (tmp_path / "run" / "best").exists()
    auto, executor = fit(trials=4)
    by_number = {one.trial: one for one in auto.experiences_}
    assert by_number[2].outcome.failure.kind is FailureKind.INTERRUPTED
    assert executor.specs[0].proposal == "again after trial 2"
    assert dict(executor.specs[0].configuration.values) == dict(by_number[2].configuration.values)
    assert (
        len(executor.specs) == 2 and sum(one.outcome.is_evidence for one in auto.experiences_) == 4
    )


@pytest.mark.parametrize("has_begun", [True, False])
def test_what_a_search_was_killed_with_twice_is_left_out_if_it_had_begun(
    has_begun: bool, fit: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Ends the process without a chance to stop anything."""

    class Killing(FakeExecutor):
        def finished(self, timeout: float) -> list:
            (spec, folder), *_ = self.waiting.values()
            if spec.configuration.method != "full.v1":
                return super().finished(timeout)
            if has_begun:
                TrialFolder(folder).stdout.touch()
            raise Killed

    monkeypatch.setattr("xautolm.operations.end_early", lambda session: [])
    for _ in range(2):
        with pytest.raises(Killed):
            fit(executor=Killing(play), methods="probe,full", trials=6)
    auto, _ = fit(methods="probe,full", trials=6)
    ended = [trial for trial in auto.experiences_ if trial.outcome.is_evidence]
    killed = [trial for trial in auto.experiences_ if not trial.outcome.is_evidence]
    assert len(ended) == 6 and len(killed) == 2
    assert killed[0].configuration == killed[1].configuration
    is_left_out = killed[0].configuration not in [trial.configuration for trial in ended]
    assert is_left_out == has_begun
    failures = {trial.outcome.failure for trial in killed}
    assert failures == {KILLED_WITH_SEARCH if has_begun else STOPPED}


def test_trials_of_a_run_that_goes_on_elsewhere_tell_of_the_machine_that_they_ran_on(
    fit: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto, _ = fit(trials=2)
    first = auto.info_.system
    second = replace(first, physical_cores=2 * first.physical_cores)
    monkeypatch.setattr(
        "xautolm.scenario.measured_machine", lambda device: (second, trial_places(device))
    )
    corrected_by = []

    def observe(self: ResourceModel, configuration: Configuration, *details: object) -> None:
        corrected_by.append(configuration)

    monkeypatch.setattr(ResourceModel, "observe", observe)
    auto, executor = fit(trials=4)
    systems = {one.trial: one.system for one in auto.experiences_}
    assert systems == {0: first, 1: first, 2: second, 3: second}
    with ExperienceStore() as store:
        assert {one.trial: one.system for one in store.experiences()} == systems
    # The times of the first machine say little of those of the second.
    assert corrected_by == [spec.configuration for spec in executor.specs]


def test_trial_limits_never_exceed_what_is_left_of_the_budget(fit: Callable) -> None:
    _, executor = fit(budget=1000, trials=4, trial_time_limit=5000)
    assert all(spec.limits.seconds <= 1000 for spec in executor.specs)
    _, executor = fit(budget=900, trials=8, out=str(Path(executor.specs[0].data).parents[1] / "b"))
    methods = [spec.configuration.method for spec in executor.specs]
    # The first training may use all that is left: it is worth more whole than cut.
    first_training = methods.index("full.v1")
    assert 300 < executor.specs[first_training].limits.seconds <= 900
    later = executor.specs[first_training + 1 :]
    assert later and all(spec.limits.seconds <= 300 for spec in later)


def test_where_no_whole_epoch_fits_part_of_one_does(fit: Callable) -> None:
    def slow(spec: TrialSpec) -> TrialOutcome:  # at its limit, half an epoch had taken 50 s
        return replace(play(spec), history=({"epoch": 0.5, "f1_macro": 0.5},), evaluation_time=50.0)

    auto, executor = fit(slow, trials=4, trial_time_limit="60s", models="minilm-l6", methods="full")
    assert len(executor.specs) == 4
    assert auto.best_.outcome.succeeded


@pytest.mark.parametrize("sampler", ["random", "xautolm"])
def test_a_part_of_an_epoch_may_use_what_the_default_was_to_have(
    fit: Callable, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A third of an epoch does not fit into the third of the budget that the sampler's trials have.
    def epoch(
        model: ResourceModel, configuration: Configuration, **_: object
    ) -> tuple[float, float]:
        is_training = METHODS.get(configuration.method).trains_by_gradient
        return (900.0, 5.0) if is_training else (5.0, 1.0)

    monkeypatch.setattr(ResourceModel, "_uncorrected_epoch", epoch)
    monkeypatch.setattr(ResourceModel, "_ratio", lambda *_, **__: None)
    _, executor = fit(models="minilm-l6", budget=900, trials=12, sampler=sampler, refit="never")
    trained = [spec for spec in executor.specs if spec.configuration.method != "probe.v1"]
    assert trained and trained[0].limits.seconds > 800


@pytest.mark.parametrize(
    "models", ["minilm-l6", pytest.param("scratch-small", marks=pytest.mark.slow)]
)
def test_a_small_budget_is_no_obstacle_to_large_data(fit: Callable, models: str) -> None:
    # An epoch takes longer than the budget, and so does a probe of all rows that it may have.
    large = support_tickets(30_000, seed=1)
    _, executor = fit(data=large, budget="90s", trials=2, models=models)
    assert executor.specs
    # Models from scratch have no probe.
    assert {spec.probe_rows for spec in executor.specs} == (
        {2_500} if models == "minilm-l6" else {None}
    )


def test_several_at_once_share_threads_and_memory(fit: Callable) -> None:
    auto, executor = fit(trials=4, parallel=2)
    assert {spec.threads for spec in executor.specs} == {
        max(1, auto.info_.system.physical_cores // 2)
    }
    assert executor.specs[0].limits.memory <= auto.info_.system.memory * 0.45 + 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"task": "text-clasification"}, UnknownNameError, "Did you mean 'text-classification'"),
        ({"sampler": "tpee"}, UnknownNameError, "Did you mean 'tpe'"),
        ({"objectives": "f1macro"}, UnknownNameError, "Did you mean 'f1_macro'"),
        ({"models": "minilm-l7"}, UnknownNameError, "Did you mean 'minilm-l"),
        ({"models": "roberta-base"}, ModelUnavailableError, "you can use: minilm-l6"),
        ({"methods": "lorra"}, UnknownNameError, "Did you mean 'lora'"),
        ({"space": "defualt"}, UnknownNameError, "Did you mean 'default'"),
        ({"objectives": "evaluation_time"}, UsageError, "at least one quality metric"),
        (
            {"budget": "2s"},
            BudgetError,
            r"too small for one trial.\nGot: 2 s; the cheapest trial needs about \d+ s",
        ),
        ({"trial_time_limit": "1s"}, BudgetError, "time limit is too small"),
        ({"trial_memory_limit": "100MB"}, ModelUnavailableError, "fits into memory"),
        ({"device": "cuda:7"}, UsageError, "no such GPU"),
        ({"device": "tpu"}, UsageError, "Unknown device"),
        ({"store": "nonsense://"}, UsageError, "store cannot be opened"),
    ],
)
def test_bad_input_is_refused_before_any_compute(
    fit: Callable, tmp_path: Path, options: dict, error: type[Exception], message: str
) -> None:
    def never(spec: TrialSpec) -> TrialOutcome:
        raise AssertionError("a trial was started")

    with pytest.raises(error, match=message):
        fit(never, **{"trials": 2, **options})
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize(("first", "then"), [("auto", "decoder"), ("encoder", "auto")])
def test_a_run_over_some_families_does_not_go_on_over_others(
    fit: Callable, first: str, then: str
) -> None:
    for _ in range(2):
        fit(families=first, trials=1)
    with pytest.raises(RunFolderError, match=r"holds another run[\s\S]*families: "):
        fit(families=then, trials=1)


@pytest.mark.parametrize("families", ["encoder", "auto"])
def test_a_run_from_before_its_families_were_noted_goes_on(
    fit: Callable, tmp_path: Path, families: str
) -> None:
    fit(families=families, trials=1)
    for path in (tmp_path / "run" / "run.json", tmp_path / "run" / "data" / "run.json"):
        info = json.loads(path.read_text())
        del info["settings"]["families"]
        path.write_text(json.dumps(info))
    auto, _ = fit(families=families, trials=2)
    assert len(auto.experiences_) == 2


def test_the_order_of_families_tells_no_runs_apart(fit: Callable) -> None:
    fit(families="encoder,decoder", trials=1)
    auto, _ = fit(families="decoder,encoder", trials=2)
    assert len(auto.experiences_) == 2


def test_two_searches_cannot_share_a_folder(fit: Callable, tmp_path: Path) -> None:
    def nested(spec: TrialSpec) -> TrialOutcome:
        with pytest.raises(RunFolderError, match="Another process works on this run"):
            fit(trials=2)
        return play(spec)

    fit(nested, trials=1)


def test_several_labels_and_several_quality_metrics(fit: Callable, tickets: pd.DataFrame) -> None:
    table = pd.DataFrame(
        {"text": tickets["text"], "tags": [f"{label};any" for label in tickets["label"]]}
    )

    def play_many(spec: TrialSpec) -> TrialOutcome:
        return success(
            f1_macro=0.1 * spec.number,
            f1_micro=1 - 0.1 * spec.number,
            f1_weighted=0.5,
            accuracy=0.5,
        )

    options = {
        "task": "multilabel-classification",
        "label": "tags",
        "objectives": "f1_micro,f1_macro",
    }
    auto, _ = fit(play_many, data=table, trials=4, **options)
    assert set(auto.classes_) == {"any", *tickets["label"]}
    assert auto.best_.trial == 0 and [one.trial for one in auto.pareto_front_] == [0, 1, 2, 3]


def test_trials_spread_over_the_gpus(fit: Callable) -> None:
    with faked_driver(FakeGpu(uuid="GPU-a"), FakeGpu(uuid="GPU-b", taken=30_000_000_000)):
        _, executor = fit(trials=6, device="auto")
    # As many at once as there are GPUs, unless a number is given; each sees its own as the only one.
    # The first is the probe, which decides what comes next.
    pairs = [{executor.specs[i].gpu, executor.specs[i + 1].gpu} for i in (1, 3)]
    assert pairs == [{"GPU-a", "GPU-b"}] * 2
    assert {spec.device for spec in executor.specs} == {"cuda:0"}
    # What fits must fit into the memory that the fuller one has left.
    assert all(spec.limits.gpu_memory == 45_000_000_000 for spec in executor.specs)
    trained = [
        spec.configuration.values
        for spec in executor.specs
        if spec.configuration.method != "probe.v1"
    ]
    assert trained and {values["precision"] for values in trained} <= {"bf16", "fp32"}


def test_trials_that_share_a_gpu_share_its_memory(fit: Callable) -> None:
    with faked_driver(FakeGpu(uuid="GPU-a"), FakeGpu(uuid="GPU-b")):
        _, executor = fit(trials=5, parallel=4, device="auto")
    gpus = [spec.gpu for spec in executor.specs[1:]]
    assert sorted(gpus) == ["GPU-a", "GPU-a", "GPU-b", "GPU-b"]
    assert {spec.limits.gpu_memory for spec in executor.specs} == {36_000_000_000}


class OneByOne(FakeExecutor):
    """Ends the trials that run one at a time, as real ones end."""

    def finished(self, timeout: float) -> list[tuple[int, TrialOutcome]]:
        first = next(iter(self.waiting))
        others = {number: trial for number, trial in self.waiting.items() if number != first}
        self.waiting = {first: self.waiting[first]}
        ended = super().finished(timeout)
        self.waiting = others
        return ended


@pytest.mark.parametrize(
    ("gpus", "models"), [(1, "minilm-l6"), (2, "minilm-l6"), (4, "minilm-l6,minilm-l3")]
)
def test_a_search_on_several_gpus_opens_as_on_one(fit: Callable, gpus: int, models: str) -> None:
    devices = [FakeGpu(uuid=f"GPU-{number}") for number in range(gpus)]
    executor = OneByOne(play)
    with faked_driver(*devices):
        fit(
            executor=executor,
            models=models,
            trials=6,
            budget=900,
            device="auto",
            sampler="xautolm",
        )
    probes = [spec for spec in executor.specs if spec.configuration.method == "probe.v1"]
    trained = [spec for spec in executor.specs if spec not in probes]
    assert {spec.number for spec in probes} == set(range(len(probes)))
    # The default on the better body, and meanwhile what is near it: both may use all the time that is left.
    assert trained[0].card.name == "minilm-l6"
    assert [spec.proposal for spec in trained[:3]] == ["default", "near the best", "near the best"]
    assert all(spec.limits.seconds > 800 for spec in trained[:3])


def test_beside_a_default_that_fails_nothing_goes_on_from_its_neighbours(fit: Callable) -> None:
    def lack_memory(spec: TrialSpec) -> TrialOutcome:
        if spec.configuration.method == "full.v1":
            raise MemoryError("no room")
        return play(spec)

    executor = OneByOne(lack_memory)
    with faked_driver(FakeGpu(uuid="GPU-a"), FakeGpu(uuid="GPU-b")):
        fit(
            executor=executor,
            models="minilm-l6",
            trials=8,
            budget=900,
            device="auto",
            sampler="xautolm",
        )
    neighbors = [spec for spec in executor.specs if spec.proposal == "near the best"]
    assert [spec.configuration.method for spec in neighbors].count("full.v1") == 1


def test_what_was_interrupted_is_tried_again_within_the_limits_that_it_had(fit: Callable) -> None:
    def end_the_default(spec: TrialSpec) -> TrialOutcome:
        if spec.proposal == "default" and spec.configuration.method == "full.v1":
            raise TrialError(FailureKind.INTERRUPTED, "the machine went away")
        return play(spec)

    _, executor = fit(end_the_default, models="minilm-l6", trials=3, budget=900)
    again = executor.specs[2]
    assert again.proposal == "again after trial 1" and again.limits.seconds > 800
    assert again.configuration == executor.specs[1].configuration


def test_a_trial_that_could_not_begin_is_begun_by_the_next_start(fit: Callable) -> None:
    class WithoutRoom(FakeExecutor):
        def start(self, spec: TrialSpec, folder: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SearchEndedError):
        fit(executor=WithoutRoom(play), models="minilm-l6", trials=3, budget=900)
    _, executor = fit(models="minilm-l6", trials=3, budget=900)
    methods = [spec.configuration.method for spec in executor.specs]
    assert methods[:2] == ["probe.v1", "full.v1"]
    assert [spec.proposal for spec in executor.specs[:2]] == ["default", "default"]


def test_no_trial_begins_once_the_budget_is_over(
    fit: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = SearchStudy._begin
    used = Clock.used.fget
    assert used is not None
    passed = []

    def begin_late(study: SearchStudy, *arguments: Any) -> AskedTrial:
        asked = begin(study, *arguments)
        if asked.number == 3:
            passed.append(905.0)
        return asked

    monkeypatch.setattr(SearchStudy, "_begin", begin_late)
    monkeypatch.setattr(Clock, "used", property(lambda clock: used(clock) + sum(passed)))
    _, executor = fit(models="minilm-l6", trials=8, budget=900, refit="never")
    assert [spec.number for spec in executor.specs] == [0, 1, 2]


def test_rungs_may_differ_from_method_to_method(fit: Callable, tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(
        "method: [full, lora]\nfull: {train_share: [0.1, 1.0]}\nlora: {train_share: [0.1, 0.3, 1.0]}\n"
    )
    _, executor = fit(
        data=support_tickets(8_000, seed=1),
        models="minilm-l6",
        trials=12,
        rungs=True,
        space=str(space),
    )
    shares: dict[str, set[Any]] = {"full.v1": set(), "lora.v1": set()}
    for spec in executor.specs:
        shares[spec.configuration.method].add(spec.configuration.values["train_share"])
    assert len(executor.specs) == 12 and shares["full.v1"] == {0.1, 1.0}


@pytest.mark.parametrize("taken", [79_900_000_000, 80_000_000_000])
def test_a_gpu_that_others_fill_is_said_to_be_full(fit: Callable, taken: int) -> None:
    filled = FakeGpu(uuid="GPU-a", taken=taken)
    held = f"other processes hold {taken / 1e9:.1f} of 80.0 GB"
    with (
        faked_driver(filled),
        pytest.raises(ModelUnavailableError, match=held),
    ):
        fit(trials=1, device="cuda")


def test_trials_that_share_too_little_memory_are_told_to_be_fewer(fit: Callable) -> None:
    nearly_full = FakeGpu(uuid="GPU-a", taken=77_000_000_000)
    with faked_driver(nearly_full):
        with pytest.raises(ModelUnavailableError, match="Lower --parallel: 60 trials share"):
            fit(trials=1, parallel=60, device="cuda")
        auto, _ = fit(trials=1, device="cuda")
    assert len(auto.experiences_) == 1


def test_a_folder_in_which_a_run_was_killed_before_it_had_begun_is_used(
    fit: Callable, tmp_path: Path
) -> None:
    (tmp_path / "run" / "data").mkdir(parents=True)
    (tmp_path / "run" / ".lock").touch()
    (tmp_path / "run" / "data" / "train.parquet").write_text("half of it")
    auto, _ = fit(trials=1)
    assert len(auto.experiences_) == 1


def test_not_fitted_and_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not fitted"):
        AutoLM().predict(["a"])
    with pytest.raises(RunFolderError, match="no run here"):
        AutoLM.load(tmp_path)


def test_a_past_failure_counts_only_while_there_is_no_clearly_larger_limit(
    fit: Callable, tmp_path: Path
) -> None:
    def too_slow(spec: TrialSpec) -> TrialOutcome:
        raise TrialError(FailureKind.TIMEOUT, "no result in time")

    with pytest.raises(NoModelError):
        fit(too_slow, trials=3, trial_time_limit=600, out=str(tmp_path / "first"))
    failures = {}
    for seconds in (600, 6000):
        out = tmp_path / f"{seconds}"
        fit(trials=1, sampler="xautolm", trial_time_limit=seconds, out=str(out))
        begun = json.loads((out / "warm_start.json").read_text())
        failures[seconds] = sum(
            influence["outcome"] == "timeout" for influence in begun["influences"]
        )
    assert failures == {600: 3, 6000: 0}


def test_trials_that_are_lost_together_are_one_misfortune() -> None:
    lost = failed(Failure(kind=FailureKind.INTERRUPTED, message="its machine was lost"))
    together = [(number, lost) for number in range(8)]
    assert misfortunes_after(3, together) == 4
    assert misfortunes_after(3, []) == 3
    assert misfortunes_after(3, [*together, (8, success())]) == 0


Refuse = Callable[[Configuration, bool], str]
"""Says why a configuration would not fit, or nothing, given whether a trial has ended."""


@pytest.fixture
def fit_that_refuses(fit: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list]:
    """Run a search in which predictions change with the first trial; return the configurations that were begun."""
    judged = ResourceModel.obstacle
    ended: list[str] = []

    def note(spec: TrialSpec) -> TrialOutcome:
        ended.append(spec.card.name)
        return play(spec)

    def run(refuse: Refuse, **options: Any) -> list[Configuration]:
        def obstacle(
            model: ResourceModel, configuration: Configuration, limits: Limits, epochs: float = 1.0
        ) -> str:
            reason = refuse(configuration, bool(ended))
            return reason or judged(model, configuration, limits, epochs)

        monkeypatch.setattr(ResourceModel, "obstacle", obstacle)
        _, executor = fit(note, sampler="xautolm", warm_start="none", **options)
        return [spec.configuration for spec in executor.specs]

    return run


def test_the_default_is_trained_where_probes_that_wait_do_not_fit_any_more(
    fit_that_refuses: Callable[..., list],
) -> None:
    def refuse(configuration: Configuration, has_ended: bool) -> str:
        is_cut = configuration.model != "minilm-l6"
        is_refused = has_ended and is_cut and not is_trained(configuration)
        return "slower than predicted" if is_refused else ""

    first, second, *others = fit_that_refuses(refuse, trials=16)
    assert (first.method, second.method) == ("probe.v1", "full.v1")
    assert second.model == "minilm-l6" and second not in others


def test_a_whole_body_that_fits_once_a_quick_one_was_probed_is_probed_and_trained(
    fit_that_refuses: Callable[..., list],
) -> None:
    def refuse(configuration: Configuration, has_ended: bool) -> str:
        is_refused = not has_ended and configuration.model == "minilm-l6"
        return "slower than it turns out to be" if is_refused else ""

    configurations = fit_that_refuses(refuse, trials=12, models="minilm-l2,minilm-l6")
    begun = [(each.model, each.method) for each in configurations]
    probed = begun.index(("minilm-l6", "probe.v1"))
    trained = begun.index(("minilm-l6", "full.v1"))
    assert 0 < probed < trained
    assert {method for _, method in begun[:trained]} == {"probe.v1"}
