"""Replays saved frames through a calculator: one request per frame, as in dynamics."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.ranges import MOST_STEPS, check_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

# A calculator that computes stress also computes forces, and one that computes forces the energy: requested
# in this order, a calculator that computes only the necessary properties is called once per frame.
HARDEST_FIRST = ("stress", "forces", "energy")
GETTERS = {"stress": "get_stress", "forces": "get_forces", "energy": "get_potential_energy"}


def read_frames(path: Path, most: int | None = None) -> list[Any]:
    """Read a trajectory in any format supported by ASE.

    Args:
        path: The file.
        most: Maximum number of frames to read.

    Raises:
        ExperimentError: There is no such file, ASE cannot read it, it has no frames, or `most` is out of
            range.
    """
    if most is not None:
        check_whole("steps", most, 1, MOST_STEPS)
    from ase.io import read

    if not os.path.isfile(path):  # noqa: PTH113 - `Path.is_file` raises for a name that is too long
        message = f"{path}: no such file; give a trajectory that ASE can read"
        raise ExperimentError(message)
    try:
        frames: Any = read(path, index=slice(None, most))
    except Exception as error:  # the reader of a format may raise anything
        message = f"{path}: ASE cannot read it ({type(error).__name__}: {error})".partition("\n")[0]
        raise ExperimentError(message) from error
    check_frames(frames, str(path))
    return list(frames)


def check_frames(frames: Sequence[Any], source: str) -> None:
    """Check that a trajectory has frames, and none is empty.

    Raises:
        ExperimentError: It has none, or one is empty.
    """
    if not len(frames):
        message = f"{source} has no frames: give at least one"
        raise ExperimentError(message)
    empty = next((number for number, frame in enumerate(frames) if not len(frame)), None)
    if empty is not None:
        message = f"{source}: frame {empty} has no atoms"
        raise ExperimentError(message)


def check_properties(calc: Any, properties: Sequence[str]) -> list[str]:
    """Return the properties in the order of the requests.

    Raises:
        ExperimentError: There are none, or the calculator does not list one as implemented.
    """
    known = getattr(calc, "implemented_properties", None)
    lacking = [name for name in properties if known is not None and name not in known]
    if lacking or not properties:
        can = f"; it computes {', '.join(known)}" if known else ""
        message = f"{type(calc).__name__} cannot compute {', '.join(lacking) or 'nothing'}{can}"
        raise ExperimentError(message)
    others = [name for name in properties if name not in HARDEST_FIRST]
    return others + [name for name in HARDEST_FIRST if name in properties]


def forces_or_energy(calc: Any) -> list[str]:
    """Return the property to request: forces, as in dynamics, else an available one."""
    known = list(getattr(calc, "implemented_properties", None) or ["forces"])
    return [next((name for name in ("forces", "energy") if name in known), known[0])]


def size_words(frames: Sequence[Any]) -> str:
    """Return the number of atoms of the frames: `32 atoms`, or `8 to 64 atoms`."""
    sizes = {len(frame) for frame in frames}
    low, high = min(sizes), max(sizes)
    return f"{low} atoms" if low == high else f"{low} to {high} atoms"


def replay(
    frames: Sequence[Any], calc: Any, properties: Sequence[str], on_frame: Callable[[int], None]
) -> None:
    """Calculate each frame in turn; frames are neither copied nor changed.

    Args:
        frames: ASE atoms.
        calc: The calculator, used for frames of any size.
        properties: In order, as `check_properties` returns them.
        on_frame: Called after each frame with the number of frames done.

    Raises:
        ExperimentError: The calculator failed; the message names the frame.
    """
    for number, frame in enumerate(frames):
        try:
            for name in properties:
                _ask(calc, name, frame)
        except Exception as error:  # a calculator may raise anything
            sized = f" ({size_words(frames)})" if len({len(each) for each in frames}) > 1 else ""
            message = f"frame {number} of {len(frames)}{sized}: {failure_words(calc, frame, error)}"
            raise ExperimentError(message) from error
        on_frame(number + 1)


def failure_words(calc: Any, atoms: Any, error: Exception) -> str:
    """Return in one line how a calculator failed."""
    reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"{type(calc).__name__} failed for {atoms.get_chemical_formula()}: {reason}"


def _ask(calc: Any, name: str, frame: Any) -> None:
    getter = getattr(calc, GETTERS.get(name, ""), None)
    if getter is not None:
        getter(frame)
    else:
        calc.get_property(name, frame)
