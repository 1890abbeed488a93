"""GPT-2 (Radford et al., 2019) and its distilled child."""

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family

GPT2 = Family(
    name="gpt2",
    has_position_table=True,
    architecture=Architecture.DECODER,
    transposed=True,
    # Query, key and value are one matrix.
    lora_targets=("c_attn",),
    positions=1024,
    vocabulary=50_257,
    licence="mit",
)
FAMILIES = (GPT2,)

# The table of words serves as the output layer, too, and is counted once.
CARDS = (
    GPT2.card(
        "gpt2",
        hub_id="openai-community/gpt2",
        parameters=124_439_808,
        hidden_size=768,
        layers=12,
        automatic=True,
    ),
    GPT2.card(
        "gpt2-medium",
        hub_id="openai-community/gpt2-medium",
        parameters=354_823_168,
        hidden_size=1024,
        layers=24,
    ),
    GPT2.card(
        "gpt2-large",
        hub_id="openai-community/gpt2-large",
        parameters=774_030_080,
        hidden_size=1280,
        layers=36,
    ),
    GPT2.card(
        "gpt2-xl",
        hub_id="openai-community/gpt2-xl",
        parameters=1_557_611_200,
        hidden_size=1600,
        layers=48,
    ),
    GPT2.card(
        "distilgpt2",
        hub_id="distilbert/distilgpt2",
        parameters=81_912_576,
        hidden_size=768,
        layers=6,
        licence="apache-2.0",
        automatic=True,
    ),
)
