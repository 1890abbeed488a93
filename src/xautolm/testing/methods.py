"""The contract of fine-tuning methods: what they claim without torch, and what they do to tiny models with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xautolm.methods import Method, head_parameters
from xautolm.records import ModelCard, Scalar
from xautolm.registry import is_versioned
from xautolm.space import Space
from xautolm.space.presets import Bounds
from xautolm.tasks.forms import FORMS
from xautolm.testing.fakes import made_up_card
from xautolm.vocabulary import Preset

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CLASSIFIER_BOUNDS = Bounds(
    positions=512,
    tokens_max=100,
    tokens_typical=30.0,
    train_examples=500,
    precisions=("fp32",),
    body_dropout=True,
    form=FORMS.get("classify"),
)
"""A classifier on a processor, with 500 short texts to learn from."""
TINY_FAMILIES = ("bert", "distilbert")
"""The first has a pooler in front of its classifier, the second a dense layer in its place."""


def check_method(method: Method) -> None:
    """Check that a fine-tuning method keeps what every method promises.

    Its name is versioned; its defaults lie in its own space; of tiny classifiers it trains as large a share as it
    claims, within a factor of two, the head always; and all that it trains gets a gradient. Loads torch.

    Raises:
        AssertionError: It does not; says which promise.
    """
    name = method.name
    assert is_versioned(name), f"{name} does not end in a version, such as `.v1`"
    assert method.title, f"{name} does not say what it is"
    card = made_up_card()
    for preset in (Preset.DEFAULT, Preset.PAPER):
        space = Space("s", method.parameters(preset, card, CLASSIFIER_BOUNDS))
        problems = space.problems(space.default().values)
        assert problems == [], f"{name}, preset {preset}: {problems}"
    for family in TINY_FAMILIES:
        _check_claims(method, family)
        _check_gradients(method, family)


def tiny_classifier(family: str) -> PreTrainedModel:
    """Build a classifier of three classes with random weights: four layers of width 128, 1,000 words.

    Args:
        family: `bert` or `distilbert`.
    """
    import torch
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        DistilBertConfig,
        DistilBertForSequenceClassification,
    )

    torch.manual_seed(0)
    if family == "bert":
        shape = BertConfig(
            hidden_size=128,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=512,
            vocab_size=1000,
            num_labels=3,
        )
        return BertForSequenceClassification(shape)
    shape = DistilBertConfig(
        dim=128, n_layers=4, n_heads=2, hidden_dim=512, vocab_size=1000, num_labels=3
    )
    return DistilBertForSequenceClassification(shape)


def default_values(method: Method, card: ModelCard) -> dict[str, Scalar]:
    """Return the default of a method's own parameters in the preset `default`."""
    space = Space("s", method.parameters(Preset.DEFAULT, card, CLASSIFIER_BOUNDS))
    return dict(space.default().values)


def trained_names(model: PreTrainedModel) -> set[str]:
    """Return the names of the parameters that are trained."""
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def _check_claims(method: Method, family: str) -> None:
    model = tiny_classifier(family)
    body = sum(parameter.numel() for parameter in model.base_model.parameters())
    card = replace(made_up_card(), parameters=body)
    values = default_values(method, card)
    backward = method.backward_share(card, values)
    assert 0 <= backward <= 1, f"{method.name}: a backward pass through {backward} of the layers"
    head = {id(parameter) for parameter in head_parameters(model)}
    wrapped = method.wrap(model, card, values)
    trained = 0
    for parameter in wrapped.parameters():
        if parameter.requires_grad and id(parameter) not in head:
            trained += parameter.numel()
    share = trained / body
    claimed = method.trained_share(card, values)
    # Memory is predicted from the claim: too little costs a failed trial, too much one that is never tried.
    is_honest = share <= claimed * 1.25 + 0.01 and claimed <= share * 2 + 0.03
    assert is_honest, (
        f"{method.name} claims to train {claimed:.3f} of a {family}, and trains {share:.3f}"
    )


def _check_gradients(method: Method, family: str) -> None:
    import torch

    targets = {"bert": ("query",), "distilbert": ("q_lin",)}
    card = replace(made_up_card(), lora_targets=targets[family])
    values = {**default_values(method, card), "lora_targets": "attention"}
    wrapped = method.wrap(tiny_classifier(family), card, values)
    trained = trained_names(wrapped)
    if method.most_training_rows == 0:
        assert trained == set(), f"{method.name} looks at no training row, and trains {trained}"
        return
    tokens = torch.arange(5, 21).reshape(2, 8)
    wrapped(input_ids=tokens, labels=torch.tensor([0, 2])).loss.backward()
    moved = {name for name, value in wrapped.named_parameters() if value.grad is not None}
    assert moved == trained, f"{method.name} on {family}: no gradient for {trained - moved}"
    assert any("classifier" in name for name in moved), f"{method.name} trains no head"
