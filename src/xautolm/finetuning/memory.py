"""Memory limits inside the trial: noticed early enough to try again with a smaller per-device batch."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TypeVar

import psutil
import torch
from torch import nn

from xautolm.errors import TrialError
from xautolm.memory import SOFT_SHARE
from xautolm.symptoms import WEIGHTS_DO_NOT_FIT, kind_of
from xautolm.vocabulary import DeviceKind, FailureKind

T = TypeVar("T")

POLL = 0.02
"""Seconds between looks at the resident memory."""

MESSAGE_LENGTH = 120
"""Characters of an error's first line that an adjustment repeats."""


LARGEST_BATCH: ContextVar[int | None] = ContextVar("largest_batch", default=None)
"""Rows that are answered together at most, where processes answer in step: one that took fewer on its own account would
leave the others waiting. None where a process is alone, and halves its batches as it needs."""


class MemoryLimitReached(MemoryError):
    """Resident memory came too near the limit; raised from inside a forward pass."""


@contextmanager
def memory_guard(model: nn.Module, limit: int | None) -> Iterator[None]:
    """Raise `MemoryLimitReached` from the next layer's forward pass once resident memory nears a limit.

    Processors have no out-of-memory exception to catch: the system kills. So a thread watches, and hooks on the
    model's modules raise in the thread that computes. On a GPU lack of memory is an exception, and a hook on each
    module would take longer than the kernels of a small one.

    Args:
        model: What computes inside the context.
        limit: In bytes; None for no limit.
    """
    weights = next(model.parameters(), None)
    is_on_gpu = weights is not None and weights.device.type == DeviceKind.CUDA
    if limit is None or is_on_gpu:
        yield
        return
    exceeded = threading.Event()
    done = threading.Event()
    process = psutil.Process()

    def watch() -> None:
        while not done.wait(POLL):
            resident_bytes = process.memory_info().rss
            if resident_bytes > SOFT_SHARE * limit:
                exceeded.set()
                return

    def check(module: nn.Module, inputs: object) -> None:
        if exceeded.is_set():
            raise MemoryLimitReached(
                f"resident memory passed {SOFT_SHARE:.0%} of {limit / 1e9:.2f} GB"
            )

    hooks = [module.register_forward_pre_hook(check) for module in model.modules()]
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        for hook in hooks:
            hook.remove()


def with_smaller_batches(
    attempt: Callable[[int, bool], T],
    size: int,
    adjustments: list[str],
    *,
    checkpointing: bool = False,
    can_checkpoint: bool = True,
) -> T:
    """Return the result of the first attempt at a training that fits in memory.

    On lack of memory it is tried again with half the batch, and a batch of one with gradient checkpointing, which
    keeps one layer's activations at a time.

    Args:
        attempt: Trains from the beginning with a per-device batch, accumulating gradients up to the configured batch,
            and with or without checkpointing.
        size: The first per-device batch, in examples.
        adjustments: One line is added for each change.
        checkpointing: Whether to begin with gradient checkpointing.
        can_checkpoint: Whether the model knows it at all.

    Raises:
        Exception: Whatever said that a batch of one does not fit either, with checkpointing where that is known.
    """
    checkpointing = checkpointing and can_checkpoint
    while True:
        try:
            return attempt(size, checkpointing)
        except Exception as error:
            is_least = size == 1 and (checkpointing or not can_checkpoint)
            if is_least or not can_be_absorbed(error):
                raise
            first_line = str(error).split("\n")[0]
            message = first_line[:MESSAGE_LENGTH]
        # Outside of the handler, whose error would keep the frames of the attempt, and with them its tensors, alive.
        release_memory()
        if size > 1:
            # Upwards: from 3 to 2, not to 1.
            smaller = (size + 1) // 2
            adjustments.append(f"per-device batch {size} to {smaller}: {message}")
            size = smaller
        else:
            adjustments.append(f"gradient checkpointing: {message}")
            checkpointing = True


def in_batches(positions: list[int], size: int, answer: Callable[[list[int]], None]) -> None:
    """Call a function with some of the positions at a time, from where memory runs out with half as many.

    Args:
        positions: Of rows to answer.
        size: How many at a time, at first.
        answer: Answers the rows at some positions.

    Raises:
        Exception: Whatever said that a single position does not fit.
    """
    largest = LARGEST_BATCH.get()
    if largest is not None:
        size = min(size, largest)
    start = 0
    while start < len(positions):
        batch = positions[start : start + size]
        try:
            answer(batch)
        except Exception as error:
            # The guard of the host's memory goes on raising once it was reached: only less training helps.
            is_final = (
                len(batch) == 1 or isinstance(error, MemoryLimitReached) or largest is not None
            )
            if is_final or not can_be_absorbed(error):
                raise
            is_answered = False
        else:
            is_answered = True
        if is_answered:
            start += len(batch)
        else:
            release_memory()
            size = (len(batch) + 1) // 2


@contextmanager
def whatever_the_batch() -> Iterator[None]:
    """Raise lack of memory as a failure that no smaller batch mends: that of weights which are loaded or moved.

    Raises:
        TrialError: Memory ran out inside the context (`out_of_memory`).
    """
    try:
        yield
    except Exception as error:
        if not can_be_absorbed(error):
            raise
        first_line = str(error).split("\n")[0]
        message = f"{WEIGHTS_DO_NOT_FIT}: {first_line}"
        raise TrialError(FailureKind.OUT_OF_MEMORY, message) from error


def can_be_absorbed(error: Exception) -> bool:
    """Return whether an error is lack of memory that a smaller batch can mend."""
    # A known failure, that of weights that do not fit too, is the same with a smaller batch.
    if isinstance(error, TrialError):
        return False
    return kind_of(error) is FailureKind.OUT_OF_MEMORY


def peak_gpu_memory(device: str) -> int | None:
    """Return the most bytes that torch has reserved on a GPU of NVIDIA; None for other devices."""
    if not device.startswith(DeviceKind.CUDA):
        return None
    return torch.cuda.max_memory_reserved()


def release_memory() -> None:
    """Give unused memory back to the system and the GPU."""
    gc.collect()
    # Without an initialised CUDA context this does nothing.
    torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    # glibc keeps freed memory for itself unless told to hand it back; other C libraries have no such call.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
