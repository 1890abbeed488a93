"""Fine-tuning methods, one file each."""

from xautolm.methods.base import (
    Method,
    Training,
    freeze_all_but,
    head_parameters,
    is_from_scratch,
    trainings,
)
from xautolm.registry import Registry

METHODS: Registry[Method] = Registry("method", __name__, "METHOD", helpers=("base",))

__all__ = [
    "METHODS",
    "Method",
    "Training",
    "freeze_all_but",
    "head",
    "head_parameters",
    "is_from_scratch",
    "partial",
    "probe",
    "trainings",
]
