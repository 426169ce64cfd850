"""Damage of a journal file, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.quantities import bytes_of, plural

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal


def damage_lines(journal: Journal) -> list[str]:
    """Return one line for each kind of damage; figures are based on the intact records."""
    found = journal.damage
    lines = []
    if journal.start is None:
        lines.append("The first record is lost: start, command and machine of the run are unknown.")
    if journal.bad_lines:
        lines.append(f"{plural(journal.bad_lines, 'unreadable line')} left out:")
        lines += [f"{journal.path.name}:{bad.number}: {bad.reason}" for bad in journal.first_bad]
    if found.empty_bytes:
        lines.append(f"{bytes_of(found.empty_bytes)} of the file are NUL bytes: records are missing there.")
    if found.long_lines:
        lines.append(f"{plural(found.long_lines, 'line')} skipped: too long to be a record.")
    if found.repeated:
        lines.append(f"{plural(found.repeated, 'record')} repeated, counted once.")
    if found.conflicting:
        lines.append(
            f"{plural(found.conflicting, 'row')} left out: another row of the same call has different times."
        )
    if found.misplaced:
        lines.append(f"{plural(found.misplaced, 'row')} out of order: blocks of the file were moved.")
    if found.other_run_lines:
        lines.append(
            f"{plural(found.other_run_lines, 'line')} of another run from line {found.other_run_from}, not "
            "read: split the file there."
        )
    return lines
