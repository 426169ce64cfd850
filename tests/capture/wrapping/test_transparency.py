"""Behaviour unchanged by wrapping, observed over more than one object or step; see also `conformance`."""

from __future__ import annotations

import copy
import gc
import os
import pickle
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.tip3p import TIP3P
from ase.filters import FrechetCellFilter
from ase.io import Trajectory
from ase.md import Langevin
from ase.md.nptberendsen import NPTBerendsen
from ase.mep import NEB
from ase.optimize import BFGS, FIRE
from hypothesis import given
from tests.capture import zoo
from tests.capture.conformance import spy
from tests.capture.zoo import copper, water
from tests.support import journal_threads, outcome, read_records

from instrumented_calc import ProfiledCalculator, profiled, recording
from instrumented_calc.errors import (
    AlreadyProfiledError,
    JournalPathError,
    NotACalculatorError,
)


def langevin(atoms):
    """Run at a constant temperature."""
    random = np.random.RandomState(5)
    return Langevin(
        atoms,
        2 * units.fs,
        temperature_K=400,
        friction=0.02,
        rng=random,
        fixcm=False,
        logfile="log",
        trajectory="traj",
    )


def constant_pressure(atoms):
    """Run at a constant pressure."""
    return NPTBerendsen(
        atoms,
        1 * units.fs,
        temperature_K=300,
        pressure_au=0.0,
        compressibility_au=1e-2,
        logfile="log",
        trajectory="traj",
    )


def cell_relaxation(atoms):
    """Relax the cell too."""
    return BFGS(FrechetCellFilter(atoms), logfile="log", trajectory="traj")


def relaxation(atoms):
    """Relax."""
    return FIRE(atoms, logfile="log", trajectory="traj")


def lennard_jones():
    """Return one that is cheap for copper."""
    return LennardJones(sigma=2.3, epsilon=0.1, rc=4.0)


@pytest.mark.parametrize(
    ("driver", "make", "atoms"),
    [
        (langevin, EMT, copper),
        (langevin, TIP3P, water),
        (constant_pressure, EMT, copper),
        (constant_pressure, lennard_jones, copper),
        (cell_relaxation, EMT, copper),
        (relaxation, lennard_jones, copper),
        (langevin, zoo.SlottedSpring, copper),
    ],
)
def test_a_simulation_its_log_and_its_trajectory_are_bitwise_equal(
    driver, make, atoms, tmp_path, monkeypatch
):
    ends = []
    for wrap in (ProfiledCalculator, lambda calc: calc):
        folder = tmp_path / str(len(ends))
        folder.mkdir()
        monkeypatch.chdir(folder)
        moving, calc = atoms(), make()
        asked = spy(calc)
        moving.calc = wrap(calc)
        driver(moving).run(steps=12)
        with Trajectory("traj") as frames:
            energies = [frame.get_potential_energy() for frame in frames]
        ends.append(
            (
                moving.positions.tobytes(),
                moving.cell[:].tobytes(),
                energies,
                Path("traj").read_bytes(),
                [line.split()[-2:] for line in Path("log").read_text().splitlines()],
                asked,
            )
        )
        if wrap is ProfiledCalculator:
            assert recording(moving.calc).calls == len(asked)
            recording(moving.calc).close()
    assert len(ends[0][2]) > 3
    for with_recorder, without in zip(*ends, strict=True):
        assert with_recorder == without


class TestPatchedCalculate:
    """A `calculate` that was patched on the instance is run, and recorded."""

    def energy(self, calc):
        """Return the energy, freshly calculated."""
        atoms = copper()
        atoms.calc = calc
        return atoms.get_potential_energy()

    def test_before_wrapping(self):
        patched = ProfiledCalculator(zoo.patched_spring())
        assert self.energy(patched) == self.energy(zoo.Spring()) + 1.0
        assert recording(patched).calls == 1

    @pytest.mark.parametrize("make", [zoo.SlottedSpring, zoo.DictSpring])
    def test_before_wrapping_where_only_a_proxy_is_possible(self, make):
        calc = make()
        calc.calculate = patch = lambda *args, **kwargs: zoo.shifted(calc, *args, **kwargs)
        wrapped = ProfiledCalculator(calc)
        assert self.energy(wrapped) == self.energy(zoo.Spring()) + 1.0
        assert recording(wrapped).calls == 1
        del wrapped
        gc.collect()
        assert calc.calculate is patch

    @pytest.mark.parametrize("on_the_twin", [True, False], ids=["on the twin", "on the bare one"])
    def test_after_wrapping(self, on_the_twin):
        calc = zoo.Spring()
        wrapped = ProfiledCalculator(calc)
        target = wrapped if on_the_twin else calc
        target.calculate = lambda *args, **kwargs: zoo.shifted(calc, *args, **kwargs)
        assert self.energy(wrapped) == self.energy(zoo.Spring()) + 1.0
        assert recording(wrapped).calls == 1

    def test_and_taken_back(self):
        calc = zoo.Spring()
        wrapped = ProfiledCalculator(calc)
        wrapped.calculate = lambda *args, **kwargs: zoo.shifted(calc, *args, **kwargs)
        self.energy(wrapped)
        wrapped.calculate = lambda *args, **kwargs: zoo.shifted(calc, *args, **kwargs)
        del wrapped.calculate
        wrapped.reset()
        assert self.energy(wrapped) == self.energy(zoo.Spring())
        assert recording(wrapped).calls == 2
        assert "calculate" not in vars(calc)
        with pytest.raises(AttributeError, match="calculate"):
            del wrapped.calculate


class TestPatchedClass:
    """Methods patched on a class, as tests and plugins do, are run and recorded."""

    @pytest.mark.parametrize("make", [zoo.Spring, zoo.SlottedSpring, zoo.PureSlots])
    def test_after_wrapping(self, make, monkeypatch):
        wrapped = ProfiledCalculator(make())
        calls = []

        def calculate(self, atoms=None, properties=None, system_changes=None):
            calls.append(self)
            self.results = {"energy": 7.0}

        monkeypatch.setattr(make, "calculate", calculate)
        for _ in range(2):
            wrapped.calculate(copper(), ["energy"], ["positions"])
        wrapped.calculate(atoms=copper())
        assert len(calls) == recording(wrapped).calls == 3
        assert wrapped.results == {"energy": 7.0}

    def test_get_property_too(self, monkeypatch):
        wrapped = ProfiledCalculator(zoo.Spring())
        wrapped.get_property("energy", copper())
        monkeypatch.setattr(zoo.Spring, "get_property", lambda *_, **__: "patched")
        assert wrapped.get_property("energy", copper()) == "patched"

    def test_before_wrapping_another(self, monkeypatch):
        first = ProfiledCalculator(zoo.Spring())
        monkeypatch.setattr(zoo.Spring, "get_property", lambda *_, **__: "patched")
        assert ProfiledCalculator(zoo.Spring()).get_property("energy") == "patched"
        assert recording(first).calls == 0


def test_the_defaults_of_arguments_are_the_calculators_own():
    class Reluctant(zoo.Spring):
        def get_property(self, name, atoms=None, allow_calculation=False):
            return super().get_property(name, atoms, allow_calculation)

        def calculate(self, atoms=None, properties=("forces",), system_changes=("cell",)):
            self.asked = properties, system_changes
            super().calculate(atoms, properties, system_changes)

    wrapped = ProfiledCalculator(Reluctant())
    assert wrapped.get_property("energy", copper()) is None
    wrapped.calculate(copper())
    assert wrapped.asked == (("forces",), ("cell",))
    wrapped.calculate(copper(), system_changes=["numbers"])
    assert wrapped.asked == (("forces",), ["numbers"])


class TestLife:
    def test_a_destructor_runs_once_and_not_before_the_twin_is_gone(self):
        zoo.DeletedSpring.deleted = ()
        calc = zoo.DeletedSpring()
        name = id(calc)
        wrapped = ProfiledCalculator(calc)
        del calc
        gc.collect()
        assert zoo.DeletedSpring.deleted == ()
        wrapped.calculate(copper())
        del wrapped
        gc.collect()
        assert zoo.DeletedSpring.deleted == (name,)

    def test_a_hook_for_subclasses_is_not_run(self):
        before = zoo.RegisteredSpring.subclasses
        wrapped = ProfiledCalculator(zoo.RegisteredSpring())
        wrapped.calculate(copper())
        assert zoo.RegisteredSpring.subclasses == before

    def test_with_gives_the_wrapped_calculator_and_closes_it(self):
        calc = zoo.OpenSpring()
        wrapped = ProfiledCalculator(calc)
        with wrapped as entered:
            assert entered is wrapped
            assert calc.is_open
        assert not calc.is_open

    def test_a_calculator_without_context_gives_the_same_error(self):
        def enter(calc):
            with calc:
                raise AssertionError

        reported = outcome(lambda: enter(ProfiledCalculator(zoo.Spring())))
        assert reported == outcome(lambda: enter(zoo.Spring()))

    def test_it_receives_its_atoms_only_if_it_requests_them(self):
        wrapped = ProfiledCalculator(zoo.AttachedSpring())
        atoms = Atoms("H", calculator=wrapped)
        assert wrapped.owner is atoms
        assert not hasattr(ProfiledCalculator(zoo.Spring()), "set_atoms")

    def test_a_discarded_cycle_of_atoms_and_calculator_is_collected_and_ends_its_run(self):
        atoms = copper()
        atoms.calc = ProfiledCalculator(zoo.AttachedSpring(), journal="own.jsonl")
        atoms.get_forces()
        del atoms
        gc.collect()
        for thread in journal_threads():
            thread.join(timeout=10)
        assert read_records("own.jsonl").end["reason"] == "collected"

    def test_wrapping_many_in_turn_leaves_no_classes_behind(self):
        def classes():
            gc.collect()
            return len(zoo.BaseSpring.__subclasses__())

        before = classes()
        for _ in range(20):
            wrapped = ProfiledCalculator(zoo.BaseSpring())
            wrapped.calculate(copper(), ["energy"], [])
        del wrapped
        assert classes() == before


class TestComposition:
    def test_neb_sees_that_two_wrappers_share_a_calculator(self):
        calc = EMT()
        images = [copper() for _ in range(5)]
        for image in images:
            image.calc = ProfiledCalculator(calc)
        with pytest.raises(ValueError, match="share the same calculator"):
            NEB(images, method="improvedtangent").get_forces()

    def test_two_wrappers_of_one_calculator_record_each_its_own_calls(self):
        calc = zoo.Spring()
        first, second = ProfiledCalculator(calc), ProfiledCalculator(calc)
        atoms = copper()
        atoms.calc = first
        atoms.get_forces()
        atoms.calc = second
        atoms.get_forces()
        assert (recording(first).calls, recording(second).calls) == (1, 0)
        assert recording(second).cache_hits == 1
        assert first.results is second.results is calc.results

    @pytest.mark.parametrize("make", [zoo.Spring, zoo.SlottedSpring, zoo.PureSlots])
    def test_wrapping_twice_makes_one_calculation_and_one_row(self, make):
        wrapped = ProfiledCalculator(make())
        again = ProfiledCalculator(wrapped)
        again.calculate(copper(), ["energy"], ["positions"])
        assert recording(again).calls == recording(wrapped).calls == 1

    def test_it_can_be_wrapped_again_once_its_twin_is_gone(self):
        calc = zoo.Spring()
        first = ProfiledCalculator(calc)
        first.colour = "red"
        del first
        gc.collect()
        second = ProfiledCalculator(calc)
        second.taste = "sweet"
        assert (second.colour, calc.taste) == ("red", "sweet")


class TestWrapping:
    """Objects that can be wrapped, and folders that can be used."""

    @pytest.mark.parametrize(
        ("thing", "message"),
        [
            (EMT, r"EMT is a class; pass a calculator: ProfiledCalculator\(EMT\(...\)\)"),
            (None, "NoneType object is not a calculator"),
            ("emt", "str object is not a calculator"),
            (Atoms("H"), "Atoms object is not a calculator"),
            (copper, "function object is not a calculator"),
        ],
    )
    def test_anything_that_is_not_a_calculator_is_refused(self, thing, message):
        with pytest.raises(NotACalculatorError, match=message):
            ProfiledCalculator(thing)
        with pytest.raises(TypeError):
            recording(thing)

    @pytest.mark.parametrize("journal", ["missing/run.jsonl", "file/run.jsonl"])
    def test_a_directory_that_cannot_hold_the_journal_fails_immediately(self, journal):
        Path("file").touch()
        calc = zoo.Spring()
        state = dict(vars(calc))
        with pytest.raises(JournalPathError, match=r"no such directory|Not a directory"):
            ProfiledCalculator(calc, journal=journal)
        assert vars(calc) == state

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
    def test_a_directory_that_may_not_be_written_fails_immediately(self):
        Path("closed").mkdir(mode=0o500)
        with pytest.raises(JournalPathError, match="not writable"):
            ProfiledCalculator(zoo.Spring(), journal="closed/run.jsonl")

    def test_the_shared_run_needs_a_directory_too(self, monkeypatch):
        gone = Path.cwd() / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        with pytest.raises(JournalPathError, match="directory"):
            ProfiledCalculator(zoo.Spring())

    def test_a_profiled_calculator_cannot_record_elsewhere_as_well(self):
        wrapped = ProfiledCalculator(zoo.Spring(), journal="one.jsonl")
        with pytest.raises(AlreadyProfiledError, match=r"one\.jsonl"):
            ProfiledCalculator(wrapped, journal="other.jsonl")
        assert ProfiledCalculator(wrapped, journal="one.jsonl") is wrapped

    @pytest.mark.parametrize("value", ["off", "OFF", "0"])
    def test_switched_off_all_is_as_without(self, value, monkeypatch):
        monkeypatch.setenv("INSTRUMENTED_CALC", value)
        calc = zoo.Spring()
        with profiled(calc, "run.jsonl") as wrapped:
            assert wrapped is calc
            wrapped.calculate(copper())
        handle = recording(wrapped)
        assert (handle.calls, handle.failed, handle.cache_hits) == (None, None, None)
        assert (handle.run.path, handle.run.summary()) == (None, "")
        assert list(Path.cwd().iterdir()) == []

    def test_a_bare_calculator_has_an_inert_handle(self):
        handle = recording(zoo.Spring())
        handle.run.attach(Langevin(copper(), 1.0, temperature_K=300, friction=0.01, fixcm=False))
        handle.run.mark("nothing")
        handle.close()
        assert (handle.calls, handle.failed, handle.cache_hits) == (None, None, None)
        assert list(Path.cwd().iterdir()) == []

    def test_an_argument_named_like_pythons_own_reaches_the_constructor(self):
        class Named(zoo.Spring):
            def __init__(self, cls=None, self_=None, **kwargs):
                self.given = cls
                super().__init__(**kwargs)

        made = type(ProfiledCalculator(Named()))(cls="fcc", k=0.5)
        assert type(made) is Named
        assert (made.given, made.parameters["k"]) == ("fcc", 0.5)


operations = st.one_of(
    st.sampled_from(
        [
            "energy",
            "forces",
            "stress",
            "charges",
            "reset",
            "clear_results",
            "numerical",
            "todict",
            "copy",
            "deepcopy",
            "pickle",
            "calculate",
            "keywords",
            "bare_call",
            "own_method",
            "get_atoms",
            "export",
            "check",
            "required",
            "other_atoms",
        ]
    ).map(lambda name: (name, None)),
    st.tuples(st.just("move"), st.floats(-0.1, 0.1)),
    st.tuples(st.just("stiffness"), st.floats(0.0, 2.0)),
    st.tuples(st.just("attribute"), st.text(max_size=8)),
    st.tuples(st.just("forget"), st.text(max_size=8)),
    st.tuples(st.just("property"), st.text(max_size=8)),
    st.tuples(st.just("results"), st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False))),
)


class Bench:
    """A calculator and atoms to which wild things are done."""

    def __init__(self, wrap):
        calc = zoo.Spring()
        self.calc = wrap(calc)
        self.atoms = copper()
        self.atoms.calc = self.calc

    def do(self, name, value):
        """Do one thing and return its outcome."""
        atoms, calc = self.atoms, self.calc
        actions = {
            "energy": atoms.get_potential_energy,
            "forces": atoms.get_forces,
            "stress": atoms.get_stress,
            "charges": atoms.get_charges,
            "reset": calc.reset,
            "clear_results": calc.results.clear,
            "numerical": lambda: calc.get_property("forces", atoms, False),
            "todict": calc.todict,
            "copy": lambda: self.swap(copy.copy(calc)),
            "deepcopy": lambda: self.swap(copy.deepcopy(calc)),
            "pickle": lambda: self.swap(pickle.loads(pickle.dumps(calc))),  # noqa: S301 - ours
            "calculate": lambda: calc.calculate(atoms, ["energy"], ["positions"]),
            "keywords": lambda: calc.calculate(atoms=atoms, system_changes=[]),
            "bare_call": calc.calculate,
            "own_method": calc.do_work,
            "get_atoms": lambda: calc.get_atoms().positions,
            "export": calc.export_properties,
            "check": lambda: calc.check_state(atoms),
            "required": lambda: calc.calculation_required(atoms, ["forces"]),
            "other_atoms": lambda: calc.get_forces(Atoms("HCu", positions=[[0, 0, 0], [0, 0, 2]])),
            "move": lambda: atoms.translate(value),
            "stiffness": lambda: calc.set(k=value),
            "attribute": lambda: setattr(calc, "x" + value, value),
            "forget": lambda: delattr(calc, "x" + value),
            "property": lambda: calc.get_property(value, atoms),
            "results": lambda: calc.results.update(value),
        }
        return outcome(actions[name])

    def swap(self, calc):
        """Go on with a copy."""
        self.calc = self.atoms.calc = calc

    def state(self):
        """Return the calculator's attributes."""
        return {
            name: outcome(lambda v=value: v)
            for name, value in vars(self.calc).items()
            if name not in ("atoms", "get_spin_polarized")
        }


@given(st.lists(operations, max_size=25))
def test_whatever_is_done_to_it_comes_out_as_with_the_bare_calculator(todo):
    wrapped, bare = Bench(ProfiledCalculator), Bench(lambda calc: calc)
    for name, value in todo:
        assert wrapped.do(name, value) == bare.do(name, value)
        assert wrapped.state() == bare.state()
    assert isinstance(wrapped.calc, ProfiledCalculator)
    assert recording(wrapped.calc).run._recorder.counters.faults == 0
