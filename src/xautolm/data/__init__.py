"""Data in: reading, choosing columns, checking, splitting, fingerprinting."""

from xautolm.data.columns import Role, text_cell
from xautolm.data.lengths import estimated_tokens
from xautolm.data.loading import as_table, load
from xautolm.data.prepare import Dataset, Needs, labelled, prepare

__all__ = ["Dataset", "Needs", "Role", "as_table", "estimated_tokens", "labelled", "load", "prepare", "text_cell"]
