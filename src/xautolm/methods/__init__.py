"""Fine-tuning methods, one file each."""

from xautolm.methods.base import (
    Method,
    Training,
    freeze_all_but,
    has_quantized_body,
    head_parameters,
    is_from_scratch,
    lies_in_bf16,
    precision_of,
    precision_of_passes,
    trainings,
)
from xautolm.registry import Registry

METHODS: Registry[Method] = Registry("method", __name__, "METHOD", helpers=("base",))

__all__ = [
    "METHODS",
    "Method",
    "Training",
    "freeze_all_but",
    "has_quantized_body",
    "head",
    "head_parameters",
    "is_from_scratch",
    "lies_in_bf16",
    "partial",
    "precision_of",
    "precision_of_passes",
    "probe",
    "trainings",
]
