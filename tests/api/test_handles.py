"""Handles and runs in Python: reprs, early marks, absent counters, calculators that were never used."""

import inspect
import os
import re
import subprocess
import sys

import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet

from instrumented_calc import Handle, ProfiledCalculator, Run, profiled, read_journal, recording
from instrumented_calc.notebook import progress_words

NEVER_CALLED = "EMT was wrapped, but the wrapped calculator was never called"
SET_UP = """
from ase.build import bulk
from ase.calculators.emt import EMT
from instrumented_calc import ProfiledCalculator, profiled
atoms = bulk("Cu", cubic=True)
"""


def slow(script):
    """Mark a script that says in another way what a quick one says, too."""
    return pytest.param(script, marks=pytest.mark.slow)


def stderr_of(tmp_path, script):
    environment = {name: value for name, value in os.environ.items() if name != "INSTRUMENTED_CALC"}
    done = subprocess.run(
        [sys.executable, "-c", SET_UP + script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.stderr


def test_reprs_say_calls_speed_and_path(tmp_path):
    atoms = bulk("Cu", cubic=True)
    path = tmp_path / "run.jsonl"
    with profiled(EMT(), path) as atoms.calc:
        handle = recording(atoms.calc)
        assert isinstance(handle, Handle)
        assert isinstance(handle.run, Run)
        assert repr(handle) == "<Handle of EMT: 0 calls; <Run waiting for its first call>>"
        atoms.get_forces()
        assert re.fullmatch(
            rf"<Run {re.escape(str(path))}: 1 call in [\d.]+ \w+, [\d.,]+ calls/s, recording>",
            repr(handle.run),
        )
    assert repr(handle).startswith(f"<Handle of EMT: 1 call; <Run {path}: 1 call in ")
    assert repr(handle).endswith(" calls/s, ended>>")


def test_reprs_of_a_bare_calculator_say_so():
    assert repr(recording(EMT())) == "<Handle: the calculator is not profiled>"
    assert repr(recording(EMT()).run) == "<Run not recorded: the calculator is not profiled>"


def test_calls_of_collected_calculators_are_counted():
    atoms = bulk("Cu", cubic=True)
    atoms.calc = first = ProfiledCalculator(EMT())
    for _ in range(3):
        atoms.get_potential_energy()
        atoms.calc = ProfiledCalculator(EMT())
    run = recording(first).run
    run.close()
    assert ": 3 calls in " in repr(run)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_counts_only_its_own_calls(tmp_path):
    script = """
import gc, os
from instrumented_calc import recording
for _ in range(2):
    atoms.calc = ProfiledCalculator(EMT())
    atoms.get_forces()
if os.fork():
    os.wait()
else:
    atoms.positions[0, 0] += 0.1
    atoms.get_forces()
    print(recording(atoms.calc).run, flush=True, file=open("shown.txt", "w"))
    os._exit(0)
"""
    stderr_of(tmp_path, script)
    assert re.search(r"run\.pid\d+\.jsonl: 1 call in ", (tmp_path / "shown.txt").read_text())


def test_all_options_of_profiled_are_visible():
    ours, theirs = (inspect.signature(each).parameters for each in (profiled, ProfiledCalculator))
    assert [*ours] == [*theirs]
    for name, parameter in theirs.items():
        assert (ours[name].kind, ours[name].default) == (parameter.kind, parameter.default)


def test_what_is_wrapped_keeps_its_type_for_an_editor():
    parameters = inspect.signature(ProfiledCalculator.__new__)
    assert parameters.return_annotation == parameters.parameters["calc"].annotation == "AnyCalculator"


def test_the_journal_is_the_second_argument(tmp_path):
    atoms = bulk("Cu", cubic=True)
    atoms.calc = ProfiledCalculator(EMT(), tmp_path / "a.jsonl")
    atoms.get_potential_energy()
    recording(atoms.calc).close()
    with profiled(EMT(), tmp_path / "b.jsonl") as atoms.calc:
        atoms.get_potential_energy()
    assert {each.name for each in tmp_path.iterdir()} == {"a.jsonl", "b.jsonl"}


def test_marks_before_the_first_call_are_kept_in_order(tmp_path):
    atoms = bulk("Cu", cubic=True)
    with profiled(EMT(), tmp_path / "run.jsonl") as atoms.calc:
        run = recording(atoms.calc).run
        run.mark("heating")
        run.mark(300)
        assert not (tmp_path / "run.jsonl").exists()
        atoms.get_potential_energy()
        run.mark("production")
    notices = read_journal(tmp_path / "run.jsonl").notices
    assert [each.text for each in notices if each.kind == "mark"] == ["heating", "300", "production"]


@pytest.mark.parametrize(
    "script",
    [
        "calc = EMT(); ProfiledCalculator(calc); atoms.calc = calc; atoms.get_forces()",
        slow("ProfiledCalculator(EMT())"),
        slow("ProfiledCalculator(EMT(), 'nvt.jsonl')"),
        slow("with profiled(EMT()) as calc:\n    pass"),
    ],
)
def test_a_calculator_that_was_wrapped_but_never_used_is_mentioned_once(script, tmp_path):
    assert stderr_of(tmp_path, script).count(NEVER_CALLED) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "script",
    [
        "atoms.calc = ProfiledCalculator(EMT()); atoms.get_forces()",
        slow("ProfiledCalculator(EMT(), summary=False)"),
        slow("calc = ProfiledCalculator(EMT())\nraise RuntimeError"),
        # forked or unpickled elsewhere
        slow("import os\ncalc = ProfiledCalculator(EMT())\nif not os.fork():\n    os._exit(0)\nos.wait()"),
        slow("import pickle\ncalc = ProfiledCalculator(EMT())\npickle.dumps(calc)"),
    ],
)
def test_one_that_is_used_here_or_elsewhere_is_not_mentioned(script, tmp_path):
    assert NEVER_CALLED not in stderr_of(tmp_path, script)


def test_the_progress_of_a_run_in_words():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.02, seed=1)
    atoms.calc = ProfiledCalculator(EMT())
    run = recording(atoms.calc).run._recorder
    atoms.get_potential_energy()
    assert progress_words(run, 4.0) == "1 call, 4.00 calls/s"
    seen = []
    driver = VelocityVerlet(atoms, 5 * units.fs)
    driver.attach(lambda: seen.append(progress_words(run, 4.0)))
    driver.run(200)
    assert seen[100].startswith("step 99 of 200, ")
    assert seen[100].endswith(", 4.00 calls/s, ends in about 25.2 s")
