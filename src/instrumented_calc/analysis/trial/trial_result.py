"""The result of a trial: what each remedy does to the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.trial.gain import HELPS

if TYPE_CHECKING:
    from instrumented_calc.analysis.statistics.student_t import Estimate
    from instrumented_calc.analysis.trial.equal_values import ValueCheck

OTHER_VALUES, UNCHECKED, FAILED = "other values", "values not checked", "failed"
LESS_GAIN = "less gain"  # than a remedy that excludes it
NOT_TRIED = "not tried"


@dataclass(frozen=True)
class ExpectedGain:
    """What a finding expects of a remedy.

    Attributes:
        speedup: Time as it is over time with the remedy.
        kind: `about`: an estimate; `at most`: an upper limit.
    """

    speedup: float
    kind: str


@dataclass(frozen=True)
class RemedyOutcome:
    """What one remedy, or several together, do to the program.

    Attributes:
        names: The remedies.
        verdict: `helps`, `no gain`, `less gain` (than a remedy that excludes it), `not sure`, `other values`,
            `values not checked`, `failed` or `not tried`.
        gain: Measured speed-up with its interval, from runs that did not take part in the search.
        searched: Mean speed-up in the search; None if no run was usable.
        rounds: Rounds behind `gain`, or behind `searched` if there is none.
        values: The values of its last run.
        expected: What the finding behind it expected; None without one.
        keep: What to change to keep it, a line for each remedy.
        places: Lines of the program that set what it changes: `script.py:12: code`.
        why: Why it failed or was not tried, which values differ, or which remedy gains more.
    """

    names: tuple[str, ...]
    verdict: str
    gain: Estimate | None = None
    searched: float | None = None
    rounds: int = 0
    values: ValueCheck | None = None
    expected: ExpectedGain | None = None
    keep: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    why: str = ""

    @property
    def helps(self) -> bool:
        """Whether it makes the program surely faster, with equal values."""
        return self.verdict == HELPS


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial.

    Attributes:
        program: The program, as a user reads it.
        calls: Force calls of each run.
        per_call_ns: Median over the runs as it is of the mean time per call, ns.
        scatter: Standard deviation of the logarithm of that time between those runs; None for a single run.
        outcomes: The remedies; those that help first, by gain.
        together: The best remedies of each family together; None if fewer than two help.
        runs: Runs of the program.
        seconds: Time that the trial took, s.
        out_of_time: Whether the time was up before all was decided.
    """

    program: str
    calls: int
    per_call_ns: float
    scatter: float | None
    outcomes: tuple[RemedyOutcome, ...]
    together: RemedyOutcome | None
    runs: int
    seconds: float
    out_of_time: bool
