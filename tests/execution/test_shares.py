"""How many trials the machines of a cluster hold, and what each asks for."""

from __future__ import annotations

import pytest

from xautolm.execution.shares import Capacity, Share, share_of_trial

SMALL, LARGE = Capacity(cpus=4, gpus=0), Capacity(cpus=16, gpus=0)
WITH_GPUS, WITH_ONE = Capacity(cpus=16, gpus=4), Capacity(cpus=8, gpus=1)
HEAD = Capacity(cpus=0, gpus=0)


@pytest.mark.parametrize(
    ("capacities", "parallel", "on_gpus", "share", "slots"),
    [
        ([SMALL, SMALL], None, False, Share(cpus=4), [1, 1]),
        ([HEAD, SMALL, SMALL], 4, False, Share(cpus=2), [0, 2, 2]),
        ([SMALL, LARGE], None, False, Share(cpus=4), [1, 4]),
        ([SMALL], 16, False, Share(cpus=0.25), [16]),
        ([SMALL], 3, False, Share(cpus=1), [4]),
        # The smallest part that Ray counts, however many are asked for.
        ([SMALL], 100_000, False, Share(cpus=0.0001), [40_000]),
        ([SMALL], 7, False, Share(cpus=0.5714), [7]),
        ([WITH_GPUS, WITH_ONE], None, True, Share(cpus=4, gpus=1), [4, 1]),
        ([WITH_GPUS, SMALL], 8, True, Share(cpus=2, gpus=0.5), [8, 0]),
        ([WITH_GPUS], 12, True, Share(cpus=1, gpus=0.3333), [12]),
    ],
)
def test_a_share_fills_the_machines(
    capacities: list[Capacity],
    parallel: int | None,
    on_gpus: bool,
    share: Share,
    slots: list[int],
) -> None:
    computed = share_of_trial(capacities, parallel, on_gpus=on_gpus)
    assert computed == share
    assert [share.slots(capacity) for capacity in capacities] == slots


@pytest.mark.parametrize(
    ("capacities", "on_gpus"),
    [([], False), ([HEAD], False), ([SMALL], True), ([Capacity(cpus=0, gpus=2)], True)],
)
def test_where_nothing_can_run_there_is_no_share(capacities: list[Capacity], on_gpus: bool) -> None:
    assert share_of_trial(capacities, None, on_gpus=on_gpus) is None
