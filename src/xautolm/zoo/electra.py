"""ELECTRA discriminators (Clark et al., 2020)."""

from xautolm.zoo.cards import hub_card

CARDS = tuple(
    hub_card(row, family="electra", lora_targets=("query", "value"))
    for row in (
        (
            "electra-small-discriminator",
            "google/electra-small-discriminator",
            13_483_008,
            256,
            12,
            512,
            30522,
            "apache-2.0",
            "en",
            True,
        ),
        (
            "electra-base-discriminator",
            "google/electra-base-discriminator",
            108_891_648,
            768,
            12,
            512,
            30522,
            "apache-2.0",
            "en",
            False,
        ),
        (
            "electra-large-discriminator",
            "google/electra-large-discriminator",
            334_092_288,
            1024,
            24,
            512,
            30522,
            "apache-2.0",
            "en",
            False,
        ),
    )
)
