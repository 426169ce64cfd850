"""Profile several models on the same system, each in a new process, so that none sees another's memory."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.summary import summarize
from instrumented_calc.errors import JournalReadError
from instrumented_calc.experiments.calculators import offered_specs
from instrumented_calc.experiments.profile import KEPT
from instrumented_calc.journal.reader import read_journal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from instrumented_calc.analysis.summary import PhaseSummary, Summary

ALWAYS = ("emt",)


@dataclass(frozen=True)
class Compared:
    """One model of a comparison.

    Attributes:
        spec: The `--calc` option.
        failure: Reason for a missing result, in one line; empty if there is one.
        summary: The journal in numbers, or None after a failure.
    """

    spec: str
    failure: str = ""
    summary: Summary | None = None

    @property
    def last_phase(self) -> PhaseSummary | None:
        """The requested dynamics, without the preceding equilibration; None for frames."""
        return self.summary.phases[-1] if self.summary is not None and self.summary.phases else None


def known_specs() -> list[str]:
    """Return the models offered by the installed integrations, and those of ASE."""
    return [*ALWAYS, *offered_specs()]


def profile_one(spec: str, options: Sequence[str], journal: Path) -> Compared:
    """Profile one model by the `profile` command in a process of its own.

    Args:
        spec: The `--calc` option.
        options: Further options of the command.
        journal: Journal to write.
    """
    command = [sys.executable, "-m", "instrumented_calc", "profile", "--calc", spec, *options]
    command += ["--output", str(journal)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines()
    if done.returncode:
        reason = next(
            (line for line in reversed(said) if line.startswith("error: ")), said[-1] if said else ""
        )
        reason = reason.removeprefix("error: ").partition(KEPT)[0]
        return Compared(spec, failure=reason or f"exit code {done.returncode}")
    try:
        return Compared(spec, summary=summarize(read_journal(done.stdout.strip().splitlines()[-1])))
    except (IndexError, JournalReadError) as error:
        return Compared(spec, failure=f"no journal: {error}")
