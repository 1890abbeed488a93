"""Search spaces: parameters, conditional trees of them, users' own ranges, and probability models over them."""

from xautolm.space.narrowing import narrowed
from xautolm.space.parameters import Branch, Choice, Float, Int, Parameter
from xautolm.space.prior import Prior
from xautolm.space.space import Choose, Space

__all__ = ["Branch", "Choice", "Choose", "Float", "Int", "Parameter", "Prior", "Space", "narrowed"]
