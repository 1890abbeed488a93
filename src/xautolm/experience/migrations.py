"""Steps from one schema of the store to the next; a store is brought up to date when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

MIGRATIONS: Mapping[int, Callable[[Connection], None]] = {}
"""From schema version n to n + 1, by n."""

SCHEMA_VERSION = 1 + len(MIGRATIONS)
"""The version that this xautolm writes."""
