"""Calculators inside a calculator: one part each, with their own parts inside."""

import functools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.mixing import LinearCombinationCalculator, MixedCalculator, SumCalculator
from ase.calculators.qmmm import EIQMMM, LJInteractions, SimpleQMMM
from ase.calculators.tip3p import TIP3P, epsilon0, sigma0
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording, span
from instrumented_calc.capture.calls.first_calls import FIRST_CALLS
from instrumented_calc.capture.wrapping.twin import lane_of, twin
from instrumented_calc.integration import Part

CALLS = FIRST_CALLS + 2


class Timed(Calculator):
    """Takes a known time on an exact clock."""

    implemented_properties = ("energy", "forces")

    def __init__(self, clock, ns):
        super().__init__()
        self.clock, self.ns = clock, ns

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Let time pass."""
        super().calculate(atoms, properties, system_changes)
        self.clock.advance(self.ns)
        with span("mine"):
            self.clock.advance(1)
        self.results = {"energy": 1.0, "forces": atoms.positions * 0.0}


class Other(Timed):
    """Another class."""


def rows_of(calc, atoms, calls=CALLS):
    for _ in range(calls):
        atoms.positions += 0.001
        calc.get_forces(atoms)
    lane_of(calc).recorder.end("closed")
    return read_records().calls


def argon():
    return Atoms("Ar2", positions=[(0, 0, 0), (3, 0, 0)])


def test_each_term_of_a_sum_is_a_part_with_its_own_parts_inside(exact_clock, make_recorder):
    calc = SumCalculator([Timed(exact_clock, 30), Other(exact_clock, 70), Timed(exact_clock, 5)])
    rows = rows_of(twin(calc, make_recorder(clock=exact_clock)), argon())
    for row in rows:
        assert row["components"] == {
            "Timed": 30,
            "Timed / mine": 1,
            "Other": 70,
            "Other / mine": 1,
            "Timed #2": 5,
            "Timed #2 / mine": 1,
        }
        assert sum(row["components"].values()) == row["wall_ns"]


def test_a_sum_in_a_sum(exact_clock, make_recorder):
    inner = SumCalculator([Timed(exact_clock, 30)])
    calc = SumCalculator([inner, Other(exact_clock, 70)])
    (*_, row) = rows_of(twin(calc, make_recorder(clock=exact_clock)), argon())
    times = {name: time for name, time in row["components"].items() if time}
    assert times == {
        "SumCalculator / Timed": 30,
        "SumCalculator / Timed / mine": 1,
        "Other": 70,
        "Other / mine": 1,
    }


class Wrapping(Calculator):
    """Wraps the calculator that it holds, as a script may do anywhere, in the middle of its calls."""

    implemented_properties = ("energy", "forces")

    def __init__(self, inner, make):
        super().__init__()
        self.inner, self.make = inner, make

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Ask the wrapped calculator."""
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 1.0, "forces": self.make(self.inner).get_forces(atoms)}


class Noting(Timed):
    """Notes the objects that calculate."""

    def __init__(self, clock, ns):
        super().__init__(clock, ns)
        self.seen = []

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Note the object."""
        self.seen.append(type(self))
        super().calculate(atoms, properties, system_changes)


@pytest.mark.parametrize("patched", [False, True])
def test_a_term_that_is_wrapped_in_the_middle_of_a_call_is_a_nested_call(patched, exact_clock, make_recorder):
    recorder = make_recorder(clock=exact_clock)
    inner = Noting(exact_clock, 30)
    if patched:
        inner.calculate = functools.partial(Noting.calculate, inner)
    calc = twin(Wrapping(inner, lambda bare: twin(bare, recorder)), recorder)
    rows = rows_of(calc, argon(), 2)
    nested = [row for row in rows if "parent" in row]
    assert len(nested) == len(inner.seen) == 2
    for row in nested:
        assert row["components"] == {"mine": 1}
    # The object that calculates is the wrapped one, unless the user's own patch is bound to the bare one.
    assert (set(inner.seen) == {Noting}) is patched


def test_a_term_that_is_recorded_itself_is_a_nested_call(exact_clock, make_recorder):
    recorder = make_recorder(clock=exact_clock)
    recorded = twin(Timed(exact_clock, 30), recorder)
    calc = twin(SumCalculator([recorded, Other(exact_clock, 70)]), recorder)
    rows = rows_of(calc, argon(), 1)
    (outer,) = (row for row in rows if "parent" not in row)
    (inner,) = (row for row in rows if "parent" in row)
    assert inner["wall_ns"] == 31
    assert outer["components"] == {"Other": 70, "Other / mine": 1}


def test_parts_that_an_integration_names_are_inside_their_term(exact_clock, make_recorder, monkeypatch):
    class Split(Other):
        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            self.graph()
            super().calculate(atoms, properties, system_changes)

        def graph(self):
            self.clock.advance(9)

    monkeypatch.setattr(
        "instrumented_calc.capture.calls.lane.ask",
        lambda _, what, calc, __: (
            [Part("graph", calc, "graph")] if what == "parts" and isinstance(calc, Split) else None
        ),
    )
    calc = twin(SumCalculator([Split(exact_clock, 30)]), make_recorder(clock=exact_clock))
    for row in rows_of(calc, argon()):
        assert row["components"] == {"Split": 30, "Split / graph": 9, "Split / mine": 1}


def test_a_failure_in_a_term_passes_and_leaves_nothing(exact_clock, make_recorder):
    class Failing(Timed):
        def calculate(self, *_args, **_kwargs):
            self.clock.advance(4)
            raise ZeroDivisionError

    term = Failing(exact_clock, 0)
    calc = twin(SumCalculator([Timed(exact_clock, 30), term]), make_recorder(clock=exact_clock))
    with pytest.raises(ZeroDivisionError):
        calc.get_potential_energy(argon())
    lane_of(calc).recorder.end("closed")
    (row,) = read_records().calls
    assert row["components"] == {"Timed": 30, "Timed / mine": 1, "Failing": 4}
    assert "calculate" not in vars(term)


def lennard_jones():
    return LennardJones(rc=4.0)


def qmmm():
    return SimpleQMMM([0, 1], EMT(), lennard_jones(), lennard_jones())


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: SumCalculator([EMT(), lennard_jones()]), {"EMT", "LennardJones"}),
        (
            lambda: LinearCombinationCalculator([EMT(), EMT()], [0.5, 0.5]),
            {"EMT", "EMT #2"},
        ),
        (lambda: MixedCalculator(EMT(), lennard_jones(), 1, 2), {"EMT", "LennardJones"}),
        (qmmm, {"EMT", "LennardJones", "LennardJones #2"}),
    ],
    ids=["sum", "linear combination", "mixed", "QM/MM"],
)
def test_those_of_ase_give_the_same_results(make, names):
    atoms, bare = bulk("Cu", cubic=True), make()
    atoms.rattle(0.01, seed=1)
    calc = ProfiledCalculator(make())
    for _ in range(CALLS):
        atoms.positions[0, 0] += 0.01
        assert np.array_equal(calc.get_forces(atoms), bare.get_forces(atoms))
    recording(calc).close()
    for row in read_records().calls:
        assert names <= set(row["components"])
        assert sum(row["components"].values()) <= row["wall_ns"]


def test_explicit_interaction_qmmm():
    dimer = molecule("H2O") + molecule("H2O")
    dimer.positions[3:, 0] += 3.0
    dimer = dimer[[0, 1, 2, 3, 4, 5]]
    interaction = LJInteractions({("O", "O"): (epsilon0, sigma0)})
    calc = EIQMMM([0, 1, 2], TIP3P(), TIP3P(), interaction)
    wrapped = ProfiledCalculator(calc)
    wrapped.get_potential_energy(dimer)
    recording(wrapped).close()
    calc.close()  # its log
    (row,) = read_records().calls
    assert {"TIP3P", "TIP3P #2"} <= set(row["components"])


def test_contractions_are_listed_under_the_term_that_ran_them(exact_clock, make_recorder):
    class Contracting(Timed):
        def calculate(self, *args, **kwargs):
            with span("mix"):
                np.einsum("i,i", np.ones(2), np.ones(2))
            np.einsum("ij,j", np.ones((2, 2)), np.ones(2))
            super().calculate(*args, **kwargs)

    calc = SumCalculator([Contracting(exact_clock, 30), Other(exact_clock, 70)])
    rows_of(twin(calc, make_recorder(clock=exact_clock)), argon())
    found = {each["equation"]: each["component"] for each in contractions()}
    assert found == {"i,i": "Contracting / mix", "ij,j": "Contracting"}


def contractions():
    return [each for record in read_records().of("contractions") for each in record["contractions"]]


def test_ctrl_c_in_a_term_passes_and_leaves_nothing(exact_clock, make_recorder):
    class Interrupted(Timed):
        def calculate(self, *args, **kwargs):
            if self.ns:
                self.ns = 0
                raise KeyboardInterrupt
            super().calculate(*args, **kwargs)

    term = Interrupted(exact_clock, 1)
    calc = twin(SumCalculator([term, Other(exact_clock, 70)]), make_recorder(clock=exact_clock))
    with pytest.raises(KeyboardInterrupt):
        calc.get_potential_energy(argon())
    assert "calculate" not in vars(term)
    rows = rows_of(calc, argon())
    assert rows[-1]["components"] == {
        "Interrupted": 0,
        "Interrupted / mine": 1,
        "Other": 70,
        "Other / mine": 1,
    }
