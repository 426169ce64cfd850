"""Neighbour lists and graph builders of libraries are parts of any calculator that uses them."""

import importlib.util
import sys
import threading
from types import ModuleType

import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones
from ase.calculators.morse import MorsePotential
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.calls.first_calls import FIRST_CALLS
from instrumented_calc.capture.parts.libraries import BACKWARD, LIBRARY_CALLS, TimedLibraries
from instrumented_calc.capture.parts.stand_ins import StandIn

CUTOFF = 4.0


class Counting(Calculator):
    """Counts the neighbours that a library finds."""

    implemented_properties = ("energy",)

    def __init__(self, find):
        super().__init__()
        self.find = find

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Take the number of pairs for an energy."""
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": float(len(self.find(self.atoms)))}


def row_of(calc):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.01, seed=1)
    calc.get_potential_energy(atoms)
    recording(calc).close()
    (row,) = read_records().calls
    return row


@pytest.mark.parametrize("make", [LennardJones, MorsePotential])
def test_those_of_ase_whichever_way_they_are_used(make):
    row = row_of(ProfiledCalculator(make()))
    assert 0 < row["components"]["neighbour list"] < row["wall_ns"]


def test_a_list_that_was_good_enough_is_not_counted_as_built():
    calc = ProfiledCalculator(LennardJones(), journal="run.jsonl", summary=False)
    atoms = bulk("Ar", cubic=True)
    atoms.calc = calc
    for moved in (0.0, 1e-4, 3.0, 1e-4):  # within and beyond the list's skin
        atoms.positions[0, 0] += moved
        atoms.get_potential_energy()
    recording(calc).close()
    assert [row.get("counts") for row in read_records().calls] == [
        {"list builds": 1},
        None,
        {"list builds": 1},
        None,
    ]


def test_those_of_vesin():
    vesin = pytest.importorskip("vesin")

    def find(atoms):
        pairs = vesin.NeighborList(cutoff=CUTOFF, full_list=True)
        (first,) = pairs.compute(points=atoms.positions, box=atoms.cell[:], periodic=True, quantities="i")
        return first

    row = row_of(ProfiledCalculator(Counting(find)))
    assert row["energy_ev"] > 0
    assert 0 < row["components"]["neighbour list"] < row["wall_ns"]


def test_those_of_matscipy_also_where_the_function_was_imported_early():
    neighbours = pytest.importorskip("matscipy.neighbours")
    early = neighbours.neighbour_list
    row = row_of(ProfiledCalculator(Counting(lambda atoms: early("i", atoms, CUTOFF))))
    assert row["energy_ev"] > 0
    assert 0 < row["components"]["neighbour list"] < row["wall_ns"]


STUBBED = [call for call in LIBRARY_CALLS if call.module.partition(".")[0] not in ("ase", "torch")]


def library(call, monkeypatch):
    """Load a stub of a library and return a function that calls what is timed there."""
    module = ModuleType(call.module)
    if call.owner:
        owner = type(call.owner, (), {call.attribute: lambda self: [self]})
        setattr(module, call.owner, owner)
    else:
        setattr(module, call.attribute, lambda: [module])
    monkeypatch.setitem(sys.modules, call.module, module)
    found = owner() if call.owner else module

    def find():
        return getattr(found, call.attribute)()  # looked up at each call

    return find


@pytest.mark.parametrize("call", STUBBED, ids=lambda call: f"{call.module}.{call.attribute}")
def test_those_of_each_library(call, monkeypatch):
    find = library(call, monkeypatch)
    row = row_of(ProfiledCalculator(Counting(lambda _: find())))
    assert 0 < row["components"][call.name] < row["wall_ns"]


def test_a_library_that_a_calculation_loads_is_timed_from_the_next_call_on(monkeypatch):
    (call,) = (each for each in LIBRARY_CALLS if each.module == "vesin")
    monkeypatch.delitem(sys.modules, call.module, raising=False)  # another test may have loaded the real one
    found = []

    def find(_):
        if not found:
            found.append(library(call, monkeypatch))
        return found[0]()

    calc = ProfiledCalculator(Counting(find))
    for _ in range(FIRST_CALLS):
        calc.calculate(bulk("Cu"), ["energy"], ["positions"])
    recording(calc).close()
    times = [row.get("components", {}).get("neighbour list") for row in read_records().calls]
    assert times[0] is None
    assert all(times[1:])


def test_a_library_that_is_loaded_after_another_is_timed_too(monkeypatch):
    first, second = (each for each in LIBRARY_CALLS if each.module in ("vesin", "matscipy.ffi"))
    for call in (first, second):
        monkeypatch.delitem(sys.modules, call.module, raising=False)
    one = library(second, monkeypatch)
    early = ProfiledCalculator(Counting(lambda _: one()), journal="run.jsonl", summary=False)
    early.calculate(bulk("Cu"), ["energy"], ["positions"])
    other = library(first, monkeypatch)
    late = ProfiledCalculator(Counting(lambda _: other()), journal="run.jsonl", summary=False)
    late.calculate(bulk("Cu"), ["energy"], ["positions"])
    recording(late).close()
    recording(early).close()
    assert all(row["components"]["neighbour list"] > 0 for row in read_records().calls)


def test_a_function_that_a_module_has_imported_early(monkeypatch):
    (call,) = (each for each in LIBRARY_CALLS if each.module.startswith("nvalchemiops"))
    library(call, monkeypatch)
    consumer = ModuleType("consumer")
    consumer.neighbor_list = real = sys.modules[call.module].neighbor_list
    monkeypatch.setitem(sys.modules, "consumer", consumer)
    row = row_of(ProfiledCalculator(Counting(lambda _: consumer.neighbor_list())))
    assert row["components"]["neighbour list"] > 0
    assert consumer.neighbor_list is real


def test_two_runs_at_once_time_a_function_that_a_module_has_imported(monkeypatch):
    (call,) = (each for each in LIBRARY_CALLS if each.module.startswith("nvalchemiops"))
    library(call, monkeypatch)
    consumer = ModuleType("consumer")
    consumer.neighbor_list = real = sys.modules[call.module].neighbor_list
    monkeypatch.setitem(sys.modules, "consumer", consumer)
    first, second = TimedLibraries(), TimedLibraries()
    first.look()
    second.look()
    first.close()
    assert isinstance(consumer.neighbor_list, StandIn)
    second.close()
    assert consumer.neighbor_list is real


def test_a_module_that_is_loaded_when_it_is_first_used_is_not_loaded(monkeypatch, tmp_path):
    tmp_path.joinpath("late.py").write_text("raise AssertionError\n")
    spec = importlib.util.spec_from_file_location("late", tmp_path / "late.py")
    loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "late", module)
    monkeypatch.setitem(sys.modules, "vesin", module)
    libraries = TimedLibraries()
    libraries.look()
    libraries.close()


def test_class_methods_and_static_methods_are_bound_as_before(monkeypatch):
    (call,) = (each for each in LIBRARY_CALLS if each.attribute == "from_config")
    module = ModuleType(call.module)

    class AtomicData:
        @classmethod
        def from_config(cls, config):
            return [cls, config]

    module.AtomicData = AtomicData
    monkeypatch.setitem(sys.modules, call.module, module)

    class Padded(AtomicData):
        pass

    found = []
    row_of(ProfiledCalculator(Counting(lambda _: found.append(Padded.from_config(1)) or found)))
    assert found == [[Padded, 1]]
    assert isinstance(vars(AtomicData)["from_config"], classmethod)


def test_libraries_are_restored_whoever_looks_last():
    libraries = TimedLibraries()
    libraries.look()
    closing = threading.Thread(target=libraries.close)
    closing.start()
    closing.join()
    libraries.look()
    neighbours = sys.modules["ase.neighborlist"]
    assert not isinstance(neighbours.primitive_neighbor_list, StandIn)


def test_the_table_has_one_group_for_each_name():
    names = {call.name for call in LIBRARY_CALLS}
    assert len({(call.name, call.group) for call in LIBRARY_CALLS}) == len(names)
    assert BACKWARD in names
