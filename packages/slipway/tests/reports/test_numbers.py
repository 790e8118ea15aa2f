"""Numbers of any unit are shown in a few digits."""

from __future__ import annotations

import pytest

from slipway.numbers import plain, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.85091, "0.8509"),
        (9.87654, "9.8765"),
        (12.3456, "12.35"),
        (1234.56, "1,235"),
        (12345678.9, "12,345,679"),
    ],
)
def test_large_numbers_have_fewer_decimals(value: float, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00001, "0.0000"), (-0.0012, "−0.0012"), (4321.0, "+4,321")],  # noqa: RUF001
)
def test_a_sign_is_left_out_where_the_number_is_shown_as_zero(value: float, text: str) -> None:
    assert signed(value) == text
