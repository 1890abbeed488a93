"""What models can judge: nothing with an option, or far beyond a number, that no trial had."""

from __future__ import annotations

import numpy as np
import pytest

from xautolm.records import Values
from xautolm.search.encoding import Encoder
from xautolm.search.known import are_known
from xautolm.space import Choice, Float, Space

SPACE = Space(
    name="toy.v1",
    parameters=(
        Choice(name="head", options=("probe", "random"), default="probe"),
        Float(name="rate", low=1e-6, high=1e-2, default=1e-4, log=True),
    ),
)
TRIED: list[Values] = [{"head": "probe", "rate": 1e-4}, {"head": "probe", "rate": 4e-4}]


def known(values: Values, tried: list[Values] = TRIED) -> bool:
    encoder = Encoder.of_space(SPACE)
    (answer,) = are_known(encoder, encoder.rows([values]), encoder.rows(tried))
    assert isinstance(answer, np.bool_)
    return bool(answer)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"head": "probe", "rate": 2e-4}, True),
        # Twice what was tried is near by, a tenth of it is not.
        ({"head": "probe", "rate": 8e-4}, True),
        ({"head": "probe", "rate": 1e-5}, False),
        ({"head": "random", "rate": 2e-4}, False),
    ],
)
def test_a_configuration_is_known_by_its_options_and_numbers(
    values: Values, expected: bool
) -> None:
    assert known(values) is expected


def test_a_parameter_that_no_trial_tells_of_speaks_against_nothing() -> None:
    assert known({"head": "random", "rate": 2e-4}, [{"rate": 2e-4}])
    assert known({"head": "probe", "rate": 1e-6}, [{"head": "probe"}])
