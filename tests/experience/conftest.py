"""One experience to start from."""

from __future__ import annotations

import pytest

from xautolm.records import Configuration, DataProfile, Experience, Limits, SystemProfile
from xautolm.testing import success


@pytest.fixture
def experience(profile: DataProfile, machine: SystemProfile) -> Experience:
    return Experience(
        id="a1" * 12,
        created="2026-01-02T03:04:05+00:00",
        run="run-1",
        trial=3,
        task="text-classification",
        data=profile,
        system=machine,
        configuration=Configuration(
            values={"model": "m", "method": "lora.v1", "rate": 1e-4, "r": 8, "weights": True, "extra": None},
            space="default.v1",
        ),
        outcome=success(12.5, f1_macro=0.7),
        limits=Limits(seconds=60.0),
        objectives=("f1_macro", "evaluation_time"),
        seed=0,
        versions={"torch": "2"},
        proposal="tpe",
    )
