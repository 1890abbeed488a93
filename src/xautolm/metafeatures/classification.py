"""Meta-features of a classification task: the paper's ten, and ours beside them."""

from __future__ import annotations

import unicodedata
import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np

from xautolm.metafeatures.base import Sample
from xautolm.metafeatures.statistics import spread, stratum, type_token_ratio, words

FOLDS = 5
LATIN_SAMPLE = 200_000
"""Characters looked at to tell alphabets."""


class PaperClassification:
    """The ten of XAutoLM (arXiv 2508.00924): sizes, class balance, document lengths, a decision-tree landmarker."""

    name = "classification-paper.v1"
    part = "task"
    aspect = "paper"
    noise = 0.0
    targets = "classes"
    features = (
        "samples",
        "classes",
        "class_entropy_bits",
        "smallest_class_probability",
        "largest_class_probability",
        "class_imbalance_ratio",
        "document_length_mean",
        "document_length_std",
        "document_length_variation",
        "decision_tree_accuracy",
    )

    def compute(self, sample: Sample) -> tuple[float, ...]:
        """Lengths in characters; the landmarker is the accuracy of a tree of depth 5 on reduced TF-IDF, in 5 folds."""
        labels = [stratum(target) for target in sample.targets]
        shares = np.asarray(list(Counter(labels).values()), dtype=float) / len(labels)
        mean, deviation = spread([len(text) for text in sample.texts])
        return (
            float(sample.examples),
            float(len(shares)),
            float(-(shares * np.log2(shares)).sum()),
            float(shares.min()),
            float(shares.max()),
            float(shares.min() / shares.max()),
            mean,
            deviation,
            deviation / mean if mean else 0.0,
            _tree_accuracy(sample.texts, labels, sample.seed),
        )


class Classification:
    """What the paper's ten leave out: tokens, vocabulary, alphabets, duplicates, and two more landmarkers."""

    name = "classification.v1"
    part = "task"
    aspect = "language"
    noise = 0.0
    targets = "classes"
    features = (
        "token_length_mean",
        "token_length_std",
        "type_token_ratio",
        "non_ascii_share",
        "non_latin_letter_share",
        "duplicate_share",
        "majority_f1_macro",
        "linear_probe_f1_macro",
    )

    def compute(self, sample: Sample) -> tuple[float, ...]:
        """Landmarkers are macro-F1: of always saying the largest class, and of a linear probe on hashed n-grams."""
        labels = [stratum(target) for target in sample.targets]
        mean, deviation = spread([len(words(text)) for text in sample.texts])
        together = "".join(sample.texts)[:LATIN_SAMPLE]
        letters = [character for character in together if character.isalpha()]
        foreign = sum(not unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
        counts = Counter(labels)
        largest = max(counts.values()) / len(labels)
        return (
            mean,
            deviation,
            type_token_ratio(sample.texts),
            sum(not character.isascii() for character in together) / max(len(together), 1),
            foreign / max(len(letters), 1),
            1 - len(set(sample.texts)) / len(sample.texts),
            2 * largest / (1 + largest) / len(counts),
            _probe_f1(sample.texts, labels, sample.seed),
        )


def _tree_accuracy(texts: Sequence[str], labels: Sequence[str], seed: int) -> float:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    model = make_pipeline(
        TfidfVectorizer(max_features=10_000, token_pattern=r"\w+"),
        TruncatedSVD(n_components=20, random_state=seed),
        DecisionTreeClassifier(max_depth=5, random_state=seed),
    )
    return _cross_validated(model, texts, labels, "accuracy", seed)


def _probe_f1(texts: Sequence[str], labels: Sequence[str], seed: int) -> float:
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        HashingVectorizer(n_features=2**16, ngram_range=(1, 2), token_pattern=r"\w+"),
        SGDClassifier(max_iter=20, tol=1e-3, random_state=seed),
    )
    return _cross_validated(model, texts, labels, "f1_macro", seed)


def _cross_validated(model: object, texts: Sequence[str], labels: Sequence[str], scoring: str, seed: int) -> float:
    """Mean score over stratified folds; 0 where the data is too small or too empty for it."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    counts = Counter(labels)
    kept = [index for index, label in enumerate(labels) if counts[label] > 1]
    chosen = [labels[index] for index in kept]
    folds = min(FOLDS, min(Counter(chosen).values(), default=0))
    if folds < 2 or len(set(chosen)) < 2:
        return 0.0
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = cross_val_score(
                model, [texts[index] for index in kept], chosen, scoring=scoring, cv=splitter, error_score=0.0
            )
        except ValueError:
            return 0.0  # no fold could be fitted, as with texts that hold no word
    return float(np.nan_to_num(found).mean())


GROUPS = (PaperClassification(), Classification())
