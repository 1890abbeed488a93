"""EuroBERT (Boizard et al., 2025): encoders for 15 languages, with the layers of Llama and without its causal mask."""

from xautolm.zoo.base import Family, Head

EUROBERT = Family(
    name="eurobert",
    head=Head.DENSE_GELU_MEAN,
    absent_forms=("extract",),
    lora_targets=("q_proj", "v_proj"),
    positions=8192,
    vocabulary=128_256,
    licence="apache-2.0",
    languages="multilingual",
)
FAMILIES = (EUROBERT,)

CARDS = (
    EUROBERT.card(
        "eurobert-210m",
        hub_id="EuroBERT/EuroBERT-210m",
        parameters=211_766_016,
        hidden_size=768,
        layers=12,
    ),
    EUROBERT.card(
        "eurobert-610m",
        hub_id="EuroBERT/EuroBERT-610m",
        parameters=607_874_688,
        hidden_size=1152,
        layers=26,
    ),
    EUROBERT.card(
        "eurobert-2.1b",
        hub_id="EuroBERT/EuroBERT-2.1B",
        parameters=2_107_590_912,
        hidden_size=2304,
        layers=32,
    ),
)
