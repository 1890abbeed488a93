"""The connection of this process to a Ray cluster: whether there is one at an address, and what its machines offer."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import ray
from ray._private.services import get_ray_address_from_environment

from xautolm.errors import UsageError
from xautolm.execution.shares import Capacity

AUTO = "auto"
CONNECT_SECONDS = 5.0
"""In which the head of the cluster must accept a connection; Ray itself would try for two minutes, and then exit."""


def connect(address: str) -> None:
    """Connect this process to a cluster; what it does on signals stays as it is.

    Raises:
        UsageError: There is no cluster, or it has other versions of Ray or Python.
    """
    if address == AUTO:
        address = _started_here()
    if address.startswith("ray://"):
        raise UsageError(
            "A search runs on a machine of the cluster, not through Ray's client.",
            got=address,
            fix="Start it on the head, or as a job: `ray job submit -- xautolm fit ...`.",
        )
    _check_listens(address)
    try:
        with _own_signals():
            ray.init(
                address=address,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.ERROR,
            )
    except ConnectionError as error:
        raise _no_cluster(address, str(error)) from None
    except (RuntimeError, ValueError) as error:
        # Ray compares its own version and Python's with those that the cluster was started with.
        raise UsageError(
            "The Ray cluster does not take this process.",
            got=" ".join(str(error).split())[:300],
            fix="Use the same Python and the same Ray on all machines.",
        ) from None


def _started_here() -> str:
    """Return the address in RAY_ADDRESS, or else of the last `ray start`; either may be of a cluster that is gone.

    Raises:
        UsageError: There is neither.
    """
    try:
        address: str = get_ray_address_from_environment(AUTO, None)
    except ConnectionError:
        raise _no_cluster(AUTO, "no cluster has been started here") from None
    return address


def _check_listens(address: str) -> None:
    """Raise if nothing listens at an address of the form `host:port`."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(
            "Not the address of a Ray cluster.",
            got=address,
            fix="Give auto, or host:port of its head.",
        )
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    # A name with an empty part, or one of more than 63 characters, is no host: of that Python makes a UnicodeError.
    except (OSError, OverflowError, UnicodeError) as error:
        raise _no_cluster(address, str(error)) from None


def _no_cluster(address: str, reason: str) -> UsageError:
    return UsageError(
        "There is no Ray cluster at this address.",
        got=f"{address}: {reason}",
        fix="Start one with `ray start --head`, and `ray start --address HEAD:6379` on the other machines.",
    )


@contextmanager
def _own_signals() -> Iterator[None]:
    """Put back what this process does on SIGTERM, by which a search ends in order; Ray replaces it."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        # In another thread neither Ray nor we can set it.
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, handler)


def capacities() -> dict[str, Capacity]:
    """Return what the machines that are there offer, by their number in Ray."""
    alive: dict[str, Capacity] = {}
    for node in ray.nodes():
        if node["Alive"]:
            resources = node["Resources"]
            alive[node["NodeID"]] = Capacity(
                cpus=resources.get("CPU", 0.0), gpus=resources.get("GPU", 0.0)
            )
    return alive
