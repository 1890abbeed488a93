"""Small models trained from scratch really learn to say answers, far above chance; MiniLM learns to extract them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import data_set
from xautolm.data import prepare
from xautolm.finetuning.run import run
from xautolm.hardware import system_profile
from xautolm.records import TrialOutcome
from xautolm.search_space import build_space, data_needs
from xautolm.tasks import TASKS
from xautolm.testing import lookup_questions, trial_spec
from xautolm.zoo import ZOO, find_models

pytestmark = [
    pytest.mark.timeout(1500),
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
    ),
]


def learned(
    folder: Path, task_name: str, table: pd.DataFrame, model: str, max_train: int, **fixed: object
) -> TrialOutcome:
    """What comes of the default configuration of full fine-tuning, but for some fixed values."""
    task = TASKS.get(task_name)
    data = prepare(table, data_needs(task), columns={}, max_train=max_train)
    (card,) = find_models([model], ZOO.things)
    space = build_space("default", task, [card], ["full"], data.profile, system_profile("cpu"))
    configuration = space.walk(lambda key, parameter: fixed.get(parameter.name, parameter.default))
    spec = trial_spec(folder, task, data, card, configuration)
    outcome = run(spec, folder)
    print(f"{task_name} {model}: {dict(outcome.metrics)} in {outcome.evaluation_time:.0f} s")
    return outcome


@pytest.mark.slow
@pytest.mark.parametrize("model", ["scratch-decoder", "scratch-encoder-decoder"])
def test_copying_an_answer_from_its_context(model: str, tmp_path: Path) -> None:
    table = lookup_questions(2000, seed=0, facts=1)
    outcome = learned(
        tmp_path, "question-answering", table, model, 1500, learning_rate=1e-3, epochs=6
    )
    assert outcome.metrics["exact_match"] > 0.8  # chance is one of eight things


@pytest.mark.data
def test_topics_as_generated_words(tmp_path: Path) -> None:
    table = pd.read_parquet(data_set("ag_news") / "train.parquet").rename(
        columns={"label": "target"}
    )
    table["target"] = table["target"].map(str)
    outcome = learned(
        tmp_path, "text-generation", table, "scratch-decoder", 4000, learning_rate=1e-3, epochs=3
    )
    assert outcome.metrics["exact_match"] > 0.6  # chance is a quarter


@pytest.mark.data
def test_topics_as_classes_that_are_said(tmp_path: Path) -> None:
    table = pd.read_parquet(data_set("ag_news") / "train.parquet")
    fixed = {"form": "label-words", "learning_rate": 1e-3, "epochs": 3}
    outcome = learned(tmp_path, "text-classification", table, "scratch-decoder", 4000, **fixed)
    assert outcome.metrics["f1_macro"] > 0.6  # chance is a quarter


@pytest.mark.data
def test_extraction_from_real_contexts(tmp_path: Path) -> None:
    table = pd.read_parquet(data_set("squad") / "train.parquet")
    outcome = learned(tmp_path, "question-answering", table, "minilm-l6", 2000, epochs=1)
    assert outcome.metrics["token_f1"] > 0.3  # untrained, below a tenth
