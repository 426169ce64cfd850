"""Step profiles of runs: what they count, when they are taken, and that nothing is left of them."""

from __future__ import annotations

import cProfile
import os
import pstats
import sys
import threading
import time

import numpy as np
import pytest
from ase import units
from ase.calculators.calculator import Calculator, all_changes
from ase.md.verlet import VelocityVerlet
from tests.capture.zoo import Spring, copper
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.open_calls import active, extras_of
from instrumented_calc.capture.places import step_profiling
from instrumented_calc.capture.places.step_profiler import IS_HARMLESS, StepProfiler, is_taken

PATIENCE_S = 60
needs_312 = pytest.mark.skipif(not IS_HARMLESS, reason="before, every profiler makes ndarray.resize fail")
untraced = pytest.mark.skipif(is_taken(), reason="a tracer or profiler runs these tests")


def in_calculator():
    """Be counted."""


def between():
    """Be counted."""


class Counted(Calculator):
    """Calls a function three times, and C functions."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        for _ in range(3):
            in_calculator()
        energy = float(np.square(self.atoms.positions).sum())
        self.results = {"energy": energy, "forces": -2 * self.atoms.positions}


def wrapped(calculator, **options):
    """Return atoms whose calculator is recorded, with so much budget that steps are profiled soon."""
    atoms = copper()
    atoms.calc = ProfiledCalculator(calculator, "run.jsonl", **{"overhead_budget": 1, **options})
    return atoms


def steps_of(atoms):
    """Return how many steps were profiled so far."""
    found = recording(atoms.calc).run._recorder.step_profiling
    return 0 if found is None else found._steps


def step(atoms):
    between()
    atoms.positions += 1e-3
    atoms.get_forces()


def until(condition, work):
    """Repeat some work until a condition holds."""
    late = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < late
        work()


def profile_open():
    return sys.getprofile() is not None


def in_the_middle(atoms):
    """Make calls until a step is being profiled: the program is between two calls."""
    until(profile_open, lambda: step(atoms))


def last_profile():
    return read_records().of("step_profiles")[-1]


def functions(record):
    found = {}
    for each in record["functions"]:
        found[each["part"], each.get("function", "").rpartition(".")[2]] = each
    return found


# -- what they count ----------------------------------------------------------------------------------------


@needs_312
@untraced
def test_calls_per_step_are_exact_inside_and_outside_the_calculator():
    atoms = wrapped(Counted())
    until(lambda: steps_of(atoms) >= 2, lambda: step(atoms))
    recording(atoms.calc).close()
    record = last_profile()
    found, steps = functions(record), record["steps"]
    assert steps >= 2
    assert found["calculator", "in_calculator"]["calls"] == 3 * steps
    assert found["other", "between"]["calls"] == steps
    assert found["other", "get_forces"]["calls"] == steps
    assert found["calculator", "in_calculator"]["file"] == __file__
    assert found["calculator", "in_calculator"]["line"] == in_calculator.__code__.co_firstlineno
    assert found["other", "get_forces"]["package"] == "ase"
    assert "file" not in found["other", "get_forces"]


@needs_312
@untraced
def test_what_the_integrator_and_observers_call_is_counted():
    atoms = wrapped(Counted())
    dynamics = VelocityVerlet(atoms, 1 * units.fs)
    dynamics.attach(between)
    until(lambda: steps_of(atoms) >= 1, lambda: dynamics.run(100))
    recording(atoms.calc).close()
    record = last_profile()
    found, steps = functions(record), record["steps"]
    assert found["other", "between"]["calls"] == steps
    assert found["other", "step"]["calls"] >= steps
    assert found["other", "call_observers"]["calls"] == steps


@needs_312
@untraced
def test_profiled_rows_are_marked_and_only_they():
    atoms = wrapped(Counted())
    until(lambda: steps_of(atoms) >= 2, lambda: step(atoms))
    recording(atoms.calc).close()
    marked = [row["index"] for row in read_records().calls if row.get("profiled")]
    record = last_profile()
    assert len(marked) == record["steps"] + record.get("skipped", {}).get("too long", 0)
    assert min(marked) > 10


@needs_312
@untraced
def test_the_run_is_bit_for_bit_that_of_the_bare_calculator():
    def course(atoms):
        dynamics = VelocityVerlet(atoms, 1 * units.fs)
        found = []
        dynamics.attach(lambda: found.append(atoms.get_potential_energy()))
        dynamics.run(500)
        return found, atoms.positions.tobytes(), atoms.get_momenta().tobytes()

    atoms = wrapped(Counted())
    with_profiles = course(atoms)
    recording(atoms.calc).close()
    assert any(row.get("profiled") for row in read_records().calls)
    bare = copper()
    bare.calc = Counted()
    assert course(bare) == with_profiles


# -- when they are not taken --------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"places": False}, {"overhead_budget": 0}])
def test_it_can_be_switched_off(options):
    atoms = wrapped(Spring(), **options)
    for _ in range(50):
        step(atoms)
    recording(atoms.calc).close()
    assert read_records().of("step_profiles") == []


def test_a_run_without_profiles_says_why():
    atoms = wrapped(Spring(), overhead_budget=1e-6)
    for _ in range(20):
        step(atoms)
    recording(atoms.calc).close()
    (record,) = read_records().of("step_profiles")
    assert record["steps"] == 0
    assert [*record["skipped"]] == ["over budget" if IS_HARMLESS else "before Python 3.12"]


@needs_312
def test_no_step_is_profiled_beside_the_programs_own_profiler():
    atoms = wrapped(Spring())
    own = cProfile.Profile()
    own.enable()
    try:
        late = time.monotonic() + 1
        while time.monotonic() < late:
            step(atoms)
            assert sys.getprofile() is None
    finally:
        own.disable()
    recording(atoms.calc).close()
    assert last_profile()["steps"] == 0
    assert pstats.Stats(own).total_calls


@needs_312
@untraced
def test_a_step_that_calls_too_many_functions_is_given_up_and_tried_again_later(monkeypatch):
    atoms = wrapped(Counted())

    def has_given_up():
        found = recording(atoms.calc).run._recorder.step_profiling
        return found is not None and found._skipped["too long"]

    with monkeypatch.context() as patch:
        patch.setattr(step_profiling, "StepProfiler", lambda _, event_ns: StepProfiler(20, event_ns))
        until(has_given_up, lambda: step(atoms))
    assert sys.getprofile() is None
    until(lambda: steps_of(atoms) >= 1, lambda: step(atoms))
    recording(atoms.calc).close()
    assert last_profile()["skipped"]["too long"] >= 1


# -- nothing is left of them --------------------------------------------------------------------------------


@needs_312
@untraced
def test_the_end_of_the_run_ends_a_profile():
    atoms = wrapped(Spring())
    in_the_middle(atoms)
    recording(atoms.calc).close()
    assert sys.getprofile() is None


@needs_312
@untraced
def test_a_run_that_another_thread_ends_ends_a_profile_at_the_next_call_of_a_function():
    atoms = wrapped(Spring())
    in_the_middle(atoms)
    worker = threading.Thread(target=recording(atoms.calc).close)
    worker.start()
    worker.join()
    between()
    assert sys.getprofile() is None


@needs_312
@untraced
def test_a_call_that_fails_ends_a_profile_and_its_exception_is_the_programs():
    class Failing(Spring):
        fails = False

        def calculate(self, *args, **kwargs):
            if self.fails:
                raise KeyError(7)
            super().calculate(*args, **kwargs)

    inner = Failing()
    atoms = wrapped(inner)
    in_the_middle(atoms)
    inner.fails = True
    atoms.positions += 1e-3
    with pytest.raises(KeyError, match="7"):
        atoms.get_forces()
    assert sys.getprofile() is None
    recording(atoms.calc).close()
    failed = read_records().calls[-1]
    assert (failed["failure"], failed["profiled"]) == ("KeyError", True)


@needs_312
@untraced
def test_a_step_that_compiled_something_is_not_used():
    class Compiling(Spring):
        compiles = False

        def calculate(self, *args, **kwargs):
            if self.compiles:
                extras_of(active.stack[-1])["compile_ns"] = {"a compiler": 1}  # as the listeners do
            super().calculate(*args, **kwargs)

    inner = Compiling()
    atoms = wrapped(inner)
    in_the_middle(atoms)
    steps = steps_of(atoms)
    inner.compiles = True
    step(atoms)
    inner.compiles = False
    assert not profile_open()
    recording(atoms.calc).close()
    assert read_records().calls[-1]["profiled"]
    assert last_profile()["steps"] == steps


@needs_312
@untraced
@pytest.mark.parametrize("name", ["start", "enter_call", "stop"])
@pytest.mark.parametrize("after", [False, True])
def test_an_interrupt_at_the_ends_of_a_profile_reaches_the_program_once(monkeypatch, name, after):
    """Ctrl-C may strike there, too: what it finds half done must be off afterwards."""
    real, raised = getattr(StepProfiler, name), []

    def interrupted(self):
        if threading.current_thread() is not threading.main_thread():  # it measures what a profile costs
            return real(self)
        if after:
            real(self)
        raised.append(name)
        raise KeyboardInterrupt

    atoms = wrapped(Spring())
    with monkeypatch.context() as patch:
        patch.setattr(StepProfiler, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            until(lambda: raised, lambda: step(atoms))
    assert sys.getprofile() is None
    for _ in range(50):
        step(atoms)
        assert sys.getprofile() is None
    assert recording(atoms.calc).run._recorder.maker.attend_at is None
    assert raised == [name]
    recording(atoms.calc).close()
    assert read_records().of("notice") == []


@needs_312
@untraced
def test_an_exception_in_the_middle_leaves_no_result_and_later_steps_are_profiled():
    atoms = wrapped(Spring())
    in_the_middle(atoms)
    sys.setprofile(None)  # as the interpreter does
    until(lambda: steps_of(atoms) >= 1, lambda: step(atoms))
    recording(atoms.calc).close()
    assert last_profile()["skipped"]["interrupted"] == 1


@needs_312
@untraced
def test_an_audit_hook_that_forbids_profilers_ends_step_profiles_alone(monkeypatch):
    def forbidden():
        message = "no profilers here"
        raise RuntimeError(message)

    monkeypatch.setattr(step_profiling, "measured_cost", forbidden)
    atoms = wrapped(Spring())
    late = time.monotonic() + 1
    while time.monotonic() < late:
        step(atoms)
    recording(atoms.calc).close()
    records = read_records()
    assert [each["kind"] for each in records.of("notice")] == ["recorder-fault"]
    assert records.of("run_end")[0]["counters"]["faults"] == 1


@needs_312
@untraced
def test_the_programs_own_profilers_start_in_the_middle_of_one():
    atoms = wrapped(Counted())
    in_the_middle(atoms)
    own = cProfile.Profile()
    own.enable()
    step(atoms)
    step(atoms)
    own.disable()
    counts = {key[2]: value[1] for key, value in pstats.Stats(own).stats.items()}
    assert (counts["in_calculator"], counts["between"]) == (6, 2)
    assert sys.getprofile() is None


@needs_312
@untraced
def test_a_profile_function_of_the_programs_own_stays_set():
    atoms = wrapped(Counted())
    in_the_middle(atoms)
    seen = []

    def own(frame, event, _arg):
        if event == "call":
            seen.append(frame.f_code.co_name)

    sys.setprofile(own)
    step(atoms)
    assert sys.getprofile() is own
    sys.setprofile(None)
    assert seen.count("in_calculator") == 3
    recording(atoms.calc).close()
    assert last_profile()["skipped"]["another profiler"] == 1


@needs_312
@untraced
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_has_no_profile():
    atoms = wrapped(Spring())
    in_the_middle(atoms)
    child = os.fork()
    if not child:
        os._exit(0 if sys.getprofile() is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert profile_open()
    step(atoms)
    assert not profile_open()


@needs_312
@untraced
def test_a_thread_that_ends_in_the_middle_leaves_steps_of_others_to_be_profiled():
    atoms = wrapped(Spring())
    worker = threading.Thread(target=in_the_middle, args=(atoms,))
    worker.start()
    worker.join()
    assert sys.getprofile() is None
    until(lambda: steps_of(atoms) >= 1, lambda: step(atoms))


@needs_312
@untraced
def test_other_threads_calculate_without_a_profile():
    atoms = wrapped(Spring())
    in_the_middle(atoms)
    other, seen = copper(), []
    other.calc = ProfiledCalculator(Spring(), "other.jsonl")

    def work():
        step(other)
        seen.append(sys.getprofile())

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert seen == [None]
    assert profile_open()


@needs_312
@untraced
def test_no_step_is_profiled_after_which_the_driver_makes_no_other():
    """Nothing would end the profile: it would slow what the program does afterwards."""
    atoms = wrapped(Spring())
    dynamics = VelocityVerlet(atoms, 1 * units.fs)
    late = time.monotonic() + 1
    while time.monotonic() < late:
        dynamics.run(3)
        assert not profile_open()
