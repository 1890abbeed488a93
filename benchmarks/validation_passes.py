"""What validating an example costs in each form that says words, in forward passes over its prompt.

    python -m benchmarks.validation_passes

A decoder with random weights reads prompts of one length: a forward pass with the logits of all tokens, as in training;
words said greedily; scores of four names of classes, told apart by their first token or by their second. Processor
seconds of one thread count, so that other programs on the machine do not.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, set_seed

from xautolm.finetuning.forms.generate import generated
from xautolm.finetuning.forms.label_words import label_scores
from xautolm.records import ANSWERS_AT_ONCE

VOCABULARY = 8_000
PROMPTS = 32
ROUNDS = 3
END = 1


class Numbers:
    """As much of a tokenizer as saying words asks for."""

    pad_token_id = 0
    eos_token_id = None

    def __len__(self) -> int:
        return VOCABULARY

    def batch_decode(self, rows: torch.Tensor, skip_special_tokens: bool) -> list[str]:
        """Return numbers as text."""
        return [str(row) for row in rows.tolist()]


def fewest_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of the quickest of some runs."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def decoder(layers: int, width: int) -> LlamaForCausalLM:
    """Return a decoder with random weights that never ends an answer by itself."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        pad_token_id=0,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config).eval()
    model.generation_config.eos_token_id = None
    return model


def main() -> None:
    """Measure, and print a table."""
    set_seed(0)
    torch.set_num_threads(1)
    told_by_first = [[10 + number, 9, END] for number in range(4)]
    told_by_second = [[5, 10 + number, END] for number in range(4)]
    print(
        "| layers, width | tokens of a prompt | 8 words | 16 words | 32 words | names, first | names, second |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for layers, width in ((2, 128), (6, 384)):
        model = decoder(layers, width)
        for length in (32, 128):
            prompts = np.random.default_rng(0).integers(20, VOCABULARY, (PROMPTS, length))
            rows = prompts.tolist()

            def one_pass(model: LlamaForCausalLM = model, prompts: np.ndarray = prompts) -> None:
                with torch.inference_mode():
                    model(input_ids=torch.from_numpy(prompts))

            def say(
                words: int, model: LlamaForCausalLM = model, rows: list[list[int]] = rows
            ) -> object:
                return generated(model, Numbers(), rows, words, ANSWERS_AT_ONCE)

            def choose(
                names: list[list[int]],
                model: LlamaForCausalLM = model,
                rows: list[list[int]] = rows,
            ) -> object:
                return label_scores(model, Numbers(), rows, names)

            unit = fewest_seconds(one_pass)
            times = [fewest_seconds(lambda words=words: say(words)) for words in (8, 16, 32)]
            times += [
                fewest_seconds(lambda names=names: choose(names))
                for names in (told_by_first, told_by_second)
            ]
            cells = " | ".join(f"{seconds / unit:.1f}" for seconds in times)
            print(f"| {layers}, {width} | {length} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
