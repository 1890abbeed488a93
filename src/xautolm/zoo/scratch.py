"""Small encoders trained from scratch, with a tokenizer built on the training text: no download, any language."""

from xautolm.records import ModelCard

VOCABULARY = 8_000
POSITIONS = 256


def _card(name: str, *, layers: int, hidden_size: int, heads: int) -> ModelCard:
    return ModelCard(
        name=name,
        hub_id="",
        family="bert",
        parameters=(VOCABULARY + POSITIONS) * hidden_size + layers * 12 * hidden_size**2,
        hidden_size=hidden_size,
        layers=layers,
        positions=POSITIONS,
        vocabulary=VOCABULARY,
        licence="your own",
        languages="multilingual",
        lora_targets=("query", "value"),
        origin="scratch",
        heads=heads,
        automatic=True,
    )


CARDS = (
    _card("scratch-tiny", layers=2, hidden_size=128, heads=2),
    _card("scratch-small", layers=4, hidden_size=256, heads=4),
)
