"""User settings of trace windows: when they open, and which results are kept."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import msgspec

from instrumented_calc.capture.value_text import shown
from instrumented_calc.errors import TraceSettingsError
from instrumented_calc.journal.records import LARGEST

AUTO, OFF = "auto", "off"
MOST_CALLS = 100


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """When to trace calls in full detail.

    ```python
    ProfiledCalculator(calc, trace=Trace(every_calls=10_000))
    ```

    Attributes:
        every_calls: A window opens at each multiple of this many calls.
        active: Consecutive calls in a window, at most 100.
        max_windows: Windows per run; those requested by the file `<journal>.trace` are extra.
        chrome: Whether a Chrome trace of each of the first ten windows is written next to the journal.

    Raises:
        TraceSettingsError: A number is not positive.
    """

    every_calls: int
    active: int = 1
    max_windows: int = 10
    chrome: bool = True

    def __post_init__(self) -> None:
        """Check the numbers, and make them plain integers that a journal can hold."""
        numbers = {name: getattr(self, name) for name in ("every_calls", "active", "max_windows")}
        whole = all(isinstance(each, Integral) and not isinstance(each, bool) for each in numbers.values())
        given = numbers | {"chrome": self.chrome}
        text = f"Trace({', '.join(f'{name}={shown(value)}' for name, value in given.items())})"
        if not whole or min(numbers.values()) < 1 or self.active > MOST_CALLS:
            message = f"{text}: its numbers must be integers of at least 1, and active at most {MOST_CALLS}"
            raise TraceSettingsError(message)
        if not isinstance(self.chrome, bool):
            message = f"{text}: chrome must be True or False"
            raise TraceSettingsError(message)
        for name, value in numbers.items():
            msgspec.structs.force_setattr(self, name, min(int(value), LARGEST))


def check_trace(trace: Any) -> str | Trace:
    """Return a valid setting.

    Args:
        trace: `"auto"`, `"off"` or a `Trace`.

    Raises:
        TraceSettingsError: It is anything else.
    """
    if isinstance(trace, Trace) or (isinstance(trace, str) and trace in (AUTO, OFF)):
        setting: str | Trace = trace
        return setting
    message = f"trace={shown(trace)} is not valid; give 'auto', 'off' or Trace(every_calls=...)"
    raise TraceSettingsError(message)
