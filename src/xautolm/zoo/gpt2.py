"""GPT-2 (Radford et al., 2019) and its distilled child."""

from xautolm.zoo.cards import hub_card

CARDS = (
    *(
        hub_card(row, family="gpt2", lora_targets=("c_attn",), architecture="decoder", quantizable=False)
        for row in (
            ("gpt2", "openai-community/gpt2", 124439808, 768, 12, 1024, 50257, "mit", "en", True),
            ("gpt2-medium", "openai-community/gpt2-medium", 354823168, 1024, 24, 1024, 50257, "mit", "en", False),
            ("gpt2-large", "openai-community/gpt2-large", 774030080, 1280, 36, 1024, 50257, "mit", "en", False),
            ("gpt2-xl", "openai-community/gpt2-xl", 1557611200, 1600, 48, 1024, 50257, "mit", "en", False),
            ("distilgpt2", "distilbert/distilgpt2", 81912576, 768, 6, 1024, 50257, "apache-2.0", "en", True),
        )
    ),
)
