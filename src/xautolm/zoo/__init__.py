"""The model zoo: cards by family, one file each, and how to find the models that they describe."""

from xautolm.records import ModelCard
from xautolm.registry import Registry
from xautolm.zoo.lookup import known_card, zoo_name
from xautolm.zoo.resolve import find_models, reachable

ZOO: Registry[ModelCard] = Registry("model", __name__, "CARDS")

__all__ = ["ZOO", "find_models", "known_card", "reachable", "zoo_name"]
