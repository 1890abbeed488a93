"""Memory limits inside the trial: noticed early enough to try again with a smaller per-device batch."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psutil
import torch

T = TypeVar("T")

SOFT_SHARE = 0.92
"""Share of the memory limit at which training gives up its batch size, before the parent kills at the whole."""
POLL = 0.02
"""Seconds between looks at the resident memory."""


class MemoryLimitReached(MemoryError):
    """Resident memory came too near the limit; raised from inside a forward pass."""


@contextmanager
def memory_guard(model: Any, limit: int | None) -> Iterator[None]:
    """Raise `MemoryLimitReached` from the next layer's forward pass once resident memory nears `limit` bytes.

    Processors have no out-of-memory exception to catch: the system kills. So a thread watches, and hooks on the
    model's modules raise in the thread that computes.
    """
    if limit is None:
        yield
        return
    exceeded, done = threading.Event(), threading.Event()
    process = psutil.Process()

    def watch() -> None:
        while not done.wait(POLL):
            if process.memory_info().rss > SOFT_SHARE * limit:
                exceeded.set()
                return

    def check(module: Any, inputs: Any) -> None:
        if exceeded.is_set():
            raise MemoryLimitReached(f"resident memory passed {SOFT_SHARE:.0%} of {limit / 1e9:.2f} GB")

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
    attempt: Callable[[int, bool], T], size: int, adjustments: list[str], *, checkpointing: bool = False
) -> T:
    """The result of `attempt(per_device_batch, checkpointing)`; on lack of memory it is tried again with half the
    batch, a batch of one with gradient checkpointing, which keeps one layer's activations at a time.

    Args:
        attempt: Trains from the beginning with this per-device batch, accumulating up to the configured batch.
        size: The first per-device batch.
        adjustments: One line is added for each change.
        checkpointing: Whether to begin with gradient checkpointing.

    Raises:
        MemoryError: A batch of one with checkpointing does not fit either; or torch.OutOfMemoryError on a GPU.
    """
    while True:
        try:
            return attempt(size, checkpointing)
        except (MemoryError, RuntimeError) as error:
            if (size == 1 and checkpointing) or not _is_lack_of_memory(error):
                raise
            message = str(error).split("\n")[0][:120]
        release_memory()
        if size > 1:
            adjustments.append(f"per-device batch {size} to {(size + 1) // 2}: {message}")
            size = (size + 1) // 2
        else:
            adjustments.append(f"gradient checkpointing: {message}")
            checkpointing = True


def release_memory() -> None:
    """Give unused memory back to the system and the GPU."""
    gc.collect()
    # Without an initialised CUDA context this does nothing.
    torch.cuda.empty_cache()
    # glibc keeps freed memory for itself unless told to hand it back; other C libraries have no such call.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _is_lack_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
