"""What this process may use: cores, memory, GPUs, and how fast the processor computes."""

from xautolm.hardware.bf16 import bf16_speedup, computes_in_bf16
from xautolm.hardware.gpu_speed import with_gpu_speeds
from xautolm.hardware.profile import system_profile, trial_places
from xautolm.hardware.software import installed_versions

__all__ = [
    "bf16_speedup",
    "computes_in_bf16",
    "gpus",
    "installed_versions",
    "system_profile",
    "trial_places",
    "with_gpu_speeds",
]
