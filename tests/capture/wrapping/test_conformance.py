"""Every kind of calculator, wrapped, behaves as it does bare. One line each; see `conformance`."""

from __future__ import annotations

from typing import ClassVar

import ase._4.calculators.emt
import pytest
from ase._4.pes import PotentialEnergySurface
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.mixing import LinearCombinationCalculator, SumCalculator
from ase.calculators.morse import MorsePotential
from ase.calculators.tip3p import TIP3P
from tests.capture import zoo
from tests.capture.conformance import Identity, conformance
from tests.capture.zoo import copper, water
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording


def lennard_jones():
    """Return one that is cheap for copper."""
    return LennardJones(sigma=2.3, epsilon=0.1, rc=4.0)


def sum_of_two():
    """Return a mixing calculator."""
    return SumCalculator([lennard_jones(), EMT()])


def combination():
    """Return a weighted mixing calculator."""
    return LinearCombinationCalculator([lennard_jones(), EMT()], [0.25, 0.75])


def sum_of_profiled():
    """Return a mixing calculator of profiled ones."""
    return SumCalculator([ProfiledCalculator(lennard_jones()), ProfiledCalculator(EMT())])


TestEMT = conformance(EMT, copper)
TestLennardJones = conformance(lennard_jones, copper)
TestMorse = conformance(lambda: MorsePotential(r0=2.5, rcut1=3.0, rcut2=4.0), copper)
TestTIP3P = conformance(TIP3P, water)
TestHarmonic = conformance(zoo.harmonic, copper)
TestSum = conformance(sum_of_two, copper)
TestLinearCombination = conformance(combination, copper)
TestSumOfProfiled = conformance(sum_of_profiled, copper, parts_are_bare=False)
TestSpring = conformance(zoo.Spring, copper)
TestBaseCalculator = conformance(zoo.BaseSpring, copper)
TestDeleted = conformance(zoo.DeletedSpring, copper)
TestRegistered = conformance(zoo.RegisteredSpring, copper)
TestStateful = conformance(zoo.StatefulSpring, copper)
TestCopying = conformance(zoo.CopyingSpring, copper)
TestStrict = conformance(zoo.StrictSpring, copper)
TestMetaclass = conformance(zoo.ConcreteSpring, copper)
TestEqual = conformance(zoo.EqualSpring, copper)
TestContextManager = conformance(zoo.OpenSpring, copper)
TestLocked = conformance(zoo.LockedSpring, copper)
TestRestarted = conformance(zoo.RestartedSpring, copper)
TestPatchedBefore = conformance(zoo.patched_spring, copper)
TestSlottedWithDictionary = conformance(zoo.SlottedSpring, copper, is_twin=False)
TestDictionary = conformance(zoo.DictSpring, copper, is_twin=False)
TestPureSlots = conformance(zoo.PureSlots, copper, is_twin=False, sees_all=False, files_written=0)


class EvaluateConformance(Identity):
    """Requirements on a calculator of ASE 4 in use."""

    atoms: ClassVar = staticmethod(copper)
    is_twin: ClassVar = True

    def work(self, calc):
        """Evaluate once and return the energy and the forces."""
        properties = calc.evaluate(self.atoms(), ["energy", "forces"]).properties
        return float(properties["energy"]), properties["forces"].tobytes()

    def test_a_surface_of_it_gives_the_same_and_is_recorded(self, wrapped, bare):
        surfaces = [PotentialEnergySurface(self.atoms(), calc) for calc in (wrapped, bare)]
        moved = self.atoms().positions + 0.01
        answers = []
        for surface in surfaces:
            first = surface.get_property("forces").tobytes()
            surface.set_positions(moved)
            answers.append((first, surface.get_property("forces").tobytes()))
        assert answers[0] == answers[1]
        recording(wrapped).close()
        rows = read_records().calls
        assert len(rows) == 2
        assert {row["n_atoms"] for row in rows} == {len(moved)}
        assert rows[0]["properties"] == list(surfaces[0].requested_properties)

    def test_the_energy_is_read_from_the_returned_results(self, wrapped):
        energy, _ = self.work(wrapped)
        recording(wrapped).close()
        assert [row["energy_ev"] for row in read_records().calls] == [pytest.approx(energy)]


class TestVersion4Adaptor(EvaluateConformance):
    make: ClassVar = staticmethod(ase._4.calculators.emt.EMT)


class TestVersion4Native(EvaluateConformance):
    make: ClassVar = staticmethod(zoo.Spring4)
