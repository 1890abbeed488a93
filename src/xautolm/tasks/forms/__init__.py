"""What a form of a task is without torch, one file each; `finetuning/forms` has the rest of it, by the same name."""

from xautolm.records import Answering, Form, TrainedModel
from xautolm.registry import Registry

FORMS: Registry[Form] = Registry("form", __name__, "FORM", helpers=("base",))

__all__ = ["FORMS", "Answering", "Form", "TrainedModel"]
