"""Say how a winner is put to use: the lines of plain transformers, and the command.

Card, report and terminal all take what they say from here, and tests run the lines and the command.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xautolm.run_folder import ANSWERING
from xautolm.serialization import read_json
from xautolm.tasks import TASKS, Task

PLACEHOLDER = "PATH_TO_THIS_FOLDER"
"""Stands in the lines of a card, which moves with its folder."""

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

CLASSIFY_MANY = """from transformers import pipeline

classify = pipeline("text-classification", model="PATH_TO_THIS_FOLDER", top_k=None)
(classes,) = classify([{example}])
print([found["label"] for found in classes if found["score"] > 0.5])"""

CLASSIFY_MEAN = """from sentence_transformers import SentenceTransformer

labels = {labels}
model = SentenceTransformer("PATH_TO_THIS_FOLDER")
(logits,) = model.encode([{example}])
print({said})"""
"""A model that pools the mean of its tokens: what it encodes a text as are the logits of its labels."""

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
    """Return Python that asks a model in plain transformers; `PLACEHOLDER` stands for the model's folder.

    Args:
        settings: What lies beside its weights as `xautolm.json`.
        architecture: Of the model.
        prompt: An example, for models that generate.
    """
    form = settings["form"]
    if settings.get("pooling") == "mean":
        return _usage_of_mean(settings)
    if form == "classify":
        # Without `top_k=None` a pipeline says the likeliest class only, and drops the others of a multi-label model.
        has_many = TASKS.get(settings["task"]).problem_type == "multi_label_classification"
        template = CLASSIFY_MANY if has_many else CLASSIFY
        return template.format(example=_example(settings))
    if form == "regress":
        return REGRESS.format(example=_example(settings), mean=settings["mean"], deviation=settings["deviation"])
    if form == "extract":
        return EXTRACT.format(answer_tokens=settings["answer_tokens"])
    is_decoder = architecture == "decoder"
    return GENERATE.format(
        auto_class="AutoModelForCausalLM" if is_decoder else "AutoModelForSeq2SeqLM",
        prompt=prompt,
        inputs=CHAT_INPUTS if settings.get("chat") else 'inputs = tokenizer(prompt, return_tensors="pt")',
        answer_tokens=settings["answer_tokens"],
        after="[inputs.input_ids.shape[1] :]" if is_decoder else "",
    )


def folder_kind(settings: Mapping[str, Any]) -> str:
    """Return in a sentence which library loads a model's folder.

    Args:
        settings: What lies beside its weights as `xautolm.json`.
    """
    if settings.get("pooling") == "mean":
        return (
            "This is a folder of sentence-transformers (its parts stand in `modules.json`), whose `encode` gives the "
            "logits; a plain `pipeline(...)` of transformers does not load it. `xautolm fit --export pipeline` keeps a "
            "search to what it loads."
        )
    return "This is a plain folder of transformers."


def library_of(settings: Mapping[str, Any]) -> str:
    """Return the library that loads a model's folder, as the hub calls it."""
    return "sentence-transformers" if settings.get("pooling") == "mean" else "transformers"


def _usage_of_mean(settings: Mapping[str, Any]) -> str:
    """Return Python for a folder that sentence-transformers loads."""
    task = TASKS.get(settings["task"])
    if task.problem_type == "regression":
        said = f"logits[0] * {settings['deviation']} + {settings['mean']}"
    elif task.problem_type == "multi_label_classification":
        said = "[label for label, logit in zip(labels, logits) if logit > 0]"
    else:
        said = "labels[logits.argmax()]"
    is_pair = len(task.inputs) > 1 and not settings.get("joint")
    example = '["some text", "another text"]' if is_pair else _example(settings)
    return CLASSIFY_MEAN.format(labels=list(settings["labels"]), example=example, said=said)


def _example(settings: Mapping[str, Any]) -> str:
    """Return the Python of an example input: a text, or a pair as the model's tokenizer tells its texts apart."""
    is_pair = len(TASKS.get(settings["task"]).inputs) > 1
    if not is_pair:
        return '"some text"'
    joint = settings.get("joint")
    if joint:
        return repr(f"some text{joint}another text")
    return '{"text": "some text", "text_pair": "another text"}'


def usage_of(folder: Path) -> str:
    """Return the lines that ask the model in a folder, with the folder's path in them.

    The architecture is what transformers wrote into the model's `config.json`.
    """
    settings = read_json(folder / ANSWERING)
    config = folder / "config.json"
    speaks_apart = config.exists() and read_json(config).get("is_encoder_decoder", False)
    architecture = "encoder-decoder" if speaks_apart else "decoder"
    lines = usage(settings, architecture, example_prompt(TASKS.get(settings["task"])))
    # As Python writes it: a path may hold quotes and backslashes.
    return lines.replace(f'"{PLACEHOLDER}"', repr(str(folder)))


def example_prompt(task: Task) -> str:
    """Return what a model that generates is asked, with `Some text.` and the like as the inputs."""
    row = {name: f"Some {name}." for name in task.inputs}
    return "".join(task.parts(row))


def predict_command(run: Path, inputs: Sequence[str]) -> str:
    """Return a command that asks the winner of a run and runs as it stands, in any shell.

    Args:
        run: The run's folder.
        inputs: Names of the task's inputs; several are one argument with a tab between, written as a backslash and t.
    """
    example = r"\t".join(f"some {name}" for name in inputs)
    folder = str(run)
    if folder.startswith("-"):
        folder = f"./{folder}"  # else it would be an option
    return f'xautolm predict {shlex.quote(folder)} "{example}"'
