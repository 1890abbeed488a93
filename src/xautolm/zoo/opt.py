"""OPT (Zhang et al., 2022)."""

from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family

OPT = Family(
    name="opt",
    has_position_table=True,
    architecture=Architecture.DECODER,
    lora_targets=("q_proj", "v_proj"),
    positions=2048,
    vocabulary=50_272,
    # Meta's own, for research; `other` is what the hub calls it.
    licence="other",
)
FAMILIES = (OPT,)

CARDS = (
    OPT.card(
        "opt-125m", hub_id="facebook/opt-125m", parameters=125_239_296, hidden_size=768, layers=12
    ),
    # Words have 512 dimensions, and matrices lead from them to the layers and back.
    OPT.card(
        "opt-350m", hub_id="facebook/opt-350m", parameters=331_196_416, hidden_size=1024, layers=24
    ),
)
