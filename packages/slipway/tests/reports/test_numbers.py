"""Numbers of any unit are shown in a few digits."""

from __future__ import annotations

import pytest

from slipway.metrics.registry import ALL
from slipway.numbers import counted, plain, signed


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
    ("value", "digits", "text"),
    [
        (0.0000123, 4, "1.2e-05"),
        (-0.00043, 3, "-0.00043"),
        (0.0006, 3, "0.001"),
        (0.0, 4, "0.0000"),
    ],
)
def test_a_number_that_decimals_would_hide_has_two_digits(
    value: float, digits: int, text: str
) -> None:
    assert plain(value, digits) == text


def test_one_thing_is_named_in_the_singular() -> None:
    assert [counted(count, "row") for count in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]
    assert counted(1, "entry has", "entries have") == "1 entry has"
    assert counted(2, "entry has", "entries have") == "2 entries have"


def test_a_metric_of_a_small_unit_is_readable() -> None:
    for name in ("mae", "pinball_loss", "brier"):
        assert ALL[name].shown(0.0000123) == "1.2e-05"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-17, "0.0000"),
        (-0.00001, "−1e-05"),  # noqa: RUF001
        (-0.0012, "−0.0012"),  # noqa: RUF001
        (4321.0, "+4,321"),
    ],
)
def test_a_sign_is_left_out_where_the_number_is_shown_as_zero(value: float, text: str) -> None:
    assert signed(value) == text
