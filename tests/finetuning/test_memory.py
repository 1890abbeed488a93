"""Lack of memory, in all its words, is absorbed by smaller batches: in training, and where a model answers."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from tests.test_symptoms import MEMORY_MESSAGES
from xautolm.errors import TrialError
from xautolm.finetuning.memory import (
    LARGEST_BATCH,
    MemoryLimitReached,
    in_batches,
    memory_guard,
    with_smaller_batches,
)


@pytest.mark.parametrize("message", MEMORY_MESSAGES)
def test_whatever_is_classified_is_absorbed_too(message: str) -> None:
    adjustments: list[str] = []

    def attempt(size: int, checkpointing: bool) -> int:
        if size > 2:
            raise RuntimeError(message)
        return size

    assert with_smaller_batches(attempt, 8, adjustments) == 2
    first_line = message.split("\n")[0][:120]
    assert adjustments == [
        f"per-device batch 8 to 4: {first_line}",
        f"per-device batch 4 to 2: {first_line}",
    ]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: device-side assert triggered"),
        ValueError("unknown label: 'out of memory'"),
        OSError(28, "No space left on device"),
        TrialError("load_error", "weights do not fit: std::bad_alloc"),
    ],
)
def test_nothing_else_is_tried_again(error: Exception) -> None:
    adjustments: list[str] = []
    attempts: list[int] = []

    def attempt(size: int, checkpointing: bool) -> None:
        attempts.append(size)
        raise error

    with pytest.raises(type(error)):
        with_smaller_batches(attempt, 8, adjustments)
    assert attempts == [8] and not adjustments


def test_a_model_without_checkpointing_is_not_tried_with_it() -> None:
    attempts: list[tuple[int, bool]] = []

    def attempt(size: int, checkpointing: bool) -> None:
        attempts.append((size, checkpointing))
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        with_smaller_batches(attempt, 2, [], checkpointing=True, can_checkpoint=False)
    assert attempts == [(2, False), (1, False)]


class OnGpu(torch.nn.Module):
    """A model whose weights are on a GPU; whoever looks for its modules is told off."""

    def parameters(self, recurse: bool = True) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(device=torch.device("cuda", 0))

    def modules(self) -> Iterator[torch.nn.Module]:
        raise AssertionError("a hook on each module takes longer than a small kernel")


def test_on_a_gpu_no_module_is_watched() -> None:
    with memory_guard(OnGpu(), limit=1):
        pass
    with pytest.raises(AssertionError, match="hook"), memory_guard(OnProcessor(), limit=1):
        pass


class OnProcessor(OnGpu):
    """The same on a processor, where hooks are the only way."""

    def parameters(self, recurse: bool = True) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(device=torch.device("cpu"))


def test_answers_are_given_in_smaller_batches_where_memory_runs_out() -> None:
    answered: list[list[int]] = []

    def answer(batch: list[int]) -> None:
        if len(batch) > 3 and 5 in batch:
            raise torch.OutOfMemoryError("CUDA out of memory")
        answered.append(batch)

    in_batches(list(range(10)), 4, answer)
    assert [position for batch in answered for position in batch] == list(range(10)), (
        "each once, in order"
    )
    assert [len(batch) for batch in answered] == [4, 2, 2, 2]


def test_a_single_answer_that_does_not_fit_is_a_failure() -> None:
    sizes: list[int] = []

    def answer(batch: list[int]) -> None:
        sizes.append(len(batch))
        raise RuntimeError("CUDA error: out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        in_batches(list(range(6)), 4, answer)
    assert sizes == [4, 2, 1]


def test_processes_that_answer_in_step_never_halve_a_batch_by_themselves() -> None:
    sizes: list[int] = []

    def answer(batch: list[int]) -> None:
        sizes.append(len(batch))
        if len(sizes) == 2:
            raise RuntimeError("CUDA error: out of memory")

    token = LARGEST_BATCH.set(3)
    try:
        with pytest.raises(RuntimeError, match="out of memory"):
            in_batches(list(range(9)), 4, answer)
    finally:
        LARGEST_BATCH.reset(token)
    assert sizes == [3, 3]


def test_the_guard_of_the_hosts_memory_ends_answering_at_once() -> None:
    sizes: list[int] = []

    def answer(batch: list[int]) -> None:
        sizes.append(len(batch))
        raise MemoryLimitReached("resident memory passed 92%")

    with pytest.raises(MemoryLimitReached):
        in_batches(list(range(6)), 4, answer)
    assert sizes == [4]
