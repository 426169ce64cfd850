"""Lines and rules of the text blocks of the MD profiler, with the labels of the MLFF-Distiller profiler."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 80
RULE = "=" * WIDTH
LABEL = 13


def line(label: str, value: str) -> str:
    """Return an indented line: the label, a colon, and the value in a column of its own."""
    return f"  {label + ':':<{LABEL}}{value}"


def latency_lines(mean: float, std: float, *others: float) -> Iterator[str]:
    """Yield a line for each of mean and std, median, min, max, p95 and p99, all in ms."""
    yield line("Mean", f"{mean:10.4f} ms +- {std:.4f}")
    for label, value in zip(("Median", "Min", "Max", "P95", "P99"), others, strict=True):
        yield line(label, f"{value:10.4f} ms")
