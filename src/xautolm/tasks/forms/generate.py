"""Words as the answer: a prompt goes in, a decoder or encoder-decoder says what follows."""

from __future__ import annotations

from xautolm.records import Form, TrainedModel
from xautolm.vocabulary import Architecture

CONTINUATION = """from transformers import {auto_class}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("PATH_TO_THIS_FOLDER")
model = {auto_class}.from_pretrained("PATH_TO_THIS_FOLDER").eval()
prompt = {prompt!r}
{inputs}
inputs.pop("token_type_ids", None)
output = model.generate(
    **inputs, max_new_tokens={answer_tokens}, do_sample=False, eos_token_id=tokenizer.eos_token_id
)
print(tokenizer.decode(output[0]{after}, skip_special_tokens=True).strip())"""

PLAIN_INPUTS = 'inputs = tokenizer(prompt, return_tensors="pt")'
CHAT_INPUTS = """turn = tokenizer.apply_chat_template(
    [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False, enable_thinking=False
)
inputs = tokenizer(turn, add_special_tokens=False, return_tensors="pt")"""


def usage(model: TrainedModel) -> str:
    """Return Python that lets a model continue a prompt."""
    # What a decoder returns begins with the prompt; an encoder-decoder returns the answer alone.
    is_decoder = model.architecture == Architecture.DECODER
    return CONTINUATION.format(
        auto_class="AutoModelForCausalLM" if is_decoder else "AutoModelForSeq2SeqLM",
        prompt=model.prompt,
        inputs=CHAT_INPUTS if model.answering.chat else PLAIN_INPUTS,
        answer_tokens=model.answering.answer_tokens,
        after="[inputs.input_ids.shape[1] :]" if is_decoder else "",
    )


FORM = Form(
    name="generate",
    title="says words after a prompt",
    pipeline_tag="text-generation",
    says_words=True,
    has_linear_head=False,
    is_open_ended=True,
    # Words are said one after the other, with small matrices that use little of the machine: 0.7 passes for 8 words
    # after 128 tokens, 5.2 for 32 words after 32 (benchmarks/validation_passes.md). High rather than low: too small a
    # reserve has ended a trial at its limit without a score.
    validation_passes=4.0,
    logit_copies=3,
    usage=usage,
)
