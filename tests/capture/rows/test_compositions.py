"""Each composition that one calculator computes has a number, a formula and a row in the table of systems."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from tests.capture import zoo
from tests.capture.zoo import copper
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.analysis.systems import measure_systems
from instrumented_calc.capture.rows import compositions
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.run.systems import systems_table


def alloy(*symbols):
    """Return copper with some atoms replaced."""
    atoms = copper()
    for place, symbol in enumerate(symbols):
        atoms.symbols[place] = symbol
    return atoms


def screened(structures, calculations=1):
    """Calculate structures in turn with one calculator; return the records."""
    calculator = ProfiledCalculator(zoo.Spring())
    for atoms in structures:
        atoms.calc = calculator
        for _ in range(calculations):
            atoms.get_potential_energy()
            atoms.positions += 0.01
    recording(calculator).close()
    records = read_records()
    assert records.counters["faults"] == 0
    return records


def table():
    """Return formula, atoms and calculations of each system."""
    return [(each.formula, each.n_atoms, each.calls) for each in measure_systems([read_journal("run.jsonl")])]


def test_a_shared_calculator_has_a_row_for_each_formula_and_size():
    records = screened([copper(), alloy("Au"), alloy("Pt"), alloy("Au"), copper() * (2, 1, 1), copper()], 3)
    assert [each["formula"] for each in records.of("system")] == ["Cu8", "AuCu7", "Cu7Pt", "Cu16"]
    written = [row["system"] for row in records.of("call") if "system" in row]
    assert written == [0, 1, 2, 1, 3, 0], "only where it changes"
    assert table() == [("AuCu7", 8, 6), ("Cu7Pt", 8, 3), ("Cu8", 8, 6), ("Cu16", 16, 3)]


def test_the_order_of_the_atoms_is_not_a_composition():
    first, second = alloy("Au"), copper()
    second.symbols[1] = "Au"
    records = screened([first, second], 2)
    assert len(records.of("system")) == 1
    assert table() == []


def test_formulas_are_limited(monkeypatch):
    monkeypatch.setattr(compositions, "MOST_SYSTEMS", 3)
    records = screened([alloy(symbol) for symbol in ("Cu", "Au", "Pt", "Ni", "Ag", "Pd", "Au", "Ni")])
    assert [each["formula"] for each in records.of("system")][-1] == "*other*"
    assert [row["system"] for row in records.calls] == [0, 1, 2, 3, 3, 3, 1, 3]
    rows = systems_table(measure_systems([read_journal("run.jsonl")]), 20).rows
    assert [(row[0], row[2]) for row in rows if row[0] == "other"] == [("other", "4")]


def test_calculators_in_turn_keep_their_structures_apart():
    one, two = copper(), alloy("Au", "Au")
    one.calc, two.calc = ProfiledCalculator(zoo.Spring()), ProfiledCalculator(zoo.Spring())
    for _ in range(3):
        for atoms in (one, two):
            atoms.positions += 0.01
            atoms.get_potential_energy()
    recording(one.calc).close()
    assert [row["system"] for row in read_records().calls] == [0, 1] * 3
    assert {each[2] for each in table()} == {3}


def test_atomic_numbers_of_a_users_own_do_no_harm():
    seen = []
    found = compositions.Compositions(seen.append)
    atoms = Atoms(positions=np.zeros((2, 3)), numbers=[29, 29])
    atoms.arrays["numbers"] = np.array([29, 10**9])
    assert found.number_of(atoms) is None
    assert found.number_of(object()) is None
    assert seen == []
