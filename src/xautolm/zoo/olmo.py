"""OLMo 2 (2024) and OLMo 3 (2025) of Ai2, published with their training data."""

from dataclasses import replace

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family

OLMO_2 = Family(
    name="olmo2",
    architecture=Architecture.DECODER,
    lora_targets=("q_proj", "v_proj"),
    positions=4096,
    # A multiple of 128 with unused rows.
    vocabulary=100_352,
    licence="apache-2.0",
)
OLMO_3 = replace(OLMO_2, name="olmo3", positions=65_536, vocabulary=100_278)
FAMILIES = (OLMO_2, OLMO_3)

# The output layer has weights of its own, which are counted.
CARDS = (
    OLMO_2.card(
        "olmo-2-1b",
        hub_id="allenai/OLMo-2-0425-1B",
        parameters=1_484_916_736,
        hidden_size=2048,
        layers=16,
    ),
    OLMO_2.card(
        "olmo-2-7b",
        hub_id="allenai/OLMo-2-1124-7B",
        parameters=7_298_617_344,
        hidden_size=4096,
        layers=32,
    ),
    OLMO_3.card(
        "olmo-3-7b",
        hub_id="allenai/Olmo-3-1025-7B",
        parameters=7_298_011_136,
        hidden_size=4096,
        layers=32,
    ),
)
