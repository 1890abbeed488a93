"""OPT (Zhang et al., 2022)."""

from xautolm.zoo.cards import hub_card

CARDS = (
    *(
        hub_card(row, family="opt", lora_targets=("q_proj", "v_proj"), architecture="decoder")
        for row in (
            ("opt-125m", "facebook/opt-125m", 125239296, 768, 12, 2048, 50272, "other", "en", False),
            ("opt-350m", "facebook/opt-350m", 331196416, 1024, 24, 2048, 50272, "other", "en", False),
        )
    ),
)
