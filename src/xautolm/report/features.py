"""Meta-features for the terminal."""

from __future__ import annotations

from xautolm.metafeatures import FEATURES
from xautolm.records import Features
from xautolm.report.tables import number


def feature_lines(features: Features) -> list[str]:
    """One line for each number, under its group; a vector is told by its size."""
    lines = []
    for name, values in features.items():
        labels = FEATURES.get(name).features
        lines.append(name if labels else f"{name}: a vector of {len(values)} numbers")
        lines += [f"  {label:<28} {number(value)}" for label, value in zip(labels, values, strict=False)]
    return lines
