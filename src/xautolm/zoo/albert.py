"""ALBERT, first version (Lan et al., 2020): all layers share one set of weights."""

from xautolm.zoo.base import Family, Head

ALBERT = Family(
    name="albert",
    has_position_table=True,
    head=Head.ALBERT_POOLER,
    has_checkpointing=False,
    lora_targets=("query", "value"),
    shared_layers=True,
    vocabulary=30_000,
    licence="apache-2.0",
)
FAMILIES = (ALBERT,)

# The one set of weights is counted once. Words have 128 dimensions, which a matrix leads to the width of the layers.
CARDS = (
    ALBERT.card(
        "albert-base-v1",
        hub_id="albert/albert-base-v1",
        parameters=11_683_584,
        hidden_size=768,
        layers=12,
    ),
    ALBERT.card(
        "albert-large-v1",
        hub_id="albert/albert-large-v1",
        parameters=17_683_968,
        hidden_size=1024,
        layers=24,
    ),
    ALBERT.card(
        "albert-xlarge-v1",
        hub_id="albert/albert-xlarge-v1",
        parameters=58_724_864,
        hidden_size=2048,
        layers=24,
    ),
    ALBERT.card(
        "albert-xxlarge-v1",
        hub_id="albert/albert-xxlarge-v1",
        parameters=222_595_584,
        hidden_size=4096,
        layers=12,
    ),
)
