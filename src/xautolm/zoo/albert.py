"""ALBERT, first version (Lan et al., 2020): all layers share one set of weights."""

from xautolm.zoo.cards import hub_card

CARDS = tuple(
    hub_card(row, family="albert", lora_targets=("query", "value"), shared_layers=True)
    for row in (
        ("albert-base-v1", "albert/albert-base-v1", 11_683_584, 768, 12, 512, 30000, "apache-2.0", "en", False),
        ("albert-large-v1", "albert/albert-large-v1", 17_683_968, 1024, 24, 512, 30000, "apache-2.0", "en", False),
        ("albert-xlarge-v1", "albert/albert-xlarge-v1", 58_724_864, 2048, 24, 512, 30000, "apache-2.0", "en", False),
        ("albert-xxlarge-v1", "albert/albert-xxlarge-v1", 222_595_584, 4096, 12, 512, 30000, "apache-2.0", "en", False),
    )
)
