"""Calculators that keep their state, their class or their methods where others do not, run as bare ones."""

from __future__ import annotations

import threading
import time
from abc import ABCMeta
from collections import OrderedDict
from unittest import mock

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from tests.capture import zoo
from tests.capture.zoo import copper, pulled
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.analysis.rules.evidence import gather
from instrumented_calc.analysis.rules.usage import unchanged_atoms
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.capture.wrapping.atoms_setter import wrap_assigned
from instrumented_calc.integration import find_integration
from instrumented_calc.journal.reader import read_journal


def lanes():
    """Return the lanes of the process's journal."""
    return read_records().of("lane")


class Borg(zoo.Spring):
    """Instances share all state."""

    shared = {}  # noqa: RUF012 - that is the pattern

    def __init__(self):
        self.__dict__ = self.shared
        super().__init__()


def test_a_dictionary_that_instances_share_stays_shared():
    Borg.shared.clear()
    one = ProfiledCalculator(Borg())
    other = Borg()
    other.colour = "red"
    assert one.colour == "red"
    one.colour = "blue"
    assert other.colour == Borg.shared["colour"] == "blue"
    one.calculate(copper(), ["energy"], list(all_changes))
    assert other.results["energy"] == one.results["energy"]
    assert "calculate" not in Borg.shared
    recording(one).close()
    assert [lane["seen_by"] for lane in lanes()] == ["get_property"]
    assert len(read_records().calls) == 1


def test_a_dictionary_that_is_replaced_while_calculating_is_replaced_for_both():
    class Fresh(zoo.Spring):
        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.__dict__ = {**self.__dict__, "turn": self.__dict__.get("turn", 0) + 1}

    calc = Fresh()
    wrapped = ProfiledCalculator(calc)
    for turn in (1, 2):
        wrapped.calculate(copper(), ["energy"], list(all_changes))
        assert (calc.turn, wrapped.turn) == (turn, turn)
        assert vars(calc) is vars(wrapped)
    assert recording(wrapped).calls == 2


class ByName(ABCMeta):
    """Classes are equal by their name."""

    def __eq__(cls, other):
        return cls.__name__ == getattr(other, "__name__", None)

    def __hash__(cls):
        return hash(cls.__name__)


def test_classes_that_compare_equal_run_their_own_calculate():
    def made(value):
        def calculate(self, atoms=None, properties=None, system_changes=None):
            self.results = {"energy": value}

        return ByName("Same", (zoo.Spring,), {"calculate": calculate})

    first, second = (ProfiledCalculator(made(value)()) for value in (1.0, 2.0))
    for calc in (first, second):
        calc.calculate(copper(), ["energy"], [])
    assert (first.results["energy"], second.results["energy"]) == (1.0, 2.0)


class Final(ABCMeta):
    """Its classes take no subclass."""

    def __new__(cls, name, bases, namespace):
        if any(type(base) is cls for base in bases):
            message = "final"
            raise TypeError(message)
        return super().__new__(cls, name, bases, namespace)


class Unhashable(ABCMeta):
    """Its classes have no hash."""

    __hash__ = None

    def __eq__(cls, other):
        return cls is other


class Registering(ABCMeta):
    """Keeps a list of its classes."""

    made = []  # noqa: RUF012 - that is the pattern

    def __init__(cls, *args):
        super().__init__(*args)
        Registering.made.append(cls.__name__)


@pytest.mark.parametrize("metaclass", [Final, Unhashable, Registering])
def test_odd_metaclasses_are_profiled_and_see_nothing_of_it(metaclass, capsys):
    cls = metaclass("Meta", (zoo.Spring,), {})
    Registering.made.clear()
    atoms = copper()
    atoms.calc = ProfiledCalculator(cls())
    atoms.get_forces()
    assert Registering.made == []
    assert recording(atoms.calc).calls == 1
    assert "internal error" not in capsys.readouterr().err


def test_a_class_without_a_hash_can_be_assigned_and_integrations_are_asked_about_it():
    atoms, calculator = copper(), Unhashable("Meta", (zoo.Spring,), {})()
    undo = wrap_assigned(ProfiledCalculator, lambda _: False)
    try:
        atoms.calc = calculator
    finally:
        undo()
    assert recording(atoms.calc).calls == 0
    assert find_integration(calculator, troubles := []) is None
    assert troubles == []


@pytest.mark.parametrize("kind", ["property", "mapping", "ordered"])
def test_results_that_calculate_when_they_are_read_are_left_alone(kind):
    read = []

    class Lazy(dict):
        def get(self, *given):
            read.append(given)
            return super().get(*given)

        __getitem__ = __iter__ = keys = items = get

    class Odd:
        if kind == "property":

            @property
            def results(self):
                read.append("results")
                return {}

        @property
        def atoms(self):
            read.append("atoms")

        def calculate(self, atoms=None, properties=None, system_changes=None):
            if kind != "property":
                self.results = (Lazy if kind == "mapping" else OrderedDict)(energy=1.5)

    wrapped = ProfiledCalculator(Odd())
    wrapped.calculate(copper(), ["energy"], [])
    wrapped.calculate()
    assert read == []
    recording(wrapped).close()
    found = [row.get("energy_ev") for row in read_records().calls]
    assert found == ([None, None] if kind == "property" else [1.5, 1.5])


class Delegating:
    """Passes all on to another calculator."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._inner, name)


class Compiled:
    """Like a compiled calculator: getters only, and no dictionary."""

    __slots__ = ("_positions", "evaluations")

    def __init__(self):
        self._positions, self.evaluations = None, 0

    def calculation_required(self, atoms, properties):
        return self._positions is None or not np.array_equal(atoms.positions, self._positions)

    def _evaluate(self, atoms):
        if self.calculation_required(atoms, []):
            self._positions = atoms.positions.copy()
            self.evaluations += 1
        return pulled(atoms, 0.02)

    def get_potential_energy(self, atoms, force_consistent=False):
        return self._evaluate(atoms)["energy"]

    def get_forces(self, atoms):
        return self._evaluate(atoms)["forces"]


def test_a_calculator_with_getters_only_is_recorded_and_its_cache_is_reported():
    atoms = copper()
    calc = Compiled()
    atoms.calc = ProfiledCalculator(calc)
    for _ in range(3):
        atoms.get_potential_energy()
        atoms.get_forces()
        atoms.positions += 0.01
    handle = recording(atoms.calc)
    assert (handle.calls, handle.cache_hits, calc.evaluations) == (3, 3, 3)
    handle.close()
    rows = read_records().calls
    assert [row["properties"] for row in rows] == [["energy"]] * 3
    assert all("energy_ev" in row for row in rows)
    (lane,) = lanes()
    assert lane["seen_by"] == "get_property"
    assert lane["cache_hits_known"] is True


def test_a_calculator_that_delegates_is_recorded_and_the_lane_says_how():
    atoms, bare = copper(), copper()
    atoms.calc, bare.calc = ProfiledCalculator(Delegating(zoo.Spring())), Delegating(zoo.Spring())
    for _ in range(20):
        assert atoms.get_potential_energy() == bare.get_potential_energy()
        assert atoms.get_forces().tobytes() == bare.get_forces().tobytes()
    handle = recording(atoms.calc)
    handle.close()
    assert len(read_records().calls) == handle.calls == 40
    (lane,) = lanes()
    assert lane["seen_by"] == "get_property"
    assert lane["cache_hits_known"] is False
    found = unchanged_atoms(gather(summarize(read_journal(handle.run.path))))
    assert found.verdict == "not enough evidence"
    assert "cache" in repr(found)


def test_a_mock_is_called_as_it_is_bare():
    calls = []
    for wrap in (lambda calc: calc, ProfiledCalculator):
        fake = mock.MagicMock()
        fake.get_forces.return_value = np.zeros((8, 3))
        calc = wrap(fake)
        for _ in range(2):
            calc.get_forces(copper())
        calls.append([name for name, *_ in fake.mock_calls])
    assert calls[0] == calls[1] == ["get_forces", "get_forces"]
    assert recording(calc).calls == 2


class Watching(zoo.Spring):
    """Looks attributes up by itself."""

    def __getattribute__(self, name):
        return super().__getattribute__(name)


class Disguised(zoo.Spring):
    """Says that it is of another class."""

    @property
    def __class__(self):
        return Calculator


@pytest.mark.parametrize("make", [Watching, Disguised])
def test_odd_access_is_kept(make):
    wrapped, bare = ProfiledCalculator(make()), make()
    assert wrapped.__class__ is bare.__class__
    atoms = copper()
    atoms.calc = wrapped
    atoms.get_forces()
    assert recording(wrapped).calls == 1


class Unprintable:
    """A name whose text cannot be made."""

    def __str__(self):
        raise RuntimeError


class Unreadable(list):
    """Names that cannot be iterated."""

    def __iter__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "arguments",
    [
        (np.array(["energy"]), ["positions"]),
        (["energy"], True),
        (["caf\udce9"], ["positions"]),
        ("en\udcff", None),
        (3, 4),
        ([None, 1], {"a": 2}),
        ([Unprintable()], {"energy": Unprintable()}),
        (Unreadable(), [Unprintable()]),
        ((each for each in "ab"), []),
    ],
)
def test_odd_arguments_cost_no_row(arguments):
    class Any(zoo.Spring):
        def calculate(self, atoms=None, properties=None, system_changes=None):
            self.results = {"energy": 1.0}

    wrapped = ProfiledCalculator(Any())
    wrapped.calculate(copper(), ["energy"], ["positions"])
    for _ in range(3):
        wrapped.calculate(copper(), *arguments)
    wrapped.calculate(copper(), ["energy"], ["positions"])
    recording(wrapped).close()
    records = read_records()
    assert len(records.calls) == 5
    assert records.calls[4]["properties"] == ["energy"]
    assert records.counters["lost_rows"] == records.counters["faults"] == 0


@pytest.mark.parametrize("results", [np.zeros(3), "results", 5, [1], None])
def test_odd_results_cost_no_row(results):
    class Any(zoo.Spring):
        def calculate(self, atoms=None, properties=None, system_changes=None):
            self.results = results

    wrapped = ProfiledCalculator(Any())
    wrapped.calculate(copper(), ["energy"], [])
    recording(wrapped).close()
    records = read_records()
    assert len(records.calls) == 1
    assert records.counters["lost_rows"] == records.counters["faults"] == 0


@pytest.mark.parametrize("place", [1, 7, 3000])
def test_forces_that_stay_infinite_are_reported_within_the_run(place):
    class Exploding(zoo.Spring):
        number = 0

        def calculate(self, atoms=None, properties=None, system_changes=None):
            type(self).number += 1
            forces = np.zeros((len(atoms), 3))
            forces[0, 0] = np.inf if self.number >= place else 0.0
            self.results = {"energy": 1.0, "forces": forces}

    wrapped = ProfiledCalculator(Exploding())
    atoms = copper()
    for _ in range(place + 2):
        wrapped.calculate(atoms, ["forces"], ["positions"])
    recording(wrapped).close()
    reported = [
        state["index"] for state in read_records().of("state") if "forces" in state.get("non_finite", [])
    ]
    assert reported
    assert min(reported) >= place - 1


def test_forces_of_a_slow_calculator_are_inspected_in_each_call():
    class Slow(zoo.Spring):
        number = 0

        def calculate(self, atoms=None, properties=None, system_changes=None):
            type(self).number += 1
            time.sleep(0.02)
            self.results = {"energy": 1.0, "forces": np.full((8, 3), np.nan if self.number == 6 else 1.0)}

    wrapped = ProfiledCalculator(Slow())
    lane = recording(wrapped)._lane
    for _ in range(8):
        wrapped.calculate(copper(), ["forces"], ["positions"])
        lane.look_after = min(lane.look_after, 0)  # on a busy machine the last inspection may have taken long
    recording(wrapped).close()
    reported = [state["index"] for state in read_records().of("state") if state.get("non_finite")]
    assert 5 in reported


def test_waiting_for_the_interpreter_is_not_the_recorders_own_time():
    class Python(zoo.Spring):
        def calculate(self, atoms=None, properties=None, system_changes=None):
            self.results = {"energy": float(sum(range(2000)))}

    faces = [ProfiledCalculator(Python()) for _ in range(32)]
    atoms = copper()
    begin = threading.Barrier(len(faces))

    def work(face):
        begin.wait()
        for _ in range(400):
            face.calculate(atoms, ["energy"], ["positions"])

    threads = [threading.Thread(target=work, args=(face,)) for face in faces]
    cpu = time.process_time_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    maker = recording(faces[0]).run._recorder.maker
    # All threads together have waited for some thirty times as long.
    assert 0 < maker.self_ns - maker._sampler._excused < time.process_time_ns() - cpu


class Passing(Calculator):
    """Has a `calculate`, but delegates requests."""

    implemented_properties = ("energy", "forces")

    def __init__(self):
        super().__init__()
        self.other = zoo.Spring()


class PassingProperties(Passing):
    def get_property(self, name, atoms=None, allow_calculation=True):
        return self.other.get_property(name, atoms, allow_calculation)


class PassingForces(Passing):
    def get_forces(self, atoms=None):
        return self.other.get_forces(atoms)


@pytest.mark.parametrize("kind", [PassingProperties, PassingForces])
def test_answers_that_no_calculate_has_given_are_reported_at_the_end(kind, capsys):
    atoms = copper()
    atoms.calc = ProfiledCalculator(kind())
    bare = copper()
    bare.calc = zoo.Spring()
    assert atoms.get_forces().tobytes() == bare.get_forces().tobytes()
    recording(atoms.calc).close()
    message = capsys.readouterr().err
    assert "nothing is recorded: calculate() was never called (requests answered: 1)" in message
    assert message.count("\n") == 1


def test_a_calculator_that_changes_its_class_while_calculating_does_so_for_both():
    class After(zoo.Spring):
        pass

    class Before(zoo.Spring):
        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.__class__ = After

    bare = Before()
    wrapped = ProfiledCalculator(bare)
    wrapped.calculate(copper(), ["energy"], list(all_changes))
    assert wrapped.__class__ is bare.__class__ is After
    assert isinstance(wrapped, After)
    wrapped.calculate(copper(), ["energy"], list(all_changes))
    with pytest.raises(TypeError):
        wrapped.__class__ = int
    assert recording(wrapped).calls == 2
    recording(wrapped).close()
    assert len(read_records().calls) == 2


def test_the_getters_of_a_calculator_that_calculates_are_its_own():
    class Counting:
        def __init__(self):
            self.results = {}

        def get_forces(self, atoms):
            self.calculate(atoms, ["forces"], ["positions"])
            return self.results["forces"]

        def calculate(self, atoms, properties, system_changes):
            self.results = {"forces": np.zeros((1, 3))}

    calc = ProfiledCalculator(Counting(), summary=False)
    calc.get_forces(copper())
    assert calc.get_forces.__func__ is Counting.get_forces
    calc.get_forces(copper())
    assert recording(calc).calls == 2


def test_a_method_evaluate_of_a_calculator_of_ase_3_is_not_a_calculation():
    class Helped(zoo.Spring):
        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            Calculator.calculate(self, atoms, properties, system_changes)
            self.results = self.evaluate(self.atoms)

        def evaluate(self, atoms):
            return pulled(atoms, 0.02)

    wrapped = ProfiledCalculator(Helped())
    atoms = copper()
    atoms.calc = wrapped
    atoms.get_forces()
    recording(wrapped).close()
    records = read_records()
    assert len(records.calls) == 1
    assert all("force_norm_ev_a" in state for state in records.of("state"))
