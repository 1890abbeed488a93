"""A module that takes long to load."""

from __future__ import annotations

import time

time.sleep(120)
