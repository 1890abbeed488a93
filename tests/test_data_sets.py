"""The paper's classification tasks, from the folder that XAUTOLM_TEST_DATA names; `make test-data`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import data_set
from xautolm import AutoLM
from xautolm.data import prepare
from xautolm.report.screen import Plain
from xautolm.search_space import data_needs
from xautolm.tasks import TASKS

pytestmark = pytest.mark.data

TASK = TASKS.get("text-classification")


@pytest.fixture(params=["liar", "sst2", "meld", "ag_news"])
def source(request: pytest.FixtureRequest) -> Path:
    return data_set(request.param)


def test_each_is_read_split_and_measured(source: Path) -> None:
    data = prepare(source, data_needs(TASK), columns={}, max_train=2000)
    assert len(data.train) == 2000 and len(data.validation) >= 400
    assert not set(data.train["text"]) & set(data.validation["text"])
    assert data.test is not None and not set(data.train["text"]) & set(data.test["text"])


def test_a_short_search_beats_the_largest_class(source: Path, tmp_path: Path) -> None:
    auto = AutoLM(
        models="minilm-l6",
        methods="full,lora",
        max_train=600,
        trials=2,
        device="cpu",
        out=str(tmp_path / "r"),
    )
    auto.fit(source, screen=Plain())
    shares = auto.run_.data / "validation.parquet"
    import pandas as pd

    largest = pd.read_parquet(shares)["label"].value_counts(normalize=True).iloc[0]
    classes = len(auto.classes_)
    # A classifier that always says the largest class has a macro-F1 of 2p / (1 + p) / classes.
    assert auto.best_.outcome.metrics["f1_macro"] > 2 * largest / (1 + largest) / classes
