"""Makes the whole set of transparency tests for a calculator from one line.

```python
TestEMT = conformance(EMT, copper)
```

Each test compares a wrapped calculator with a bare one of the same make that has been through the same.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import inspect
import io
import json
import pickle
import sqlite3
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import ase.db
import ase.io
import pytest
from ase import Atoms, units
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes
from ase.calculators.mixing import SumCalculator
from ase.io.trajectory import Trajectory
from ase.md.verlet import VelocityVerlet
from tests.support import journal_threads, outcome, read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.run import header

if TYPE_CHECKING:
    from collections.abc import Callable

# Attributes that ASE and its users test for, and some that a wrapper might add by mistake.
ASKED_FOR = [
    "accepts_bandpath_keyword",
    "add_virtual_sites",
    "atoms",
    "band_structure",
    "calculate",
    "calculate_properties",
    "calculation_required",
    "calls",
    "cell",
    "check_state",
    "close",
    "command",
    "copy",
    "directory",
    "embed",
    "evaluate",
    "get_atomic_volumes",
    "get_atoms",
    "get_energy_contributions",
    "get_fermi_level",
    "get_forces",
    "get_property",
    "get_potential_energy",
    "get_stress",
    "get_xc_functional",
    "ignored_changes",
    "implemented_properties",
    "inner",
    "istep",
    "kpts",
    "label",
    "log",
    "name",
    "parameters",
    "path",
    "prefix",
    "profile",
    "read",
    "recorder",
    "recording",
    "reset",
    "results",
    "run",
    "save",
    "set",
    "set_atoms",
    "set_weights",
    "sites_per_mol",
    "todict",
    "txt",
    "use_cache",
    "wfs",
    "world",
    "write",
    "write_input",
    "_lane",
    "_recorder",
    "__call__",
    "__contains__",
    "__copy__",
    "__deepcopy__",
    "__del__",
    "__enter__",
    "__exit__",
    "__getattr__",
    "__getitem__",
    "__iter__",
    "__len__",
    "__bool__",
    "__slots__",
    "__wrapped__",
    "no_such_name",
]
OF_PROXIES = frozenset({"__del__", "__getattr__"})  # required in any case
METHODS = ("calculate", "evaluate", "get_property", "get_potential_energy", "get_forces")


class Identity:
    """Requirements on any wrapped object, whatever it calculates."""

    make: ClassVar[Callable[[], Any]]
    atoms: ClassVar[Callable[[], Atoms]]
    is_twin: ClassVar[bool]

    @pytest.fixture
    def bare(self):
        """Return a calculator that is not wrapped."""
        return self.make()

    @pytest.fixture
    def inner(self):
        """Return the calculator that is wrapped."""
        return self.make()

    @pytest.fixture
    def wrapped(self, inner):
        """Return the wrapped calculator."""
        return ProfiledCalculator(inner)

    def test_it_is_of_the_class_of_the_calculator(self, wrapped, inner):
        assert wrapped.__class__ is type(inner)
        for base in type(inner).__mro__:
            assert isinstance(wrapped, base)
        for base in (Calculator, BaseCalculator, dict, Atoms):
            assert isinstance(wrapped, base) == isinstance(inner, base)

    def test_only_the_wrapped_one_is_profiled(self, wrapped, inner, bare):
        assert isinstance(wrapped, ProfiledCalculator)
        assert not isinstance(inner, ProfiledCalculator)
        assert not isinstance(bare, ProfiledCalculator)

    def test_it_has_the_attributes_of_the_calculator_and_no_others(self, wrapped, bare):
        names = {*ASKED_FOR, *dir(bare), *dir(wrapped)}
        for name in names if self.is_twin else names - OF_PROXIES:
            assert hasattr(wrapped, name) == hasattr(bare, name), name

    def test_a_missing_attribute_is_reported_as_by_the_calculator(self, wrapped, bare):
        reported = outcome(lambda: wrapped.no_such_name)
        assert reported[0] == "raises"
        assert reported == outcome(lambda: bare.no_such_name)

    def test_it_resembles_the_calculator(self, wrapped, inner):
        assert repr(wrapped) == repr(inner)
        assert str(wrapped) == str(inner)
        assert wrapped.__doc__ == inner.__doc__
        assert wrapped.__module__ == inner.__module__
        assert outcome(lambda: wrapped.name) == outcome(lambda: inner.name)
        assert repr(Atoms("H", calculator=wrapped)) == repr(Atoms("H", calculator=inner))

    def test_it_lists_the_names_of_the_calculator(self, wrapped, bare):
        patched = set() if self.is_twin else {"calculate"}
        assert set(dir(wrapped)) - patched == set(dir(bare)) - patched

    def test_its_methods_have_the_signatures_of_the_calculator(self, wrapped, bare):
        for name in METHODS:
            if hasattr(bare, name):
                expected = inspect.signature(getattr(bare, name))
                assert inspect.signature(getattr(wrapped, name)) == expected, name

    def test_its_state_is_that_of_the_calculator(self, wrapped, inner):
        if self.is_twin:
            assert vars(wrapped) is vars(inner)
        for one, other in ((wrapped, inner), (inner, wrapped)):
            one.results = {"energy": 1.25}
            assert other.results == {"energy": 1.25}
            del one.results
            assert not hasattr(other, "results")

    def test_unknown_attributes_are_set_and_deleted_as_on_the_calculator(self, wrapped, inner, bare):
        assert outcome(lambda: setattr(wrapped, "colour", 1)) == outcome(lambda: setattr(bare, "colour", 1))
        assert outcome(lambda: inner.colour) == outcome(lambda: bare.colour)
        assert outcome(lambda: delattr(inner, "colour")) == outcome(lambda: delattr(bare, "colour"))
        assert outcome(lambda: wrapped.colour) == outcome(lambda: bare.colour)

    def test_nothing_of_the_recorder_is_in_its_state(self, wrapped, inner, bare):
        self.work(wrapped)
        self.work(bare)
        for of_wrapped, of_bare in (
            (_names(lambda: vars(inner)), _names(lambda: vars(bare))),
            (_names(lambda: wrapped.results), _names(lambda: bare.results)),
            (_names(lambda: wrapped.parameters), _names(lambda: bare.parameters)),
        ):
            assert of_wrapped - ({"calculate"} if not self.is_twin else set()) == of_bare
        if hasattr(bare, "todict"):
            assert outcome(wrapped.todict) == outcome(bare.todict)

    def test_it_equals_the_calculator_and_hashes_as_it_does(self, wrapped, inner, bare):
        assert wrapped == inner
        assert inner == wrapped
        assert not wrapped != inner  # noqa: SIM202 - the operator is under test
        assert (wrapped == bare) == (inner == bare)
        assert (wrapped != bare) == (inner != bare)
        assert (wrapped == "calculator") == (inner == "calculator")
        assert outcome(lambda: hash(wrapped)) == outcome(lambda: hash(inner))

    def test_two_wrappers_of_one_calculator_are_seen_as_one(self, wrapped, inner, bare):
        again = ProfiledCalculator(inner)
        assert again == wrapped
        assert outcome(lambda: len({again, wrapped, inner})) == outcome(lambda: len({bare}))

    def test_its_truth_is_that_of_the_calculator(self, wrapped, bare):
        assert bool(wrapped) == bool(bare)

    def test_it_can_be_referred_to_weakly_where_the_calculator_can(self, wrapped):
        assert weakref.ref(wrapped)() is wrapped

    def test_its_class_builds_plain_calculators(self, wrapped, inner):
        made = outcome(lambda: type(wrapped.__class__()))
        assert made == outcome(lambda: type(type(inner)()))

    def test_wrapping_again_leaves_it_as_it_is(self, wrapped, capsys):
        assert ProfiledCalculator(wrapped) is wrapped
        assert "wrapped again" in capsys.readouterr().err

    def test_switched_off_it_is_the_calculator(self, inner, monkeypatch):
        monkeypatch.setenv("INSTRUMENTED_CALC", "off")
        assert ProfiledCalculator(inner) is inner
        assert not isinstance(inner, ProfiledCalculator)

    def test_wrapping_and_copying_cost_no_file_and_no_thread(self, inner, monkeypatch):
        monkeypatch.setattr(header, "environment", _unexpected)
        callbacks = list(gc.callbacks)
        wrapped = ProfiledCalculator(inner)
        with contextlib.suppress(TypeError, pickle.PicklingError, AttributeError):
            copies = [copy.copy(wrapped), copy.deepcopy(wrapped)]
            assert all(isinstance(made, ProfiledCalculator) for made in copies)
        assert list(Path.cwd().iterdir()) == []
        assert journal_threads() == []
        assert gc.callbacks == callbacks

    @pytest.mark.parametrize("worked", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("way", ["copy", "deepcopy", *range(2, 6)], ids=str)
    def test_copies_are_those_of_the_calculator(self, wrapped, bare, way, worked):
        if worked:
            self.work(wrapped)
            self.work(bare)
        expected = outcome(lambda: self.work(_copied(bare, way)))
        assert outcome(lambda: self.work(_copied(wrapped, way))) == expected
        if expected[0] == "gives":
            made = _copied(wrapped, way)
            assert isinstance(made, ProfiledCalculator)
            assert made.__class__ is wrapped.__class__
            before = recording(wrapped).calls
            self.work(made)
            assert recording(made).calls == 1
            assert recording(wrapped).calls == before

    def work(self, calc):
        """Calculate once, without the cache, and return the results."""
        raise NotImplementedError


class Conformance(Identity):
    """Requirements on a calculator of ASE 3 in use."""

    def work(self, calc):
        """Calculate once and return the energy and the forces."""
        atoms = self.atoms()
        calc.calculate(atoms, ["energy", "forces"], list(all_changes))
        results = calc.results
        return float(results["energy"]), results["forces"].tobytes()

    def test_md_is_bitwise_equal_and_asks_for_the_same(self, wrapped, inner, bare):
        asked, asked_of_bare = spy(inner), spy(bare)
        # The class was exchanged: wrap what there is now.
        wrapped = ProfiledCalculator(inner)
        states = [_run(self.atoms(), calc) for calc in (wrapped, bare)]
        assert states[0] == states[1]
        assert asked == asked_of_bare
        assert len(asked) >= 4

    def test_there_is_a_row_for_each_real_calculation(self, inner):
        asked = spy(inner)
        wrapped = ProfiledCalculator(inner)
        atoms = self.atoms()
        atoms.calc = wrapped
        for _ in range(3):
            atoms.get_potential_energy()
            atoms.get_forces()
            atoms.get_forces()
            atoms.rattle(0.01, rng=_random())
        wrapped.calculate(atoms, ["energy"], ["positions"])
        wrapped.calculate(atoms=atoms, properties=["forces"], system_changes=[])
        lane_calls = recording(wrapped).calls
        recording(wrapped).close()
        lane = recording(wrapped)._lane.number
        rows = [row for row in read_records().calls if row["lane"] == lane]
        if self.sees_all:
            assert lane_calls == len(rows) == len(asked)
            seen = [(row["properties"], row["changes"]) for row in rows]
            assert seen == [(list(properties), list(changes)) for properties, changes in asked]
        else:
            assert lane_calls == len(rows) >= len(asked)
        assert {row["n_atoms"] for row in rows} == {len(atoms)}

    def test_the_bare_calculator_stays_unrecorded(self, wrapped, inner):
        if not self.is_twin:
            pytest.skip("a proxy's calculator is recorded itself")
        atoms = self.atoms()
        atoms.calc = inner
        atoms.get_forces()
        assert recording(wrapped).calls == 0
        assert (list(Path.cwd().glob("*.jsonl")) == []) is self.parts_are_bare

    def test_an_unchanged_geometry_is_not_calculated_again(self, inner, bare):
        asked, asked_of_bare = spy(inner), spy(bare)
        for calc in (ProfiledCalculator(inner), bare):
            atoms = self.atoms()
            atoms.calc = calc
            for _ in range(3):
                atoms.get_forces()
                atoms.get_potential_energy()
        assert asked == asked_of_bare

    def test_answers_and_errors_are_those_of_the_calculator(self, wrapped, bare):
        for ask in (
            lambda atoms: atoms.get_potential_energy(),
            lambda atoms: atoms.get_potential_energy(force_consistent=True),
            lambda atoms: atoms.get_forces(),
            lambda atoms: atoms.get_stress(),
            lambda atoms: atoms.get_charges(),
            lambda atoms: atoms.get_magnetic_moments(),
            lambda atoms: atoms.get_dipole_moment(),
            lambda atoms: atoms.calc.get_property("energy", atoms),
            lambda atoms: atoms.calc.get_property(name="energy", atoms=atoms),
            lambda atoms: atoms.calc.get_property("forces", atoms=atoms, allow_calculation=False),
            lambda atoms: atoms.calc.get_property("no such property", atoms),
            lambda atoms: atoms.calc.get_property(),
            lambda atoms: atoms.calc.calculate(atoms, no_such_argument=1),
            lambda atoms: atoms.calc.calculation_required(atoms, ["energy"]),
            lambda atoms: atoms.calc.get_atoms(),
            lambda atoms: Atoms(atoms).get_potential_energy(),
        ):
            answers = []
            for calc in (wrapped, bare):
                atoms = self.atoms()
                atoms.calc = calc
                answers.append(outcome(lambda: ask(atoms)))  # noqa: B023 - called immediately
            assert answers[0] == answers[1]

    def test_results_are_not_polluted(self, wrapped, bare):
        for calc in (wrapped, bare):
            self.work(calc)
        assert list(wrapped.results) == list(bare.results)
        assert {name: type(value) for name, value in wrapped.results.items()} == {
            name: type(value) for name, value in bare.results.items()
        }

    def test_the_atoms_are_let_go(self, wrapped):
        atoms = self.atoms()
        atoms.calc = wrapped
        atoms.get_forces()
        alive = weakref.ref(atoms)
        recording(wrapped).run._recorder.flush()
        del atoms
        gc.collect()
        assert alive() is None

    def test_atoms_are_copied_deeply_and_pickled_as_with_the_calculator(self, wrapped, bare):
        for copied in (copy.deepcopy, _through_pickle):
            answers = []
            for calc in (wrapped, bare):
                atoms = self.atoms()
                atoms.calc = calc
                atoms.get_potential_energy()
                answers.append(outcome(lambda: copied(atoms).get_forces()))  # noqa: B023
            assert answers[0] == answers[1]

    def test_it_works_inside_a_mixing_calculator(self, wrapped, bare):
        answers = []
        for calc in (wrapped, bare):
            atoms = self.atoms()
            atoms.calc = SumCalculator([calc, self.make()])
            answers.append(outcome(atoms.get_forces))
        assert answers[0] == answers[1]

    def test_it_writes_the_same_files(self, wrapped, bare):
        written = []
        for calc, folder in ((wrapped, Path("wrapped")), (bare, Path("bare"))):
            folder.mkdir()
            atoms = self.atoms()
            atoms.calc = calc
            written.append([outcome(lambda w=w: w(atoms, folder)) for w in WRITERS])  # noqa: B023
        assert written[0] == written[1]
        assert [how for how, *_ in written[0]].count("gives") >= self.files_written

    sees_all: ClassVar[bool] = True
    files_written: ClassVar[int] = 4
    parts_are_bare: ClassVar[bool] = True


def conformance(
    make: Callable[[], Any],
    atoms: Callable[[], Atoms],
    *,
    is_twin: bool = True,
    **expected: Any,
) -> type[Conformance]:
    """Return a class of tests for a calculator.

    Args:
        make: Makes one; each time the same.
        atoms: Makes atoms that it can calculate, in motion.
        is_twin: Whether it is wrapped by a twin, not by a proxy.
        **expected: `sees_all`, `files_written` or `parts_are_bare`, where they differ.
    """
    namespace = {"make": staticmethod(make), "atoms": staticmethod(atoms), "is_twin": is_twin}
    return type("Conformance", (Conformance,), namespace | expected)


def spy(calc: Any) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Make a calculator note the arguments of each execution of its own `calculate`.

    Its class is exchanged for one of the same name, so that nothing of the recorder takes part.

    Returns:
        Pairs (properties, system_changes), growing.
    """
    cls = type(calc)
    asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    signature = inspect.signature(cls.calculate)

    def calculate(self, *args, **kwargs):
        given = signature.bind(self, *args, **kwargs).arguments
        asked.append((tuple(given.get("properties", ())), tuple(given.get("system_changes", ()))))
        return cls.calculate(self, *args, **kwargs)

    names = {"__slots__": (), "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    spied = type(cls)(cls.__name__, (cls,), names | {"calculate": calculate})
    object.__setattr__(calc, "__class__", spied)
    return asked


def _run(atoms: Atoms, calc: Any) -> list[tuple[bytes, ...]]:
    atoms.calc = calc
    states = []
    dyn = VelocityVerlet(atoms, 0.5 * units.fs)
    dyn.attach(
        lambda: states.append(
            (
                atoms.positions.tobytes(),
                atoms.get_momenta().tobytes(),
                atoms.get_forces().tobytes(),
                repr(atoms.get_potential_energy()).encode(),
            )
        )
    )
    dyn.run(4)
    return states


def _random():
    import numpy as np  # noqa: PLC0415 - imported where it is used

    return np.random.RandomState(3)


def _names(of: Callable[[], Any]) -> set[str]:
    try:
        return set(of())
    except (AttributeError, TypeError):
        return set()


def _copied(calc: Any, way: Any) -> Any:
    if way == "copy":
        return copy.copy(calc)
    if way == "deepcopy":
        return copy.deepcopy(calc)
    return pickle.loads(pickle.dumps(calc, protocol=way))  # noqa: S301 - our own bytes


def _through_pickle(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))  # noqa: S301 - our own bytes


def _unexpected() -> None:
    message = "the environment was captured before the first call"
    raise AssertionError(message)


def _trajectory(atoms: Atoms, folder: Path) -> bytes:
    path = folder / "md.traj"
    with Trajectory(path, "w", atoms) as trajectory:
        VelocityVerlet(atoms, 0.5 * units.fs, trajectory=trajectory).run(2)
    return path.read_bytes()


def _extended_xyz(atoms: Atoms, _: Path) -> str:
    atoms.get_forces()
    text = io.StringIO()
    ase.io.write(text, atoms, format="extxyz")
    return text.getvalue()


def _json_database(atoms: Atoms, folder: Path) -> str:
    atoms.get_forces()
    path = folder / "md.json"
    with ase.db.connect(path) as database:
        database.write(atoms)
    content = json.loads(path.read_text())
    for name in ("ctime", "mtime", "unique_id", "user"):
        content["1"].pop(name, None)
    return json.dumps(content)


def _sqlite_database(atoms: Atoms, folder: Path) -> str:
    atoms.get_forces()
    path = folder / "md.db"
    with ase.db.connect(path) as database:
        database.write(atoms)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT numbers, positions, energy, forces, calculator, calculator_parameters FROM systems"
        ).fetchall()
    return repr(rows)


WRITERS = (_trajectory, _extended_xyz, _json_database, _sqlite_database)
