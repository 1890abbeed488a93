"""Small models trained from scratch, with a tokenizer built on the training text: no download, any language."""

from xautolm.records import ModelCard

VOCABULARY = 8_000
POSITIONS, LONG_POSITIONS = 256, 512
"""Of encoders, and of those that generate: prompts hold a context."""


def _card(
    name: str,
    *,
    layers: int,
    hidden_size: int,
    heads: int,
    family: str = "bert",
    architecture: str = "encoder",
    lora_targets: tuple[str, ...] = ("query", "value"),
) -> ModelCard:
    positions = POSITIONS if architecture == "encoder" else LONG_POSITIONS
    return ModelCard(
        name=name,
        hub_id="",
        family=family,
        parameters=(VOCABULARY + positions) * hidden_size + layers * 12 * hidden_size**2,
        hidden_size=hidden_size,
        layers=layers,
        positions=positions,
        vocabulary=VOCABULARY,
        licence="your own",
        languages="multilingual",
        lora_targets=lora_targets,
        origin="scratch",
        heads=heads,
        automatic=True,
        architecture=architecture,
    )


CARDS = (
    _card("scratch-tiny", layers=2, hidden_size=128, heads=2),
    _card("scratch-small", layers=4, hidden_size=256, heads=4),
    _card(
        "scratch-decoder",
        layers=4,
        hidden_size=256,
        heads=4,
        family="llama",
        architecture="decoder",
        lora_targets=("q_proj", "v_proj"),
    ),
    _card(
        "scratch-encoder-decoder",
        layers=4,
        hidden_size=256,
        heads=4,
        family="t5",
        architecture="encoder-decoder",
        lora_targets=("q", "v"),
    ),
)
