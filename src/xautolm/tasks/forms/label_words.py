"""The name of the class as the answer: of all names, the one that the model most likely says next."""

from __future__ import annotations

from dataclasses import replace

from xautolm.tasks.forms.generate import FORM as GENERATE

FORM = replace(
    GENERATE,
    name="label-words",
    title="says the name of the class",
    is_open_ended=False,
    # Names whose first tokens differ are told apart in one pass; others need a pass for each class, 4 for 4 names
    # (benchmarks/validation_passes.md).
    validation_passes=2.0,
)
