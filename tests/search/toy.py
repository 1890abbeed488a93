"""The small conditional space of the contract of strategies, and what its configurations are worth."""

from xautolm.testing.strategies import TOY_OBJECTIVES as OBJECTIVES
from xautolm.testing.strategies import TOY_SPACE as SPACE
from xautolm.testing.strategies import play_toy as play

__all__ = ["OBJECTIVES", "SPACE", "play"]
