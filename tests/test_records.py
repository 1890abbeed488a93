from __future__ import annotations

import pytest

from xautolm.records import as_float, as_int


@pytest.mark.parametrize("value", [1e-5, "1e-5"])
def test_a_number_may_be_a_text_as_yaml_reads_it(value: object) -> None:
    assert as_float(value) == 1e-5


@pytest.mark.parametrize("value", [8, 8.0, "8"])
def test_a_whole_number_is_one_in_any_form(value: object) -> None:
    number = as_int(value)
    assert number == 8 and type(number) is int


@pytest.mark.parametrize("value", [8.5, "8.5", "eight"])
def test_what_is_no_whole_number_is_refused_and_not_rounded(value: object) -> None:
    with pytest.raises(ValueError, match=r"eight|8\.5"):
        as_int(value)


@pytest.mark.parametrize("value", [None, [1], {}])
def test_what_is_no_value_of_a_configuration_is_refused(value: object) -> None:
    for convert in (as_float, as_int):
        with pytest.raises(TypeError, match="is not a"):
            convert(value)
