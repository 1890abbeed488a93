"""ELECTRA discriminators (Clark et al., 2020)."""

from xautolm.zoo.base import Family, Head

ELECTRA = Family(
    name="electra",
    has_position_table=True,
    head=Head.DENSE_GELU,
    lora_targets=("query", "value"),
    vocabulary=30_522,
    licence="apache-2.0",
)
FAMILIES = (ELECTRA,)

# Words of the small one have 128 dimensions, which a matrix leads to the 256 of its layers.
# There is no pooler in the body; the classifier brings a dense layer of its own.
CARDS = (
    ELECTRA.card(
        "electra-small-discriminator",
        hub_id="google/electra-small-discriminator",
        parameters=13_483_008,
        hidden_size=256,
        layers=12,
        automatic=True,
    ),
    ELECTRA.card(
        "electra-base-discriminator",
        hub_id="google/electra-base-discriminator",
        parameters=108_891_648,
        hidden_size=768,
        layers=12,
    ),
    ELECTRA.card(
        "electra-large-discriminator",
        hub_id="google/electra-large-discriminator",
        parameters=334_092_288,
        hidden_size=1024,
        layers=24,
    ),
)
