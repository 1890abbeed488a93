"""Fine-tuning methods, one file each."""

from xautolm.methods.base import Method
from xautolm.registry import Registry

METHODS: Registry[Method] = Registry("method", __name__, "METHOD", helpers=("base",))

__all__ = ["METHODS", "Method"]
