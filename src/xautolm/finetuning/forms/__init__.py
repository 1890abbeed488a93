"""What a form of a task does in a trial, one file each; its record, without torch, is in `tasks/forms`."""

from xautolm.finetuning.forms.base import TorchForm
from xautolm.registry import Registry

TORCH_FORMS: Registry[TorchForm] = Registry("form", __name__, "FORM", helpers=("base",))

__all__ = ["TORCH_FORMS", "TorchForm"]
