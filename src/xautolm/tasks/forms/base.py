"""What the lines that ask a trained model have in common over forms."""

from __future__ import annotations

from xautolm.records import TrainedModel

MEAN_POOLED = """from sentence_transformers import SentenceTransformer

labels = {labels}
model = SentenceTransformer("PATH_TO_THIS_FOLDER")
(logits,) = model.encode([{example}])
print({answer})"""
"""For a model that pools the mean of its tokens: what it encodes a text as are the logits of its labels."""


def mean_pooled_usage(model: TrainedModel, answer: str) -> str:
    """Return Python for a folder that sentence-transformers loads.

    Args:
        model: The folder.
        answer: The Python of the answer, from `logits` and `labels`.
    """
    labels = list(model.answering.labels)
    is_pair = len(model.inputs) > 1
    has_joint = bool(model.answering.joint)
    example = example_input(model)
    if is_pair and not has_joint:
        # sentence-transformers takes a pair as a list, where pipelines take a mapping.
        example = '["some text", "another text"]'
    return MEAN_POOLED.format(labels=labels, example=example, answer=answer)


def example_input(model: TrainedModel) -> str:
    """Return the Python of an example input: a text, or a pair as the model's tokenizer tells its texts apart."""
    if len(model.inputs) == 1:
        return '"some text"'
    joint = model.answering.joint
    if joint:
        return repr(f"some text{joint}another text")
    return '{"text": "some text", "text_pair": "another text"}'
