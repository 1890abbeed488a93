"""A classifier as one linear layer on the body's pooled token, and the same written in the family's own form.

The classifiers of transformers' families put an untrained dense layer and an activation between the pooled token and
the classes. A linear probe has neither, so a head that starts from one is *opened* for training: the dense layer gives
way to the identity. Afterwards it is *closed*: the same function, to about 1e-4 of the logits, in the weights of the
family's own modules, so that plain transformers loads it.

Source: Kumar et al. 2022, arXiv 2202.10054 (LP-FT), for why the head should start from a probe.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from xautolm.finetuning.sentence_folder import DenseLayer
from xautolm.zoo import Head, family_of

TANH_RANGE = 0.01
"""Largest input of a closed head's tanh: there it differs from the identity by a 30,000th."""
SHIFT_MARGIN = 8.0
"""How far above zero inputs of a closed head's ReLU or GELU lie at least: GELU(8) is 8 to 1e-14."""
OPEN_SHIFT = 64.0
"""Constant that keeps an opened DistilBERT's ReLU out of the way: the body ends in a LayerNorm, whose outputs stay far
below it."""
FEATURE_SLACK = 2.0
"""Factor on the largest feature that was measured: later inputs may have larger ones."""


class FirstToken(nn.Module):
    """A pooler without weights: the first token as it is."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return shape (batch, width) from (batch, tokens, width)."""
        return hidden[:, 0]


class FamilyHead(Protocol):
    """A classifier of RoBERTa's kind: a dense layer, an activation, and a linear layer."""

    dropout: nn.Module
    dense: nn.Linear
    out_proj: nn.Linear


class LinearClassifier(nn.Module):
    """Dropout and one linear layer, on the first token or on an input that is pooled already.

    Args:
        own: The family's head, with `dropout`, `dense` and `out_proj`.
        pooled: Whether the input is pooled, shape (batch, width); else (batch, tokens, width).
    """

    def __init__(self, own: FamilyHead, *, pooled: bool) -> None:
        super().__init__()
        # In a tuple, so that its dense layer is no parameter of the opened model.
        self.own = (own,)
        self.dropout = own.dropout
        self.out_proj = own.out_proj
        self.pooled = pooled

    def forward(self, hidden: torch.Tensor, **_: object) -> torch.Tensor:
        """Return logits of shape (batch, classes)."""
        features = hidden
        if not self.pooled:
            # The first token stands for the text.
            features = hidden[:, 0]
        dropped = self.dropout(features)
        logits: torch.Tensor = self.out_proj(dropped)
        return logits


class Shift(nn.Module):
    """Add a constant that is larger than any feature, so that a ReLU that follows changes nothing.

    Args:
        amount: The constant.
    """

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features, shifted; of any shape."""
        return features + self.amount


class ShiftedLinear(nn.Linear):
    """A linear layer that takes the constant off again, and drops out, before it."""

    amount: float
    """The constant."""
    dropout: nn.Module
    """The model's own."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, classes) from shifted features of shape (batch, width)."""
        plain_features = features - self.amount
        dropped = self.dropout(plain_features)
        return super().forward(dropped)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadForm:
    """How a family's classifier is opened and closed."""

    final: str
    """Where the last linear layer of an opened model is."""
    open: Callable[[PreTrainedModel], None]
    """Take the dense layer and its activation out."""
    close: Callable[[PreTrainedModel, float], None]
    """Put them back, given the largest feature, so that they change nothing."""
    strip: Callable[[PreTrainedModel], None] | None = field(default=lambda model: None)
    """Take out what still stands between an opened head and the body's last hidden state; None if that is unknown."""
    dense: Callable[[PreTrainedModel], list[DenseLayer]] | None = None
    """Returns the layers from the first token of the body's last hidden state to the answers, of a head as the family
    has it; None where these are more than linear layers and activations, or look at another token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearHead:
    """An opened head."""

    model: PreTrainedModel
    linear: nn.Linear

    @property
    def offset(self) -> float:
        """Return the constant that stands in the linear layer's input besides the features."""
        if isinstance(self.linear, ShiftedLinear):
            return self.linear.amount
        return 0.0

    @property
    def has_bias(self) -> bool:
        """Return whether the layer can add a constant to each class."""
        return self.linear.bias is not None

    def set_weights(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Set the layer's weights.

        Args:
            weight: Shape (classes, width).
            bias: Shape (classes,); left out where the layer has none.
        """
        # torch lets weights be changed in place only where no gradient is recorded.
        with torch.no_grad():
            self.linear.weight.copy_(torch.as_tensor(weight))
            if self.has_bias:
                self.linear.bias.copy_(torch.as_tensor(bias))


def open_head(model: PreTrainedModel) -> LinearHead | None:
    """Make a model's classifier linear in the pooled token, or in what its own dense layer makes of that.

    Families whose file in the zoo names no head keep their dense layer, random as transformers makes it, as part of the
    features: whoever loads such a model again has to set the same seed before.

    Returns:
        The head; None where no linear layer outside the body has an output for each class.
    """
    form = _form_of(model)
    if form is None:
        return None
    form.open(model)
    return head_of(model)


def head_of(model: PreTrainedModel) -> LinearHead:
    """Return the head of a model that was opened before."""
    form = _form_of(model)
    assert form is not None
    final_layer = model.get_submodule(form.final)
    return LinearHead(model=model, linear=final_layer)


def strip_head(model: PreTrainedModel) -> bool:
    """Let an opened head look at the body's last hidden state itself, as sentence-transformers does.

    Returns:
        Whether it does now; not where the family keeps a dense layer that is not known.
    """
    form = _form_of(model)
    assert form is not None
    if form.strip is None:
        return False
    form.strip(model)
    return True


def close_head(model: PreTrainedModel, largest_feature: float) -> None:
    """Write an opened classifier as the family's own.

    Args:
        model: As `open_head` left it; its weights may have changed since.
        largest_feature: Largest absolute value of the pooled token over the data.
    """
    form = _form_of(model)
    assert form is not None
    # Texts in use may have larger features than those that were measured.
    form.close(model, FEATURE_SLACK * largest_feature)


def dense_layers(model: PreTrainedModel) -> list[DenseLayer] | None:
    """Return the layers from the first token of the body's last hidden state to the answers of a classifier.

    Args:
        model: As the family has it, its head not opened.

    Returns:
        None where the head does not consist of such layers, or is not known.
    """
    form = _form_of(model)
    if form is None or form.dense is None:
        return None
    return form.dense(model)


def _form_of(model: PreTrainedModel) -> HeadForm | None:
    """Return how the classifier of a model is opened; None where no linear layer ends it."""
    # Decoders of all families have the same head, under the same name.
    if hasattr(model, DECODER.final):
        return DECODER
    head = family_of(model.config.model_type).head
    if head in HEAD_FORMS:
        return HEAD_FORMS[head]
    # A family that the zoo does not have: its last linear layer will do, with all that comes before it.
    final = _last_linear(model)
    if not final:
        return None
    return HeadForm(final=final, open=_nothing, close=_nothing, strip=None)


def _last_linear(model: PreTrainedModel) -> str:
    """Return the name of the last linear layer outside the body with an output for each class, or nothing."""
    body = {id(module) for module in model.base_model.modules()}
    name_of_last = ""
    for name, module in model.named_modules():
        is_outside = id(module) not in body
        if not is_outside or not isinstance(module, nn.Linear):
            continue
        if module.out_features == model.config.num_labels:
            name_of_last = name
    return name_of_last


def _identity_dense(before: nn.Linear, *, scale: float, shift: float = 0.0) -> nn.Linear:
    """Build a dense layer to stand before another, which multiplies by `scale` and adds `shift`.

    Args:
        before: The layer that it will stand before.
        scale: Factor on the features.
        shift: Added to each feature.
    """
    width = before.in_features
    device = before.weight.device
    dtype = before.weight.dtype
    dense = nn.Linear(width, width, device=device, dtype=dtype)
    identity = torch.eye(width)
    with torch.no_grad():
        dense.weight.copy_(scale * identity)
        dense.bias.fill_(shift)
    return dense


def _undo(linear: nn.Linear, *, scale: float, shift: float = 0.0) -> None:
    """Let a linear layer undo a factor and a constant on its input.

    Args:
        linear: The layer; its weights are changed in place.
        scale: The factor.
        shift: The constant.
    """
    with torch.no_grad():
        # In float64, for a scale is 0.01 and less: W y = (W / scale) (scale y).
        weight = linear.weight.double() / scale
        if shift:
            assert linear.bias is not None
            # W (y + shift) + b' = W y + b for b' = b - shift times the sum of each row of W.
            added = weight.sum(dim=1) * shift
            linear.bias.copy_(linear.bias.double() - added)
        linear.weight.copy_(weight)


def _tanh_scale(largest: float) -> float:
    """Return the factor that keeps features in the range where tanh is next to the identity.

    A power of two, by which every number format multiplies and divides exactly: in bfloat16, the weights that undo
    another factor would be off by up to 0.4 %, and the constants beside them not.
    """
    return 2.0 ** math.floor(math.log2(TANH_RANGE / max(largest, 1.0)))


def _plain_copy(linear: nn.Linear) -> nn.Linear:
    """Return a linear layer with the same weights, whatever class the layer has."""
    device = linear.weight.device
    dtype = linear.weight.dtype
    copy = nn.Linear(linear.in_features, linear.out_features, device=device, dtype=dtype)
    # torch lets weights be changed in place only where no gradient is recorded.
    with torch.no_grad():
        copy.weight.copy_(linear.weight)
        copy.bias.copy_(linear.bias)
    return copy


# BERT: body.pooler (dense, tanh) on the first token, then dropout and `classifier` in the model.


def _open_bert(model: PreTrainedModel) -> None:
    model.base_model.pooler = FirstToken()


def _close_bert(model: PreTrainedModel, largest: float) -> None:
    from transformers.models.bert.modeling_bert import BertPooler

    # The dense layer multiplies by `scale`, tanh then changes next to nothing, and the classifier divides by `scale`.
    scale = _tanh_scale(largest)
    pooler = BertPooler(model.config)
    pooler.dense = _identity_dense(model.classifier, scale=scale)
    model.base_model.pooler = pooler
    _undo(model.classifier, scale=scale)


def _dense_bert(model: PreTrainedModel) -> list[DenseLayer]:
    pooler = DenseLayer(linear=model.base_model.pooler.dense, activation=nn.Tanh)
    return [pooler, DenseLayer(linear=model.classifier)]


# ALBERT: body.pooler (a linear layer on the first token) and body.pooler_activation.


def _open_albert(model: PreTrainedModel) -> None:
    model.base_model.pooler = nn.Identity()
    model.base_model.pooler_activation = nn.Identity()


def _close_albert(model: PreTrainedModel, largest: float) -> None:
    # As BERT's; the family has its activation in a module of its own.
    scale = _tanh_scale(largest)
    model.base_model.pooler = _identity_dense(model.classifier, scale=scale)
    model.base_model.pooler_activation = nn.Tanh()
    _undo(model.classifier, scale=scale)


def _dense_albert(model: PreTrainedModel) -> list[DenseLayer]:
    pooler = DenseLayer(linear=model.base_model.pooler, activation=nn.Tanh)
    return [pooler, DenseLayer(linear=model.classifier)]


# DistilBERT: `pre_classifier`, a ReLU inside the model's `forward`, dropout, `classifier`.


def _open_distilbert(model: PreTrainedModel) -> None:
    # The ReLU cannot be taken out of `forward`: a shift keeps its input above zero.
    plain = model.classifier
    device = plain.weight.device
    dtype = plain.weight.dtype
    shifted = ShiftedLinear(plain.in_features, plain.out_features, device=device, dtype=dtype)
    shifted.load_state_dict(plain.state_dict())
    shifted.amount = OPEN_SHIFT
    shifted.dropout = model.dropout
    model.classifier = shifted
    model.pre_classifier = Shift(OPEN_SHIFT)
    # Between shift and linear layer it would drop the constant, too.
    model.dropout = nn.Identity()


def _close_distilbert(model: PreTrainedModel, largest: float) -> None:
    # Above zero a ReLU changes nothing: the dense layer lifts the features there, the classifier takes the shift off.
    shift = largest + SHIFT_MARGIN
    opened = model.classifier
    linear = _plain_copy(opened)
    _undo(linear, scale=1.0, shift=shift)
    model.dropout = opened.dropout
    model.classifier = linear
    model.pre_classifier = _identity_dense(linear, scale=1.0, shift=shift)


def _dense_distilbert(model: PreTrainedModel) -> list[DenseLayer]:
    dense = DenseLayer(linear=model.pre_classifier, activation=nn.ReLU)
    return [dense, DenseLayer(linear=model.classifier)]


# DeBERTa: `pooler` (ContextPooler: dropout, dense, GELU) on the first token, dropout, `classifier`.


def _open_deberta(model: PreTrainedModel) -> None:
    model.pooler = FirstToken()


def _close_deberta(model: PreTrainedModel, largest: float) -> None:
    from transformers.models.deberta_v2.modeling_deberta_v2 import ContextPooler

    # From `SHIFT_MARGIN` on a GELU changes nothing.
    shift = largest + SHIFT_MARGIN
    pooler = ContextPooler(model.config)
    pooler.dense = _identity_dense(model.classifier, scale=1.0, shift=shift)
    model.pooler = pooler
    _undo(model.classifier, scale=1.0, shift=shift)


def _dense_deberta(model: PreTrainedModel) -> list[DenseLayer]:
    pooler = DenseLayer(linear=model.pooler.dense, activation=nn.GELU)
    return [pooler, DenseLayer(linear=model.classifier)]


# EuroBERT: `dense` and `activation` (GELU) on every token, `classifier`, and the mean of what that says of each.


def _open_eurobert(model: PreTrainedModel) -> None:
    # The mean of a linear layer's outputs is its output for the mean, which a probe is fitted on.
    _classify_mean(model)
    model.dense = nn.Identity()
    model.activation = nn.Identity()


def _close_eurobert(model: PreTrainedModel, largest: float) -> None:
    # From `SHIFT_MARGIN` on a GELU changes nothing.
    shift = largest + SHIFT_MARGIN
    model.dense = _identity_dense(model.classifier, scale=1.0, shift=shift)
    model.activation = nn.GELU()
    _undo(model.classifier, scale=1.0, shift=shift)


def _classify_mean(model: PreTrainedModel) -> None:
    """Let EuroBERT pool tokens before its head; as published it scores each, and pools the scores (`late`)."""
    # The model has a copy of its own; the configuration is what a saved folder is loaded by.
    model.classifier_pooling = "mean"
    model.config.classifier_pooling = "mean"


# RoBERTa, ELECTRA, BART, T5: a module with `dropout`, `dense`, an activation and `out_proj`.


def _open_module(name: str, *, pooled: bool) -> Callable[[PreTrainedModel], None]:
    """Return what opens such a module.

    Args:
        name: Of the module in the model.
        pooled: Whether the model pools the token before it.
    """

    def open_(model: PreTrainedModel) -> None:
        own = getattr(model, name)
        opened = LinearClassifier(own, pooled=pooled)
        setattr(model, name, opened)

    return open_


def _close_module(name: str, *, tanh: bool) -> Callable[[PreTrainedModel, float], None]:
    """Return what closes such a module.

    Args:
        name: Of the module in the model.
        tanh: Whether its activation is tanh; else GELU.
    """

    def close(model: PreTrainedModel, largest: float) -> None:
        opened = getattr(model, name)
        # A tanh is next to the identity for small inputs, a GELU for large ones.
        scale = 1.0
        shift = 0.0
        if tanh:
            scale = _tanh_scale(largest)
        else:
            shift = largest + SHIFT_MARGIN
        # The family's module comes back, its dense layer an identity but for scale and shift.
        own = opened.own[0]
        own.dense = _identity_dense(opened.out_proj, scale=scale, shift=shift)
        own.out_proj = opened.out_proj
        _undo(own.out_proj, scale=scale, shift=shift)
        setattr(model, name, own)

    return close


def _dense_module(activation: type[nn.Module]) -> Callable[[PreTrainedModel], list[DenseLayer]]:
    """Return what reads the layers of a module `classifier` that looks at the first token.

    Args:
        activation: Between its two layers.
    """

    def layers_of(model: PreTrainedModel) -> list[DenseLayer]:
        own = model.classifier
        dense = DenseLayer(linear=own.dense, activation=activation)
        return [dense, DenseLayer(linear=own.out_proj)]

    return layers_of


def _nothing(model: PreTrainedModel, largest: float = 0.0) -> None:
    """Leave a head as it is: it is linear in what comes before it."""


def _strip_dense(model: PreTrainedModel) -> None:
    model.head = nn.Identity()


BERT = HeadForm(final="classifier", open=_open_bert, close=_close_bert, dense=_dense_bert)
ALBERT = HeadForm(final="classifier", open=_open_albert, close=_close_albert, dense=_dense_albert)
DISTILBERT = HeadForm(
    final="classifier", open=_open_distilbert, close=_close_distilbert, dense=_dense_distilbert
)
DEBERTA = HeadForm(
    final="classifier", open=_open_deberta, close=_close_deberta, dense=_dense_deberta
)
EUROBERT = HeadForm(final="classifier", open=_open_eurobert, close=_close_eurobert)
ROBERTA = HeadForm(
    final="classifier.out_proj",
    open=_open_module("classifier", pooled=False),
    close=_close_module("classifier", tanh=True),
    dense=_dense_module(nn.Tanh),
)
ELECTRA = HeadForm(
    final="classifier.out_proj",
    open=_open_module("classifier", pooled=False),
    close=_close_module("classifier", tanh=False),
    dense=_dense_module(nn.GELU),
)
SEQUENCE_TO_SEQUENCE = HeadForm(
    final="classification_head.out_proj",
    open=_open_module("classification_head", pooled=True),
    close=_close_module("classification_head", tanh=True),
)
PRETRAINED_DENSE = HeadForm(final="classifier", open=_nothing, close=_nothing, strip=_strip_dense)
"""ModernBERT's dense layer is pretrained with its body: it is part of the features."""
DECODER = HeadForm(final="score", open=_nothing, close=_nothing)
"""Decoders have one linear layer without bias on the last token."""

HEAD_FORMS = {
    Head.BERT_POOLER: BERT,
    Head.ALBERT_POOLER: ALBERT,
    Head.CONTEXT_POOLER: DEBERTA,
    Head.DENSE_RELU: DISTILBERT,
    Head.DENSE_TANH: ROBERTA,
    Head.DENSE_GELU: ELECTRA,
    Head.DENSE_GELU_MEAN: EUROBERT,
    Head.SEQUENCE_TO_SEQUENCE: SEQUENCE_TO_SEQUENCE,
    Head.PRETRAINED_DENSE: PRETRAINED_DENSE,
}
"""By what a family's file in the zoo says of its classifier."""
