"""DeepSeek-V2 (2024). Its models have no card; those in folders and on the hub are known to be decoders."""

from xautolm.records import ModelCard
from xautolm.vocabulary import Architecture
from xautolm.zoo.base import Family

# Mixtures of experts: the weights that they have and those that a token meets do not follow from a card's numbers.
DEEPSEEK_V2 = Family(name="deepseek_v2", architecture=Architecture.DECODER)
FAMILIES = (DEEPSEEK_V2,)

CARDS: tuple[ModelCard, ...] = ()
