"""Round numbers along an axis, and how they are written: plain, without powers."""

from __future__ import annotations

import math

LINEAR_STEPS = (1, 2, 5, 10)
# Steps within a decade, and the number of decades below which they are all wanted.
LOG_STEPS = (((1, 1.5, 2, 3, 4, 5, 7), 1.3), ((1, 2, 5), 2.5), ((1,), math.inf))
DECIMALS = 12


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten within limits.

    Args:
        low: Lower limit.
        high: Upper limit, above the lower one.
        most: Number of ticks that have room, at least 1.
    """
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each * power for each in LINEAR_STEPS if each * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers within limits that are about evenly spaced on a logarithmic axis.

    Args:
        low: Lower limit, positive.
        high: Upper limit, above the lower one.
        most: Number of ticks that have room, at least 1.
    """
    decades = math.log10(high / low)
    steps = next(steps for steps, below in LOG_STEPS if decades < below)
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    found = [step * 10.0**power for power in powers for step in steps]
    inside = [each for each in found if low * 0.999 <= each <= high * 1.001]
    every = math.ceil(len(inside) / most) or 1
    return inside[::every]


def tick_text(value: float) -> str:
    """Return a tick in full: 0.005, 2, 10,000."""
    return f"{value:,.{DECIMALS}f}".rstrip("0").rstrip(".") if value else "0"
