"""Opened heads are linear in the pooled token, and closing them changes nothing but the form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.conformance.tiny import FAMILIES, tiny_model
from xautolm.data.demo import support_tickets
from xautolm.finetuning.export import save_answering, save_model
from xautolm.finetuning.linear_head import HEAD_FORMS, close_head, dense_layers, open_head
from xautolm.finetuning.mean_pooled import MeanPooledClassifier
from xautolm.finetuning.predictor import Predictor
from xautolm.records import Answering
from xautolm.vocabulary import Layers, Pooling
from xautolm.zoo import FAMILIES as KNOWN
from xautolm.zoo import family_of
from xautolm.zoo.base import Head

# What libraries say of themselves while they work.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)

TEXTS = list(support_tickets(40, seed=1)["text"])
CLASSES = 5
ABSENT = ("camembert", "data2vec-text", "ernie", "mpnet", "roberta-prelayernorm", "xlm-roberta-xl")
"""Families that are not in the zoo, and whose heads are known all the same."""
UNKNOWN = ("convbert", "megatron-bert", "rembert", "roformer")
"""Families whose dense layer in front of the classifier, or inside the body, stays as it is."""


CLASSIFIERS = sorted(
    family for family in FAMILIES if "classify" not in family_of(family).absent_forms
)
"""Families in the zoo of which transformers has a classifier."""


@pytest.mark.parametrize("family", [*CLASSIFIERS, *ABSENT, *UNKNOWN])
def test_the_layers_of_a_head_say_what_the_model_says(tmp_path: Path, family: str) -> None:
    card = tiny_model(family, tmp_path / "body", TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(card.path)
    model = AutoModelForSequenceClassification.from_pretrained(card.path, num_labels=CLASSES).eval()
    layers = dense_layers(model)
    if layers is None:
        # Decoders look at another token, and other heads are more than linear layers.
        assert family not in (*ABSENT, "bert", "roberta", "distilbert", "deberta-v2", "electra")
        return
    batch = tokenizer(TEXTS[:8], padding=True, truncation=True, max_length=64, return_tensors="pt")
    batch.pop("token_type_ids", None)
    with torch.inference_mode():
        features = model.base_model(**batch)[0][:, 0]
        for layer in layers:
            features = layer.activation()(layer.linear(features))
        torch.testing.assert_close(features, model(**batch).logits)


@pytest.mark.parametrize("family", [*CLASSIFIERS, *ABSENT, *UNKNOWN])
def test_a_closed_head_is_the_opened_one_in_plain_form(tmp_path: Path, family: str) -> None:
    card = tiny_model(family, tmp_path / "body", TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(card.path)
    model = AutoModelForSequenceClassification.from_pretrained(card.path, num_labels=CLASSES).eval()
    model.config.pad_token_id = tokenizer.pad_token_id
    batch = tokenizer(TEXTS[:16], padding=True, truncation=True, max_length=64, return_tensors="pt")
    batch.pop("token_type_ids", None)
    head = open_head(model)
    assert head is not None and head.linear.out_features == CLASSES
    linear = head.linear
    features = []
    linear.register_forward_pre_hook(lambda module, inputs: features.append(inputs[0].detach()))
    with torch.no_grad():
        linear.weight.normal_(0, 1)
        if linear.bias is not None:
            linear.bias.normal_(0, 1)
        opened = model(**batch).logits
    # Of decoders every token has its score; the shift of DistilBERT's ReLU is no part of a feature.
    largest = float(features[0].abs().max()) - head.offset
    linear._forward_pre_hooks.clear()
    close_head(model, largest)
    model.save_pretrained(tmp_path / "plain")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "plain").eval()
    plain.config.pad_token_id = tokenizer.pad_token_id
    with torch.no_grad():
        closed = plain(**batch).logits
    assert float(opened.std()) > 0.1
    assert torch.allclose(closed, opened, atol=1e-3 * float(opened.abs().max()))


@pytest.mark.parametrize("family", [*CLASSIFIERS, *ABSENT, *UNKNOWN])
def test_an_opened_head_stays_where_the_model_is_and_in_its_format(
    tmp_path: Path, family: str
) -> None:
    card = tiny_model(family, tmp_path / "body", TEXTS)
    model = AutoModelForSequenceClassification.from_pretrained(card.path, num_labels=CLASSES)
    # Stands for a GPU: a device that is not the one on which layers are made by default.
    model.to("meta", torch.bfloat16)

    def places() -> set[tuple[str, torch.dtype]]:
        return {(weights.device.type, weights.dtype) for weights in model.parameters()}

    assert open_head(model) is not None
    assert places() == {("meta", torch.bfloat16)}
    close_head(model, 1.0)
    assert places() == {("meta", torch.bfloat16)}


@pytest.mark.parametrize("pooling", [Pooling.OWN, Pooling.MEAN])
@pytest.mark.parametrize(
    "family", ["albert", "bert", "roberta", "distilbert", "electra", "deberta-v2"]
)
def test_small_differences_of_large_numbers_survive_bfloat16(
    tmp_path: Path, family: str, pooling: Pooling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm.finetuning.predictor.computes_in_bf16", lambda: True)
    card = tiny_model(family, tmp_path / "body", TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(card.path)
    model = AutoModelForSequenceClassification.from_pretrained(card.path, num_labels=CLASSES).eval()
    # One by one, as rows of other lengths would be padded.
    batches = [
        tokenizer([text], truncation=True, max_length=64, return_tensors="pt")
        for text in TEXTS[:16]
    ]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        hidden = [model.base_model(**batch)[0].float() for batch in batches]
    head = open_head(model)
    assert head is not None
    if pooling is Pooling.MEAN:
        features = torch.stack([tokens[0].mean(dim=0) for tokens in hidden])
    else:
        features = torch.stack([tokens[0, 0] for tokens in hidden])
    # What all texts share comes out as nothing: what tells them apart is a small part of each feature.
    generator = torch.Generator().manual_seed(0)
    weight = 300 * torch.randn(CLASSES, features.shape[1], generator=generator)
    shared = features.mean(dim=0)
    bias = -shared @ weight.T
    exact = (features - shared) @ weight.T
    settings = Answering(
        task="text-classification",
        form="classify",
        max_length=64,
        labels=tuple("abcde"),
        pooling=pooling,
    )
    if pooling is Pooling.MEAN:
        body = model.base_model
        classifier = MeanPooledClassifier(body, weight.numpy(), bias.numpy(), Layers.LAST)
        classifier.save(tmp_path / "plain", 64)
        save_answering(tokenizer, settings, tmp_path / "plain")
    else:
        head.set_weights(weight.numpy(), bias.numpy())
        close_head(model, float(features.abs().max()))
        save_model(model, tokenizer, settings, tmp_path / "plain")
    predictor = Predictor(tmp_path / "plain", "cpu")
    for row, text in enumerate(TEXTS[:16]):
        (answers,) = predictor.answers(pd.DataFrame({"text": [text]}))
        error = np.abs(answers - exact[row].numpy()).max()
        assert error < 0.05 * float(exact.std(dim=0).mean())


def test_which_families_keep_their_dense_layer_is_known() -> None:
    assert all(family_of(name).head in HEAD_FORMS for name in ABSENT)
    assert all(family_of(name).head is Head.OTHER for name in UNKNOWN)


def test_every_kind_of_head_has_its_form() -> None:
    assert set(Head) - {Head.OTHER} == set(HEAD_FORMS)


def test_every_encoder_of_the_zoo_says_what_its_head_is() -> None:
    assert all(
        family.head in HEAD_FORMS
        for family in KNOWN.things.values()
        if family.architecture != "decoder"
    )
