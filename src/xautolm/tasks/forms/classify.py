"""A classifier on top of any model: one score for each class."""

from __future__ import annotations

from xautolm.records import Form, TrainedModel
from xautolm.tasks.forms.base import example_input, mean_pooled_usage
from xautolm.vocabulary import Pooling, Targets

# Without `truncation` a pipeline reads longer texts than the model was trained on, or fails beyond its last position.
LIKELIEST_CLASS = """from transformers import pipeline

classify = pipeline("text-classification", model="PATH_TO_THIS_FOLDER", truncation=True)
print(classify({example}))"""

ALL_LABELS = """from transformers import pipeline

classify = pipeline("text-classification", model="PATH_TO_THIS_FOLDER", truncation=True, top_k=None)
(classes,) = classify([{example}])
print([found["label"] for found in classes if found["score"] > 0.5])"""
"""Without `top_k=None` a pipeline says the likeliest class only, and drops the others of a multi-label model."""


def usage(model: TrainedModel) -> str:
    """Return Python that asks a classifier for the class of a text, or for all of its labels."""
    if model.answering.pooling is Pooling.MEAN:
        return mean_pooled_usage(model, answer(model))
    has_many_labels = model.problem_type == Targets.INDICATORS
    template = ALL_LABELS if has_many_labels else LIKELIEST_CLASS
    return template.format(example=example_input(model))


def answer(model: TrainedModel) -> str:
    """Return the Python of the class of a text, or of its labels, from `logits` and `labels`."""
    if model.problem_type == Targets.INDICATORS:
        # A logit above 0 is a probability above one half.
        return "[label for label, logit in zip(labels, logits) if logit > 0]"
    return "labels[logits.argmax()]"


FORM = Form(
    name="classify",
    title="puts a classifier on top",
    pipeline_tag="text-classification",
    says_words=False,
    has_linear_head=True,
    chooses_class=True,
    validation_passes=1.0,
    usage=usage,
    answer=answer,
)
