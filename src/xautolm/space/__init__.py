"""Search spaces: parameters, conditional trees of them, users' own ranges, and probability models over them."""

from xautolm.space.narrowing import narrowed
from xautolm.space.parameters import Branch, Choice, Float, Int, Parameter, is_number
from xautolm.space.prior import Prior
from xautolm.space.space import Adoption, Choose, Space

__all__ = [
    "Adoption",
    "Branch",
    "Choice",
    "Choose",
    "Float",
    "Int",
    "Parameter",
    "Prior",
    "Space",
    "is_number",
    "narrowed",
    "presets",
    "shares",
]
