"""The benchmark of speed: how ratios are judged."""

from __future__ import annotations

from benchmarks.training_speed import Speed, markdown


def test_a_ratio_is_that_of_medians_and_met_where_ours_is_fast_enough() -> None:
    seconds = {
        "trial": [10.0, 11.0, 99.0],
        "bare loop": [9.9, 9.9, 9.9],
        "Predictor": [10.0],
        "sorted loop": [9.6],
        "pipeline": [31.0],
    }
    page = markdown([Speed(data="a", settings="shared", seconds=seconds)], "head")
    assert "| a | training: trial | 11.00 | bare loop | 9.90 | 0.90 | 0.95 | **no** |" in page
    assert "| a | inference: Predictor | 10.00 | sorted loop | 9.60 | 0.96 | 0.95 | yes |" in page
    assert "| a | inference: Predictor | 10.00 | pipeline | 31.00 | 3.10 | 3 | yes |" in page
