"""Phi-1.5 and Phi-2 (Microsoft, 2023); Phi-3, Phi-3.5 and Phi-4 (2024 and 2025), trained on conversations."""

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family

PHI = Family(
    name="phi",
    architecture=Architecture.DECODER,
    # Of peft's default the attention only; it adapts the two matrices of the inner layer, too.
    lora_targets=("q_proj", "v_proj"),
    positions=2048,
    vocabulary=51_200,
    licence="mit",
)
PHI_3 = Family(
    name="phi3",
    architecture=Architecture.DECODER,
    # Query, key and value are one matrix.
    lora_targets=("qkv_proj", "o_proj"),
    positions=4096,
    vocabulary=32_064,
    licence="mit",
    chat=True,
)
FAMILIES = (PHI, PHI_3)

# The output layer has weights of its own, which are counted; that of Phi-4-mini is the table of words.
CARDS = (
    PHI.card(
        "phi-1.5", hub_id="microsoft/phi-1_5", parameters=1_418_270_720, hidden_size=2048, layers=24
    ),
    PHI.card(
        "phi-2", hub_id="microsoft/phi-2", parameters=2_779_683_840, hidden_size=2560, layers=32
    ),
    PHI_3.card(
        "phi-3-mini-4k",
        hub_id="microsoft/Phi-3-mini-4k-instruct",
        parameters=3_821_079_552,
        hidden_size=3072,
        layers=32,
    ),
    PHI_3.card(
        "phi-3-medium-4k",
        hub_id="microsoft/Phi-3-medium-4k-instruct",
        parameters=13_960_238_080,
        hidden_size=5120,
        layers=40,
    ),
    PHI_3.card(
        "phi-3.5-mini",
        hub_id="microsoft/Phi-3.5-mini-instruct",
        parameters=3_821_079_552,
        hidden_size=3072,
        layers=32,
        positions=131_072,
        languages="multilingual",
    ),
    PHI_3.card(
        "phi-4",
        hub_id="microsoft/phi-4",
        parameters=14_659_507_200,
        hidden_size=5120,
        layers=40,
        positions=16_384,
        vocabulary=100_352,
    ),
    PHI_3.card(
        "phi-4-reasoning",
        hub_id="microsoft/Phi-4-reasoning",
        parameters=14_659_507_200,
        hidden_size=5120,
        layers=40,
        positions=32_768,
        vocabulary=100_352,
    ),
    PHI_3.card(
        "phi-4-mini",
        hub_id="microsoft/Phi-4-mini-instruct",
        parameters=3_836_021_760,
        hidden_size=3072,
        layers=32,
        positions=131_072,
        vocabulary=200_064,
        languages="multilingual",
    ),
)
