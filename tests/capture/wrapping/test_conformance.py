"""Every kind of calculator, wrapped, behaves as it does bare. One line each; see `conformance`."""

from __future__ import annotations

from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.mixing import LinearCombinationCalculator, SumCalculator
from ase.calculators.morse import MorsePotential
from ase.calculators.tip3p import TIP3P
from tests.capture import zoo
from tests.capture.conformance import conformance
from tests.capture.zoo import copper, water

from instrumented_calc import ProfiledCalculator


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
