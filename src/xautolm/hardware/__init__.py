"""What this process may use: cores, memory, GPUs, and how fast the processor computes."""

from xautolm.hardware.bf16 import bf16_speedup, computes_in_bf16
from xautolm.hardware.gpu_speed import UnusableGpuError
from xautolm.hardware.profile import AUTO, measured_machine, system_profile, trial_places
from xautolm.hardware.software import installed_versions

__all__ = [
    "AUTO",
    "UnusableGpuError",
    "bf16_speedup",
    "computes_in_bf16",
    "gpus",
    "installed_versions",
    "measured_machine",
    "system_profile",
    "trial_places",
]
