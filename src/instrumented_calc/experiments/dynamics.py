"""Molecular dynamics by ensemble name, and checks of conserved quantities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.ranges import (
    LONGEST_SHOWN,
    LONGEST_STEP_FS,
    MOST_STEPS,
    SHORTEST_STEP_FS,
    check_number,
    check_seed,
    check_temperature,
    check_whole,
)

ENSEMBLES = ("nve", "langevin", "npt")
FRICTION_PER_FS = 0.01
EQUILIBRATION_FRICTION_PER_FS = 0.02
MOST_EQUILIBRATION = 100  # steps, where the user leaves them open
MOST_SAMPLES = 1000
FEWEST_SAMPLES = 10
# A total energy that deviates by more than this share of the thermal energy, 3/2 kT per atom, is not
# conserved. Uncalibrated: a good time step of velocity Verlet deviates by less than a tenth of it.
MOST_STRAYING = 0.02
EV_TO_MEV = 1e3


@dataclass(frozen=True)
class Protocol:
    """Settings of a dynamics run.

    Attributes:
        ensemble: One of `ENSEMBLES`.
        steps: Steps after the equilibration.
        timestep_fs: Time step, fs.
        temperature_k: Temperature of start, thermostat and equilibration, K.
        equilibration: Preceding Langevin steps.
        seed: Seed of all random forces.
    """

    ensemble: str
    steps: int
    timestep_fs: float
    temperature_k: float
    equilibration: int
    seed: int

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ExperimentError: The ensemble is unknown, or a number is out of range.
        """
        if self.ensemble not in ENSEMBLES:
            message = f"unknown ensemble {self.ensemble[:LONGEST_SHOWN]!r}; known: {', '.join(ENSEMBLES)}"
            raise ExperimentError(message)
        check_whole("steps", self.steps, 0, MOST_STEPS)
        check_whole("equilibration", self.equilibration, 0, MOST_STEPS)
        check_number("timestep_fs", self.timestep_fs, SHORTEST_STEP_FS, LONGEST_STEP_FS)
        check_temperature(self.temperature_k)
        check_seed(self.seed)
        if self.ensemble != "nve" and not self.temperature_k:
            message = f"temperature_k=0: a thermostat ({self.ensemble}) needs a positive temperature"
            raise ExperimentError(message)


def equilibration(atoms: Any, protocol: Protocol) -> Any:
    """Return the preceding Langevin dynamics."""
    return _langevin(atoms, protocol, EQUILIBRATION_FRICTION_PER_FS)


def production(atoms: Any, protocol: Protocol) -> Any:
    """Return the dynamics of a protocol, using ASE's own integrators."""
    from ase import units

    if protocol.ensemble == "langevin":
        return _langevin(atoms, protocol, FRICTION_PER_FS)
    timestep = protocol.timestep_fs * units.fs
    if protocol.ensemble == "nve":
        from ase.md.verlet import VelocityVerlet

        return VelocityVerlet(atoms, timestep)
    from ase.md.nose_hoover_chain import IsotropicMTKNPT

    return IsotropicMTKNPT(
        atoms,
        timestep,
        temperature_K=protocol.temperature_k,
        pressure_au=0.0,
        tdamp=100 * timestep,
        pdamp=1000 * timestep,
    )


def _langevin(atoms: Any, protocol: Protocol, friction_per_fs: float) -> Any:
    from ase import units
    from ase.md.langevin import Langevin

    return Langevin(
        atoms,
        protocol.timestep_fs * units.fs,
        temperature_K=protocol.temperature_k,
        friction=friction_per_fs / units.fs,
        fixcm=False,
        rng=np.random.RandomState(protocol.seed),
    )


class ConservationCheck:
    """Follows the conserved quantity of an ensemble, without making the calculator compute anything.

    The potential energy is the one the calculator stored with the forces of the same step. If it stores
    none, or only on a device, it is not requested: that would change the profiled calls.

    Args:
        atoms: The moving atoms.
        dynamics: Their integrator.
        protocol: The settings.
    """

    def __init__(self, atoms: Any, dynamics: Any, protocol: Protocol) -> None:
        self._atoms = atoms
        self._dynamics = dynamics
        self._protocol = protocol
        self._samples: list[tuple[float, float, float]] = []  # time in ps, energy in eV or NaN, K
        dynamics.attach(self._sample, interval=max(protocol.steps // MOST_SAMPLES, 1))

    def words(self) -> str:
        """Return one line: the check with its figures, or the reason why there is none."""
        ensemble = self._protocol.ensemble
        if ensemble == "langevin":
            return f"not checked: a Langevin thermostat exchanges energy with its bath; {self._temperature()}"
        times, energies, _ = np.array(self._samples).T
        quantity = "total energy" if ensemble == "nve" else "extended energy of the MTK equations"
        if np.isnan(energies).any():
            lacking = "energy" if ensemble == "nve" else "free_energy"
            return f"{quantity} not checked: the calculator stores no {lacking} with the forces"
        if len(times) < FEWEST_SAMPLES:
            return f"{quantity} not checked: {len(times)} samples are too few"
        energies = energies * EV_TO_MEV / len(self._atoms)
        drift = np.polyfit(times, energies, 1)[0]
        straying = float(np.abs(energies - energies[0]).max())
        verdict = "conserved" if straying <= MOST_STRAYING * self._thermal_mev() else "NOT conserved"
        return (
            f"{quantity} {verdict}: drift {drift:+.3g} meV/atom/ps, at most {straying:.3g} meV/atom from its "
            f"start in {times[-1] - times[0]:.3g} ps; {self._temperature()}"
        )

    def _sample(self) -> None:
        time_ps = self._dynamics.nsteps * self._protocol.timestep_fs / 1e3
        self._samples.append((time_ps, self._energy(), float(self._atoms.get_temperature())))

    def _energy(self) -> float:
        results = getattr(self._atoms.calc, "results", {})
        extended = self._protocol.ensemble == "npt"
        potential = results.get("free_energy" if extended else "energy")
        if self._protocol.ensemble == "langevin" or not isinstance(potential, (int, float, np.number)):
            return float("nan")
        if extended:
            return float(self._dynamics.get_conserved_energy())
        return float(potential) + float(self._atoms.get_kinetic_energy())

    def _mean_temperature(self) -> float:
        return float(np.mean([temperature for *_, temperature in self._samples]))

    def _thermal_mev(self) -> float:
        from ase import units

        # The requested temperature, so that heating does not loosen the limit.
        temperature = self._protocol.temperature_k or self._mean_temperature()
        return float(1.5 * units.kB * EV_TO_MEV * temperature)

    def _temperature(self) -> str:
        return f"mean temperature {self._mean_temperature():.0f} K"
