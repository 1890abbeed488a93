"""What exceptions say of memory, disks, networks and machines: one list, read by all who classify or absorb."""

from __future__ import annotations

import ast
import errno
import importlib
import socket
from pathlib import Path

import pyarrow
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors import SafetensorError

import xautolm
from xautolm.errors import DamagedFileError, TrialError
from xautolm.execution.failures import failure_of
from xautolm.experience.autogoal import failure_kind
from xautolm.symptoms import LACK_OF_MEMORY, kind_of, lacks_memory, says_lack_of_memory
from xautolm.vocabulary import Evidence, FailureKind

# The library of the network changes its name with the hub's client.
httpx = importlib.import_module(HfHubHTTPError.__mro__[1].__module__.partition(".")[0])
REQUEST = httpx.Request("GET", "https://hub.example/model")

MEMORY_MESSAGES = [
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB",
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call",
    "CUDA driver error: out of memory",
    "CUBLAS error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
    "CUSPARSE_STATUS_INSUFFICIENT_RESOURCES when calling `cusparseCreate(handle)`",
    "NCCL error: unhandled cuda error: Cuda failure 2 'out of memory'",
    "HIP out of memory. Tried to allocate 512.00 MiB",
    "Native API failed. Native API returns: UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY",
    "MPS backend out of memory (MPS allocated: 17.9 GB, max allowed: 18.1 GB)",
    "Invalid buffer size: 12.00 GiB",
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate",
    "DefaultCPUAllocator: not enough memory: you tried to allocate 4294967296 bytes.",
    "std::bad_alloc",
    "unable to mmap 1024 bytes from file <weights>: Cannot allocate memory (12)",
]


@pytest.mark.parametrize("message", MEMORY_MESSAGES)
def test_lack_of_memory_is_known_in_all_its_words(message: str) -> None:
    error = RuntimeError(message)
    assert lacks_memory(error)
    assert kind_of(error) is FailureKind.OUT_OF_MEMORY
    assert failure_of(error).kind is FailureKind.OUT_OF_MEMORY
    assert failure_kind(message) is FailureKind.OUT_OF_MEMORY, "the importer reads the same list"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        pyarrow.ArrowMemoryError("malloc of size 64 failed"),
        SafetensorError("Error while deserializing: Cannot allocate memory (os error 12)"),
        type("OutOfMemoryError", (RuntimeError,), {})("whatever it says"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_lack_of_memory_is_known_by_its_type(error: Exception) -> None:
    assert kind_of(error) is FailureKind.OUT_OF_MEMORY


def test_what_the_users_data_say_is_no_symptom() -> None:
    assert kind_of(ValueError("unknown label: 'out of memory'")) is FailureKind.CRASH
    assert kind_of(KeyError("no space left on device")) is FailureKind.CRASH
    assert (
        kind_of(TrialError("load_error", "weights of out of memory: not there"))
        is FailureKind.LOAD_ERROR
    )
    assert not says_lack_of_memory("CUDA error: device-side assert triggered")
    assert (
        kind_of(RuntimeError("CUDA error: an illegal memory access was encountered"))
        is FailureKind.CRASH
    )


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.EROFS, "Read-only file system"),
        OSError(errno.EFBIG, "File too large"),
        OSError(errno.EMFILE, "Too many open files"),
        PermissionError(errno.EACCES, "Permission denied"),
        DamagedFileError(Path("spec.json"), "Input/output error"),
        # As safetensors, tokenizers, Arrow, torch and numpy say it.
        SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        ),
        SafetensorError("Error while serializing: I/O error: Disk quota exceeded (os error 122)"),
        Exception("No space left on device (os error 28)"),
        OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
        RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
        OSError("1000000 requested and 1234 written"),
        RuntimeError("unable to write to file </torch_12_3>: No space left on device (28)"),
        RuntimeError("can't start new thread"),
        # Networks.
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        TimeoutError("timed out"),
        socket.gaierror(-2, "Name or service not known"),
        httpx.ConnectError("no route"),
        httpx.ReadTimeout("slow"),
        httpx.HTTPStatusError(
            "503", request=REQUEST, response=httpx.Response(503, request=REQUEST)
        ),
        httpx.HTTPStatusError(
            "429", request=REQUEST, response=httpx.Response(429, request=REQUEST)
        ),
        type("ChunkedEncodingError", (OSError,), {"__module__": "requests.exceptions"})(
            "cut short"
        ),
        RuntimeError("Data processing error: CAS service error : error sending request"),
        LocalEntryNotFoundError("not cached, and the hub does not answer"),
        # GPUs.
        RuntimeError(
            "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, use spawn"
        ),
        RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable"),
        RuntimeError("CUDA error: no kernel image is available for execution on the device"),
        RuntimeError("CUDA error: system not yet initialized"),
        RuntimeError("CUDA error: initialization error"),
        RuntimeError(
            "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling "
            "NumCudaDevices() that might have already set an error? Error 802: system not yet initialized"
        ),
        RuntimeError(
            "CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env "
            "variable CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero."
        ),
        RuntimeError("CUDA driver initialization failed, you might not have a CUDA gpu."),
        RuntimeError("CUDA error: uncorrectable ECC error encountered"),
        RuntimeError(
            "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by "
            "downloading and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx"
        ),
        RuntimeError("CUDA error: CUDA driver version is insufficient for CUDA runtime version"),
        RuntimeError("CUDA error: system has unsupported display driver / cuda driver combination"),
        RuntimeError("CUDA error: forward compatibility was attempted on non supported HW"),
        RuntimeError("CUDA error: API call is not supported in the installed CUDA driver"),
        RuntimeError(
            "CUDA error: MPS client failed to connect to the MPS control daemon or the MPS server"
        ),
        RuntimeError("CUDA error: device kernel image is invalid"),
        RuntimeError("CUDA error: the provided PTX was compiled with an unsupported toolchain."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ARCH_MISMATCH when calling `cublasSgemm(handle)`"),
    ],
    ids=lambda error: f"{type(error).__name__}: {error}"[:60],
)
def test_what_the_machine_or_the_network_did_teaches_nothing(error: Exception) -> None:
    assert kind_of(error) is FailureKind.INFRASTRUCTURE
    assert kind_of(error).evidence is Evidence.NOTHING
    wrapped = TrialError("load_error", f"weights of tiny: {error}")
    wrapped.__cause__ = OSError("Can't load the model")
    wrapped.__cause__.__context__ = error
    assert kind_of(wrapped) is FailureKind.INFRASTRUCTURE, (
        "what a wrapper says counts less than the cause"
    )


@pytest.mark.parametrize(
    "message",
    [
        "Error while deserializing header: header too small",
        "Error while deserializing header: header too large",
        "Error while deserializing header: invalid header length",
        "Error while deserializing header: incomplete metadata, file not fully covered",
    ],
)
def test_broken_weights_are_a_load_error(message: str) -> None:
    assert kind_of(SafetensorError(message)) is FailureKind.LOAD_ERROR


def test_a_definite_answer_of_the_hub_is_no_trouble_of_the_network() -> None:
    answer = httpx.Response(404, request=REQUEST)
    error = TrialError("load_error", "no such repository")
    error.__cause__ = RepositoryNotFoundError("404", response=answer)
    assert kind_of(error) is FailureKind.LOAD_ERROR


def test_lack_of_memory_while_loading_is_no_load_error() -> None:
    error = TrialError("load_error", "weights of tiny")
    error.__cause__ = RuntimeError("std::bad_alloc")
    assert kind_of(error) is FailureKind.OUT_OF_MEMORY


def test_a_known_kind_stays_what_it_is() -> None:
    error = TrialError("diverged", "loss is nan")
    error.__context__ = OSError(errno.ENOSPC, "No space left on device")
    assert kind_of(error) is FailureKind.DIVERGED
    assert kind_of(KeyboardInterrupt()) is FailureKind.INTERRUPTED
    assert kind_of(FileNotFoundError(errno.ENOENT, "no such file")) is FailureKind.CRASH


def test_a_cycle_of_causes_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    assert kind_of(first) is FailureKind.CRASH


def test_no_other_file_has_a_list_of_what_lack_of_memory_looks_like() -> None:
    root = Path(xautolm.__file__).parent
    # The kind of failure has one of these names, and a message may speak of a limit.
    signs = set(LACK_OF_MEMORY) - {FailureKind.OUT_OF_MEMORY.value, "memory limit"}
    for path in root.rglob("*.py"):
        if path.name == "symptoms.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        texts = [constant.lower() for constant in constants if isinstance(constant, str)]
        lists = [
            text
            for text in texts
            if text in signs or ("|" in text and any(sign in text for sign in signs))
        ]
        assert not lists, f"{path} has a list of its own: {lists}"
