"""LFM2 (Liquid AI, 2025): six layers of attention among ten of short convolutions; trained on conversations."""

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family

LFM2 = Family(
    name="lfm2",
    architecture=Architecture.DECODER,
    absent_forms=("classify", "regress"),
    # The layers of convolutions have none of these.
    lora_targets=("q_proj", "v_proj"),
    positions=128_000,
    vocabulary=65_536,
    # LFM Open License v1.0, free for companies up to a revenue; `other` is what the hub calls it.
    licence="other",
    languages="multilingual",
    chat=True,
)
FAMILIES = (LFM2,)

# The output layer is the table of words, which is counted once.
CARDS = (
    LFM2.card(
        "lfm2-350m",
        hub_id="LiquidAI/LFM2-350M",
        parameters=354_483_968,
        hidden_size=1024,
        layers=16,
    ),
    LFM2.card(
        "lfm2-700m",
        hub_id="LiquidAI/LFM2-700M",
        parameters=742_489_344,
        hidden_size=1536,
        layers=16,
    ),
    LFM2.card(
        "lfm2-1.2b",
        hub_id="LiquidAI/LFM2-1.2B",
        parameters=1_170_340_608,
        hidden_size=2048,
        layers=16,
    ),
)
