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


BEYOND_FLOAT16 = ("t5", "gemma")
"""Parts of the names of families whose numbers pass the largest of float16: LongT5, Gemma 2 and their kin have no file
here."""


def family_of(model_type: str) -> Family:
    """Return the family that `config.json` names; of one that no file holds, nothing but the name is known."""
    family = FAMILIES.things.get(model_type)
    if family is None:
        fits_float16 = not any(part in model_type for part in BEYOND_FLOAT16)
        return Family(name=model_type, fits_float16=fits_float16)
    return family
