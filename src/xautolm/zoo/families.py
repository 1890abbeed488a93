"""The families of models whose architecture is known: each is in the file of its cards."""

from __future__ import annotations

from xautolm.registry import Registry
from xautolm.zoo.base import Family

HELPERS = (
    "base",
    "downloads",
    "families",
    "folders",
    "hub",
    "hub_errors",
    "hub_process",
    "inspection",
    "lookup",
    "resolve",
)
"""Files of this folder that hold no models."""
WITHOUT_FAMILY = ("packaged_minilm", "scratch")
"""Files whose models are of a family that another file holds."""

FAMILIES: Registry[Family] = Registry(
    "family of models",
    "xautolm.zoo",
    "FAMILIES",
    helpers=(*HELPERS, *WITHOUT_FAMILY),
    group="xautolm.families",
)


def family_of(model_type: str) -> Family:
    """Return the family that `config.json` names; of one that no file holds, nothing but the name is known."""
    family = FAMILIES.things.get(model_type)
    if family is None:
        return Family(name=model_type)
    return family
