"""Draw random configurations that another version of the same space draws too."""

from __future__ import annotations

import zlib

import numpy as np

from xautolm.records import Configuration, Scalar
from xautolm.space import Branch, Choice, Parameter, Space


def random_configuration(space: Space, seed: int, number: int) -> Configuration:
    """Draw a configuration, uniformly along each parameter's own scale; by name, whatever else the space has."""

    def drawn(key: str, parameter: Parameter) -> Scalar:
        stream = zlib.crc32(parameter.name.encode())
        share = float(np.random.default_rng([seed, number, stream]).random())
        return value_at(parameter, share)

    return space.walk(drawn)


def value_at(parameter: Parameter, share: float) -> Scalar:
    """Return the value at a share, from 0 to 1, of a parameter's range."""
    if isinstance(parameter, Choice | Branch):
        return parameter.options[int(share * len(parameter.options))]
    is_whole = isinstance(parameter.low, int)
    low, high = float(parameter.low), float(parameter.high)
    if is_whole:
        # Half a step on both sides, so that the ends are as likely as the rest.
        low, high = low - 0.499, high + 0.499
    value = low * (high / low) ** share if parameter.log else low + share * (high - low)
    return round(value) if is_whole else value
