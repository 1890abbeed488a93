"""How the comparison of forecasts and what happened is told."""

from __future__ import annotations

from xautolm.forecasts import AmountCheck, ForecastCheck, QualityCheck, check_failures
from xautolm.report.forecasts import forecast_section


def test_a_comparison_is_told_in_sentences_and_bins() -> None:
    failure = check_failures([0.1, 0.9, 0.9], [False, True, False])
    seconds = AmountCheck(trials=10, median_ratio=1.23, share_inside=0.9)
    memory = AmountCheck(trials=1, median_ratio=0.7, share_inside=0.0)
    check = ForecastCheck(
        seconds=seconds,
        memory=memory,
        failure=failure,
        quality=QualityCheck(trials=7, rank_correlation=0.456),
    )
    section = forecast_section(check)
    assert section is not None
    time, space, failing, quality = section.sentences
    assert "9 of 10 trials inside" in time and "90%" in time and "1.23" in time
    assert "0 of 1 trial inside" in space
    assert "1 of 3 trials" in failing and "AUC 0.75" in failing and "0.277" in failing
    assert "7 trials" in quality and "0.46" in quality
    assert [(filled.trials, filled.failed) for filled in section.bins] == [(1, 0.0), (2, 0.5)]


def test_nothing_to_compare_is_no_section() -> None:
    assert forecast_section(None) is None
    assert forecast_section(ForecastCheck(seconds=None, memory=None, failure=None)) is None
