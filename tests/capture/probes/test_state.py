"""The simulation at the end of a call: conserved quantities, positions and results."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from ase import units
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, Hookean
from ase.md.bussi import Bussi
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.verlet import VelocityVerlet
from msgspec import UNSET

from instrumented_calc.capture.probes.state import LastPositions, read_state


class Watched(EMT):
    """Reads the state at the end of each of its calls."""

    driver = None

    def __init__(self):
        super().__init__()
        self.states = []

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.states.append(read_state(len(self.states), self.results, atoms, self.driver))


class Rescaling(VelocityVerlet):
    """A thermostat of the user's own: what it conserves is unknown."""

    def step(self, forces=None):
        self.atoms.set_momenta(0.99 * self.atoms.get_momenta())
        return super().step(forces)


def moving(driver=VelocityVerlet, **options):
    atoms = bulk("Cu", cubic=True)
    atoms.set_momenta(np.random.default_rng(0).normal(size=(4, 3)) * 3)
    atoms.calc = Watched()
    dynamics = driver(atoms, 2 * units.fs, **options)
    atoms.calc.driver = dynamics
    return atoms, dynamics


def test_the_total_energy_is_the_one_that_the_driver_arrives_at():
    atoms, dynamics = moving()
    arrived = []
    dynamics.attach(lambda: arrived.append((atoms.get_total_energy(), atoms.get_kinetic_energy())))
    dynamics.run(20)
    reported = [(state.conserved_ev, state.kinetic_ev) for state in atoms.calc.states]
    np.testing.assert_allclose(reported, arrived, rtol=1e-12)


@pytest.mark.parametrize("why", ["thermostat", "spring", "no driver", "own step"])
def test_where_nothing_is_known_to_be_conserved_nothing_is_said(why):
    if why == "thermostat":
        atoms, dynamics = moving(
            Langevin, temperature_K=300, friction=0.01, rng=np.random.RandomState(0), fixcm=False
        )
    else:
        atoms, dynamics = moving()
    if why == "spring":
        atoms.set_constraint(Hookean(0, 1, k=5.0, rt=2.0))
    if why == "own step":
        atoms, dynamics = moving(Rescaling)
    if why == "no driver":
        atoms.calc.driver = None
    dynamics.run(5)
    assert all(state.conserved_ev is UNSET for state in atoms.calc.states)
    expected = ["Hookean"] if why == "spring" else UNSET
    assert all(state.acting_constraints == expected for state in atoms.calc.states)


def test_fixed_atoms_take_no_part_in_the_total_energy():
    atoms, dynamics = moving()
    atoms.set_constraint(FixAtoms([0]))
    atoms.set_momenta(atoms.get_momenta())  # the fixed one loses its momentum
    arrived = []
    dynamics.attach(lambda: arrived.append((atoms.get_total_energy(), atoms.get_temperature())))
    dynamics.run(20)
    states = atoms.calc.states
    reported = [(state.conserved_ev, state.temperature_k) for state in states]
    np.testing.assert_allclose(reported, arrived, rtol=1e-12)
    assert states[0].fixed_atoms == 1
    assert states[0].acting_constraints is UNSET


def test_what_a_thermostat_has_taken_is_part_of_the_conserved_energy():
    atoms, dynamics = moving(Bussi, temperature_K=300, taut=20 * units.fs, rng=np.random.RandomState(0))
    dynamics.run(200)
    conserved = [state.conserved_ev for state in atoms.calc.states]
    assert np.ptp([state.kinetic_ev for state in atoms.calc.states]) > 0.1
    assert np.ptp(conserved) < 2e-3
    assert atoms.calc.states[0].target_k == pytest.approx(300)


def test_a_nose_hoover_chain_conserves_what_ase_says():
    atoms, dynamics = moving(NoseHooverChainNVT, temperature_K=300, tdamp=40 * units.fs)
    arrived = []
    dynamics.attach(lambda: arrived.append(dynamics.get_conserved_energy()))
    dynamics.run(200)
    conserved = np.array([state.conserved_ev for state in atoms.calc.states])
    assert len(conserved) == len(arrived)
    # in the middle of a step, that is: the two differ by less than the energy fluctuates
    np.testing.assert_allclose(conserved, arrived, atol=2e-3)


def test_a_state_tells_of_forces_and_distances():
    atoms = molecule("N2")
    atoms.calc = Watched()
    last = LastPositions()
    atoms.get_forces()
    forces = atoms.calc.results["forces"]
    read_state(0, atoms.calc.results, atoms, None, last=last)
    atoms.positions[1] += [0.3, 0, 0.4]
    state = read_state(1, atoms.calc.results, atoms, None, last=last)
    assert state.moved_a == pytest.approx(0.5)
    assert state.force_norm_ev_a == pytest.approx(np.linalg.norm(forces))
    assert state.largest_force_ev_a == pytest.approx(np.linalg.norm(forces, axis=1).max())
    assert state.shortest_distance_a == pytest.approx(atoms.get_distance(0, 1))
    assert state.extent_a == pytest.approx(atoms.get_distance(0, 1) / 2)


def test_atoms_that_are_nowhere_are_named_without_a_warning():
    atoms = molecule("CH4")
    atoms.positions[2] = np.inf
    forces = np.full((5, 3), 1e300)
    forces[4] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state = read_state(3, {"energy": 1.0, "forces": forces}, atoms, None)
    assert state.non_finite == ["forces", "positions"]
    assert state.non_finite_atoms == [2, 4]


def test_atoms_that_have_left_the_cell_are_seen():
    atoms = bulk("Cu", cubic=True)
    atoms.positions[0, 0] += 2.2 * atoms.cell[0, 0]
    atoms.calc = Watched()
    atoms.get_potential_energy()
    (state,) = atoms.calc.states
    assert state.farthest_cells == pytest.approx(2.2)
    assert state.volume_a3 == pytest.approx(atoms.get_volume())


def test_a_system_that_is_not_periodic_has_no_cell_to_leave():
    atoms = molecule("N2")
    atoms.calc = Watched()
    atoms.get_potential_energy()
    assert atoms.calc.states[0].farthest_cells is UNSET


def test_results_that_are_not_finite_are_named():
    results = {"energy": float("nan"), "forces": np.zeros((2, 3)), "stress": np.array([1, np.inf])}
    state = read_state(3, results, molecule("N2"), None)
    assert (state.index, state.non_finite) == (3, ["energy", "stress"])


def test_no_code_of_a_results_class_runs():
    ran = []

    class Lazy(float):
        def __float__(self):
            ran.append("float")
            return 1.0

    class Quantity(np.ndarray):
        def __array_ufunc__(self, *inputs, **options):
            ran.append("ufunc")

    class Loose:
        def __getattr__(self, name):
            ran.append(name)

    results = {"energy": Lazy("nan"), "forces": np.zeros((2, 3)).view(Quantity), "more": Loose()}
    assert read_state(3, results, molecule("N2"), None).non_finite == ["energy"]
    assert ran == []


def test_results_that_carry_a_graph_are_named():
    torch = pytest.importorskip("torch")

    results = {"energy": torch.ones(1, requires_grad=True) * 2, "forces": torch.zeros(2, 3)}
    state = read_state(0, results, molecule("N2"), None)
    assert state.graph_retained == ["energy"]


def test_anything_at_all_may_be_a_calculator():
    assert read_state(0, object(), None, None).non_finite is UNSET
