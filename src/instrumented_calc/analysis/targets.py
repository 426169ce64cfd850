"""User-defined targets, such as ``p95/mean<2``: parsed here, never evaluated as code."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from instrumented_calc.errors import TargetError
from instrumented_calc.naming import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.analysis.timing.latency import Latency

Verdict = Literal["passed", "missed", "not enough evidence"]

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
TIME_UNITS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
FORM = re.compile(
    r"(?P<name>[a-z_0-9.]+)(?:/(?P<over>[a-z_0-9.]+))?(?P<comparison><=|>=|==|<|>)"
    r"(?P<number>[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?)(?P<unit>[a-z%]*)"
)
EXAMPLE = "write it like p95/mean<2, median<5ms or cv<20%"


def _time(name: str) -> Callable[[Summary], float | None]:
    def read(summary: Summary) -> float | None:
        latency: Latency | None = summary.latency
        value = None if latency is None else getattr(latency, name)
        return None if value is None else float(value)

    return read


TIMES: dict[str, Callable[[Summary], float | None]] = {
    "mean": _time("mean_ns"),
    "std": _time("std_ns"),
    "min": _time("min_ns"),
    "median": _time("median_ns"),
    "p50": _time("median_ns"),
    "p90": _time("p90_ns"),
    "p95": _time("p95_ns"),
    "p99": _time("p99_ns"),
    "p99.9": _time("p999_ns"),
    "max": _time("max_ns"),
}
NUMBERS: dict[str, Callable[[Summary], float | None]] = {
    "cv": lambda summary: summary.latency.cv if summary.latency else None,
    "us_per_atom": lambda summary: summary.us_per_atom,
    "ms_per_step": lambda summary: summary.speed.ms_per_step if summary.speed else None,
    "steps_per_s": lambda summary: summary.speed.steps_per_s if summary.speed else None,
    "ns_per_day": lambda summary: summary.speed.ns_per_day if summary.speed else None,
    "steps": lambda summary: summary.speed.steps if summary.speed else None,
    "calls": lambda summary: summary.evaluations.calls,
    "failed": lambda summary: summary.evaluations.failed,
    "calls_per_step": lambda summary: summary.evaluations.per_step,
    "calls_per_geometry": lambda summary: summary.evaluations.per_geometry,
    "warmup_calls": lambda summary: summary.warmup.calls if summary.warmup else 0,
    "cpu_per_wall": lambda summary: summary.cpu_per_wall,
}


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on one quantity, or on the ratio of two times.

    Attributes:
        text: As the user wrote it.
        name: The quantity.
        over: The quantity below the fraction bar, if there is one.
        comparison: One of ``<``, ``<=``, ``>``, ``>=`` and ``==``.
        bound: The number, times in ns.
    """

    text: str
    name: str
    over: str | None
    comparison: str
    bound: float

    @property
    def is_time(self) -> bool:
        """Whether the quantity is a duration."""
        return self.over is None and self.name in TIMES


@dataclass(frozen=True, slots=True)
class Outcome:
    """A target and the measured value; a target without a measurement is not met."""

    target: Target
    measured: float | None
    verdict: Verdict


def parse_target(text: str) -> Target:
    """Parse one target.

    Args:
        text: A quantity, a comparison and a number; durations need a unit (ns, us, ms, s).

    Raises:
        TargetError: If it cannot be parsed; the message lists the valid forms.
    """
    form = FORM.fullmatch(re.sub(r"\s+", "", text).lower())
    if form is None:
        message = f"cannot read the target {text!r}: {EXAMPLE}"
        raise TargetError(message)
    name, over = form["name"], form["over"]
    _check_name(name, text, TIMES if over else {**TIMES, **NUMBERS})
    if over:
        _check_name(over, text, TIMES)
    unit = form["unit"]
    bound = float(form["number"]) * _scale(name, over, unit, text)
    return Target(text, name, over, form["comparison"], bound)


def _check_name(name: str, text: str, known: dict[str, Callable[[Summary], float | None]]) -> None:
    if name in known:
        return
    hint = f"{did_you_mean(name, known)} known: {', '.join(known)}".lstrip()
    message = f"target {text!r}: unknown quantity {name!r}; {hint}"
    raise TargetError(message)


def _scale(name: str, over: str | None, unit: str, text: str) -> float:
    if name in TIMES and over is None:
        if unit not in TIME_UNITS:
            message = f"target {text!r}: {name!r} is a duration; add its unit, ns, us, ms or s"
            raise TargetError(message)
        return TIME_UNITS[unit]
    if unit == "%" and (name == "cv" or over):
        return 0.01
    if unit:
        message = f"target {text!r}: {name!r} has no unit; remove {unit!r}"
        raise TargetError(message)
    return 1.0


def check_target(target: Target, summary: Summary) -> Outcome:
    """Compare a target with the measurement."""
    measured = _measure(target, summary)
    if measured is None:
        return Outcome(target, None, "not enough evidence")
    met = COMPARISONS[target.comparison](measured, target.bound)
    return Outcome(target, measured, "passed" if met else "missed")


def _measure(target: Target, summary: Summary) -> float | None:
    value = {**TIMES, **NUMBERS}[target.name](summary)
    if target.over is None or value is None:
        return value
    below = TIMES[target.over](summary)
    return value / below if below else None
