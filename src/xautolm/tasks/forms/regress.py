"""One number on top of any model."""

from __future__ import annotations

from xautolm.records import Form, TrainedModel
from xautolm.tasks.forms.base import example_input, mean_pooled_usage
from xautolm.vocabulary import Pooling

NUMBER = """from transformers import pipeline

score = pipeline(
    "text-classification", model="PATH_TO_THIS_FOLDER", truncation=True, function_to_apply="none"
)
(found,) = score([{example}])
print(found["score"] * {deviation} + {mean})"""
"""Models learn numbers in standard deviations from their mean; the last line turns them into the data's own units."""


def usage(model: TrainedModel) -> str:
    """Return Python that asks a model for the number of a text, in the data's own units."""
    answering = model.answering
    if answering.pooling is Pooling.MEAN:
        return mean_pooled_usage(model, answer(model))
    example = example_input(model)
    return NUMBER.format(example=example, mean=answering.mean, deviation=answering.deviation)


def answer(model: TrainedModel) -> str:
    """Return the Python of the number of a text, in the data's own units, from `logits`."""
    return f"logits[0] * {model.answering.deviation} + {model.answering.mean}"


FORM = Form(
    name="regress",
    title="puts one number on top",
    # The hub has no tag for regression; its pipeline for classes gives the number.
    pipeline_tag="text-classification",
    says_words=False,
    has_linear_head=True,
    validation_passes=1.0,
    usage=usage,
    answer=answer,
)
