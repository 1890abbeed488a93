"""Fine-tuning methods, one file each."""

from xautolm.methods.base import Method, head_parameters
from xautolm.registry import Registry

METHODS: Registry[Method] = Registry("method", __name__, "METHOD", helpers=("base",))

__all__ = [
    "METHODS",
    "Method",
    "head",
    "head_parameters",
    "partial",
    "probe",
]
