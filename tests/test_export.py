"""`--export`: what the winner's folder may be keeps the search to configurations that become that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.played import play, table_for
from xautolm import AutoLM
from xautolm.errors import RunFolderError, SpaceError, UsageError
from xautolm.records import DataProfile, ModelCard, SystemProfile, TrialSpec
from xautolm.report.screen import Quiet
from xautolm.search_space import build_space
from xautolm.space import Space
from xautolm.tasks import TASKS
from xautolm.testing import FakeExecutor
from xautolm.vocabulary import Export

TASK = TASKS.get("text-classification")


def proposed(folder: Path, **options: object) -> list[TrialSpec]:
    """Return the orders of a search whose trials are played."""
    settings = {
        "models": "minilm-l2",
        "methods": "probe",
        "sampler": "random",
        "device": "cpu",
        "trials": 1,
    }
    executor = FakeExecutor(play)
    auto = AutoLM(out=str(folder), **{**settings, **options})
    auto.fit(table_for("text-classification"), screen=Quiet(), executor=executor)
    return executor.specs


@pytest.mark.parametrize(
    ("export", "expected"), [(Export.ANY, ("mean", "own")), (Export.PIPELINE, ("own",))]
)
def test_what_a_plain_pipeline_does_not_load_is_left_out_on_demand(
    profile: DataProfile,
    machine: SystemProfile,
    card: ModelCard,
    export: Export,
    expected: tuple[str, ...],
) -> None:
    space = build_space("default", TASK, [card], ["probe"], profile, machine, export=export)
    pooling = space.sites()["pooling"]
    assert pooling.options == expected and pooling.default == expected[0]


def test_a_persons_ranges_bring_nothing_back_that_was_left_out(
    profile: DataProfile, machine: SystemProfile, card: ModelCard
) -> None:
    def pooled(export: Export, change: object) -> Space:
        return build_space(
            "default", TASK, [card], ["probe"], profile, machine, {"pooling": change}, export=export
        )

    assert pooled(Export.ANY, ["own"]).sites()["pooling"].options == ("own",)
    with pytest.raises(SpaceError, match="pooling: 'mean' is not one of own"):
        pooled(Export.PIPELINE, ["own", "mean"])
    with pytest.raises(SpaceError, match=r"pooling: 'max' is not one of mean\|own"):
        pooled(Export.ANY, "max")


@pytest.mark.parametrize(("export", "expected"), [("any", {"mean", "own"}), ("pipeline", {"own"})])
def test_a_search_proposes_only_what_may_be_exported(
    tmp_path: Path, export: str, expected: set[str]
) -> None:
    specs = proposed(tmp_path / "run", export=export, trials=8)
    assert {spec.configuration.values["pooling"] for spec in specs} == expected


def test_an_export_that_does_not_exist_or_is_not_that_of_the_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="export='onnx': Input should be 'any' or 'pipeline'"):
        proposed(tmp_path / "run", export="onnx")
    proposed(tmp_path / "run")
    with pytest.raises(RunFolderError, match="export: None there, pipeline now"):
        proposed(tmp_path / "run", export="pipeline")
