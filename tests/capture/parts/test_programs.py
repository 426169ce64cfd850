"""Calculators that run an external program: their parts, and what the program's processes used."""

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from ase import Atoms, units
from ase.calculators.calculator import CalculationFailed
from ase.calculators.emt import EMT
from ase.calculators.mixing import SumCalculator
from ase.calculators.socketio import PySocketIOClient, SocketIOCalculator
from ase.md.verlet import VelocityVerlet
from tests.capture.parts.external_program import CPU_S
from tests.capture.parts.program_calculators import by_files, generic
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.capture.parts.programs import exit_status, program_of
from instrumented_calc.capture.probes.children import EndedChildren, executions
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.own_process import ended_children, memory_in_use
from instrumented_calc.quantities import figures
from instrumented_calc.reporting.run.final_summary import closing_text
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.sections import sections_of

PARTS = ["write input", "execute", "read results"]
STEPS = 3
BOTH = pytest.mark.parametrize("make", [by_files, generic])


def molecule():
    atoms = Atoms("Cu2", positions=[(0, 0, 0), (2.5, 0, 0)], cell=[8, 8, 8])
    atoms.set_momenta([(1, 0, 0), (0, 1, 0)])
    return atoms


def trajectory(calc, steps=STEPS):
    atoms = molecule()
    atoms.calc = calc
    VelocityVerlet(atoms, units.fs).run(steps)
    return atoms.positions.tobytes(), atoms.get_momenta().tobytes(), atoms.get_potential_energy()


def socket_calculator():
    return SocketIOCalculator(launch_client=PySocketIOClient(EMT), unixsocket=f"test-{os.getpid()}")


@BOTH
def test_writing_running_and_reading_are_parts_and_the_child_has_its_times(make):
    calc = ProfiledCalculator(make())
    assert trajectory(calc) == trajectory(make())
    recording(calc).close()
    records = read_records()
    assert len(records.calls) == STEPS + 1
    for row in records.calls:
        assert [*row["components"]] == PARTS
        assert row["components"]["execute"] > CPU_S * 1e9 / 2  # the program's start is in it, too
        assert row["child_cpu_ns"] >= CPU_S * 1e9
        assert "child_exit_status" not in row
    (lane,) = records.of("lane")
    assert lane["program"] == "external_program.py"


@BOTH
def test_the_largest_memory_of_a_child_is_absent_unless_it_exceeds_what_it_may_have_inherited(make):
    more = max(memory_in_use()[1], ended_children()[1]) // 1_000_000 + 60
    calc = ProfiledCalculator(make())
    atoms = molecule()
    calc.get_potential_energy(atoms)
    recording(calc).close()
    assert all("child_peak_bytes" not in row for row in read_records().calls)
    calc = ProfiledCalculator(make(more), "large.jsonl")
    calc.get_potential_energy(atoms)
    recording(calc).close()
    (row,) = read_records("large.jsonl").calls
    assert row["child_peak_bytes"] > more * 1_000_000


@pytest.mark.parametrize(
    ("make", "raised"), [(by_files, CalculationFailed), (generic, subprocess.CalledProcessError)]
)
def test_the_exit_status_of_a_program_that_failed(make, raised):
    calc = ProfiledCalculator(make(0, 7))
    with pytest.raises(raised) as caught:
        calc.get_potential_energy(molecule())
    with pytest.raises(raised) as bare:
        make(0, 7).get_potential_energy(molecule())
    assert str(caught.value) == str(bare.value)
    recording(calc).close()
    (row,) = read_records().calls
    assert row["failure"] == raised.__qualname__
    assert row["child_exit_status"] == 7
    assert row["child_cpu_ns"] >= CPU_S * 1e9
    assert [*row["components"]] == PARTS[:2]


def test_the_status_is_read_from_where_ase_puts_it():
    cause = subprocess.CalledProcessError(-9, ["pw.x"])
    wrapped = CalculationFailed("Calculator x failed with args ...")
    wrapped.__cause__ = cause
    assert exit_status(cause) == exit_status(wrapped) == -9
    assert exit_status(CalculationFailed('"x" failed with command "y" failed in /z with error code 2')) == 2
    assert exit_status(CalculationFailed("vasp in /z returned an error: 1 stderr killed")) == 1
    assert exit_status(ValueError("no number")) is None
    assert exit_status(ValueError()) is None


def test_a_term_of_a_sum_has_its_parts(tmp_path):
    calc = ProfiledCalculator(SumCalculator([by_files(), EMT()]))
    assert trajectory(calc) == trajectory(SumCalculator([by_files(), EMT()]))
    recording(calc).close()
    for row in read_records().calls:
        names = [name for name in row["components"] if name.startswith("ByFiles / ")]
        assert names == [f"ByFiles / {part}" for part in PARTS]
        assert row["child_cpu_ns"] >= CPU_S * 1e9


def test_a_program_behind_a_socket_is_waited_for_and_its_use_is_read_while_it_runs():
    with socket_calculator() as bare:
        expected = trajectory(bare)
    with socket_calculator() as inner:
        calc = ProfiledCalculator(inner)
        assert trajectory(calc) == expected
        recording(calc).close()
    records = read_records()
    for row in records.calls:
        assert [*row["components"]] == ["wait for the client"]
    first, *later = records.calls
    assert first["child_cpu_ns"] > 0
    assert first["child_peak_bytes"] > 1_000_000
    assert all("child_cpu_ns" not in row or row["start_ns"] >= 1e9 for row in later)
    (lane,) = records.of("lane")
    assert lane["program"] == "ase.calculators.socketio"


def test_other_calculators_read_nothing(monkeypatch):
    monkeypatch.setattr(
        "instrumented_calc.capture.probes.children.ended_children", lambda: pytest.fail("a fast call")
    )
    calc = ProfiledCalculator(EMT())
    trajectory(calc)
    recording(calc).close()
    assert not any("child" in field for row in read_records().calls for field in row)
    assert "program" not in read_records().of("lane")[0]


def test_signals_and_waiting_for_children_stay_the_programs_own():
    seen = []
    before = signal.signal(signal.SIGCHLD, lambda *_: seen.append("SIGCHLD"))
    try:
        own = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
        calc = ProfiledCalculator(by_files())
        calc.get_potential_energy(molecule())
        recording(calc).close()
        assert own.wait() == 3
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert seen


def test_threads_that_execute_at_once_share_the_time_of_children_exactly(monkeypatch):
    readings = iter([(100, 0), (130, 0), (150, 0)])
    monkeypatch.setattr("instrumented_calc.capture.probes.children.ended_children", lambda: next(readings))
    ended = EndedChildren()
    ended.begin()
    ended.begin()
    assert [ended.end().cpu_ns, ended.end().cpu_ns] == [30, 20]


def test_calculators_in_threads():
    calculators = [ProfiledCalculator(by_files()) for _ in range(2)]
    threads = [
        threading.Thread(target=partial(calc.get_potential_energy, molecule())) for calc in calculators
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recording(calculators[0]).close()
    assert sum(row["child_cpu_ns"] for row in read_records().calls) >= 2 * CPU_S * 1e9


def test_a_forked_child_begins_with_no_execution():
    executions().begin()
    pid = os.fork()
    if pid == 0:
        os._exit(executions()._open)
    executions().end()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("pw.x -in PREFIX.pwi", "pw.x"),
        ("/opt/qe/bin/pw.x", "pw.x"),
        ("OMP_NUM_THREADS=2 pw.x", "pw.x"),
        ("mpirun -n 4 --bind-to none {python} /a/b/stub.py x", "stub.py"),
        ("mpirun -n 4 no-such-program-here", "mpirun"),
        ("{python} -m ase.calculators.socketio", "ase.calculators.socketio"),
        ("{python} -c 'secret()'", "{name}"),
        ("sh script.sh", "script.sh"),
        ("", None),
    ],
)
def test_the_name_of_the_program(command, expected):
    names = {"python": sys.executable, "name": os.path.basename(sys.executable)}  # noqa: PTH119 - a name
    calc = by_files()
    calc.profile.command = command.format(**names)
    assert program_of(calc) == (expected and expected.format(**names))


def test_a_command_that_no_shell_understands_fails_as_without_recording():
    calc = by_files()
    calc.profile.command = "broken 'quote"
    recorded = ProfiledCalculator(calc)
    with pytest.raises(CalculationFailed):
        recorded.get_potential_energy(molecule())
    recording(recorded).close()
    records = read_records()
    assert "program" not in records.of("lane")[0]
    assert records.counters["faults"] == 0


def test_a_calculator_without_a_program_has_no_name():
    assert program_of(EMT()) is None


def test_the_report_states_where_the_work_is_done():
    calc = ProfiledCalculator(by_files())
    trajectory(calc)
    recording(calc).close()
    summary = summarize(read_journal(Path("run.jsonl")))
    programs = summary.programs
    assert programs.names == ("external_program.py",)
    assert programs.busy == pytest.approx(programs.cpu_ns / programs.wall_ns)
    words = f"runs in external_program.py (child process), {figures(programs.busy)} processors busy"
    assert f"program  {words}" in closing_text(summary).splitlines()
    assert words in str(sections_of(summary))
    (journal,) = json.loads(render_json([ReadRun(summary)]))["journals"]
    assert journal["programs"]["processors_busy"] == pytest.approx(programs.busy)


def test_the_report_states_with_which_status_a_program_failed():
    calc = ProfiledCalculator(by_files(0, 7))
    for _ in range(2):
        with pytest.raises(CalculationFailed):
            calc.get_potential_energy(molecule())
    recording(calc).close()
    summary = summarize(read_journal(Path("run.jsonl")))
    assert summary.programs.exit_statuses == {7: 2}
    assert "exit status 7 in 2 calls" in closing_text(summary)
    assert "7 in 2 calls" in str(sections_of(summary))
