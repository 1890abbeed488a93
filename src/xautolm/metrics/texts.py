"""Metrics of texts that a model says, by the words and characters that they share with right ones."""

from __future__ import annotations

from collections.abc import Sequence

from xautolm.metrics.base import Compute, Metric
from xautolm.metrics.chrf import corpus_chrf
from xautolm.vocabulary import Targets
from xautolm.words import words_in

References = Sequence[Sequence[str]]
"""For each row the texts that are right; none where no answer is right."""
TEXTS = (Targets.TEXTS,)


def squad(name: str) -> Compute:
    """Return a score of question answering by its name in SQuAD's evaluation: `f1` or `exact_match`."""

    def compute(references: References, predictions: Sequence[str]) -> float:
        from torchmetrics.functional.text import squad as squad_scores

        targets: list[dict[str, str | dict[str, list[str] | list[int]]]] = []
        answers = []
        pairs = zip(non_empty(references), predictions, strict=True)
        for number, (texts, prediction) in enumerate(pairs):
            # The function wants the place of each answer, and does not look at it.
            right: dict[str, list[str] | list[int]] = {
                "text": texts,
                "answer_start": [0] * len(texts),
            }
            targets.append({"id": str(number), "answers": right})
            answers.append({"id": str(number), "prediction_text": prediction})
        percentages = squad_scores(answers, targets)
        # SQuAD's script counts to 100, our metrics to 1.
        return float(percentages[name]) / 100

    return compute


def rouge_l(references: References, predictions: Sequence[str]) -> float:
    """Return the F-measure of ROUGE-L, averaged over rows; where no answer is right, saying nothing counts as 1."""
    from torchmetrics.functional.text import rouge_score

    total = 0.0
    answers: list[str] = []
    right: list[list[str]] = []
    for texts, prediction in zip(references, predictions, strict=True):
        if texts:
            answers.append(prediction)
            right.append(list(texts))
        elif not prediction.strip():
            # ROUGE itself gives two empty texts 0.
            total += 1.0
    if answers:
        # Its own normalizer keeps nothing but a to z and digits: nothing at all of a Russian or Chinese text.
        rouge = rouge_score(
            answers, right, rouge_keys="rougeL", normalizer=str.lower, tokenizer=words_or_characters
        )
        total += len(answers) * float(rouge["rougeL_fmeasure"])
    return total / len(predictions)


def words_or_characters(text: str) -> list[str]:
    """Return the words of a text, or the characters of one that has none, such as an emoji."""
    words = words_in(text)
    if words:
        return words
    return list("".join(text.split()))


def chrf(references: References, predictions: Sequence[str]) -> float:
    """Return chrF++ of all rows together."""
    # That of torchmetrics leaves out the rows that share nothing with their reference, as empty answers do.
    return corpus_chrf(non_empty(references), predictions)


def non_empty(references: References) -> list[list[str]]:
    """Return the right texts of each row, the empty text where no answer is right."""
    return [list(texts) or [""] for texts in references]


METRICS = (
    Metric(
        name="token_f1", title="token F1", compute=squad("f1"), targets=TEXTS, low=0.0, high=1.0
    ),
    Metric(
        name="exact_match",
        title="exact match",
        compute=squad("exact_match"),
        targets=TEXTS,
        low=0.0,
        high=1.0,
    ),
    Metric(name="rouge_l", title="ROUGE-L", compute=rouge_l, targets=TEXTS, low=0.0, high=1.0),
    Metric(name="chrf", title="chrF++", compute=chrf, targets=TEXTS, low=0.0, high=1.0),
)
