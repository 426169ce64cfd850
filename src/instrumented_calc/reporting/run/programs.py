"""External programs in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.quantities import NOT_MEASURED, bytes_of, figures, plural
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from instrumented_calc.analysis.programs import ProgramUse


def program_words(programs: ProgramUse) -> str:
    """Return where the programs run and how many processors they keep busy."""
    names = ", ".join(identity.one_line(name) for name in programs.names) or "an external program"
    busy = NOT_MEASURED if programs.busy is None else figures(programs.busy)
    return f"runs in {names} (child process), {busy} processors busy"


def program_facts(programs: ProgramUse) -> list[tuple[str, str]]:
    """Return the facts of a report about external programs, by name."""
    facts = [("program", program_words(programs))]
    if programs.peak_bytes is not None:
        facts.append(("peak of a child process", bytes_of(programs.peak_bytes)))
    if programs.exit_statuses:
        facts.append(("exit status", status_words(programs)))
    return facts


def status_words(programs: ProgramUse) -> str:
    """Return the exit statuses of failed calls; those of killed programs name the signal's number."""
    words = []
    for status, calls in programs.exit_statuses.items():
        name = f"signal {-status}" if status < 0 else str(status)
        words.append(f"{name} in {plural(calls, 'call')}")
    return ", ".join(words)
