"""Checkpoints of other tasks as a start: their body is used whole, their head only if it was trained for the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from tests.conformance.tiny import tiny_model
from tests.finetuning.conftest import Order
from xautolm.data.demo import support_tickets
from xautolm.errors import TrialError
from xautolm.finetuning.model import bare_model
from xautolm.finetuning.pretrained import read_config
from xautolm.finetuning.run import run
from xautolm.finetuning.tokens import load_tokenizer
from xautolm.records import TrialSpec
from xautolm.tasks import TASKS

# What libraries say of themselves while they work.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)

TEXTS = list(support_tickets(160, seed=1)["text"])
FAMILIES = ("bert", "distilbert", "roberta", "electra", "gpt2", "bart")


def fine_tuned(folder: Path, family: str, kind: Any, names: list[str]) -> Path:
    """Write a checkpoint of a family with a head for some classes; its head's weights are all 3."""
    tiny_model(family, folder, TEXTS)
    labels = dict(enumerate(names))
    ids = {name: number for number, name in labels.items()}
    model = kind.from_pretrained(folder, num_labels=len(names), id2label=labels, label2id=ids)
    body = {id(parameter) for parameter in model.base_model.parameters()}
    with torch.no_grad():
        for parameter in model.parameters():
            if id(parameter) not in body:
                parameter.fill_(3.0)
    model.save_pretrained(folder)
    return folder


def model_and_head(spec: TrialSpec) -> tuple[Any, list[Any]]:
    task = TASKS.get(spec.task)
    model = bare_model(spec, task, load_tokenizer(spec.card, Path(spec.data), Path(spec.tokens)))
    body = {id(parameter) for parameter in model.base_model.parameters()}
    return model, [parameter for parameter in model.parameters() if id(parameter) not in body]


def stored_body(folder: Path, model: Any) -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint's body that the model has, by their names."""
    stored = load_file(folder / "model.safetensors")
    names = {
        name
        for name, _ in model.named_parameters()
        if name.startswith(f"{model.base_model_prefix}.")
    }
    return {name: tensor for name, tensor in stored.items() if name in names}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("classes", [2, 7])
def test_a_classifier_of_other_classes_gets_a_new_head(
    order: Order, tmp_path: Path, family: str, classes: int
) -> None:
    names = [f"class {number}" for number in range(classes)]
    folder = fine_tuned(tmp_path / "model", family, AutoModelForSequenceClassification, names)
    spec = order(str(folder))
    assert len(spec.labels) == 5
    model, head = model_and_head(spec)
    assert model.config.num_labels == 5 and all(
        not torch.all(parameter == 3.0) for parameter in head
    )
    body = stored_body(folder, model)
    assert body and all(
        torch.equal(model.state_dict()[name], tensor) for name, tensor in body.items()
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_as_many_classes_of_another_task_get_a_new_head_too(
    order: Order, tmp_path: Path, family: str
) -> None:
    spec = order()
    other = fine_tuned(
        tmp_path / "other", family, AutoModelForSequenceClassification, list("abcde")
    )
    _, head = model_and_head(order(str(other)))
    assert all(not torch.all(parameter == 3.0) for parameter in head)
    same = fine_tuned(
        tmp_path / "same", family, AutoModelForSequenceClassification, list(spec.labels)
    )
    _, head = model_and_head(order(str(same)))
    assert all(torch.all(parameter == 3.0) for parameter in head)


@pytest.mark.parametrize("classes", [5, 9])
def test_a_tagger_is_a_start_for_a_classifier(order: Order, tmp_path: Path, classes: int) -> None:
    folder = fine_tuned(
        tmp_path / "tagger",
        "bert",
        AutoModelForTokenClassification,
        [f"B-{n}" for n in range(classes)],
    )
    outcome = run(replace(order(str(folder), epochs=1, rows=60), threads=1), folder)
    assert outcome.succeeded
    assert (
        AutoModelForSequenceClassification.from_pretrained(folder / "model").config.num_labels == 5
    )


def test_a_body_that_lacks_weights_is_no_start(order: Order, tmp_path: Path) -> None:
    card = tiny_model("bert", tmp_path / "model", TEXTS)
    spec = order(card.path)
    path = Path(card.path) / "model.safetensors"
    weights = load_file(path)
    cut = [name for name in weights if "layer.1." in name]
    save_file(
        {name: tensor for name, tensor in weights.items() if name not in cut},
        path,
        {"format": "pt"},
    )
    with pytest.raises(
        TrialError, match=rf"{len(cut)} of \d+ of the body are not in the checkpoint"
    ) as caught:
        model_and_head(spec)
    assert caught.value.kind == "load_error" and card.path in str(caught.value)


def test_a_tokenizer_that_knows_no_word_of_the_data_is_no_start(
    order: Order, tmp_path: Path
) -> None:
    card = tiny_model("bert", tmp_path / "model", TEXTS)
    spec = order(card.path, epochs=1, rows=60)
    assert len(AutoTokenizer.from_pretrained(card.path)("parcel")["input_ids"]) > 2
    foreign = Tokenizer(models.WordLevel({"<unk>": 0, "<pad>": 1, "ɸ": 2}, unk_token="<unk>"))
    PreTrainedTokenizerFast(
        tokenizer_object=foreign, unk_token="<unk>", pad_token="<pad>"
    ).save_pretrained(card.path)
    with pytest.raises(TrialError, match="100% of the training texts' words are unknown to it"):
        run(spec, tmp_path)


def test_a_model_ends_its_answers_as_its_training_targets_do(order: Order, tmp_path: Path) -> None:
    folder = tmp_path / "gpt2"
    tiny_model("gpt2", folder, TEXTS)
    # Chat models are published with several ends.
    read_config(folder, eos_token_id=[1, 2, 3]).save_pretrained(folder)
    spec = order(str(folder), form="label-words")
    tokenizer = load_tokenizer(spec.card, Path(spec.data), Path(spec.tokens))
    model = bare_model(spec, TASKS.get(spec.task), tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
