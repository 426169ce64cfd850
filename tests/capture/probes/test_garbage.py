"""Garbage collection at any moment takes nothing away from a wrapped calculator (python/cpython#130327)."""

from __future__ import annotations

import gc
import weakref

import pytest
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from tests.capture import zoo
from tests.capture.zoo import copper
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording


@pytest.fixture(autouse=True)
def frozen():
    """Exclude existing objects from the collections, which makes them a hundred times faster."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


makers = pytest.mark.parametrize(
    "make", [EMT, lambda: LennardJones(sigma=2.3, epsilon=0.1, rc=4.0), zoo.Spring]
)


@pytest.fixture
def storm():
    """Have the collector run at nearly every allocation."""
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*before)


@pytest.fixture(scope="module")
def expected():
    """Return the names in a used calculator's dictionary and its energy, by class."""
    known = {}

    def look_up(make):
        calc = make()
        if type(calc) not in known:
            calc.calculate(copper())
            known[type(calc)] = set(vars(calc)), float(calc.results["energy"])
        return known[type(calc)]

    return look_up


@makers
def test_collections_between_calls_lose_no_state(make, expected):
    names, energy = expected(make)
    for _ in range(40):
        calc = make()
        wrapped = ProfiledCalculator(calc)
        gc.collect()
        wrapped.calculate(copper())
        gc.collect()
        for face in (wrapped, calc):
            assert set(vars(face)) == names
            assert face.results["energy"] == energy
            assert face.parameters == make().parameters
        del calc, face
        gc.collect()
        assert set(vars(wrapped)) == names
        assert wrapped.get_potential_energy(wrapped.atoms) == energy


@makers
def test_a_storm_of_collections_during_calls_loses_no_state(make, expected, storm):
    names, energy = expected(make)
    twins = []
    for _ in range(15):
        wrapped = ProfiledCalculator(make())
        wrapped.calculate(copper())
        twins.append(wrapped)
    for wrapped in twins:
        assert set(vars(wrapped)) == names
        assert wrapped.results["energy"] == energy
    recording(twins[0]).close()
    records = read_records()
    assert len(records.calls) == 15
    assert records.counters["faults"] == 0


def test_discarding_the_twin_leaves_the_calculator_as_it_was(expected):
    names, energy = expected(EMT)
    for _ in range(25):
        calc = EMT()
        wrapped = ProfiledCalculator(calc)
        wrapped.calculate(copper())
        gone = weakref.ref(wrapped)
        del wrapped
        gc.collect()
        assert gone() is None
        assert set(vars(calc)) == names
        assert calc.results["energy"] == energy


def test_twins_in_cycles_are_collected():
    gone = []
    for _ in range(50):
        atoms = copper()
        atoms.calc = wrapped = ProfiledCalculator(zoo.AttachedSpring())
        wrapped.calculate(atoms)
        wrapped.me = wrapped
        gone.append(weakref.ref(wrapped))
        del atoms, wrapped
    gc.collect()
    assert [ref() for ref in gone] == [None] * 50


def test_a_collection_during_a_call_is_reported_in_its_row():
    class Collecting(zoo.Spring):
        collects = False

        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            if self.collects:
                gc.collect(1)
                gc.collect(2)

    gc.disable()
    try:
        wrapped = ProfiledCalculator(Collecting())
        wrapped.calculate(copper())
        gc.collect()
        wrapped.collects = True
        wrapped.calculate(copper())
    finally:
        gc.enable()
    recording(wrapped).close()
    quiet, collecting = read_records().calls
    assert "gc_ns" not in quiet
    assert collecting["gc_generation"] == 2
    assert 0 < collecting["gc_ns"] <= collecting["wall_ns"]


def test_a_frozen_or_disabled_collector_stays_so():
    gc.disable()
    try:
        wrapped = ProfiledCalculator(zoo.Spring())
        wrapped.calculate(copper())
        recording(wrapped).close()
        assert not gc.isenabled()
    finally:
        gc.enable()
