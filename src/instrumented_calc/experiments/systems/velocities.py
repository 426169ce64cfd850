"""Thermal velocities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def set_velocities(atoms: Any, temperature_k: float, rng: np.random.Generator) -> None:
    """Give atoms Maxwell-Boltzmann velocities of exactly a temperature, with zero total momentum.

    Args:
        atoms: ASE atoms; a single one stays at rest.
        temperature_k: Temperature, K.
        rng: Source of the random numbers.
    """
    masses: Sequence[float] = atoms.get_masses()
    momenta = rng.normal(size=(len(atoms), 3)) * np.sqrt(masses)[:, None]
    velocities = momenta / np.asarray(masses)[:, None]
    velocities -= momenta.sum(axis=0) / np.sum(masses)
    atoms.set_velocities(velocities)
    found = atoms.get_temperature()
    scale = np.sqrt(temperature_k / found) if len(atoms) > 1 else 0.0
    atoms.set_velocities(scale * velocities)
