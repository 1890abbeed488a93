"""The share of the training rows that a trial is trained on: rungs of a search over large data."""

from __future__ import annotations

from collections.abc import Mapping

from xautolm.records import Configuration, Scalar, as_float
from xautolm.space.parameters import Choice
from xautolm.space.presets import DATA_SHARES
from xautolm.space.space import Space

TRAIN_SHARE = "train_share"
"""The parameter that says which share of the training rows a configuration is trained on; all without it."""
RUNG_SHARES = (0.1, 0.3, 1.0)
"""Shares of the rungs, each about three times the one below, as is usual for successive halving."""
LARGE_DATA = 5_000
"""Training rows from which on rungs are worth their trials. A tenth of fewer is under 500 rows, on which the scores of
good configurations differ by no more than they do between seeds; and all of them are trained on in minutes. Rows are
counted, not seconds: a search that is resumed must come to the same answer, on a machine of whatever speed."""


def rung_parameter() -> Choice:
    """Return the choice of a rung; a configuration begins on the lowest."""
    return Choice(name=TRAIN_SHARE, options=RUNG_SHARES, default=RUNG_SHARES[0], closed=True)


def rung_share(values: Mapping[str, Scalar]) -> float:
    """Return the rung of a configuration as a share of the training rows; 1 in a search without rungs."""
    share = values.get(TRAIN_SHARE, 1.0)
    return as_float(share)


def trained_share(values: Mapping[str, Scalar]) -> float:
    """Return the share of the training rows that a configuration is trained on, by its rung and its downsizing."""
    # The preset `paper` cuts the data by a parameter of its own; with rungs, what is left of it is cut again.
    downsizing = str(values.get("data_downsize", "none"))
    share_of_downsizing = DATA_SHARES[downsizing]
    return rung_share(values) * share_of_downsizing


def lowest_rung(space: Space) -> dict[str, Scalar]:
    """Return the lowest rung at each site of a space that has rungs, by the site's key; nothing without rungs."""
    lowest: dict[str, Scalar] = {}
    rungs = rungs_by_site(space)
    for key, shares in rungs.items():
        # A person's own shares may stand in any order.
        lowest[key] = min(shares)
    return lowest


def rungs_by_site(space: Space) -> dict[str, list[float]]:
    """Return the shares that may be chosen at each site of a space that has rungs, by the site's key.

    They are as they stand there: a person's 1 is equal to our 1.0, but configurations with them have other digests.
    """
    rungs: dict[str, list[float]] = {}
    sites = space.sites()
    for key, parameter in sites.items():
        if parameter.name != TRAIN_SHARE or not isinstance(parameter, Choice):
            continue
        shares: list[float] = []
        for option in parameter.options:
            if isinstance(option, int | float):
                shares.append(option)
        rungs[key] = shares
    return rungs


def without_rung(configuration: Configuration) -> Mapping[str, Scalar]:
    """Return a configuration's values but for its rung: what stays the same when it is promoted."""
    values = dict(configuration.values)
    values.pop(TRAIN_SHARE, None)
    return values
