"""Limits for CI: `--max-slowdown 5%`, `--require-speedup 5x`. Only a significant excess fails."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.errors import TargetError

if TYPE_CHECKING:
    from instrumented_calc.analysis.statistics.student_t import Estimate

MET, NOT_SURE, BROKEN = "met", "not sure", "broken"
NUMBER = r"\s*(\d+(?:\.\d*)?|\.\d+)\s*"


@dataclass(frozen=True, slots=True)
class SpeedLimit:
    """A limit on the ratio of the times, after to before.

    Attributes:
        text: The option and value given by the user.
        most: The largest allowed ratio.
    """

    text: str
    most: float

    def check(self, interval: Estimate | None) -> str:
        """Return `met`, `broken`, or `not sure` if the interval contains the limit or does not exist.

        Args:
            interval: Time after over time before.
        """
        if interval is None:
            return NOT_SURE
        if interval.low > self.most:
            return BROKEN
        return MET if interval.high <= self.most else NOT_SURE


def max_slowdown(text: str) -> SpeedLimit:
    """Return the limit of `--max-slowdown`: 5% or 1.05x.

    Raises:
        TargetError: The text is neither.
    """
    found = re.fullmatch(NUMBER + r"(%|x)\s*", text)
    most = 0.0 if found is None else float(found[1]) if found[2] == "x" else 1 + float(found[1]) / 100
    if most < 1:
        message = (
            f"cannot read --max-slowdown {text!r}; give a percentage or a factor of at least 1: 5% or 1.05x"
        )
        raise TargetError(message)
    return SpeedLimit(f"--max-slowdown {text}", most)


def least_speedup(text: str) -> SpeedLimit:
    """Return the limit of `--require-speedup`: 5x or 20%.

    Raises:
        TargetError: The text is neither.
    """
    found = re.fullmatch(NUMBER + r"(%|x)\s*", text)
    least = 0.0 if found is None else float(found[1]) if found[2] == "x" else 1 + float(found[1]) / 100
    if least <= 0:
        message = f"cannot read --require-speedup {text!r}; give a factor or a percentage: 5x or 20%"
        raise TargetError(message)
    return SpeedLimit(f"--require-speedup {text}", 1 / least)
