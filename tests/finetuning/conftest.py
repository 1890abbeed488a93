"""Real models on small data: a trial's order, built in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest

from xautolm.data import prepare
from xautolm.data.demo import support_tickets
from xautolm.hardware import system_profile
from xautolm.records import Limits, TrialSpec
from xautolm.search_space import build_space, data_needs
from xautolm.tasks import TASKS
from xautolm.vocabulary import Export
from xautolm.zoo import ZOO, find_models

Order = Callable[..., TrialSpec]


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """Makes specs: `order("minilm-l2", "lora", epochs=1)`."""

    def make(
        model: str = "scratch-tiny",
        method: str = "full",
        *,
        task: str = "text-classification",
        preset: str = "default",
        limits: Limits | None = None,
        micro_batch: int | None = None,
        rows: int = 160,
        ranges: Mapping[str, object] | None = None,
        export: Export = Export.ANY,
        table: pd.DataFrame | None = None,
        **fixed: object,
    ) -> TrialSpec:
        kind = TASKS.get(task)
        if table is None:
            table = support_tickets(rows, seed=1)
        if task.startswith("multilabel"):
            table = pd.DataFrame(
                {
                    "text": table["text"],
                    "labels": [[label, f"not {label}"] for label in table["label"]],
                }
            )
        data = prepare(table, data_needs(kind), columns={})
        (card,) = find_models([model], ZOO.things)
        space = build_space(
            preset,
            kind,
            [card],
            [method],
            data.profile,
            system_profile("cpu"),
            ranges,
            export=export,
        )
        configuration = space.walk(
            lambda key, parameter: fixed.get(parameter.name, parameter.default)
        )
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        data.train.to_parquet(folder / "train.parquet")
        data.validation.to_parquet(folder / "validation.parquet")
        return TrialSpec(
            number=0,
            configuration=configuration,
            task=task,
            labels=data.labels,
            card=card,
            data=str(folder),
            tokens=str(tmp_path / "tokens"),
            metric=kind.metrics[0],
            metrics=kind.metrics,
            limits=limits or Limits(),
            micro_batch=micro_batch or int(configuration.values.get("batch_size", 32)),
            device="cpu",
            threads=1,
            seed=0,
        )

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "trial"
    made.mkdir()
    return made
