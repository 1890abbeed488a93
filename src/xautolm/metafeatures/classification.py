"""Meta-features of a classification task: the paper's ten, and ours beside them."""

from __future__ import annotations

import unicodedata
import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np

from xautolm.metafeatures.base import Part, Sample
from xautolm.metafeatures.statistics import spread, stratum, type_token_ratio, words
from xautolm.vocabulary import TargetKind

FOLDS = 5
"""Of the cross-validation of landmarkers; fewer where the smallest class has fewer texts."""
LATIN_SAMPLE = 200_000
"""Characters looked at to tell alphabets."""


class PaperClassification:
    """Compute the ten of XAutoLM (arXiv 2508.00924): sizes, class balance, document lengths and a landmarker."""

    name = "classification-paper.v1"
    part = Part.TASK
    aspect = "paper"
    noise = 0.0
    targets = TargetKind.CLASSES
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
        """Return the ten; lengths in characters.

        The landmarker is the accuracy of a decision tree of depth 5 on reduced TF-IDF, in 5 folds.
        """
        labels = [stratum(target) for target in sample.targets]
        counts = Counter(labels)
        # Every class that was counted has a row: no share is zero, which has no logarithm.
        shares = np.asarray(list(counts.values()), dtype=float) / len(labels)
        entropy = -(shares * np.log2(shares)).sum()
        smallest = shares.min()
        largest = shares.max()
        mean, deviation = spread([len(text) for text in sample.texts])
        # All texts may be empty.
        variation = 0.0
        if mean > 0:
            variation = deviation / mean
        return (
            float(sample.examples),
            float(len(shares)),
            float(entropy),
            float(smallest),
            float(largest),
            float(smallest / largest),
            mean,
            deviation,
            variation,
            _tree_accuracy(sample.texts, labels, sample.seed),
        )


class Classification:
    """Compute what the paper's ten leave out: tokens, vocabulary, alphabets, duplicates, and two more landmarkers."""

    name = "classification.v1"
    part = Part.TASK
    aspect = "language"
    noise = 0.0
    targets = TargetKind.CLASSES
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
        """Return the numbers; lengths in words.

        Landmarkers are macro-F1: of always saying the largest class, and of a linear probe on hashed n-grams.
        """
        labels = [stratum(target) for target in sample.targets]
        mean, deviation = spread([len(words(text)) for text in sample.texts])
        beginning = "".join(sample.texts)[:LATIN_SAMPLE]
        distinct_share = len(set(sample.texts)) / len(sample.texts)
        return (
            mean,
            deviation,
            type_token_ratio(sample.texts),
            _non_ascii_share(beginning),
            _non_latin_share(beginning),
            1 - distinct_share,
            _majority_f1(labels),
            _probe_f1(sample.texts, labels, sample.seed),
        )


def _non_ascii_share(text: str) -> float:
    """Return the share of characters beyond ASCII; 0 for no text."""
    non_ascii = 0
    for character in text:
        if not character.isascii():
            non_ascii += 1
    return non_ascii / max(len(text), 1)


def _non_latin_share(text: str) -> float:
    """Return the share of letters that are not of the Latin alphabet; 0 for no letters."""
    letters = [character for character in text if character.isalpha()]
    non_latin = 0
    for letter in letters:
        # Python does not know the scripts of Unicode, but the name of a letter begins with its script.
        if not unicodedata.name(letter, "").startswith("LATIN"):
            non_latin += 1
    return non_latin / max(len(letters), 1)


def _majority_f1(labels: Sequence[str]) -> float:
    """Return the macro-F1 of always saying the largest class."""
    counts = Counter(labels)
    precision = max(counts.values()) / len(labels)
    # The recall of the largest class is 1; the F1 of every other class is 0.
    f1_of_largest = 2 * precision / (1 + precision)
    return f1_of_largest / len(counts)


def _tree_accuracy(texts: Sequence[str], labels: Sequence[str], seed: int) -> float:
    """Return the accuracy of a decision tree on TF-IDF, reduced to 20 dimensions."""
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
    """Return the macro-F1 of a linear probe on hashed words and pairs of words."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        HashingVectorizer(n_features=2**16, ngram_range=(1, 2), token_pattern=r"\w+"),
        SGDClassifier(max_iter=20, tol=1e-3, random_state=seed),
    )
    return _cross_validated(model, texts, labels, "f1_macro", seed)


def _cross_validated(
    model: object, texts: Sequence[str], labels: Sequence[str], scoring: str, seed: int
) -> float:
    """Return the mean score over stratified folds; 0 where the data is too small or too empty for it."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    counts = Counter(labels)
    # A class with one text cannot be both learned and tested.
    rows = [index for index, label in enumerate(labels) if counts[label] > 1]
    row_texts = [texts[index] for index in rows]
    row_labels = [labels[index] for index in rows]
    smallest_class = min(Counter(row_labels).values(), default=0)
    folds = min(FOLDS, smallest_class)
    # A single class cannot be told from another.
    if folds < 2 or len(set(row_labels)) < 2:
        return 0.0
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A fold that cannot be fitted counts as 0, without a warning.
        warnings.simplefilter("ignore")
        try:
            scores = cross_val_score(
                model, row_texts, row_labels, scoring=scoring, cv=splitter, error_score=0.0
            )
        except ValueError:
            # No fold could be fitted, as with texts that hold no word.
            return 0.0
    return float(np.nan_to_num(scores).mean())


GROUPS = (PaperClassification(), Classification())
