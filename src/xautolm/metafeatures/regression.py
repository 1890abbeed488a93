"""Meta-features of a regression task; the paper has none."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from xautolm.metafeatures.base import Part, Sample
from xautolm.metafeatures.statistics import spread, type_token_ratio
from xautolm.vocabulary import TargetKind

FOLDS = 5
"""Of the cross-validation of the landmarker; fewer where there are fewer than ten texts."""


class Regression:
    """Size, lengths, how the numbers are spread, and a linear landmarker."""

    name = "regression.v1"
    part = Part.TASK
    aspect = "paper"
    noise = 0.0
    targets = TargetKind.NUMBERS
    features = (
        "samples",
        "document_length_mean",
        "document_length_std",
        "type_token_ratio",
        "distinct_number_share",
        "number_skewness",
        "linear_probe_r2",
    )

    def compute(self, sample: Sample) -> tuple[float, ...]:
        """Return lengths in characters, and two numbers about the targets.

        The skewness is the third standardised moment, without its sign; the landmarker is the R², at least 0, of ridge
        regression on hashed n-grams, in 5 folds.
        """
        numbers = np.asarray(sample.targets, dtype=float)
        # Targets that are all equal have no deviation.
        standardised = (numbers - numbers.mean()) / (numbers.std() or 1.0)
        skewness = float((standardised**3).mean())
        distinct_share = len(set(numbers.tolist())) / len(numbers)
        length_mean, length_deviation = spread([len(text) for text in sample.texts])
        return (
            float(sample.examples),
            length_mean,
            length_deviation,
            type_token_ratio(sample.texts),
            distinct_share,
            abs(skewness),
            _probe_r2(sample.texts, standardised, sample.seed),
        )


def _probe_r2(texts: Sequence[str], numbers: np.ndarray, seed: int) -> float:
    """Return the mean R² of a linear probe over folds, at least 0; 0 where there are too few texts for folds."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.pipeline import make_pipeline

    # The R² of a single text is not defined: a fold has two at least.
    folds = min(FOLDS, len(texts) // 2)
    if folds < 2:
        return 0.0
    vectorizer = HashingVectorizer(n_features=2**14, ngram_range=(1, 2), token_pattern=r"\w+")
    model = make_pipeline(vectorizer, Ridge())
    splitter = KFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A fold that cannot be scored counts as 0, without a warning.
        warnings.simplefilter("ignore")
        scores = cross_val_score(
            model, list(texts), numbers, scoring="r2", cv=splitter, error_score=0.0
        )
    mean = float(np.nan_to_num(scores).mean())
    return max(mean, 0.0)


GROUPS = Regression()
