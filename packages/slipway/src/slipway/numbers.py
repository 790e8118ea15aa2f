"""How numbers are shown: with four decimals; with fewer where they are large, more where small."""

from __future__ import annotations

import math

# Smaller numbers are those of rounding: `round_floats` of `slipway.dataset.tables` drops them too.
SMALLEST = 1e-12


def plain(value: float, digits: int = 4) -> str:
    """Return a number with at most `digits` decimals; from 10 on, with `digits` digits in all.

    A number that these decimals would show as zero has two digits, such as 1.2e-05. A metric in the
    unit of the labels may be 0.000012, 0.0312 or 31,230.
    """
    if SMALLEST <= abs(value) < 10.0**-digits / 2:
        return f"{value:.2g}"
    size = math.floor(math.log10(abs(value))) if math.isfinite(value) and abs(value) >= 10 else 0
    return f"{value:,.{max(0, digits - size - bool(size))}f}"


def signed(value: float, digits: int = 4) -> str:
    """Return a number with its sign, a true minus; zero after rounding has no sign."""
    text = plain(abs(value), digits)
    is_zero = not any(letter in "123456789" for letter in text)
    return text if is_zero else f"{'+' if value > 0 else '−'}{text}"  # noqa: RUF001


def counted(count: int, one: str, several: str = "") -> str:
    """Return a number of things, such as 1 row or 2,000 rows; `several` is `one` with an s."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"
