"""What layers of a family keep for the backward pass, in bytes, as `benchmarks.kept_activations` measured it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from xautolm.records import ModelCard
from xautolm.vocabulary import Architecture, Origin

FILE = Path(__file__).with_suffix(".json")
"""The table. Within a release of torch and transformers its numbers are exact, and the same on every machine."""
FLOAT32, HALF, NARROW = "float32", "half", "narrow"
"""How passes run: in float32; in 16 bits, by autocast; the same, with weights stored in bfloat16."""
TRAINED, FROZEN = "trained", "frozen"
"""Whether the layers' own weights are trained; where they are frozen, gradients pass through to what lies below."""
PRECISIONS = (FLOAT32, HALF)
"""Those that attention's scores are told in."""
LAYER_KINDS = (
    f"{FLOAT32} {TRAINED}",
    f"{FLOAT32} {FROZEN}",
    f"{HALF} {TRAINED}",
    f"{HALF} {FROZEN}",
    f"{NARROW} {TRAINED}",
)
"""Kinds of training that are told apart. Frozen bodies have bfloat16 weights wherever passes run in it on a GPU."""
RELATIVES = {
    Architecture.ENCODER: "bert",
    Architecture.DECODER: "llama",
    Architecture.ENCODER_DECODER: "t5",
}
"""The family whose numbers stand for those of one that was not measured."""
HEAD_WIDTH, SMALL_HEAD_WIDTH = 64, 32
"""Width of a head of attention where a card does not say how many there are, and that in `SMALL_WIDTH` and less, as in
MiniLM and the small sentence encoders."""
SMALL_WIDTH = 384
USUAL_WIDENING = 4
"""Inner width over width where a card's number of weights does not tell."""
LARGEST_WIDENING = 8
"""Beyond which a card's number of weights is about something else than layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShape:
    """Describe the sizes of a model's layers."""

    width: float
    inner: float
    """Width between the matrices of the feed-forward network."""
    heads: float
    inner_matrices: float
    """Matrices between the two widths: 2, or 3 where one of them is a gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyBytes:
    """Hold what a layer of a family keeps."""

    matrices: tuple[float, float]
    """Weights of attention over the width squared, and matrices between width and inner width; zero where layers share
    theirs."""
    by_kind: Mapping[str, tuple[float, float]]
    """By a member of `LAYER_KINDS`, bytes for a token and a unit of the width, and of the inner width."""
    scores: Mapping[str, Mapping[str, tuple[float, float]]]
    """By device and precision, bytes for a token and a key: for each head, and besides."""

    def of_token(self, shape: LayerShape, kind: str, device: str, keys: float) -> float:
        """Return the bytes that a layer keeps for a token.

        Args:
            shape: Sizes of the layer.
            kind: A member of `LAYER_KINDS`.
            device: Kernels of GPUs keep no scores of attention, where a family uses them.
            keys: Tokens that it looks at.
        """
        by_width, by_inner = self.by_kind[kind]
        precision = FLOAT32 if kind.startswith(FLOAT32) else HALF
        by_head, besides = self.scores[device][precision]
        of_scores = (by_head * shape.heads + besides) * keys
        return by_width * shape.width + by_inner * shape.inner + of_scores


@cache
def measured_families() -> Mapping[str, FamilyBytes]:
    """Return the table by family."""
    table = json.loads(FILE.read_text(encoding="utf-8"))
    families: dict[str, FamilyBytes] = {}
    for family, row in table["families"].items():
        by_kind = {kind: tuple(row[kind]) for kind in LAYER_KINDS}
        scores: dict[str, Mapping[str, tuple[float, float]]] = {}
        for device, by_precision in row["scores"].items():
            pairs = {precision: tuple(numbers) for precision, numbers in by_precision.items()}
            scores[device] = pairs
        matrices = tuple(row["matrices"])
        families[family] = FamilyBytes(matrices=matrices, by_kind=by_kind, scores=scores)
    return families


def family_bytes(card: ModelCard) -> FamilyBytes:
    """Return what layers of a model's family keep, or of the usual family of its architecture."""
    families = measured_families()
    relative = RELATIVES[card.architecture]
    return families.get(card.family, families[relative])


def layer_shape(card: ModelCard) -> LayerShape:
    """Return the sizes of a model's layers; the inner width, which no card has, is told by the number of weights."""
    attention, inner_matrices = family_bytes(card).matrices
    width = float(card.hidden_size)
    widening = float(USUAL_WIDENING)
    # Models from scratch have the usual inner width, and cards that count matrices as if none were a gate.
    is_from_scratch = card.origin == Origin.SCRATCH
    is_told = card.vocabulary and inner_matrices and not card.shared_layers
    if is_told and not is_from_scratch:
        words = card.vocabulary * card.hidden_size
        weights_of_layer = (card.parameters - words) / card.layers
        squares = weights_of_layer / width**2
        widening = (squares - attention) / inner_matrices
        widening = min(max(widening, 1.0), LARGEST_WIDENING)
    head_width = SMALL_HEAD_WIDTH if width <= SMALL_WIDTH else HEAD_WIDTH
    usual_heads = max(1.0, width / head_width)
    return LayerShape(
        width=width,
        inner=widening * width,
        heads=card.heads or usual_heads,
        inner_matrices=inner_matrices or 2,
    )
