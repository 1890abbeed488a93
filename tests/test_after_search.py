"""Where the children run that follow a search."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import cast

import pytest

from xautolm.after_search import last_order
from xautolm.execution import ClusterExecutor
from xautolm.records import Experience, Limits, Machines, Place, TrialOutcome
from xautolm.session import Session
from xautolm.testing import FakeExecutor, FakeGpu, faked_driver, success

BROKEN = FakeGpu(uuid="GPU-a", name="Tesla V100", obstacle="Error 802")
WORKING = FakeGpu(uuid="GPU-b")


class Elsewhere(FakeExecutor):
    """Plays trials as on the machines of a cluster."""

    def wants_weights(self, number: int, outcome: TrialOutcome) -> bool:
        return True

    def machines(self) -> Machines:
        raise NotImplementedError

    def slots(self) -> int:
        return 1

    def require(self, folders: Collection[str]) -> None:
        pass


@pytest.mark.parametrize(
    ("gpus", "device", "gpu"),
    [((BROKEN,), "cpu", ""), ((BROKEN, WORKING), "cuda:0", "GPU-b")],
    ids=["broken only", "one works"],
)
def test_the_winner_of_a_cluster_is_asked_here_on_what_works(
    gpus: tuple[FakeGpu, ...], device: str, gpu: str
) -> None:
    executor = Elsewhere(lambda spec: success())
    assert isinstance(executor, ClusterExecutor)
    session = SimpleNamespace(
        executor=executor,
        scenario=SimpleNamespace(places=(Place(device="cuda:0", gpu="GPU-of-a-node"),)),
        spec=lambda trial, configuration, limits, place, proposal: place,
    )
    best = SimpleNamespace(trial=0, configuration=None, proposal=None)
    with faked_driver(*gpus):
        place = last_order(cast("Session", session), cast("Experience", best), Limits())
    assert (place.device, place.gpu) == (device, gpu)
