"""Signs by which exceptions and logs tell that memory gave out, or the machine; the only lists of them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from xautolm.errors import DamagedFileError, TrialError
from xautolm.vocabulary import FailureKind

LACK_OF_MEMORY = (
    # CUDA, HIP, XPU and MPS: "CUDA out of memory", "CUDA error: out of memory", "MPS backend out of memory".
    "out of memory",
    # The names of the same in drivers and libraries: CUDA_ERROR_OUT_OF_MEMORY, UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY.
    "out_of_memory",
    "out_of_device_memory",
    "out_of_host_memory",
    "out of device memory",
    "cudaerrormemoryallocation",
    # CUBLAS_STATUS_ALLOC_FAILED and its kin; cuDNN 9 says INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED.
    "alloc_failed",
    "allocation_failed",
    "insufficient_resources",
    # cuBLAS creates its handle at the first matrix product, and names only that when the GPU is full.
    "cublas_status_not_initialized when calling `cublascreate",
    # torch's DefaultCPUAllocator, errno 12, numpy, C++ and Metal.
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "unable to allocate",
    "failed to allocate",
    "bad_alloc",
    "bad allocation",
    "invalid buffer size",
    "resource_exhausted",
    # Python's own, in a log, and limits that programs set themselves.
    "memoryerror",
    "memory limit",
)
"""What messages say for lack of memory, on whatever device, in lower case."""

WEIGHTS_DO_NOT_FIT = "the weights do not fit"
"""Begins the message of a lack of memory that no smaller batch mends: that of weights which are loaded or moved."""

GPU_TROUBLE = (
    "cannot re-initialize cuda in forked subprocess",
    "cuda unknown error",
    "unexpected error from cudagetdevicecount",
    "cuda driver initialization failed",
    "system not yet initialized",
    "cuda error: initialization error",
    "no cuda-capable device",
    "no cuda gpus are available",
    "found no nvidia driver",
    "busy or unavailable",
    "driver version is insufficient",
    "driver on your system is too old",
    "unsupported display driver",
    "forward compatibility was attempted",
    "not supported in the installed cuda driver",
    "mps client failed to connect",
    # Kernels that the GPU or its driver cannot run; cuBLAS says CUBLAS_STATUS_ARCH_MISMATCH.
    "no kernel image is available",
    "device kernel image is invalid",
    "unsupported toolchain",
    "arch_mismatch",
    "uncorrectable ecc error",
    "uncorrectable nvlink error",
    "fallen off the bus",
)
"""What messages say when a GPU or its driver fails, in lower case."""

TROUBLE = (
    # Disks. Rust (safetensors, tokenizers) and Arrow quote the system; the writers of torch and numpy name no reason.
    "no space left on device",
    "disk quota exceeded",
    "not enough space on the disk",
    "disk is full",
    "file too large",
    "input/output error",
    "read-only file system",
    "stale file handle",
    "pytorchstreamwriter failed writing",
    "unexpected pos ",
    " requested and ",
    # Handles, threads and shared memory of the system.
    "too many open files",
    "can't start new thread",
    "unable to open shared memory object",
    "killed by signal: bus error",
    # hf_xet, which is written in Rust, while it fetches weights.
    "cas service error",
    "error sending request",
    *GPU_TROUBLE,
)
"""What messages say when the disk, the system or the GPU itself fails, in lower case."""

TROUBLE_NUMBERS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.ESTALE,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOTCONN,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
    }
)
"""Errors of the system that a configuration cannot cause: disks, permissions, handles and routes."""

NETWORK_LIBRARIES = frozenset(
    {"aiohttp", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib3"}
)
"""What huggingface_hub has used to reach the hub, by version, and what datasets uses."""
NOT_FETCHED = frozenset({"LocalEntryNotFoundError", "OfflineModeIsEnabled"})
"""What huggingface_hub raises where a file is not cached and the hub is not asked, or does not answer."""
PASSING_STATUS = frozenset({408, 425, 429})
"""Answers of a server, besides those from 500, that say: later."""


def kind_of(error: BaseException) -> FailureKind:
    """Return the kind of failure that an exception stands for, by itself and by what caused it.

    What failed to load for lack of memory or disk is no `load_error`: the cause decides.
    """
    chain = list(causes(error))
    if any(isinstance(link, KeyboardInterrupt) for link in chain):
        return FailureKind.INTERRUPTED
    kind_by_name = None
    for link in chain:
        # The outermost knows most: it saw what the inner one was in the middle of.
        if isinstance(link, TrialError):
            kind_by_name = FailureKind(link.kind)
            break
    if kind_by_name is not None and kind_by_name is not FailureKind.LOAD_ERROR:
        return kind_by_name
    if any(lacks_memory(link) for link in chain):
        return FailureKind.OUT_OF_MEMORY
    if any(is_trouble(link) for link in chain):
        return FailureKind.INFRASTRUCTURE
    if kind_by_name is FailureKind.LOAD_ERROR:
        return FailureKind.LOAD_ERROR
    if any(is_broken_file(link) for link in chain):
        return FailureKind.LOAD_ERROR
    return FailureKind.CRASH


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what caused it, what caused that, and so on."""
    passed: set[int] = set()
    link: BaseException | None = error
    # Exceptions may cause each other in a circle.
    while link is not None and id(link) not in passed:
        passed.add(id(link))
        yield link
        cause = link.__cause__
        # `raise ... from None` hides what was handled meanwhile, and a traceback shows none of it.
        if cause is None and not link.__suppress_context__:
            cause = link.__context__
        link = cause


def lacks_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory ran out, of the processor or of a GPU."""
    if isinstance(error, MemoryError):
        return True
    # torch's class is told by its name: this module loads no torch.
    if type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return _speaks_for_the_system(error) and says_lack_of_memory(str(error))


def says_lack_of_memory(text: str) -> bool:
    """Return whether a message says that memory ran out."""
    lowered = text.lower()
    return any(sign in lowered for sign in LACK_OF_MEMORY)


def says_gpu_trouble(text: str) -> bool:
    """Return whether a message says that a GPU or its driver failed."""
    lowered = text.lower()
    return any(sign in lowered for sign in GPU_TROUBLE)


def is_trouble(error: BaseException) -> bool:
    """Return whether an exception tells of a disk, a network or a machine that failed."""
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror | DamagedFileError):
        return True
    if isinstance(error, OSError) and error.errno in TROUBLE_NUMBERS:
        return True
    if type(error).__name__ in NOT_FETCHED:
        return True
    if _is_of_the_network(error):
        return _may_pass(error)
    if not _speaks_for_the_system(error):
        return False
    lowered = str(error).lower()
    return any(sign in lowered for sign in TROUBLE)


def is_broken_file(error: BaseException) -> bool:
    """Return whether an exception tells of weights that are cut short, damaged or no safetensors at all."""
    if type(error).__name__ != "SafetensorError":
        return False
    # While weights are written, it is the disk that fails.
    return "while serializing" not in str(error)


def _speaks_for_the_system(error: BaseException) -> bool:
    """Return whether an exception's text may be taken as the system's.

    A `ValueError` may quote the user's data, in which "out of memory" is an ordinary label; Rust's libraries raise
    classes of their own or a bare `Exception`.
    """
    if isinstance(error, TrialError):
        return False
    is_of_rust = type(error) is Exception or type(error).__name__ == "SafetensorError"
    return is_of_rust or isinstance(error, RuntimeError | OSError)


def _is_of_the_network(error: BaseException) -> bool:
    """Return whether an exception's class, or one that it derives from, is of a library that talks to servers."""
    packages = set()
    for kind in type(error).__mro__:
        package, _, _ = kind.__module__.partition(".")
        packages.add(package)
    return not packages.isdisjoint(NETWORK_LIBRARIES)


def _may_pass(error: BaseException) -> bool:
    """Return whether an error of the network is no definite answer, such as 404 for a file that is not there."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    # Without an answer, nobody knows whether the file is there.
    if not isinstance(status, int):
        return True
    return status >= 500 or status in PASSING_STATUS
