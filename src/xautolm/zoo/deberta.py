"""DeBERTa, first version (He et al., 2021)."""

from xautolm.zoo.cards import hub_card

CARDS = tuple(
    hub_card(row, family="deberta", lora_targets=("in_proj",))
    for row in (("deberta-base", "microsoft/deberta-base", 138_601_728, 768, 12, 512, 50265, "mit", "en", False),)
)
