from __future__ import annotations

from pathlib import Path

import pytest

from xautolm.errors import BudgetError, UnknownNameError, UsageError
from xautolm.options import FitOptions, bytes_of, read_config, seconds


@pytest.mark.parametrize(
    ("text", "value"), [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1.5h", 5400), ("45", 45), (7, 7)]
)
def test_durations(text: object, value: float) -> None:
    assert float(seconds(text)) == value


@pytest.mark.parametrize("text", ["", "soon", "10 parsecs", "-5m", "0", "5mm"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(BudgetError, match="budget="):
        FitOptions.parse({"budget": text})


@pytest.mark.parametrize(("text", "value"), [("8GB", 8e9), ("512 MiB", 512 * 2**20), (100, 100), ("100", 100)])
def test_sizes(text: object, value: float) -> None:
    assert bytes_of(text) == value


def test_all_problems_at_once_and_unknown_options() -> None:
    with pytest.raises(UsageError) as caught:
        FitOptions.parse({"parallel": 0, "trial_memory_limit": "lots", "seed": "x"})
    assert all(name in str(caught.value) for name in ("parallel=0", "trial_memory_limit='lots'", "seed='x'"))
    with pytest.raises(UnknownNameError, match="Did you mean 'budget'"):
        FitOptions.parse({"buget": "30m"})


def test_defaults_and_lists() -> None:
    assert FitOptions.parse({}).spending.seconds == 1800
    assert FitOptions.parse({"trials": 5}).spending.seconds is None
    assert FitOptions.parse({"models": "a, b"}).models == ("a", "b") == FitOptions.parse({"models": ["a", "b"]}).models


def test_configuration_files(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("data: train.csv\nmax-train: 100\nmodels: [a, b]\n")
    assert read_config(path) == {"data": "train.csv", "max_train": 100, "models": ["a", "b"]}
    for content, message in (("- a", "must map"), ("a: [", "not valid YAML")):
        path.write_text(content)
        with pytest.raises(UsageError, match=message):
            read_config(path)
    with pytest.raises(UsageError, match="No such configuration file"):
        read_config(tmp_path / "none.yaml")
