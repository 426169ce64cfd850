"""One formatter per quantity; values shown together share a unit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_MEASURED = "not measured"
TIME_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns"))
BYTE_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
SIGNIFICANT_FIGURES = 3
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-6, 1e15
SMALLEST_PERCENTAGE = 0.01


def count(number: int) -> str:
    """Format a count: 100,000."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """Format a count with its noun: 1 call, 2 calls."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def figures(value: float, *, signed: bool = False) -> str:
    """Format a number to three significant figures, or as a whole number: 0.0123; 11,234; 1.40 x 10^18.

    Args:
        value: The number.
        signed: Whether to write the sign of a positive one: +4.00.
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else f"{value}"
    if signed and value > 0:
        return f"+{figures(value)}"
    digits, _, power = f"{value:.{SIGNIFICANT_FIGURES - 1}e}".partition("e")
    if not SMALLEST_PLAIN <= abs(value) < LARGEST_PLAIN:
        return f"{digits} x 10^{int(power)}"
    if int(power) >= SIGNIFICANT_FIGURES:
        return f"{value:,.0f}"
    return f"{float(f'{digits}e{power}'):,.{SIGNIFICANT_FIGURES - 1 - int(power)}f}"


def amount(value: float) -> str:
    """Format a number that is usually whole: 8 processors, 0.500 processors."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < LARGEST_PLAIN else figures(value)


def percentage(share: float, *, signed: bool = False) -> str:
    """Format a fraction as a percentage in a sentence: 38 %, 3.2 %, 0.15 %, under 0.01 %, 1,260 %.

    Args:
        share: The fraction.
        signed: Whether to write the sign of a positive one: +12 %.
    """
    if not math.isfinite(share):
        return "an unknown share"
    value = 100 * share
    if 0 < abs(value) < SMALLEST_PERCENTAGE:
        return f"under {SMALLEST_PERCENTAGE} %"
    if abs(value) >= LARGEST_PLAIN:
        return f"{figures(value)} %"
    size = abs(value)
    decimals = 0 if size >= 9.95 or not size else 1 if size >= 0.995 else 2  # noqa: PLR2004 - two figures
    return f"{value:{'+' if signed else ''},.{decimals}f} %"


def time_unit(values_ns: Iterable[float | None]) -> tuple[float, str]:
    """Return the unit (its size in ns, its name) that suits the median of some times."""
    known = sorted(value for value in values_ns if value)
    middle = known[len(known) // 2] if known else 0.0
    return next(((size, name) for size, name in TIME_UNITS if middle >= size), TIME_UNITS[-1])


def duration(value_ns: float | None, unit: tuple[float, str] | None = None) -> str:
    """Format one time: 9.91 ms."""
    if value_ns is None:
        return NOT_MEASURED
    size, name = unit or time_unit([value_ns])
    return f"{figures(value_ns / size)} {name}"


def elapsed(value_ns: float) -> str:
    """Format a duration in suitable units: 18 min 40 s."""
    seconds = value_ns / 1e9
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86_400
    if minutes < 1 or not math.isfinite(value_ns):
        return duration(value_ns)
    if hours < 1:
        whole = round(seconds)
        return f"{whole // 60} min {whole % 60} s"
    if days < 1:
        whole = round(minutes)
        return f"{whole // 60} h {whole % 60} min"
    whole = round(hours)
    return f"{whole // 24} d {whole % 24} h"


def bytes_of(value: float | None) -> str:
    """Format memory, in decimal units: 41 MB."""
    if value is None:
        return NOT_MEASURED
    size, name = next((unit for unit in BYTE_UNITS if abs(value) >= unit[0]), BYTE_UNITS[-1])
    return f"{figures(value / size)} {name}" if size > 1 else f"{value:.0f} {name}"


def percent(share: float | None, decimals: int = 1) -> str:
    """Format a fraction as a percentage: 58.9 %."""
    return NOT_MEASURED if share is None else f"{100 * share:.{decimals}f} %"


def percents(shares: list[float]) -> list[str]:
    """Format fractions that add up to one so that the printed figures add up to 100.0."""
    return [f"{tenths / 10:.1f}" for tenths in apportion(shares, 1000)]


def apportion(shares: list[float], units: int) -> list[int]:
    """Divide whole units among fractions.

    Round down and give the remainder to the largest remaining fractions: the method of Hare and Niemeyer.

    Args:
        shares: Fractions of all units.
        units: Number of units, such as 100 for percentages.

    Returns:
        The units of each; if the fractions add up to one, they add up to `units`.
    """
    whole = [int(units * share) for share in shares]
    missing = round(units * sum(shares)) - sum(whole)
    order = sorted(range(len(shares)), key=lambda place: whole[place] - units * shares[place])
    for place in order[: max(missing, 0)]:
        whole[place] += 1
    return whole


def number(value: float | None) -> str:
    """Format a number without unit to three significant figures."""
    return NOT_MEASURED if value is None else figures(value)
