"""T5 (Raffel et al., 2020), mT5 (Xue et al., 2021), FLAN-T5 (Chung et al., 2022) and ByT5 (Xue et al., 2022).

Layers are those of both stacks. The two largest T5, of 3 and 11 billion weights, have no card: their inner layers are
4 and 16 times wider than a card can say, so the time that they need would be underrated as much.
"""

from dataclasses import replace

from xautolm.records import ModelCard
from xautolm.vocabulary import Architecture
from xautolm.zoo.base import ConfigValues, Family, Head


def _config(card: ModelCard) -> ConfigValues:
    """Return a new model's shape; half of its layers are the encoder's."""
    return {
        "d_model": card.hidden_size,
        "d_kv": card.hidden_size // card.heads,
        "d_ff": 4 * card.hidden_size,
        "num_layers": card.layers // 2,
        "num_decoder_layers": card.layers // 2,
        "num_heads": card.heads,
    }


T5 = Family(
    name="t5",
    architecture=Architecture.ENCODER_DECODER,
    head=Head.SEQUENCE_TO_SEQUENCE,
    # Pretrained in bfloat16: its feed-forward layers pass 65,504, the largest number of float16.
    fits_float16=False,
    config=_config,
    lora_targets=("q", "v"),
    # 32,100 tokens, rounded up to a multiple of 128.
    vocabulary=32_128,
    licence="apache-2.0",
    languages="en fr de ro",
)
# Fine-tuned on tasks in many languages. Its output layer has weights of its own, as ByT5's has, and cards count them;
# that of T5 is the table of words.
FLAN_T5 = replace(T5, languages="multilingual")
# Its tokenizer is SentencePiece's with 250,100 tokens. transformers 5 takes the table of words for its output layer.
MT5 = replace(T5, name="mt5", positions=1024, vocabulary=250_112, languages="multilingual")
FAMILIES = (T5, MT5)

CARDS = (
    T5.card(
        "t5-small",
        hub_id="google-t5/t5-small",
        parameters=60_506_624,
        hidden_size=512,
        layers=12,
        automatic=True,
    ),
    T5.card(
        "t5-base", hub_id="google-t5/t5-base", parameters=222_903_552, hidden_size=768, layers=24
    ),
    FLAN_T5.card(
        "flan-t5-small",
        hub_id="google/flan-t5-small",
        parameters=76_961_152,
        hidden_size=512,
        layers=16,
        automatic=True,
    ),
    T5.card(
        "t5-large", hub_id="google-t5/t5-large", parameters=737_668_096, hidden_size=1024, layers=48
    ),
    FLAN_T5.card(
        "flan-t5-base",
        hub_id="google/flan-t5-base",
        parameters=247_577_856,
        hidden_size=768,
        layers=24,
        automatic=True,
    ),
    FLAN_T5.card(
        "flan-t5-large",
        hub_id="google/flan-t5-large",
        parameters=783_150_080,
        hidden_size=1024,
        layers=48,
        automatic=True,
    ),
    FLAN_T5.card(
        "flan-t5-xl",
        hub_id="google/flan-t5-xl",
        parameters=2_849_757_184,
        hidden_size=2048,
        layers=48,
        automatic=True,
    ),
    FLAN_T5.card(
        "flan-t5-xxl",
        hub_id="google/flan-t5-xxl",
        parameters=11_135_332_352,
        hidden_size=4096,
        layers=48,
    ),
    # Tokens are bytes, so that 12 of its 16 layers are the encoder's. Pretrained on 1,024 bytes, T5 on 512 tokens.
    FLAN_T5.card(
        "byt5-small",
        hub_id="google/byt5-small",
        parameters=299_637_760,
        hidden_size=1472,
        layers=16,
        positions=1024,
        vocabulary=384,
    ),
    # Pretrained on 101 languages and fine-tuned on nothing: without training it answers no prompt.
    MT5.card(
        "mt5-small",
        hub_id="google/mt5-small",
        parameters=172_119_424,
        hidden_size=512,
        layers=16,
        safetensors=False,
    ),
    MT5.card(
        "mt5-base",
        hub_id="google/mt5-base",
        parameters=390_315_264,
        hidden_size=768,
        layers=24,
        safetensors=False,
    ),
)
