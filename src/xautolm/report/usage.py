"""The lines of plain transformers that put a winner to use; they stand in its model card, and a test runs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xautolm.tasks import TASKS

PIPELINE_TAGS = {
    "classify": "text-classification",
    "regress": "text-classification",
    "extract": "question-answering",
    "generate": "text-generation",
    "label-words": "text-generation",
}

CLASSIFY = """from transformers import pipeline

classify = pipeline("text-classification", model="PATH_TO_THIS_FOLDER")
print(classify({example}))"""

REGRESS = """from transformers import pipeline

score = pipeline("text-classification", model="PATH_TO_THIS_FOLDER", function_to_apply="none")
(found,) = score([{example}])
print(found["score"] * {deviation} + {mean})"""

EXTRACT = """import torch
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
print(context[offsets[start][0] : offsets[end][1]])"""

GENERATE = """from transformers import {auto_class}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("PATH_TO_THIS_FOLDER")
model = {auto_class}.from_pretrained("PATH_TO_THIS_FOLDER").eval()
prompt = {prompt!r}
{inputs}
inputs.pop("token_type_ids", None)
output = model.generate(
    **inputs, max_new_tokens={answer_tokens}, do_sample=False, eos_token_id=tokenizer.eos_token_id
)
print(tokenizer.decode(output[0]{after}, skip_special_tokens=True).strip())"""

CHAT_INPUTS = """turn = tokenizer.apply_chat_template(
    [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False, enable_thinking=False
)
inputs = tokenizer(turn, add_special_tokens=False, return_tensors="pt")"""


def usage(settings: Mapping[str, Any], architecture: str, prompt: str) -> str:
    """Python that asks a model in plain transformers.

    Args:
        settings: What lies beside its weights as `xautolm.json`.
        architecture: Of the model.
        prompt: An example, for models that generate.
    """
    if settings["form"] in {"classify", "regress"}:
        is_pair = len(TASKS.get(settings["task"]).inputs) > 1
        joined = repr(settings.get("joint", "").join(("some text", "another text")))
        pair = joined if settings.get("joint") else '{"text": "some text", "text_pair": "another text"}'
        example = pair if is_pair else '"some text"'
        if settings["form"] == "classify":
            return CLASSIFY.format(example=example)
        return REGRESS.format(example=example, mean=settings["mean"], deviation=settings["deviation"])
    if settings["form"] == "extract":
        return EXTRACT.format(answer_tokens=settings["answer_tokens"])
    is_decoder = architecture == "decoder"
    return GENERATE.format(
        auto_class="AutoModelForCausalLM" if is_decoder else "AutoModelForSeq2SeqLM",
        prompt=prompt,
        inputs=CHAT_INPUTS if settings.get("chat") else 'inputs = tokenizer(prompt, return_tensors="pt")',
        answer_tokens=settings["answer_tokens"],
        after="[inputs.input_ids.shape[1] :]" if is_decoder else "",
    )
