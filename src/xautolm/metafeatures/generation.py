"""Meta-features of a generation or question-answering task: the paper's eleven, and those of them that all agree on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xautolm.metafeatures.base import Sample
from xautolm.metafeatures.semantic import embed
from xautolm.metafeatures.statistics import spread, type_token_ratio, words

OUR_GENERATION = "generation-paper.v1"
GENERATION_SIZES = "generation-sizes.v1"
AUTOGOAL_GENERATION = "generation-autogoal.v1"
"""The eleven as the paper's program computes them. Type-token ratios, novelty and similarity are not ours: it counts
words of letters only without stop words, takes the novelty pair by pair, and the similarity of sentence embeddings."""
SIZES = (0, 1, 2, 4, 5, 7)
"""Where among the eleven the sizes stand, which both compute alike."""
ROUGE_WORDS = 200
"""Words of each side that the longest common subsequence is computed over."""
ROUGE_PAIRS = 300


class PaperGeneration:
    """The eleven of XAutoLM (arXiv 2508.00924): lengths, vocabularies, and how near prompts and targets are."""

    name = OUR_GENERATION
    part = "task"
    aspect = "paper"
    noise = 0.0
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


class GenerationSizes:
    """The sizes among the eleven: what can be compared with experience of the paper's own program."""

    name = GENERATION_SIZES
    part = "task"
    aspect = "paper"
    noise = 0.0
    targets = "texts"
    features = tuple(PaperGeneration.features[position] for position in SIZES)

    def compute(self, sample: Sample) -> tuple[float, ...]:
        """Lengths in characters."""
        prompt_lengths = [len(prompt) for prompt in sample.texts]
        target_lengths = [len(str(target)) for target in sample.targets]
        ratios = [
            target_length / max(prompt_length, 1)
            for prompt_length, target_length in zip(prompt_lengths, target_lengths, strict=True)
        ]
        return (
            float(sample.examples),
            *spread(prompt_lengths),
            *spread(target_lengths),
            float(np.mean(ratios)),
        )


def sizes_of(eleven: Sequence[float]) -> tuple[float, ...]:
    """Return the sizes among eleven generation features, ours or imported; nothing if they are not eleven."""
    if len(eleven) != len(PaperGeneration.features):
        return ()
    return tuple(eleven[position] for position in SIZES)


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


GROUPS = (PaperGeneration(), GenerationSizes())
