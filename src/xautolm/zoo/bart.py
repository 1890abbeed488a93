"""BART (Lewis et al., 2020). Layers are those of both stacks."""

from xautolm.zoo.cards import hub_card

CARDS = (
    *(
        hub_card(row, family="bart", lora_targets=("q_proj", "v_proj"), architecture="encoder-decoder")
        for row in (
            ("bart-base", "facebook/bart-base", 139420416, 768, 12, 1024, 50265, "apache-2.0", "en", True),
            ("bart-large", "facebook/bart-large", 406291456, 1024, 24, 1024, 50265, "apache-2.0", "en", False),
        )
    ),
)
