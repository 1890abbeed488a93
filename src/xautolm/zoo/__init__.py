"""The model zoo: cards by family, one file each, and how to find the models that they describe."""

from xautolm.records import ModelCard
from xautolm.registry import Registry
from xautolm.zoo.downloads import Fetched, Meter, cannot_be_had, fetch
from xautolm.zoo.lookup import known_card, zoo_name
from xautolm.zoo.resolve import find_models, is_asked_for, local_models, tell_left_out

HELPERS = ("cards", "downloads", "folders", "hub", "hub_errors", "hub_process", "inspection", "lookup", "resolve")
ZOO: Registry[ModelCard] = Registry("model", __name__, "CARDS", helpers=HELPERS)

__all__ = [
    "ZOO",
    "Fetched",
    "Meter",
    "cannot_be_had",
    "fetch",
    "find_models",
    "is_asked_for",
    "known_card",
    "local_models",
    "tell_left_out",
    "zoo_name",
]
