"""The model zoo: cards by family, one file each, and how to find the models that they describe."""

from xautolm.records import ModelCard
from xautolm.registry import Registry
from xautolm.zoo.base import Family, Head
from xautolm.zoo.downloads import Fetched, Meter, cannot_be_had, fetch, sized
from xautolm.zoo.families import FAMILIES, HELPERS, family_of
from xautolm.zoo.lookup import known_card, zoo_name
from xautolm.zoo.resolve import find_models, is_asked_for, local_models, tell_left_out

ZOO: Registry[ModelCard] = Registry("model", __name__, "CARDS", helpers=HELPERS)

__all__ = [
    "FAMILIES",
    "ZOO",
    "Family",
    "Fetched",
    "Head",
    "Meter",
    "cannot_be_had",
    "family_of",
    "fetch",
    "find_models",
    "hub",
    "hub_errors",
    "is_asked_for",
    "known_card",
    "local_models",
    "sized",
    "tell_left_out",
    "zoo_name",
]
