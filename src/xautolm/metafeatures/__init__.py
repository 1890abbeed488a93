"""Numbers that describe a task or a machine."""

from xautolm.metafeatures.system import system_profile

__all__ = ["system_profile"]
