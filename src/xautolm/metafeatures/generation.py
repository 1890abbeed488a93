"""Meta-features of a generation or question-answering task: the paper's eleven, and those of them that all agree on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xautolm.metafeatures.base import Part, Sample
from xautolm.metafeatures.semantic import embed
from xautolm.metafeatures.statistics import spread, type_token_ratio, vocabulary, words
from xautolm.vocabulary import TargetKind

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
"""Pairs that ROUGE-L is computed of."""


class PaperGeneration:
    """Compute the eleven of XAutoLM (arXiv 2508.00924): lengths, vocabularies, and how near prompts and targets are."""

    name = OUR_GENERATION
    part = Part.TASK
    aspect = "paper"
    noise = 0.0
    targets = TargetKind.TEXTS
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
        """Return the eleven; lengths in characters, similarity by hashed embeddings as of `semantic-hashed.v1`."""
        prompts = list(sample.texts)
        targets = [str(target) for target in sample.targets]
        prompt_mean, prompt_deviation = spread([len(prompt) for prompt in prompts])
        target_mean, target_deviation = spread([len(target) for target in targets])
        # Embeddings have length 1, so that the sum of their products is the cosine.
        products = embed(prompts) * embed(targets)
        similarities = products.sum(axis=1)
        return (
            float(sample.examples),
            prompt_mean,
            prompt_deviation,
            type_token_ratio(prompts),
            target_mean,
            target_deviation,
            type_token_ratio(targets),
            _length_ratio(prompts, targets),
            _novelty(prompts, targets),
            float(similarities.mean()),
            _mean_rouge_l(prompts, targets),
        )


class GenerationSizes:
    """Compute the sizes among the eleven: what can be compared with experience of the paper's own program."""

    name = GENERATION_SIZES
    part = Part.TASK
    aspect = "paper"
    noise = 0.0
    targets = TargetKind.TEXTS
    features = tuple(PaperGeneration.features[position] for position in SIZES)

    def compute(self, sample: Sample) -> tuple[float, ...]:
        """Return lengths in characters."""
        prompts = list(sample.texts)
        targets = [str(target) for target in sample.targets]
        prompt_mean, prompt_deviation = spread([len(prompt) for prompt in prompts])
        target_mean, target_deviation = spread([len(target) for target in targets])
        ratio = _length_ratio(prompts, targets)
        return (
            float(sample.examples),
            prompt_mean,
            prompt_deviation,
            target_mean,
            target_deviation,
            ratio,
        )


def sizes_of(eleven: Sequence[float]) -> tuple[float, ...]:
    """Return the sizes among eleven generation features, ours or imported; nothing if they are not eleven."""
    if len(eleven) != len(PaperGeneration.features):
        return ()
    return tuple(eleven[position] for position in SIZES)


def _length_ratio(prompts: Sequence[str], targets: Sequence[str]) -> float:
    """Return the mean over all pairs of the target's length over the prompt's."""
    ratios: list[float] = []
    for prompt, target in zip(prompts, targets, strict=True):
        # An empty prompt counts as one of a single character.
        prompt_length = max(len(prompt), 1)
        ratio = len(target) / prompt_length
        ratios.append(ratio)
    return float(np.mean(ratios))


def _novelty(prompts: Sequence[str], targets: Sequence[str]) -> float:
    """Return the share of the targets' vocabulary that no prompt has; 0 for targets without words."""
    target_vocabulary = vocabulary(targets)
    new_words = target_vocabulary - vocabulary(prompts)
    return len(new_words) / max(len(target_vocabulary), 1)


def _mean_rouge_l(prompts: Sequence[str], targets: Sequence[str]) -> float:
    """Return the mean ROUGE-L of the first pairs: it takes time by the product of a pair's lengths."""
    scores: list[float] = []
    first_prompts = prompts[:ROUGE_PAIRS]
    first_targets = targets[:ROUGE_PAIRS]
    for prompt, target in zip(first_prompts, first_targets, strict=True):
        reference = words(prompt)
        candidate = words(target)
        scores.append(rouge_l(reference, candidate))
    return float(np.mean(scores))


def rouge_l(reference: list[str], candidate: list[str]) -> float:
    """Return the F1 of the longest common subsequence of two lists of words (Lin, 2004)."""
    rows = reference[:ROUGE_WORDS]
    columns = candidate[:ROUGE_WORDS]
    # Lengths for the rows so far and the first 0, 1, ... columns; only the row before is ever needed.
    previous = [0] * (len(columns) + 1)
    for row_word in rows:
        current = [0]
        for index, column_word in enumerate(columns):
            # One of the two words is left out, or both are the next of the subsequence.
            length = max(previous[index + 1], current[index])
            if row_word == column_word:
                length = previous[index] + 1
            current.append(length)
        previous = current
    common = previous[-1]
    if common == 0:
        return 0.0
    # With precision common / columns and recall common / rows.
    return 2 * common / (len(rows) + len(columns))


GROUPS = (PaperGeneration(), GenerationSizes())
