"""What a fine-tuning method is: its part of the space, what it can be applied to, and what it does to a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm.kept_activations import LayerShape
from xautolm.records import Form, ModelCard, Values
from xautolm.space import Branch, Choice, Float, Int, Parameter, Space
from xautolm.space.presets import LEAST_RATE, Bounds
from xautolm.vocabulary import (
    Architecture,
    Export,
    HeadStart,
    Origin,
    Pooling,
    Precision,
    Preset,
    Quantization,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

SMALL, BASE = 50_000_000, 200_000_000
"""Sizes in parameters below which a model counts as small or base; above, it is large."""

SQUARES_OF_LAYER = 12
"""Weights of a transformer layer over its width squared: four matrices in attention, and two behind it, between the
width and its fourfold."""
FITTED_WIDTH = 2000
"""Width of layers that the fitted learning rates of methods are for."""


class Method(ABC):
    """A fine-tuning method; a plug-in of `xautolm.methods`.

    Its name ends in a version: configurations are kept for years, and what a name means must not change under them.
    What a method does not say is said here for it: it trains by gradient, on all rows, and keeps weights in float32.
    """

    name: str
    title: str
    trains_body: bool = False
    """Whether weights of the body are trained in place, so that dropout inside it is a hyperparameter."""
    freezes_body: bool = False
    """Whether the body's weights stay as they were loaded: they need no more digits than passes compute with."""
    trains_by_gradient: bool = True
    """Whether training runs in epochs, with a learning rate and batches, whose shared parameters then apply."""
    most_training_rows: int | None = None
    """How many training rows are looked at at most: None for all, 0 where the untrained model is only validated."""
    presets: tuple[str, ...] = (Preset.DEFAULT, Preset.PAPER)
    """The presets of the space that have the method."""

    @abstractmethod
    def problem(self, card: ModelCard, form: Form) -> str:
        """Return why the method cannot be applied to a model that does a task in a form; nothing if it can."""

    @abstractmethod
    def parameters(self, preset: str, card: ModelCard, bounds: Bounds) -> tuple[Parameter, ...]:
        """Return the method's own parameters for a model.

        Args:
            preset: `default` or `paper`.
            card: The model's.
            bounds: What data and machine allow.
        """

    @abstractmethod
    def trained_share(self, card: ModelCard, values: Values) -> float:
        """Return the share of the body's parameters that receive gradients and optimizer state."""

    def stored_share(self, card: ModelCard, values: Values) -> float:
        """Return the memory that the body's weights take, as a share of what they take in float32."""
        return 1.0

    @abstractmethod
    def backward_share(self, card: ModelCard, values: Values) -> float:
        """Return the share of the layers that the backward pass goes through."""

    def kept_share(self, card: ModelCard, values: Values) -> float:
        """Return the share of the layers that keep something for the backward pass: those that it goes through."""
        return self.backward_share(card, values)

    def kept_beside(
        self, shape: LayerShape, values: Values, *, narrow: bool, on_gpu: bool
    ) -> float:
        """Return the bytes that a layer keeps for a token beside what its own matrices do: those of adapters.

        Args:
            shape: Sizes of the layer.
            values: The method's.
            narrow: Whether passes run in 16 bits.
            on_gpu: Whether they run on a GPU.
        """
        return 0.0

    def launches_beside(self, shape: LayerShape, values: Values) -> float:
        """Return the kernels that a layer launches in a forward pass beside its own: those of adapters.

        Args:
            shape: Sizes of the layer.
            values: The method's.
        """
        return 0.0

    def bytes_beside(self, shape: LayerShape, values: Values) -> float:
        """Return the bytes that a layer moves in a forward pass for its weights alone, however many texts there are.

        Args:
            shape: Sizes of the layer.
            values: The method's.
        """
        return 0.0

    @abstractmethod
    def wrap(self, model: PreTrainedModel, card: ModelCard, values: Values) -> PreTrainedModel:
        """Return the model, ready to be trained this way; it may be changed in place."""


class WithoutGradient(Method):
    """What methods share that take no gradient step: nothing is trained, and weights stay as they are."""

    trains_by_gradient = False
    freezes_body = True

    def trained_share(self, card: ModelCard, values: Values) -> float:
        """Return 0: nothing receives gradients."""
        return 0.0

    def backward_share(self, card: ModelCard, values: Values) -> float:
        """Return 0: there is no backward pass."""
        return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How fast and how long a method trains."""

    rates: tuple[float, float, float]
    """Lowest, highest and default learning rate of a small model."""
    epochs: Int
    shrink: float = 0.5
    """Factor on the rates for a base model; applied twice for a large one."""
    fitted_rate: float | None = None
    """Best learning rate at `FITTED_WIDTH`; it takes the place of the default rate for a model whose card says how
    rates fall with the width."""

    def parameters(self, card: ModelCard) -> tuple[Parameter, ...]:
        """Return learning rate and epochs for a model."""
        if self.fitted_rate is not None and card.rate_exponent is not None:
            narrower = FITTED_WIDTH / card.hidden_size
            best = self.fitted_rate * narrower**card.rate_exponent
            rate = rate_around(best, self.rates)
        else:
            rate = learning_rate(card, self.rates, self.shrink)
        return (rate, self.epochs)


def precision_of(values: Values) -> Precision:
    """Return the number format that a configuration computes in."""
    if "precision" in values:
        return Precision(str(values["precision"]))
    # The preset `paper` has a switch in its place.
    if values.get("use_mixed_precision"):
        return Precision.BFLOAT16
    return Precision.FLOAT32


def precision_of_passes(method: Method, values: Values, *, computes_in_bf16: bool) -> Precision:
    """Return the number format that passes run in, which a configuration says where it trains.

    Args:
        method: The configuration's.
        values: The configuration's.
        computes_in_bf16: Whether that is worth using on what passes run on.
    """
    if method.trains_by_gradient:
        return precision_of(values)
    return Precision.BFLOAT16 if computes_in_bf16 else Precision.FLOAT32


def has_quantized_body(values: Values) -> bool:
    """Return whether a configuration stores the body's matrices with 8 or 4 bits."""
    return values.get("quantization", Quantization.NONE) != Quantization.NONE


def lies_in_bf16(
    method: Method, values: Values, *, has_masters: bool, computes_in_bf16: bool
) -> bool:
    """Return whether a body's weights lie in bfloat16 on a GPU.

    What is trained has float32 masters, if they fit. Beside a frozen float32 matrix, autocast on a GPU keeps its copy
    in bfloat16 until the backward pass: 6 bytes a weight, where a matrix that is loaded in bfloat16 takes 2. Passes in
    float32 need the matrix as it is.

    Args:
        method: The configuration's.
        values: The configuration's.
        has_masters: Whether what is trained is stored in float32, as it is wherever that fits.
        computes_in_bf16: Whether the GPU is worth using so.
    """
    if has_masters and not method.freezes_body:
        return False
    precision = precision_of_passes(method, values, computes_in_bf16=computes_in_bf16)
    return precision is Precision.BFLOAT16


def rate_around(best: float, rates: tuple[float, float, float]) -> Float:
    """Return a log-uniform learning rate whose range lies around the best as that of other rates around their default.

    Args:
        best: The default.
        rates: Lowest, highest and default rate.
    """
    default = rates[2]
    return _scaled_rate(rates, best / default)


def learning_rate(card: ModelCard, small: tuple[float, float, float], shrink: float = 0.5) -> Float:
    """Return a log-uniform learning rate whose range falls with the model's size.

    Args:
        card: The model.
        small: Lowest, highest and default rate of a small model.
        shrink: Factor on all three for a base model; applied twice for a large one.
    """
    factor = 1.0
    if card.parameters >= SMALL:
        factor *= shrink
    if card.parameters >= BASE:
        factor *= shrink
    return _scaled_rate(small, factor)


def _scaled_rate(unscaled: tuple[float, float, float], factor: float) -> Float:
    """Return a log-uniform learning rate, its lowest, highest and default value multiplied by a factor."""
    rates = []
    for rate in unscaled:
        # Rates are part of the space's digest and of the keys of its sites: without the noise of multiplication.
        three_digits = f"{rate * factor:.3g}"
        rates.append(float(three_digits))
    low, high, default = rates
    return Float(
        name="learning_rate", low=low, high=high, default=default, log=True, lowest=LEAST_RATE
    )


def is_from_scratch(card: ModelCard) -> bool:
    """Return whether a model's weights are drawn at random: its body knows nothing that could be kept."""
    return card.origin == Origin.SCRATCH


def layers_share(card: ModelCard, layers: int) -> float:
    """Return the weights of some of a body's layers as a share of all its weights, by its width."""
    square = card.hidden_size**2
    weights_of_layer = SQUARES_OF_LAYER * square
    return layers * weights_of_layer / card.parameters


def poolings_of(card: ModelCard, bounds: Bounds) -> tuple[str, ...]:
    """Return how a model's tokens may be pooled, the best for a frozen body first.

    The mean over an encoder-decoder's tokens would be the decoder's, which has read them shifted by one. And no class
    of transformers with a classifier pools the mean, but for ModernBERT's: it is a folder of sentence-transformers.
    """
    own = Pooling.OWN.value
    mean = Pooling.MEAN.value
    if card.architecture == Architecture.ENCODER_DECODER:
        return (own,)
    # A plain pipeline of transformers does not load what sentence-transformers does.
    if bounds.export is Export.PIPELINE:
        return (own,)
    return (mean, own)


def trainings(
    card: ModelCard,
    bounds: Bounds,
    *,
    usual: Training,
    from_probe: Training | None = None,
    from_random: Training | None = None,
) -> tuple[Parameter, ...]:
    """Return how a pretrained body is trained: the start of its head, and what learning rates and epochs suit that.

    A head that starts from a linear probe leaves the body's features as they are (Kumar et al. 2022, arXiv 2202.10054):
    with 64 classes and 2,000 examples, three epochs end at a macro F1 of .847 instead of .568; with two classes both
    end within a point of each other (docs/experiments.md, "The start of a head"). High rates destroy what it knows; a
    random head learns nothing at low ones in few epochs.

    Args:
        card: The model's, pretrained.
        bounds: Say whether there is a classifier, or a number, on top.
        usual: Where there is none, as for words that are said.
        from_probe: With a head that starts from the probe.
        from_random: With a random head.
    """
    if not bounds.form.has_linear_head:
        return usual.parameters(card)
    starts: dict[str, Space] = {}

    poolings = start_poolings(card, bounds)
    if poolings:
        training = from_probe or usual
        pooling = Choice(name="pooling", options=poolings, default=poolings[0], closed=True)
        parameters = (pooling, *training.parameters(card))
        start = HeadStart.PROBE.value
        starts[start] = Space(start, parameters)

    # A random head keeps the family's own pooling: that is what everyone else trains, and stores are full of. On a body
    # without its last layers that is the first token again, from which few epochs learn nothing.
    if not card.is_cut or not poolings:
        training = from_random or usual
        start = HeadStart.RANDOM.value
        starts[start] = Space(start, training.parameters(card))

    # The probe's, where there is one.
    default = next(iter(starts))
    branch = Branch(name="head_init", branches=starts, default=default)
    return (branch,)


def start_poolings(card: ModelCard, bounds: Bounds) -> tuple[str, ...]:
    """Return how a head that starts from a probe may pool tokens, the default first; none where it cannot start so.

    The first token loads as a plain pipeline, for .003 to .005 of macro F1 less after three epochs. That of a body
    without its last layers is next to constant: MiniLM's first 2 to 4 layers move it by a thousandth to a hundredth of
    its size, where all 6 move it by half. A probe can tell classes by that, but the first step of training, or dropout,
    drowns it (docs/experiments.md).
    """
    best_for_frozen = poolings_of(card, bounds)
    # The family's own comes first here.
    poolings = tuple(reversed(best_for_frozen))
    if not card.is_cut:
        return poolings
    return tuple(pooling for pooling in poolings if pooling != Pooling.OWN)


def head_parameters(model: PreTrainedModel) -> list[torch.nn.Parameter]:
    """Return the parameters outside the pretrained body, and those of its pooler.

    A pooler (one dense layer over the first token) is counted as part of the head: checkpoints pretrained without
    next-sentence prediction, and MiniLM with mean pooling, carry one that was never trained.
    """
    # By identity: parameters are tensors, whose equality compares numbers.
    body: set[int] = set()
    for name, parameter in model.base_model.named_parameters():
        if "pooler" not in name:
            body.add(id(parameter))
    head: list[torch.nn.Parameter] = []
    for parameter in model.parameters():
        if id(parameter) not in body:
            head.append(parameter)
    return head


def freeze_all_but(model: PreTrainedModel, trained: Sequence[torch.nn.Parameter]) -> None:
    """Let only these parameters receive gradients."""
    # By identity, as in `head_parameters`.
    identities = {id(parameter) for parameter in trained}
    for parameter in model.parameters():
        is_trained = id(parameter) in identities
        parameter.requires_grad = is_trained
