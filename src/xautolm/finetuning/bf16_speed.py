"""A program that measures how much faster the processor computes in bfloat16: `{"speedup": 1.4}` goes out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from xautolm.processes import end_with_parent

SIZE = 768
"""Width of the matrices, and of the layer: that of a base model."""
TOKENS = 64
"""In each of the layer's texts, of which there are eight."""
SECONDS = 0.25
"""For each of the two measurements."""


def speedup() -> float:
    """Return float32's time over bfloat16's, the smaller of two: of a matrix product, and of training a layer."""
    import torch

    torch.manual_seed(0)
    matrix = torch.randn(SIZE, SIZE)
    layer = torch.nn.TransformerEncoderLayer(
        SIZE, nhead=12, dim_feedforward=4 * SIZE, batch_first=True
    )
    texts = torch.randn(8, TOKENS, SIZE)

    def multiply() -> None:
        torch.mm(matrix, matrix)

    def train() -> None:
        layer(texts).sum().backward()

    def in_bf16(run: Callable[[], None]) -> Callable[[], None]:
        def run_in_bf16() -> None:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                run()

        return run_in_bf16

    # The smaller: bfloat16 has to pay in a training, not only in a product.
    of_product = ratio(multiply, in_bf16(multiply))
    of_training = ratio(train, in_bf16(train))
    return min(of_product, of_training)


def ratio(slow: Callable[[], None], fast: Callable[[], None]) -> float:
    """Return the ratio of the shortest times of two functions, called in turns."""
    # The first calls choose kernels and allocate.
    slow()
    fast()
    slow_seconds = _seconds(slow)
    fast_seconds = _seconds(fast)
    # The shortest times, and in turns: what else the machine does lengthens single calls.
    deadline = time.perf_counter() + SECONDS
    while time.perf_counter() < deadline:
        slow_seconds = min(slow_seconds, _seconds(slow))
        fast_seconds = min(fast_seconds, _seconds(fast))
    return slow_seconds / fast_seconds


def _seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    """Measure; the argument is the parent's process id."""
    end_with_parent(int(sys.argv[1]))
    json.dump({"speedup": speedup()}, sys.stdout)


if __name__ == "__main__":
    main()
