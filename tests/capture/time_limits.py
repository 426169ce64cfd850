"""A program whose time limits strike at random moments; prints what became of them as JSON.

python -m tests.capture.time_limits bare|wrapped ALARMS
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time

from tests.capture.zoo import copper

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.open_calls import active

PATIENCE_S = 60


class TimeLimitError(Exception):
    """Raised by the limit."""


class Quick:
    """Takes some 20 us for a call."""

    def __init__(self):
        self.results = {}
        self.number = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=("positions",)):
        """Count, and work a little."""
        self.results = {"energy": float(self.number), "squares": [each * each for each in range(150)]}
        self.number += 1


def main() -> None:
    limits = {"fired": 0, "caught": 0}

    def strike(*_):
        limits["fired"] += 1
        raise TimeLimitError

    calc = Quick() if sys.argv[1] == "bare" else ProfiledCalculator(Quick())
    atoms, moments = copper(), random.Random(7)  # noqa: S311 - no secret
    calc.calculate(atoms, ["energy"], ["positions"])  # the first call makes the journal
    signal.signal(signal.SIGALRM, strike)
    end = time.monotonic() + PATIENCE_S
    while limits["fired"] < int(sys.argv[2]) and time.monotonic() < end:
        try:
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-6, 4e-4))
            for _ in range(40):
                calc.calculate(atoms, ["energy"], ["positions"])
            signal.setitimer(signal.ITIMER_REAL, 0)
        except TimeLimitError as error:  # noqa: PERF203 - one for each alarm
            limits["caught"] += 1
            if error.__context__ is not None:
                limits["contexts"] = repr(error.__context__)
    if sys.argv[1] != "bare":
        counters = recording(calc).run._recorder.counters
        recording(calc).close()
        path = recording(calc).run.path
        limits |= {
            "faults": counters.faults,
            "open": len(active.stack),
            "finished": calc.number,
            "calls": recording(calc).calls,
            "journal": str(path),
        }
    print(json.dumps(limits))  # noqa: T201 - it is a program


if __name__ == "__main__":
    main()
