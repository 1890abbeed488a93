"""A search over an encoder that extracts and a decoder that generates, end to end with real models."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from xautolm import AutoLM
from xautolm.cli import app
from xautolm.errors import DataError, UnknownNameError, UsageError
from xautolm.finetuning.predictor import Predictor
from xautolm.records import Answering
from xautolm.report.screen import Quiet
from xautolm.report.usage import usage
from xautolm.serialization import read_record
from xautolm.tasks import TASKS
from xautolm.testing import lookup_questions

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
    ),
]
TASK = "question-answering"
FIXED = "epochs: 2\nbatch_size: 16\n"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AutoLM]:
    folder = tmp_path_factory.mktemp("qa")
    (folder / "space.yaml").write_text(FIXED)
    auto = AutoLM(
        task=TASK,
        models="minilm-l2,scratch-decoder,scratch-encoder-decoder",
        methods="full",
        space=str(folder / "space.yaml"),
        trials=3,
        device="cpu",
        out=str(folder / "run"),
        store=str(folder / "store.db"),
    )
    yield auto.fit(lookup_questions(100, seed=0), screen=Quiet())


def test_one_leaderboard_for_all_architectures(fitted: AutoLM) -> None:
    board = fitted.leaderboard_
    assert set(board["model"]) == {"minilm-l2", "scratch-decoder", "scratch-encoder-decoder"}
    assert set(board["status"]) == {"complete"} and {"token_f1", "exact_match"} <= set(
        board.columns
    )
    assert "generation-paper.v1" in fitted.experiences_[0].features


@pytest.mark.slow
def test_every_front_model_answers_in_plain_transformers_by_the_lines_of_its_card(
    fitted: AutoLM,
) -> None:
    for one in fitted.pareto_front_:
        folder = fitted.run_.model(one.trial)
        architecture = {"minilm-l2": "encoder", "scratch-decoder": "decoder"}.get(
            one.configuration.model, "encoder-decoder"
        )
        row = {
            "question": "What does Ben have?",
            "context": "Ada has the apple. Ben has the book. Cleo has the chair.",
        }
        prompt = "".join(TASKS.get(TASK).parts(row))
        lines = usage(read_record(Answering, folder / "xautolm.json"), architecture, prompt)
        code = lines.replace("PATH_TO_THIS_FOLDER", str(folder)).replace(
            "Who wrote it?", row["question"]
        )
        code = code.replace("It was written by Ada.", row["context"])
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert [done.stdout.strip()] == Predictor(folder, "cpu").answers(pd.DataFrame([row]))
    card = (fitted.run_.best / "README.md").read_text()
    block = re.search(r"```python\n(.*?)```", card, flags=re.S)
    assert block is not None and "AutoModelFor" in block[1] and "pipeline(" not in block[1]


def test_predict_needs_a_context_and_says_the_answer(fitted: AutoLM, tmp_path: Path) -> None:
    context = tmp_path / "context.txt"
    context.write_text("Ada has the apple. Ben has the book. Cleo has the chair.")
    run = str(fitted.run_.root)
    done = CliRunner().invoke(
        app, ["predict", run, "--context", str(context), "--json", "What does Ben have?"]
    )
    assert done.exit_code == 0, done.output
    assert isinstance(json.loads(done.stdout)["prediction"], str)
    for arguments in (["What does Ben have?"], ["--context", str(tmp_path / "none.txt"), "What?"]):
        failed = CliRunner().invoke(app, ["predict", run, *arguments])
        assert isinstance(failed.exception, UsageError)
    with pytest.raises(UsageError, match="no classes"):
        fitted.predict_proba({"context": ["a"], "question": ["b"]})
    with pytest.raises(UsageError, match="context and question"):
        fitted.predict(["What does Ben have?"])
    held_out = lookup_questions(20, seed=9)
    assert set(fitted.evaluate(held_out)) == {"token_f1", "exact_match"}
    assert len(fitted.predict(held_out)) == 20


def test_wrong_columns_and_families_are_refused_before_any_compute(tmp_path: Path) -> None:
    options = {
        "task": TASK,
        "trials": 1,
        "device": "cpu",
        "store": str(tmp_path / "s.db"),
        "out": str(tmp_path / "r"),
    }
    table = lookup_questions(30, seed=0)
    with pytest.raises(DataError, match=r"--columns question=NAME"):
        AutoLM(**options).fit(table.rename(columns={"question": "ask"}), screen=Quiet())
    with pytest.raises(UnknownNameError, match="architecture"):
        AutoLM(**options, families="decoders").fit(table, screen=Quiet())
    with pytest.raises(UsageError, match="not for these architectures"):
        AutoLM(
            **{**options, "task": "text-generation"},
            families="encoder",
            columns="text=question,target=context",
        ).fit(table, screen=Quiet())
    with pytest.raises(UsageError, match="Families say what `auto` considers"):
        AutoLM(**options, families="decoder", models="scratch-decoder").fit(table, screen=Quiet())
    assert not (tmp_path / "r").exists()


def test_prompts_of_the_task_are_those_of_the_card() -> None:
    task = TASKS.get(TASK)
    assert (
        "".join(task.parts({"question": "Q", "context": "C"})) == "Question: Q\nContext: C\nAnswer:"
    )
