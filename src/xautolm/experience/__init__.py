"""The memory: experiences in a database."""

from xautolm.experience.store import ExperienceStore

__all__ = ["ExperienceStore"]
