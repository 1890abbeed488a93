"""Every family of the zoo through every task and method that it claims: two steps, answers, saved, loaded again."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xautolm.finetuning.run as trial
from tests.conformance.tiny import FAMILIES, tiny_model
from xautolm.data import prepare
from xautolm.data.demo import support_tickets
from xautolm.finetuning.forms import FORMS
from xautolm.finetuning.inference import answers
from xautolm.metafeatures import system_profile
from xautolm.methods import METHODS
from xautolm.recipe import build_space, data_needs, method_problem
from xautolm.records import TrialStatus
from xautolm.tasks import TASKS
from xautolm.testing import lookup_questions, trial_spec

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
CUT = ("bert", "llama", "t5")
"""The families of the default run, one for each architecture."""


def tables() -> dict[str, pd.DataFrame]:
    tickets = support_tickets(40, seed=1)
    texts, labels = tickets["text"], tickets["label"]
    return {
        "text-classification": tickets,
        "multilabel-classification": pd.DataFrame({"text": texts, "labels": [[one, f"not {one}"] for one in labels]}),
        "text-generation": pd.DataFrame({"text": texts, "target": [f"about {one}" for one in labels]}),
        "question-answering": lookup_questions(40, seed=1),
    }


TABLES = tables()
CELLS = [
    pytest.param(
        family, task, method, id=f"{family}-{task}-{method}", marks=[] if family in CUT else [pytest.mark.conformance]
    )
    for family, card in sorted(FAMILIES.items())
    for task in TABLES
    for method in METHODS.names()
    if not method_problem(TASKS.get(task), METHODS.get(method), card)
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    made: dict[str, Any] = {}
    texts = [str(cell) for table in TABLES.values() for column in table for cell in table[column]]

    def get(family: str) -> Any:
        if family not in made:
            made[family] = tiny_model(family, tmp_path_factory.mktemp(family), texts)
        return made[family]

    return get


def test_every_task_has_a_table_and_every_family_a_cell() -> None:
    assert set(TABLES) == set(TASKS.names())
    assert {cell.values[0] for cell in CELLS} == set(FAMILIES) and len(FAMILIES) >= 10


@pytest.mark.parametrize(("family", "task_name", "method"), CELLS)
def test_cell(
    family: str,
    task_name: str,
    method: str,
    models: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card, task = models(family), TASKS.get(task_name)
    data = prepare(TABLES[task_name], data_needs(task), columns={})
    space = build_space("default", task, [card], [method], data.profile, system_profile("cpu"))
    fixed = {"epochs": 1, "batch_size": 16, "max_length": 64, "lora_targets": "attention"}

    def choose(key: str, parameter: Any) -> Any:
        value = fixed.get(parameter.name, parameter.default)
        return parameter.default if parameter.problem(value) and parameter.name != "epochs" else value

    configuration = space.walk(choose)
    spec = trial_spec(tmp_path, task, data, card, configuration)
    said: list[Any] = []

    def answer_and_export(model: Any, tokenizer: Any, settings: Any, folder: Path) -> None:
        said.append(FORMS.get(settings.form).answers(model.eval(), tokenizer, data.validation, task, settings))
        export(model, tokenizer, settings, folder)

    export = trial.export_model
    monkeypatch.setattr(trial, "export_model", answer_and_export)
    outcome = trial.run(spec, tmp_path)
    assert outcome.status is TrialStatus.COMPLETE and set(outcome.metrics) == set(task.metrics)
    again = answers(tmp_path / "model", data.validation, "cpu")
    if isinstance(again, np.ndarray):
        assert np.allclose(again, said[0], atol=1e-3) and np.isfinite(again).all()
    else:
        assert again == said[0] and len(again) == len(data.validation)
    gc.collect()


@pytest.mark.parametrize("family", CUT)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_gradient_checkpointing_is_the_last_resort_and_changes_no_result(
    family: str, method: str, models: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, task = models(family), TASKS.get("question-answering")
    data = prepare(TABLES[task.name], data_needs(task), columns={})
    space = build_space("default", task, [card], [method], data.profile, system_profile("cpu"))
    fixed = {"epochs": 2, "dropout": 0.0, "lora_dropout": 0.0, "batch_size": 8}
    configuration = space.walk(lambda key, parameter: fixed.get(parameter.name, parameter.default))
    histories = []
    train = trial._train

    def cramped(spec: Any, *rest: Any) -> Any:
        if not spec.gradient_checkpointing:
            raise MemoryError("no room")
        return train(spec, *rest)

    for name, training in (("roomy", train), ("cramped", cramped)):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.setattr(trial, "_train", training)
        spec = replace(trial_spec(folder, task, data, card, configuration), micro_batch=1)
        outcome = trial.run(spec, folder)
        assert outcome.succeeded and bool(outcome.adjustments) == (name == "cramped")
        histories.append([line["train_loss"] for line in outcome.history])
    assert histories[0] == pytest.approx(histories[1], rel=1e-3)
