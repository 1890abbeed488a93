"""A winner's adapters merged into the model that they were trained on: the entry of the child that does it."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

from xautolm.finetuning.export import save_model
from xautolm.finetuning.model import bare_model
from xautolm.finetuning.pretrained import read_adapters, read_tokenizer
from xautolm.methods import has_quantized_body
from xautolm.records import Answering, TrialOutcome, TrialSpec
from xautolm.run_folder import ANSWERING, RunFolder
from xautolm.serialization import read_record, replace_folder
from xautolm.tasks import TASKS
from xautolm.vocabulary import DeviceKind, TrialStatus


def run(spec: TrialSpec, folder: Path) -> TrialOutcome:
    """Let the trial's folder `model` be a whole model in place of adapters.

    Args:
        spec: The trial's order.
        folder: The child's, not looked at.

    Raises:
        TrialError: The untrained model cannot be loaded (`load_error`).
    """
    started = time.monotonic()
    # The splits lie in a folder of their own inside the run's.
    run_folder = RunFolder(Path(spec.data).parent)
    trained = run_folder.model(spec.number)
    if spec.trains_on_validation:
        trained = run_folder.refit_model
    tokenizer = read_tokenizer(trained)
    settings = read_record(Answering, trained / ANSWERING)
    # In main memory: other trials may have the GPU's.
    on_processor = replace(spec, device=DeviceKind.CPU.value)
    untrained = bare_model(on_processor, TASKS.get(spec.task), tokenizer)
    if has_quantized_body(spec.configuration.values):
        # Merging into few bits would round the adapters away.
        untrained = untrained.dequantize()
    whole = read_adapters(untrained, trained).merge_and_unload()

    fresh = trained.with_name(f".{trained.name}")
    # What a kill left of an earlier attempt.
    shutil.rmtree(fresh, ignore_errors=True)
    save_model(whole, tokenizer, settings, fresh)
    replace_folder(fresh, trained)
    evaluation_time = time.monotonic() - started
    return TrialOutcome(status=TrialStatus.COMPLETE, evaluation_time=evaluation_time)
