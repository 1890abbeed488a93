"""Warnings that are said once, however often what they are about is met."""

from __future__ import annotations

import logging
from functools import cache

logger = logging.getLogger(__name__)


@cache
def warn_once(text: str) -> None:
    """Warn of something, the first time in this process."""
    logger.warning(text)
