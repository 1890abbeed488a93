"""The hub of our own, for tests of what talks to it."""

from tests.small_hub import small_hub

__all__ = ["small_hub"]
