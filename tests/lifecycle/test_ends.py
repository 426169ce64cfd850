"""However a program ends, its journal is complete, and the program ends as without it."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from tests.lifecycle.children import read_cut, run_script
from tests.support import Records, read_records

from instrumented_calc import ProfiledCalculator, profiled, recording
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal.reader import read_journal

if TYPE_CHECKING:
    from typing import Any

SUMMARY = "instrumented-calc report"  # its last line says what to type next


def _pair(calculator: Any) -> Atoms:
    return Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.5]], calculator=calculator)


def _step(atoms: Atoms) -> None:
    atoms.positions[0, 0] += 1e-3
    atoms.get_potential_energy()


def _assert_counters_equal_rows(records: Records, calls: int) -> None:
    rows = records.calls
    assert [row["index"] for row in rows] == list(range(calls))
    assert records.counters["calls"] == calls
    assert records.counters["failed"] == sum("failure" in row for row in rows)
    assert records.counters["nested"] == sum("parent" in row for row in rows)
    assert records.counters["lost_rows"] == 0
    assert records.counters["faults"] == 0


def test_close_ends_the_run_once_and_later_calls_pass_through() -> None:
    atoms = _pair(ProfiledCalculator(LennardJones()))
    for _ in range(7):
        _step(atoms)
    handle = recording(atoms.calc)
    handle.close()
    written = Path("run.jsonl").read_bytes()
    _step(atoms)
    handle.close()
    handle.run.close()
    assert Path("run.jsonl").read_bytes() == written
    assert read_records().end["reason"] == "closed"
    _assert_counters_equal_rows(read_records(), 7)


def test_a_with_block_ends_the_run_also_when_it_raises() -> None:
    with pytest.raises(ZeroDivisionError), profiled(LennardJones(), "mine.jsonl") as calc:  # noqa: PT012 - the whole block is the test
        atoms = _pair(calc)
        _step(atoms)
        _step(atoms)
        raise ZeroDivisionError
    assert read_records("mine.jsonl").end["reason"] == "closed"
    _assert_counters_equal_rows(read_records("mine.jsonl"), 2)


def test_a_run_of_its_own_ends_with_its_last_calculator() -> None:
    atoms = _pair(ProfiledCalculator(LennardJones(), journal="mine.jsonl"))
    copy = atoms.copy()
    copy.calc = atoms.calc
    _step(atoms)
    atoms.calc = None
    copy.positions[1, 1] = 1
    _step(copy)
    gc.collect()
    assert read_records("mine.jsonl").of("run_end") == []
    copy.calc = None
    gc.collect()
    assert read_records("mine.jsonl").end["reason"] == "collected"
    _assert_counters_equal_rows(read_records("mine.jsonl"), 2)


def test_the_shared_run_outlives_its_calculators() -> None:
    for _ in range(3):
        _step(_pair(ProfiledCalculator(LennardJones())))
        gc.collect()
    keeper = ProfiledCalculator(LennardJones())
    recording(keeper).close()
    _assert_counters_equal_rows(read_records(), 3)
    assert not Path("run-2.jsonl").exists()


def test_a_run_that_is_closed_inside_of_a_call_writes_into_no_other_file() -> None:
    class Closing(LennardJones):
        def calculate(self, *args: Any, **kwargs: Any) -> None:
            super().calculate(*args, **kwargs)
            close()
            self.victims = [Path(name).open("wb", buffering=0) for name in ("a", "b")]  # noqa: SIM115 - they take the freed descriptor

    calculator = Closing()
    wrapped = ProfiledCalculator(calculator)
    close = recording(wrapped).close
    _step(_pair(wrapped))
    for victim in wrapped.victims:
        victim.close()
    assert Path("a").read_bytes() == Path("b").read_bytes() == b""
    assert read_records().counters["calls"] == 0


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("sys.exit(5)", 5),
        ("raise RuntimeError('planted')", 1),
        ("threading.Thread(target=time.sleep, args=(60,), daemon=True).start()", 0),
        pytest.param("", 0, marks=pytest.mark.slow),
        pytest.param("raise SystemExit('message')", 1, marks=pytest.mark.slow),
        pytest.param("del atoms", 0, marks=pytest.mark.slow),
    ],
)
def test_the_interpreters_exit_ends_the_run_and_keeps_its_status(ending: str, status: int) -> None:
    child = run_script(f"""
from stage import *

atoms = pair(ProfiledCalculator(Spring()))
for _ in range(30):
    step(atoms)
{ending}
""")
    assert child.returncode == status
    assert read_records().end["reason"] == "exit"
    _assert_counters_equal_rows(read_records(), 30)
    assert child.stdout == ""
    assert child.stderr.count(SUMMARY) == 1
    assert ("planted" in child.stderr) == ("planted" in ending)


@pytest.mark.slow
def test_an_exit_in_a_handler_of_sigterm_is_how_the_run_ended() -> None:
    child = run_script("""
from stage import *
import signal


class Ended(Spring):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        if calls == 20:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
atoms = pair(ProfiledCalculator(Ended()))
for calls in range(30):
    step(atoms)
""")
    assert child.returncode == 3
    ending = summarize(read_journal("run.jsonl")).ending
    assert (ending.how, ending.failure, ending.last_call) == ("failed", "SystemExit", 20)


def test_daemon_threads_that_calculate_during_the_exit_do_no_harm() -> None:
    child = run_script("""
from stage import *

def work():
    atoms = pair(ProfiledCalculator(Spring()))
    while True:
        step(atoms)

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
journal = Path("run.jsonl")
while not journal.exists() or journal.read_bytes().count(b'"event":"call"') < 150:
    time.sleep(0.05)
""")
    assert child.returncode == 0
    assert "Traceback" not in child.stderr
    records = read_records()
    ends = [number for number, each in enumerate(records.all) if each["event"] == "run_end"]
    assert len(ends) == 1
    # A call that was open when the run ended may be written after the end, or not at all.
    assert len(records.all) - 3 <= ends[0] + 1
    indices = [row["index"] for row in records.calls]
    assert len(set(indices)) == len(indices) > 100


def test_os_exit_leaves_a_journal_without_an_end() -> None:
    child = run_script("""
from stage import *

atoms = pair(ProfiledCalculator(Spring(0.011)))
for _ in range(5):
    step(atoms)
os._exit(3)
""")
    assert child.returncode == 3
    assert len(read_cut("run.jsonl").calls) == 5
    assert read_records().of("run_end") == []
    assert child.stderr == ""


def test_each_run_prints_its_summary_once() -> None:
    child = run_script("""
from stage import *

for name in ("a.jsonl", "b.jsonl", None, None):
    atoms = pair(ProfiledCalculator(Spring(), journal=name))
    step(atoms)
    if name:
        recording(atoms.calc).close()
    recording(atoms.calc).run.summary()
""")
    assert child.returncode == 0
    assert child.stderr.count(SUMMARY) == 3
    assert child.stdout == ""


@pytest.mark.parametrize(
    ("before", "option"),
    [
        ("import pytest", ""),
        ("", "summary=False"),
        pytest.param("os.environ['OMPI_COMM_WORLD_RANK'] = '3'", "", marks=pytest.mark.slow),
    ],
    ids=["under pytest", "unwanted", "rank 3"],
)
def test_no_summary_where_no_one_wants_one(before: str, option: str) -> None:
    child = run_script(f"""
from stage import *
{before}
step(pair(ProfiledCalculator(Spring(), {option})))
""")
    assert child.returncode == 0
    assert (child.stdout, child.stderr) == ("", "")


def test_a_run_without_a_call_leaves_nothing() -> None:
    child = run_script("""
from stage import *
atoms = pair(ProfiledCalculator(Spring()))
""")
    assert child.returncode == 0
    assert child.stderr.count("\n") == 1
    assert "Spring was wrapped, but the wrapped calculator was never called" in child.stderr
    assert not Path("run.jsonl").exists()


@pytest.mark.parametrize(
    "closing",
    [
        "sys.stderr = None",
        "os.close(2)",
        pytest.param("sys.stderr.close()", marks=pytest.mark.slow),
        pytest.param("sys.stderr = object()", marks=pytest.mark.slow),
    ],
)
def test_a_closed_stderr_changes_neither_results_nor_status(closing: str) -> None:
    child = run_script(f"""
from stage import *

{closing}
atoms = pair(ProfiledCalculator(Spring()))
step(atoms)
recorder = recording(atoms.calc).run._recorder
recorder.recording.notices.warn("planted", "nobody hears this")
recording(atoms.calc).close()
print(step(atoms))
sys.stdout.flush()
os._exit(0)
""")
    assert child.returncode == 0
    assert child.stdout == "6.125002\n"
    assert [notice["kind"] for notice in read_records().notices] == ["planted"]
    _assert_counters_equal_rows(read_records(), 1)


def test_a_summary_that_cannot_be_made_is_reported_in_one_line() -> None:
    child = run_script("""
from stage import *

atoms = pair(ProfiledCalculator(Spring()))
step(atoms)
os.remove("run.jsonl")
""")
    assert child.returncode == 0
    assert "Traceback" not in child.stderr
    assert child.stderr.startswith("instrumented-calc: no summary")
    assert child.stderr.count("\n") == 1


def test_the_calculator_may_be_collected_by_the_journals_own_thread() -> None:
    child = run_script("""
from stage import *
import gc
from instrumented_calc.journal.writer import JournalWriter

push, freed = JournalWriter.push, []

def collecting(writer):
    # The journal's thread holds rows in its hands while the calculator's last reference goes.
    if threading.current_thread() is not threading.main_thread() and ready and not freed:
        freed.append(writer.waiting)
        ready.clear()
    return push(writer)

JournalWriter.push = collecting
ready = []
atoms = pair(ProfiledCalculator(Spring(), journal="mine.jsonl", summary=False))
for _ in range(50):
    step(atoms)
ready.append(atoms.calc)
atoms.calc = None
while '\\n{"event":"run_end"' not in Path("mine.jsonl").read_text().rpartition("\\n")[0]:
    time.sleep(0.05)
assert freed
""")
    assert child.returncode == 0, child.stderr
    assert read_records("mine.jsonl").end["reason"] == "collected"
    _assert_counters_equal_rows(read_records("mine.jsonl"), 50)


def test_the_tests_themselves_see_the_summary_of_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert "pytest" in sys.modules
    with profiled(LennardJones()) as calc:
        _step(_pair(calc))
    assert capsys.readouterr().err == ""
