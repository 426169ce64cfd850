"""User-defined targets, such as ``p95/mean<2``: parsed here, never evaluated as code."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from instrumented_calc.errors import TargetError
from instrumented_calc.naming import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
# Numbers as the report writes them, too: 1,163.
FORM = re.compile(
    r"(?P<quantity>[a-z_0-9./-]+)(?P<comparison><=|>=|==|<|>)"
    r"(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?)(?P<unit>[a-z%]*)"
)
EXAMPLE = "write it like p95/mean<2, median<5ms, ns/day>5 or cv<20%"


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
    "katom_step_per_s": lambda summary: summary.katom_steps_per_s,
    "steps": lambda summary: summary.speed.steps if summary.speed else None,
    "calls": lambda summary: summary.evaluations.calls,
    "failed": lambda summary: summary.evaluations.failed,
    "calls_per_step": lambda summary: summary.evaluations.per_step,
    "calls_per_geometry": lambda summary: summary.evaluations.per_geometry,
    "warmup_calls": lambda summary: summary.warmup.calls if summary.warmup else 0,
    "cpu_per_wall": lambda summary: summary.cpu_per_wall,
}


def _squeezed(name: str) -> str:
    """Return what is common to all spellings of a quantity: `ns/day`, `ns_per_day` and `ns per day`."""
    return re.sub(r"[_-]", "", name).replace("/", "per").replace("calculations", "calls")


EXAMPLES = ("mean", "median", "p95", "p95/mean", "cv", "ns/day", "ms/step", "us/atom", "calls", "failed")
# As reports write them.
REPORTED = ("ns/day", "ms/step", "steps/s", "us/atom", "calls/step")
SPELLINGS = {_squeezed(name): name for name in (*TIMES, *NUMBERS)}


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
    form = FORM.fullmatch(re.sub(r"\s+", "", text).lower().replace("\N{MICRO SIGN}", "u"))
    if form is None:
        message = f"cannot read the target {text!r}: {EXAMPLE}"
        raise TargetError(message)
    name, over = _quantity(form["quantity"], text)
    number = float(form["number"].replace(",", ""))
    return Target(text, name, over, form["comparison"], number * _scale(name, over, form["unit"], text))


def _quantity(written: str, text: str) -> tuple[str, str | None]:
    """Return the name of a quantity, or the names of the two times of a ratio."""
    name, bar, over = written.partition("/")
    if known := SPELLINGS.get(_squeezed(written)):
        return known, None
    if not bar or not (name in TIMES or over in TIMES):
        raise _unknown(written, text, [*TIMES, *NUMBERS, *REPORTED])
    for each in (name, over):
        if each not in TIMES:
            raise _unknown(each, text, TIMES)
    return name, over


def _unknown(name: str, text: str, known: Iterable[str]) -> TargetError:
    hint = did_you_mean(name, known) or f"for example {', '.join(EXAMPLES)}"
    return TargetError(f"target {text!r}: unknown quantity {name!r}; {hint}")


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
