"""Record a piece of work as the calls of a calculator."""

from __future__ import annotations

from tests.capture.zoo import copper

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.analysis.contractions.contractions import measure_contractions
from instrumented_calc.journal.reader import read_journal


class Working:
    """A calculator that runs the given work."""

    def __init__(self, work):
        self.results = {}
        self.work = work

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        self.results["work"] = self.work()


def journal_of(work, calls=1):
    """Return the journal of a run of calls, and the return value of the work."""
    calc = ProfiledCalculator(Working(work), journal="c.jsonl", summary=False)
    for _ in range(calls):
        calc.calculate(copper())
    recording(calc).close()
    return read_journal(recording(calc).run.path), calc.results["work"]


def contracted(work, calls=1):
    """Return the contractions recorded in a run of calls, and the return value of the work."""
    journal, value = journal_of(work, calls)
    return measure_contractions(journal), value
