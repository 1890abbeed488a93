"""How a task is cast for a kind of model: with a classifier on top, a span extractor on top, or words generated."""

from xautolm.finetuning.forms.base import Answering, Form
from xautolm.registry import Registry

FORMS: Registry[Form] = Registry("form", __name__, "FORM", helpers=("base",))

__all__ = ["FORMS", "Answering", "Form"]
