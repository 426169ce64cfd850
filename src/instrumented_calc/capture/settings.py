"""User settings of a run, checked while wrapping: one line for each mistake."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import msgspec

from instrumented_calc.capture.trace_settings import AUTO, Trace, check_trace
from instrumented_calc.capture.value_text import shown
from instrumented_calc.errors import SettingsError
from instrumented_calc.journal.records import LARGEST

DEFAULT_BUDGET = 0.01
DEFAULT_MAX_JOURNAL = 256_000_000
SWITCH = "INSTRUMENTED_CALC"
SWITCHED_OFF = frozenset({"off", "0", "false", "no"})
SWITCHED_ON = frozenset({"", "on", "1", "true", "yes"})


class Settings(msgspec.Struct, frozen=True):
    """User settings of a run.

    Attributes:
        path: Journal; created at the first call, with a number added if the name is taken.
        path_option: The option by which the user gives the path, for messages.
        own_run: Whether the path was given: the run then belongs to one calculator and its copies.
        overhead_budget: Share of the wall time that the recorder may use before it samples less.
        max_journal: Size in bytes above which rows are thinned.
        summary: Whether a summary is printed at the end; None: the default.
        trace: When trace windows open: `auto`, `off`, or a `Trace`.
        places: Whether stacks are sampled and steps profiled, to show where in the code the time is spent.
    """

    path: str
    own_run: bool = False
    overhead_budget: float = DEFAULT_BUDGET
    max_journal: int = DEFAULT_MAX_JOURNAL
    summary: bool | None = None
    trace: str | Trace = AUTO
    places: bool = True
    path_option: str = "journal="


def checked_settings(  # noqa: PLR0913 - one per setting
    *,
    path: str,
    own_run: bool,
    overhead_budget: Any,
    max_journal: Any,
    summary: Any,
    trace: Any,
    places: Any,
) -> Settings:
    """Return the settings of a run, whose path was checked before.

    Raises:
        SettingsError: A value has the wrong type or is out of range; the message names it.
    """
    return Settings(
        path=path,
        own_run=own_run,
        overhead_budget=_share(overhead_budget),
        max_journal=_size(max_journal),
        summary=_choice(summary),
        trace=check_trace(trace),
        places=_switch(places),
    )


def is_switched_off(value: str) -> bool:
    """Return whether a value of `INSTRUMENTED_CALC` disables profiling.

    Raises:
        SettingsError: It is not a known word for on or off.
    """
    word = value.strip().lower()
    if word not in SWITCHED_OFF | SWITCHED_ON:
        message = (
            f"{SWITCH}={shown(value)} is not a valid value; set it to off to record nothing, or unset it"
        )
        raise SettingsError(message)
    return word in SWITCHED_OFF


def _share(value: Any) -> float:
    if _is_number(value) and 0 <= value <= 1:
        return float(value)
    message = f"overhead_budget={shown(value)}: not a share of the wall time; give 0 to 1, such as 0.01"
    raise SettingsError(message)


def _size(value: Any) -> int:
    if _is_number(value) and 0 < value < math.inf and int(value) == value:
        return min(int(value), LARGEST)
    message = f"max_journal={shown(value)}: not a size in bytes; give a positive integer such as 256_000_000"
    raise SettingsError(message)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    message = f"places={shown(value)}: give True or False"
    raise SettingsError(message)


def _choice(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    message = f"summary={shown(value)}: give True, False, or None for the default"
    raise SettingsError(message)
