"""What a thermostat or barostat of ASE aims at, read from the driver's attributes.

No method of the driver is called. Attributes of several versions of ASE are tried; unknown values are absent.
"""

from __future__ import annotations

import sys
from typing import Any

GPA = 160.21766208  # eV/A^3
LARGEST = 1e300  # neither NaN nor infinite


def target_temperature(driver: Any) -> float | None:
    """Return the temperature that an MD driver aims at, K; None if it has none, or one per atom."""
    held = _known(driver)
    boltzmann = _boltzmann()
    thermostat = held.get("_thermostat")
    if thermostat is not None:
        return _number(getattr(thermostat, "_kT", None), 1 / boltzmann)
    if "temp" in held:  # Langevin, Andersen, Bussi
        return _number(held["temp"], 1 / boltzmann)
    if "temperature_K" in held:  # LangevinBAOAB
        return _number(held["temperature_K"])
    in_ev = "zeta_integrated" in held or "desiredEkin" in held or "ttime" in held  # Melchionna's NPT
    return _number(held.get("temperature"), 1 / boltzmann if in_ev else 1.0)


def target_pressure(driver: Any) -> float | None:
    """Return the pressure that an MD driver aims at, GPa; None if it has none."""
    held = _known(driver)
    if held.get("_pressure_au") is not None:
        return _number(held["_pressure_au"], GPA)
    stress = held.get("externalstress")
    if stress is None:
        return _number(held.get("pressure"), GPA)
    numpy = sys.modules["numpy"]
    stress = numpy.asarray(stress, dtype=float)
    if stress.shape == (3, 3):
        return float(-numpy.trace(stress) / 3 * GPA)
    return float(-stress.reshape(-1)[:3].mean() * GPA)


def relaxation_time(driver: Any) -> float | None:
    """Return the time in which the thermostat brings the energy to its target, fs; None if unknown."""
    held = _known(driver)
    from ase import units

    friction = _number(held.get("fr"))
    if friction:
        return 1 / friction / units.fs
    collisions = _number(held.get("andersen_prob"))
    if collisions:
        return float(held["dt"]) / collisions / units.fs
    damping = getattr(held.get("_thermostat"), "_tdamp", None)
    for value in (damping, held.get("taut"), held.get("ttime"), held.get("T_tau")):
        time = _number(value, 1 / units.fs)
        if time:
            return time
    return None


def _known(driver: Any) -> dict[str, Any]:
    """Return the attributes of an MD driver of ASE, or nothing for others."""
    md = getattr(sys.modules.get("ase.md.md"), "MolecularDynamics", ())
    return vars(driver) if isinstance(driver, md) else {}


def _boltzmann() -> float:
    from ase import units

    return float(units.kB)


def _number(value: Any, factor: float = 1.0) -> float | None:
    """Return a finite number in other units; None for arrays and everything else."""
    numpy = sys.modules["numpy"]
    if not isinstance(value, (int, float, numpy.floating)) or not abs(value) < LARGEST:
        return None
    return float(value) * factor
