"""Meta-features of a generation or question-answering task: the paper's eleven."""

from __future__ import annotations

import numpy as np

from xautolm.metafeatures.base import Sample
from xautolm.metafeatures.semantic import embed
from xautolm.metafeatures.statistics import spread, type_token_ratio, words

ROUGE_WORDS = 200
"""Words of each side that the longest common subsequence is computed over."""
ROUGE_PAIRS = 300


class PaperGeneration:
    """The eleven of XAutoLM (arXiv 2508.00924): lengths, vocabularies, and how near prompts and targets are."""

    name = "generation-paper.v1"
    part = "task"
    targets = "texts"
    features = (
        "samples",
        "prompt_length_mean",
        "prompt_length_std",
        "prompt_type_token_ratio",
        "target_length_mean",
        "target_length_std",
        "target_type_token_ratio",
        "target_prompt_length_ratio",
        "target_vocabulary_novelty",
        "prompt_target_similarity",
        "prompt_target_rouge_l",
    )

    def compute(self, sample: Sample) -> tuple[float, ...]:
        """Lengths in characters; similarity is the cosine of hashed embeddings, as of `semantic-hashed.v1`."""
        prompts, targets = list(sample.texts), [str(target) for target in sample.targets]
        lengths = [(len(prompt), len(target)) for prompt, target in zip(prompts, targets, strict=True)]
        known = {word for prompt in prompts for word in words(prompt)}
        new = {word for target in targets for word in words(target)}
        similar = (embed(prompts) * embed(targets)).sum(axis=1)
        pairs = list(zip(prompts, targets, strict=True))[:ROUGE_PAIRS]
        return (
            float(sample.examples),
            *spread([prompt for prompt, _ in lengths]),
            type_token_ratio(prompts),
            *spread([target for _, target in lengths]),
            type_token_ratio(targets),
            float(np.mean([target / max(prompt, 1) for prompt, target in lengths])),
            len(new - known) / max(len(new), 1),
            float(similar.mean()),
            float(np.mean([rouge_l(words(prompt), words(target)) for prompt, target in pairs])),
        )


def rouge_l(reference: list[str], candidate: list[str]) -> float:
    """F1 of the longest common subsequence of two lists of words (Lin, 2004)."""
    first, second = reference[:ROUGE_WORDS], candidate[:ROUGE_WORDS]
    previous = [0] * (len(second) + 1)
    for word in first:
        current = [0]
        for column, other in enumerate(second, start=1):
            current.append(previous[column - 1] + 1 if word == other else max(previous[column], current[-1]))
        previous = current
    common = previous[-1]
    return 2 * common / (len(first) + len(second)) if common else 0.0


GROUPS = PaperGeneration()
