"""Calculators of ASE 4, wrapped. ASE 3.29 has a preview of it; older versions skip these tests."""

from __future__ import annotations

from typing import ClassVar

import pytest
from tests.capture.conformance import Identity
from tests.capture.zoo import copper, pulled
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, read_journal, recording
from instrumented_calc.analysis.summary import summarize

calculator = pytest.importorskip("ase._4.calculators.calculator")
emt = pytest.importorskip("ase._4.calculators.emt")
results = pytest.importorskip("ase._4.calculators.results")
pes = pytest.importorskip("ase._4.pes")


class Spring4(calculator.BaseCalculator):
    """A calculator native to ASE 4."""

    implemented_properties = ("energy", "forces")

    def evaluate(self, atoms, properties):
        """Return all, whatever is asked for."""
        return results.CalculationResults(properties=pulled(atoms, 0.02))


class EvaluateConformance(Identity):
    """Requirements on a calculator of ASE 4 in use."""

    atoms: ClassVar = staticmethod(copper)
    is_twin: ClassVar = True

    def work(self, calc):
        """Evaluate once and return the energy and the forces."""
        properties = calc.evaluate(self.atoms(), ["energy", "forces"]).properties
        return float(properties["energy"]), properties["forces"].tobytes()

    def test_a_surface_of_it_gives_the_same_and_is_recorded(self, wrapped, bare):
        surfaces = [pes.PotentialEnergySurface(self.atoms(), calc) for calc in (wrapped, bare)]
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
    make: ClassVar = staticmethod(emt.EMT)


class TestVersion4Native(EvaluateConformance):
    make: ClassVar = staticmethod(Spring4)


def test_hits_of_ase_4_are_absent_as_its_cache_is_outside_of_the_calculator():
    wrapped = ProfiledCalculator(Spring4())
    wrapped.evaluate(copper(), ["energy", "forces"])
    assert recording(wrapped).calls == 1
    assert recording(wrapped).cache_hits is None
    recording(wrapped).close()
    (lane,) = read_records().of("lane")
    assert lane["requests_seen"] is False
    seen = summarize(read_journal("run.jsonl")).evaluations
    assert (seen.calls, seen.get_property, seen.cache_hits) == (1, None, None)
