"""Numbers that describe a task or the machine: one file per group, each group versioned."""

from xautolm.metafeatures.base import Encode, FeatureGroup, Part, Sample
from xautolm.metafeatures.measure import known_features, measure
from xautolm.registry import Registry

HELPERS = ("base", "measure", "statistics")
FEATURES: Registry[FeatureGroup] = Registry(
    "group of meta-features", __name__, "GROUPS", helpers=HELPERS
)

__all__ = [
    "FEATURES",
    "Encode",
    "FeatureGroup",
    "Part",
    "Sample",
    "classification",
    "generation",
    "known_features",
    "machine",
    "measure",
    "sentences",
]
