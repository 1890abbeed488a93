"""T5 (Raffel et al., 2020), FLAN-T5 (Chung et al., 2022) and ByT5 (Xue et al., 2022).

Layers are those of both stacks. The two largest T5, of 3 and 11 billion weights, have no card: their inner layers are
4 and 16 times wider than a card can say, so the time that they need would be underrated as much.
"""

from xautolm.zoo.cards import hub_card

CARDS = (
    *(
        hub_card(row, family="t5", lora_targets=("q", "v"), architecture="encoder-decoder")
        for row in (
            ("t5-small", "google-t5/t5-small", 60506624, 512, 12, 512, 32128, "apache-2.0", "en fr de ro", True),
            ("t5-base", "google-t5/t5-base", 222903552, 768, 24, 512, 32128, "apache-2.0", "en fr de ro", False),
            (
                "flan-t5-small",
                "google/flan-t5-small",
                76961152,
                512,
                16,
                512,
                32128,
                "apache-2.0",
                "multilingual",
                True,
            ),
            ("t5-large", "google-t5/t5-large", 737668096, 1024, 48, 512, 32128, "apache-2.0", "en fr de ro", False),
            ("flan-t5-base", "google/flan-t5-base", 247577856, 768, 24, 512, 32128, "apache-2.0", "multilingual", True),
            (
                "flan-t5-large",
                "google/flan-t5-large",
                783150080,
                1024,
                48,
                512,
                32128,
                "apache-2.0",
                "multilingual",
                False,
            ),
            (
                "flan-t5-xl",
                "google/flan-t5-xl",
                2849757184,
                2048,
                48,
                512,
                32128,
                "apache-2.0",
                "multilingual",
                False,
            ),
            (
                "flan-t5-xxl",
                "google/flan-t5-xxl",
                11135332352,
                4096,
                48,
                512,
                32128,
                "apache-2.0",
                "multilingual",
                False,
            ),
            ("byt5-small", "google/byt5-small", 299637760, 1472, 16, 1024, 384, "apache-2.0", "multilingual", False),
        )
    ),
)
