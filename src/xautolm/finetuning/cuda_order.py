"""A program that says in which order CUDA counts the GPUs: a JSON list of their UUIDs goes out."""

from __future__ import annotations

import json
import sys

from xautolm.processes import end_with_parent


def uuids() -> list[str]:
    """Return the UUIDs of the GPUs as the driver writes them, in the order of CUDA's indices."""
    import torch

    names = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        names.append(f"GPU-{properties.uuid}")
    return names


def main() -> None:
    """Ask; the argument is the parent's process id."""
    end_with_parent(int(sys.argv[1]))
    json.dump(uuids(), sys.stdout)


if __name__ == "__main__":
    main()
