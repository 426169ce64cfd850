"""Ranges of the numbers that users give, checked before anything is built."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from instrumented_calc.errors import ExperimentError

# A million atoms take about a minute and 1.4 GB to build, which leaves room for a calculator on one machine.
MOST_ATOMS = 1_000_000
MOST_STEPS = 1_000_000_000
LONGEST_STEP_FS = 1_000.0
SHORTEST_STEP_FS = 0.001
HIGHEST_TEMPERATURE_K = 100_000.0
HIGHEST_SEED = 2**32 - 1  # of numpy's RandomState
MOST_THREADS = 1_024
MOST_REPLICATES = 10_000
SHORTEST_LIMIT_S = 0.001
LONGEST_LIMIT_S = 10_000_000.0  # four months
LONGEST_SHOWN = 40


def check_whole(name: str, value: Any, least: int, most: int) -> None:
    """Check that a value is an integer in a range.

    Args:
        name: The option's name, with its unit.
        value: The user's value.
        least: Smallest allowed value.
        most: Largest allowed value.

    Raises:
        ExperimentError: It is not such a number.
    """
    if not _is_within(value, Integral, least, most):
        message = f"{name} must be an integer from {least:,} to {most:,}, not {_shown(value)}"
        raise ExperimentError(message)


def check_number(name: str, value: Any, least: float, most: float) -> None:
    """Check that a value is a number in a range; arguments as for `check_whole`.

    Raises:
        ExperimentError: It is not such a number.
    """
    if not _is_within(value, Real, least, most):
        message = f"{name} must be a number from {least:,g} to {most:,g}, not {_shown(value)}"
        raise ExperimentError(message)


def check_time_limit(time_limit_s: float | None) -> None:
    """Check the time limit of a cell, s; None is no limit.

    Raises:
        ExperimentError: It is out of range.
    """
    if time_limit_s is not None:
        check_number("time_limit_s", time_limit_s, SHORTEST_LIMIT_S, LONGEST_LIMIT_S)


def check_atoms(n_atoms: Any) -> None:
    """Check a number of atoms.

    Raises:
        ExperimentError: It is out of range.
    """
    check_whole("n_atoms", n_atoms, 1, MOST_ATOMS)


def check_seed(seed: Any) -> None:
    """Check a seed for numpy's random generator.

    Raises:
        ExperimentError: It is out of range.
    """
    check_whole("seed", seed, 0, HIGHEST_SEED)


def check_temperature(temperature_k: Any) -> None:
    """Check a temperature.

    Raises:
        ExperimentError: It is out of range.
    """
    check_number("temperature_k", temperature_k, 0.0, HIGHEST_TEMPERATURE_K)


def _is_within(value: Any, kind: type, least: float, most: float) -> bool:
    # NaN compares false.
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    number: Any = value
    return bool(least <= number <= most)


def _shown(value: Any) -> str:
    try:
        text = f"{value:g}" if isinstance(value, float) else repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return f"an integer of {value.bit_length()} bits"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
