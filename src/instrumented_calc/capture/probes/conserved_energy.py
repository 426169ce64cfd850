"""Kinetic energy of the atoms, and the energy that the integrator conserves, at the end of a call.

Integrators of ASE request forces in the middle of a step. For velocity Verlet the second half-kick is then
known already: p(t + dt) = p(t + dt/2) + F(t + dt) dt/2 (Swope et al., J. Chem. Phys. 76, 637 (1982)).
Thermostats with a conserved energy have made the first half of their own step by then; as the flow of a
Nose-Hoover chain alone conserves that energy (Martyna, Klein, Tuckerman, J. Chem. Phys. 97, 2635 (1992)), it
may be evaluated at this point too. No method that could calculate anything is called.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Constraints that only project forces and momenta: they neither store energy nor need iterations.
PROJECTIONS = ("FixAtoms", "FixCartesian", "FixCom", "FixedPlane", "FixedLine")


def kinetic_energy(driver: Any, atoms: Any, forces: Any) -> tuple[float, Any] | None:
    """Return the kinetic energy in eV and the total momentum; None if the atoms have no momenta.

    Args:
        driver: The driver that requested the call, or None.
        atoms: The atoms, which have just been calculated.
        forces: Their forces, shape (n, 3), eV/A; None if not on the host.
    """
    momenta = atoms.arrays.get("momenta")
    if momenta is None:
        return None
    kick = _second_kick(driver, atoms, forces)
    if kick is not None:
        momenta = momenta + kick
    masses = atoms.get_masses()[:, None]
    return float(0.5 * (momenta**2 / masses).sum()), momenta.sum(axis=0)


def conserved_energy(driver: Any, atoms: Any, potential: float, kinetic: float) -> float | None:
    """Return the energy that the driver conserves, eV; None if it conserves none, or none that is known.

    Args:
        driver: The driver that requested the call, or None.
        atoms: The atoms.
        potential: Potential energy, consistent with the forces, eV.
        kinetic: Kinetic energy, eV.
    """
    reservoir = RESERVOIRS.get(_integrator(driver))
    if reservoir is None or driver.atoms is not atoms or not _projected(atoms):
        return None
    return potential + kinetic + float(reservoir(driver))


def is_plain_verlet(driver: Any, atoms: Any) -> bool:
    """Return whether these atoms are moved by velocity Verlet, without constraints."""
    return _integrator(driver) == "VelocityVerlet" and driver.atoms is atoms and not atoms.constraints


def _integrator(driver: Any) -> str:
    """Return the name of ASE's class that defines the driver's step; empty if it is not one of ASE's."""
    for cls in type(driver).__mro__:
        if "step" in vars(cls):
            return cls.__name__ if cls.__module__.startswith("ase.md.") else ""
    return ""


def _projected(atoms: Any) -> bool:
    kinds = [type(each) for each in atoms.constraints]
    return all(
        kind.__name__ in PROJECTIONS and kind.__module__.startswith("ase.constraints") for kind in kinds
    )


def _second_kick(driver: Any, atoms: Any, forces: Any) -> Any:
    """Return the momentum that the second half of the step will add, or None if there is or is known none."""
    name = _integrator(driver)
    if name not in KICKED or forces is None or driver.atoms is not atoms or not _projected(atoms):
        return None
    step = _running_step(driver)
    if step is None or (KICKED[name] and KICKED[name] not in step.f_locals):
        return None
    if atoms.constraints:
        forces = forces.copy()
        for constraint in atoms.constraints:
            constraint.adjust_forces(atoms, forces)
    return 0.5 * driver.dt * forces


def _running_step(driver: Any) -> Any:
    """Return the frame of the driver's `step()`, or None: forces requested outside belong to no step."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "step" and frame.f_locals.get("self") is driver:
            return frame
        frame = frame.f_back
    return None


def _of_no_reservoir(_: Any) -> float:
    return 0.0


def _of_bussi(driver: Any) -> float:
    return -float(driver.transferred_energy)


def _of_nose_hoover(driver: Any) -> float:
    return float(driver._thermostat.get_thermostat_energy())  # noqa: SLF001 - ASE offers no other way


def _of_isotropic_mtk(driver: Any) -> float:
    barostat = driver._barostat  # noqa: SLF001 - ASE offers no other way
    piston = driver._p_eps**2 / (2 * barostat.W)  # noqa: SLF001
    return _of_mtk_reservoirs(driver) + float(piston)


def _of_mtk(driver: Any) -> float:
    return _of_mtk_reservoirs(driver) + float(driver._get_cell_kinetic_energy())  # noqa: SLF001 - as above


def _of_mtk_reservoirs(driver: Any) -> float:
    work = driver._pressure_au * driver._get_volume()  # noqa: SLF001 - as above
    return _of_nose_hoover(driver) + float(driver._barostat.get_barostat_energy() + work)  # noqa: SLF001


def _of_melchionna(driver: Any) -> float:
    """Return the terms of `get_gibbs_free_energy` that need no calculation."""
    import numpy as np

    atoms = len(driver.atoms)
    found = -np.sum(driver.externalstress[0:3]) * np.linalg.det(driver.h) / 3
    if driver.ttime is not None:
        chain = (driver.ttime * driver.zeta) ** 2
        found += 1.5 * atoms * driver.temperature * chain
        found += 3 * driver.temperature * (atoms - 1) * driver.zeta_integrated
    if driver.pfactor_given is not None:
        found += 0.5 / driver.pfact * np.sum(driver.eta * driver.eta)
    return float(found)


# The energy in the reservoirs of each integrator, by the class that defines its step.
RESERVOIRS: dict[str, Callable[[Any], float]] = {
    "VelocityVerlet": _of_no_reservoir,
    "Bussi": _of_bussi,
    "NoseHooverChainNVT": _of_nose_hoover,
    "IsotropicMTKNPT": _of_isotropic_mtk,
    "MTKNPT": _of_mtk,
    "MelchionnaNPT": _of_melchionna,
    "NPT": _of_melchionna,
}
# Integrators that kick twice, and a local variable that `step` has only after the first kick, if any.
KICKED = {
    "VelocityVerlet": "p",
    "Bussi": "",
    "NVTBerendsen": "p",
    "NoseHooverChainNVT": "",
    "IsotropicMTKNPT": "",
    "MTKNPT": "",
}
