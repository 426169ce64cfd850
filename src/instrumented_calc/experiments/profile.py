"""Profiles a calculator in live dynamics from an equilibrated start, or on saved frames."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from instrumented_calc.api import is_switched_off, profiled, recording
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.dynamics import ConservationCheck, equilibration, production
from instrumented_calc.experiments.replay import (
    check_frames,
    check_properties,
    failure_words,
    forces_or_energy,
    replay,
    size_words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from instrumented_calc.experiments.dynamics import Protocol

    Progress = Callable[[str, int, int], None]

KEPT = "; the results so far are in "
NEEDED = {"nve": ("forces",), "langevin": ("forces",), "npt": ("forces", "stress")}


@dataclass(frozen=True)
class Profile:
    """Result of profiling.

    Attributes:
        path: The journal.
        n_atoms: Number of atoms, in words, since frames may differ.
        conservation: One line on the conserved quantity; empty for frames.
        notes: Further notes for the user.
    """

    path: Path
    n_atoms: str
    conservation: str = ""
    notes: list[str] = field(default_factory=list)


def profile_dynamics(
    calc: Any, atoms: Any, protocol: Protocol, *, journal: Path, on_step: Progress, **options: Any
) -> Profile:
    """Run dynamics with a profiled calculator: a Langevin equilibration, then the requested dynamics.

    Both are in the journal, as separate phases, as are the first call and any compilation.

    Args:
        calc: Any ASE calculator.
        atoms: The atoms to move; modified in place.
        protocol: The settings.
        journal: Journal to create; a number is added if the name is taken.
        on_step: Called after each step with the phase's name, the steps done and the steps of the phase.
        **options: As for `ProfiledCalculator`.

    Raises:
        ExperimentError: The calculator lacks a property that the ensemble needs, or failed; the message
            names the journal with the results so far.
    """
    check_properties(calc, NEEDED[protocol.ensemble])
    _check_recording()
    with profiled(calc, journal, **options) as atoms.calc:
        run = recording(atoms.calc).run
        with _failures_reported(atoms, run, "equilibration"):
            # Drop all references to its dynamics, so that the recorder detects the new one.
            _advance(equilibration(atoms, protocol), protocol.equilibration, "equilibration", on_step)
        name = protocol.ensemble.upper()
        with _failures_reported(atoms, run, name):
            dynamics = production(atoms, protocol)
            check = ConservationCheck(atoms, dynamics, protocol)
            run.attach(dynamics)
            _advance(dynamics, protocol.steps, name, on_step)
        path = run.path
    return Profile(path or journal, size_words([atoms]), check.words())


def profile_frames(
    calc: Any, frames: Sequence[Any], *, journal: Path, on_step: Progress, **options: Any
) -> Profile:
    """Request the forces of each frame from a profiled calculator, or else another property.

    Args:
        calc: Any ASE calculator.
        frames: ASE atoms, of any sizes that the calculator takes.
        journal: Journal to create; a number is added if the name is taken.
        on_step: Called after each frame with `frames`, the frames done and their number.
        **options: As for `ProfiledCalculator`.

    Raises:
        ExperimentError: There are no frames, or the calculator failed; the message names the frame and the
            journal.
    """
    check_frames(frames, "the trajectory")
    _check_recording()
    asked = forces_or_energy(calc)
    notes = [] if asked == ["forces"] else [f"{type(calc).__name__} has no forces: requested {asked[0]}"]
    sizes = size_words(frames)
    if " to " in sizes:
        notes.append(f"frames differ in size: {sizes}; us/atom counts the atoms of each")
    with profiled(calc, journal, **options) as wrapped:
        run = recording(wrapped).run
        try:
            replay(frames, wrapped, asked, lambda done: on_step("frames", done, len(frames)))
        except ExperimentError as error:
            message = f"{error}{_kept(run)}"
            raise ExperimentError(message) from error
        path = run.path
    return Profile(path or journal, sizes, notes=notes)


def _advance(dynamics: Any, steps: int, name: str, on_step: Progress) -> None:
    if steps:
        now = weakref.proxy(dynamics)
        dynamics.attach(lambda: on_step(name, now.nsteps, steps))
        dynamics.run(steps)


@contextmanager
def _failures_reported(atoms: Any, run: Any, name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a calculator may raise anything
        words = failure_words(atoms.calc, atoms, error)
        message = f"{name}, call {recording(atoms.calc).calls}: {words}{_kept(run)}"
        raise ExperimentError(message) from error


def _kept(run: Any) -> str:
    return "" if run.path is None else f"{KEPT}{run.path}"


def _check_recording() -> None:
    if is_switched_off():
        message = "INSTRUMENTED_CALC=off: nothing would be recorded; unset it to profile"
        raise ExperimentError(message)
