"""Meta-features for the terminal."""

from __future__ import annotations

from xautolm.metafeatures import FEATURES
from xautolm.records import Features
from xautolm.report.tables import number


def feature_lines(features: Features) -> list[str]:
    """Return one line for each number, under its group; of a vector, only its size."""
    lines = []
    for name, values in features.items():
        labels = FEATURES.get(name).features
        # The numbers of an embedding have no names, and nobody reads hundreds of them.
        if not labels:
            lines.append(f"{name}: a vector of {len(values)} numbers")
            continue
        lines.append(name)
        for label, value in zip(labels, values, strict=False):
            lines.append(f"  {label:<28} {number(value)}")
    return lines
