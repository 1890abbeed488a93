"""Seconds of a trial on a GPU whose speed was measured: kernels that it launches, bytes that its optimizer moves, and
operations.

Small models are bound by launches, large ones by operations. All three are added, as if a GPU did nothing of one while
it does another; how much of them overlaps is left to the ratios of trials, by which predictions are corrected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from xautolm.kept_activations import layer_shape
from xautolm.memory import BYTES, NARROW_BYTES
from xautolm.methods import Method
from xautolm.records import (
    ANSWERS_AT_ONCE,
    EVALUATION_FACTOR,
    Form,
    GpuSpeed,
    ModelCard,
    Values,
    as_float,
)
from xautolm.vocabulary import Precision

LAUNCHES_FORWARD, LAUNCHES_BACKWARD = 45, 55
"""Kernels of a layer in a pass forward and backward. `benchmarks.launches` counts 37 (BERT), 40, 50 and 55 (Llama)
forward, and 46, 46, 57 and 91 backward."""
LAUNCHES_BESIDE_LAYERS = 50
"""Kernels of a step besides: of embeddings, loss, clipping and the optimizer. Counted: 34 to 64."""
EFFICIENCY = 0.4
"""Share of a large matrix product's speed that passes reach: what the training of Llama 3 reached of its GPUs' peak was
38 to 43 % (arXiv 2407.21783)."""
STATE_NUMBERS = {"adamw": 2, "adam": 2, "adagrad": 1, "sgd": 1}
"""What an optimizer keeps of each trained weight: two moments, a sum of squares, a momentum."""
USUAL_OPTIMIZER = "adamw"
READ_AND_WRITTEN = 2
"""Times that a step moves each number of weights and optimizer state."""
GRADIENT_MOVES = 4
"""Times that it moves gradients: read for their norm, read and written to be clipped, read by the optimizer."""
ANSWER_TOKENS = 32
"""Words of an answer, which the record of a data set does not tell: the longer of those that
`benchmarks.validation_passes` measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Hold what a GPU has to do."""

    launches: float = 0.0
    bytes_moved: float = 0.0
    operations: float = 0.0

    def seconds(self, speed: GpuSpeed, precision: str) -> float:
        """Return how long it takes in a number format."""
        launching = self.launches * speed.launch_seconds
        moving = self.bytes_moved / speed.bandwidth
        computing = self.operations / (speed.operations_per_second(precision) * EFFICIENCY)
        return launching + moving + computing


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Describe what an epoch of a trial computes."""

    card: ModelCard
    method: Method
    form: Form
    values: Values
    layers: float
    """That read a text."""
    tokens: float
    """That are computed of a text."""
    operations: float
    """Of a forward pass over a text."""
    batch_size: float
    train_examples: float
    validation_examples: float
    precision: Precision
    """Of the passes."""
    has_masters: bool
    """Whether what is trained is stored in float32."""
    recomputes: bool
    """Whether layers are computed again in the backward pass (gradient checkpointing)."""

    def seconds(self, speed: GpuSpeed) -> tuple[float, float]:
        """Return the seconds of training for an epoch and of validating once."""
        training = self.training()
        validation = self.validation()
        return training.seconds(speed, self.precision), validation.seconds(speed, self.precision)

    def training(self) -> Work:
        """Return what one look at all training texts takes; of a method without gradient, forward passes only."""
        batches = math.ceil(self.train_examples / self.batch_size)
        launches = self._launches_forward()
        operations = self.operations
        bytes_moved = self._bytes_forward()
        if self.method.trains_by_gradient:
            launches += self._launches_backward()
            operations += self._operations_backward()
            # Gradients of several batches may be added up before a step.
            accumulation = as_float(self.values.get("gradient_accumulation_steps", 1))
            bytes_moved += self._bytes_of_step() / accumulation
            if self.recomputes:
                bytes_moved += self._share_backward() * self._bytes_forward()
        return Work(
            launches=batches * launches,
            bytes_moved=batches * bytes_moved,
            operations=self.train_examples * operations,
        )

    def validation(self) -> Work:
        """Return what validating once takes."""
        if self.form.is_open_ended:
            return self._answering()
        rows_at_once = self.batch_size
        if self.method.trains_by_gradient:
            rows_at_once *= EVALUATION_FACTOR
        batches = math.ceil(self.validation_examples / rows_at_once)
        passes = self.form.validation_passes
        return Work(
            launches=passes * batches * self._launches_forward(),
            bytes_moved=passes * batches * self._bytes_forward(),
            operations=passes * self.validation_examples * self.operations,
        )

    def _answering(self) -> Work:
        """Return what answers of any text take: a pass over the prompt, and a small one for each word.

        The small ones read all weights for one token of each text, and are bound by that or by launches.
        """
        batches = math.ceil(self.validation_examples / ANSWERS_AT_ONCE)
        small_passes = batches * ANSWER_TOKENS
        operations_of_token = self.operations / self.tokens
        operations = self.operations + ANSWER_TOKENS * operations_of_token
        bytes_of_weight = BYTES if self.precision is Precision.FLOAT32 else NARROW_BYTES
        all_passes = batches + small_passes
        bytes_of_weights = bytes_of_weight * self.card.parameters
        return Work(
            launches=all_passes * self._launches_forward(),
            bytes_moved=small_passes * bytes_of_weights + all_passes * self._bytes_forward(),
            operations=self.validation_examples * operations,
        )

    def _launches_forward(self) -> float:
        return LAUNCHES_BESIDE_LAYERS + self.layers * self._launches_of_layer()

    def _bytes_forward(self) -> float:
        """Return the bytes that adapters move in a forward pass, whatever is read."""
        shape = layer_shape(self.card)
        return self.layers * self.method.bytes_beside(shape, self.values)

    def _launches_of_layer(self) -> float:
        shape = layer_shape(self.card)
        return LAUNCHES_FORWARD + self.method.launches_beside(shape, self.values)

    def _launches_backward(self) -> float:
        """Return the kernels of a backward pass; adapters launch as many as forward."""
        shape = layer_shape(self.card)
        launches_of_layer = LAUNCHES_BACKWARD + self.method.launches_beside(shape, self.values)
        if self.recomputes:
            launches_of_layer += self._launches_of_layer()
        return self._layers_backward() * launches_of_layer

    def _operations_backward(self) -> float:
        """Return the operations of a backward pass over a text, and of what is added to frozen layers."""
        # One forward pass' worth for the gradients of what layers hand on, and one for those of weights.
        passes = 1.0 if self.method.freezes_body else 2.0
        if self.recomputes:
            passes += 1
        operations = self._share_backward() * passes * self.operations
        if self.method.freezes_body:
            # Beside the layers: a multiplication and an addition forward, and twice backward.
            operations += 6 * self._trained_weights() * self.tokens
        return operations

    def _bytes_of_step(self) -> float:
        """Return the bytes that a step of the optimizer moves: weights, gradients and its own state."""
        optimizer = str(self.values.get("optimizer", USUAL_OPTIMIZER))
        state_numbers = STATE_NUMBERS.get(optimizer, STATE_NUMBERS[USUAL_OPTIMIZER])
        numbers = READ_AND_WRITTEN * (1 + state_numbers) + GRADIENT_MOVES
        bytes_of_number = BYTES if self.has_masters else NARROW_BYTES
        return bytes_of_number * numbers * self._trained_weights()

    def _trained_weights(self) -> float:
        return self.method.trained_share(self.card, self.values) * self.card.parameters

    def _share_backward(self) -> float:
        """Return the share of the layers that gradients go through: those that keep something for it."""
        return self.method.kept_share(self.card, self.values)

    def _layers_backward(self) -> float:
        return self._share_backward() * self.layers
