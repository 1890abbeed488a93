"""Adapters of peft: merged into the model that they were trained on, or kept apart from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from xautolm.finetuning.export import save_answering
from xautolm.finetuning.pretrained import read_adapters
from xautolm.records import Answering, TrialSpec
from xautolm.tasks import TASKS, form_of

LEAST_PARAMETERS = 500_000_000
"""Weights from which on a trial leaves adapters, and only the winner's are merged: 1 GB in bfloat16, which takes a
second or more to merge and as long to write, in every trial. A smaller model is whole in each trial's folder."""


def leaves_adapters(model: PreTrainedModel, spec: TrialSpec) -> bool:
    """Return whether a trial's folder gets the adapters of its model alone.

    A head of the task's own is written in the family's form, which needs the body beside it: such models are merged.

    Args:
        model: As trained.
        spec: The trial's order.
    """
    task = TASKS.get(spec.task)
    values = spec.configuration.values
    form = form_of(task.forms, spec.card.architecture, values)
    if not form.says_words or not isinstance(model, PeftModel):
        return False
    return spec.card.parameters >= LEAST_PARAMETERS


def save_adapters(
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, settings: Answering, folder: Path
) -> None:
    """Save a model's adapters, and what answering needs besides them and the untrained model, which stays where it is.

    Args:
        model: As trained.
        tokenizer: Its tokenizer.
        settings: Of answering.
        folder: Where to; made if it does not exist.
    """
    # Embeddings were not trained.
    model.save_pretrained(str(folder), save_embedding_layers=False)
    # What the folder is a model of is read from here.
    model.get_base_model().config.save_pretrained(str(folder))
    save_answering(tokenizer, settings, folder)


def without_adapters(
    model: PreTrainedModel, load_untrained: Callable[[], PreTrainedModel]
) -> PreTrainedModel:
    """Return a trained model with its adapters merged into the weights.

    Quantised weights are loaded once more and given their full width first: merging into few bits would round the
    adapters away. What is saved computes what was trained, and needs no bitsandbytes.

    Args:
        model: As trained.
        load_untrained: Loads the untrained model in the same way, on the processor.
    """
    if not isinstance(model, PeftModel):
        return model
    is_quantized = getattr(model.get_base_model(), "is_quantized", False)
    if not is_quantized:
        return model.merge_and_unload()
    with TemporaryDirectory() as adapters:
        # Embeddings were not trained.
        model.save_pretrained(adapters, save_embedding_layers=False)
        full_width = load_untrained().dequantize()
        restored = read_adapters(full_width, adapters)
        return restored.merge_and_unload()
