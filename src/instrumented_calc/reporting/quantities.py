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
LARGEST_PLAIN = 1e15


def count(number: int) -> str:
    """Format a count: 100,000."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """Format a count with its noun: 1 call, 2 calls."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def figures(value: float) -> str:
    """Format a number to three significant figures, without powers of ten up to 10^15."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else f"{value}"
    if abs(value) >= LARGEST_PLAIN:
        return f"{value:.3g}"
    decimals = SIGNIFICANT_FIGURES - len(str(int(abs(value))))
    if abs(value) < 1:
        decimals = SIGNIFICANT_FIGURES - 1 - int(f"{value:e}".partition("e")[2])
    return f"{value:,.{max(0, min(decimals, 9))}f}"


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
    """Format fractions that add up to one so that the printed figures add up to 100.0.

    Round down and give the remainder to the largest fractions: the method of Hare and Niemeyer.
    """
    tenths = [int(1000 * share) for share in shares]
    missing = round(1000 * sum(shares)) - sum(tenths)
    order = sorted(range(len(shares)), key=lambda place: tenths[place] - 1000 * shares[place])
    for place in order[: max(missing, 0)]:
        tenths[place] += 1
    return [f"{tenth / 10:.1f}" for tenth in tenths]


def number(value: float | None) -> str:
    """Format a number without unit to three significant figures."""
    return NOT_MEASURED if value is None else figures(value)
