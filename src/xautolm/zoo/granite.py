"""Granite 3.1 (2024) and Granite 4.0 (2025) of IBM.

Of Granite 4.0 only the models whose layers are all attention have a card: in the others, Mamba layers take most of the
place, and mixtures of experts besides.
"""

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family

GRANITE_3 = Family(
    name="granite",
    architecture=Architecture.DECODER,
    absent_forms=("classify", "regress"),
    lora_targets=("q_proj", "v_proj"),
    positions=131_072,
    vocabulary=49_155,
    licence="apache-2.0",
    languages="multilingual",
)
GRANITE_4 = Family(
    name="granitemoehybrid",
    architecture=Architecture.DECODER,
    absent_forms=("classify", "regress"),
    lora_targets=("q_proj", "v_proj"),
    positions=131_072,
    vocabulary=100_352,
    licence="apache-2.0",
    languages="multilingual",
)
FAMILIES = (GRANITE_3, GRANITE_4)

# The output layer is the table of words, which is counted once.
CARDS = (
    GRANITE_3.card(
        "granite-3.1-2b-instruct",
        hub_id="ibm-granite/granite-3.1-2b-instruct",
        parameters=2_533_531_648,
        hidden_size=2048,
        layers=40,
        chat=True,
    ),
    GRANITE_3.card(
        "granite-3.1-8b-instruct",
        hub_id="ibm-granite/granite-3.1-8b-instruct",
        parameters=8_170_848_256,
        hidden_size=4096,
        layers=40,
        chat=True,
    ),
    GRANITE_4.card(
        "granite-4.0-micro",
        hub_id="ibm-granite/granite-4.0-micro-base",
        parameters=3_402_836_480,
        hidden_size=2560,
        layers=40,
    ),
    GRANITE_4.card(
        "granite-4.0-micro-instruct",
        hub_id="ibm-granite/granite-4.0-micro",
        parameters=3_402_836_480,
        hidden_size=2560,
        layers=40,
        chat=True,
    ),
)
