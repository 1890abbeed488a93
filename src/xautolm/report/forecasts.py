"""The section of a run's page on what was predicted of its trials and what happened."""

from __future__ import annotations

from dataclasses import dataclass

from xautolm.forecasts import AmountCheck, FailureBin, FailureCheck, ForecastCheck

NINE_OF_TEN = "nine of ten are meant to lie in their intervals"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSection:
    """Say what the template `forecasts.html` shows."""

    sentences: tuple[str, ...]
    bins: tuple[FailureBin, ...]


def forecast_section(check: ForecastCheck | None) -> ForecastSection | None:
    """Return the section; None for a run from before forecasts were kept, and where nothing can be compared."""
    if check is None or check.is_empty:
        return None
    bins: tuple[FailureBin, ...] = ()
    if check.failure is not None:
        bins = check.failure.bins
    sentences = tuple(check_in_words(check))
    return ForecastSection(sentences=sentences, bins=bins)


def check_in_words(check: ForecastCheck) -> list[str]:
    """Return a comparison of forecasts and what happened as sentences."""
    sentences: list[str] = []
    if check.seconds is not None:
        sentences.append(f"Wall time: {_amount(check.seconds)}.")
    if check.memory is not None:
        sentences.append(f"Peak memory: {_amount(check.memory)}.")
    if check.failure is not None:
        sentences.append(f"Failure: {_failure(check.failure)}.")
    if check.quality is not None:
        trials = _counted(check.quality.trials, "trial")
        sentences.append(
            f"Quality: predicted and reached scores of {trials} have a rank correlation of "
            f"{check.quality.rank_correlation:.2f}."
        )
    return sentences


def _amount(check: AmountCheck) -> str:
    """Return in a few words how forecasts of an amount compare with what was measured."""
    inside = round(check.share_inside * check.trials)
    trials = _counted(check.trials, "trial")
    return (
        f"{inside} of {trials} inside their intervals ({check.share_inside:.0%}; {NINE_OF_TEN}); "
        f"median of measured over expected {check.median_ratio:.2f}"
    )


def _failure(check: FailureCheck) -> str:
    """Return in a few words how chances of failure compare with failures."""
    trials = _counted(check.trials, "trial")
    text = (
        f"{check.failures} of {trials} with a predicted chance failed; Brier score {check.brier:.3f} "
        f"(0 is perfect, {check.brier_of_share:.3f} is had by saying their share of each)"
    )
    if check.auc is not None:
        text += f", AUC {check.auc:.2f}"
    return text


def _counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 trial` or `2 trials`."""
    ending = "" if count == 1 else "s"
    return f"{count} {noun}{ending}"
