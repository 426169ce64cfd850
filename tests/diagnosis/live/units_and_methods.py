"""Mistakes with units, masses and forces that a method passes on, and methods that look odd but are sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase.build import add_adsorbate, fcc111
from ase.calculators.emt import EMT
from ase.calculators.mixing import SumCalculator
from ase.constraints import FixAtoms, FixBondLengths
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import MTKNPT
from ase.md.npt import NPT
from ase.md.nvtberendsen import NVTBerendsen
from ase.mep import NEB
from ase.optimize import BFGS
from tests.diagnosis.case import case
from tests.diagnosis.live.workloads import FS, Pairs, copper, heated, move, shared_run

from instrumented_calc import ProfiledCalculator

if TYPE_CHECKING:
    import random

LIVE = {"stored": False, "busy": True}
RESERVOIR = {"temperature_K": 300, "friction": 0.02 / FS}


@case("masses-in-another-unit", "exploded", also=("energy-drift", "non-finite"), **LIVE)
def masses_in_another_unit(draw: random.Random, planted: bool) -> None:
    """Masses are a thousand times too small."""
    atoms = copper()
    if planted:
        atoms.set_masses(1e-3 * atoms.get_masses())
    move(atoms, Pairs(), 400)


@case("energy-per-atom", "forces-not-gradient", **LIVE)
def energy_per_atom(draw: random.Random, planted: bool) -> None:
    """The energy is that of one atom, the forces are those of all."""

    def divide(_: int, atoms: Any, results: dict[str, Any]) -> None:
        results["energy"] /= len(atoms) if planted else 1

    move(copper(), Pairs(divide), 600, Langevin, rng=np.random.RandomState(0), **RESERVOIR)


@case("forces-that-are-clipped", "forces-not-gradient", also=("energy-drift",), **LIVE)
def forces_that_are_clipped(draw: random.Random, planted: bool) -> None:
    """Large forces are cut "for stability"."""

    def clip(_: int, __: Any, results: dict[str, Any]) -> None:
        if planted:
            np.clip(results["forces"], -0.5, 0.5, out=results["forces"])

    move(copper(kelvin=2500), Pairs(clip), 800)


@case("forces-that-lag", "energy-drift", also=("exploded", "forces-not-gradient"), **LIVE)
def forces_that_lag(draw: random.Random, planted: bool) -> None:
    """A part of the forces is that of the previous call, as of charges that are not converged."""
    last: dict[str, Any] = {}

    def lag(_: int, __: Any, results: dict[str, Any]) -> None:
        now = results["forces"].copy()
        if planted and last:
            results["forces"] = 0.85 * now + 0.15 * last["forces"]
        last["forces"] = now

    move(copper(), Pairs(lag), 1500, step=3.0)


@case("noise-that-is-not-converged", "forces-not-gradient", also=("energy-drift",), **LIVE)
def noise_that_is_not_converged(draw: random.Random, planted: bool) -> None:
    """Energy and forces scatter, as of a calculation that is not converged."""
    rng = np.random.default_rng(1)

    def scatter(_: int, __: Any, results: dict[str, Any]) -> None:
        if planted:
            results["forces"] += rng.normal(0, 0.15, results["forces"].shape)
            results["energy"] += rng.normal(0, 0.02)

    move(copper(), Pairs(scatter), 1500)


class WithoutForces(Pairs):
    """Forgets the forces of its energy."""

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        self.results["forces"] *= 0


@case("term-without-forces", "forces-not-gradient", also=("energy-drift",), **LIVE)
def term_without_forces(draw: random.Random, planted: bool) -> None:
    """A term of a sum gives an energy, but no forces."""
    move(copper(kelvin=600), SumCalculator([Pairs(), WithoutForces() if planted else Pairs()]), 500)


@case("a-barostat-of-all-cell-vectors", **LIVE)
def a_barostat_of_all_cell_vectors(draw: random.Random, planted: bool) -> None:
    """The cell changes its shape; its conserved energy is known."""
    options = {"temperature_K": 300, "pressure_au": 0.0, "tdamp": 100 * FS, "pdamp": 1000 * FS}
    move(copper(kelvin=600), EMT(), 150, MTKNPT, **options)


@case("melchionna-at-constant-volume", **LIVE)
def melchionna_at_constant_volume(draw: random.Random, planted: bool) -> None:
    """NPT without its barostat."""
    options = {"temperature_K": 300, "externalstress": 0.0, "ttime": 25 * FS, "pfactor": None}
    move(copper(kelvin=600), Pairs(), 400, NPT, **options)


@case("forty-steps-of-berendsen", **LIVE)
def forty_steps_of_berendsen(draw: random.Random, planted: bool) -> None:
    """So short a run tells little of the time between its calls."""
    move(copper(3), Pairs(), 40, NVTBerendsen, temperature_K=300, taut=100 * FS)


@case("a-rigid-molecule-on-a-slab", **LIVE)
def a_rigid_molecule_on_a_slab(draw: random.Random, planted: bool) -> None:
    """Two kinds of constraints at once."""
    atoms = fcc111("Cu", (2, 2, 3), vacuum=8)
    add_adsorbate(atoms, "N", 1.2, "fcc")
    add_adsorbate(atoms, "N", 2.4, "fcc")
    atoms.set_constraint([FixAtoms(range(4)), FixBondLengths([(12, 13)])])
    move(heated(atoms, 300), EMT(), 150, step=1.0)


@case("a-climbing-band", **LIVE)
def a_climbing_band(draw: random.Random, planted: bool) -> None:
    """A calculator for each image, relaxed ends, and a climbing image."""
    first = fcc111("Al", (2, 2, 3), vacuum=8)
    add_adsorbate(first, "Au", 1.7, "fcc")
    first.set_constraint(FixAtoms(range(8)))
    last = first.copy()
    last.positions[-1] += [1.43, 0.8, 0]
    images = [first, *(first.copy() for _ in range(3)), last]
    with shared_run(EMT(), 30) as first.calc:
        for each in images[1:]:
            each.calc = ProfiledCalculator(EMT())
        for end in (first, last):
            BFGS(end, logfile=None).run(fmax=0.05, steps=20)
        band = NEB(images, climb=True)
        band.interpolate()
        BFGS(band, logfile=None).run(fmax=0.05, steps=25)
