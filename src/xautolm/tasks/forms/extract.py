"""A span of the context as the answer: a start and an end score for each of its tokens."""

from __future__ import annotations

from xautolm.records import Form, TrainedModel

SPAN = """import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("PATH_TO_THIS_FOLDER")
model = AutoModelForQuestionAnswering.from_pretrained("PATH_TO_THIS_FOLDER").eval()
question, context = "Who wrote it?", "It was written by Ada."
inputs = tokenizer(question, context, truncation="only_second", return_tensors="pt", return_offsets_mapping=True)
offsets = inputs.pop("offset_mapping")[0]
with torch.inference_mode():
    output = model(**inputs)
scores = output.start_logits[0][:, None] + output.end_logits[0]
inside = torch.tensor([part == 1 for part in inputs.sequence_ids()])
is_span = (inside[:, None] & inside).triu().tril({answer_tokens} - 1)
start, end = divmod(int(scores.masked_fill(~is_span, -1e9).argmax()), len(scores))
{answer}"""

ALWAYS_ANSWERS = "print(context[offsets[start][0] : offsets[end][1]])"
MAY_HAVE_NO_ANSWER = """# The first token stands for "no answer".
has_answer = scores[start, end] >= scores[0, 0]
print(context[offsets[start][0] : offsets[end][1]] if has_answer else "")"""


def usage(model: TrainedModel) -> str:
    """Return Python that asks a model for the best span of one window of a context, or for none if it may say so."""
    answering = model.answering
    answer = MAY_HAVE_NO_ANSWER if answering.may_be_empty else ALWAYS_ANSWERS
    return SPAN.format(answer_tokens=answering.answer_tokens, answer=answer)


FORM = Form(
    name="extract",
    title="points at a span of the context",
    pipeline_tag="question-answering",
    says_words=False,
    has_linear_head=False,
    validation_passes=1.0,
    usage=usage,
)
