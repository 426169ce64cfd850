"""Names that are not UTF-8, and a journal or descriptor that is taken away: recorded all the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.lifecycle.children import run_script
from tests.support import read_records

from instrumented_calc.journal.reader import read_journal

ODD = b"x\xff\xe2\x80\xa8"


def test_a_directory_a_journal_and_arguments_that_are_not_utf_8_are_recorded() -> None:
    os.mkdir(ODD)  # noqa: PTH102 - bytes
    child = run_script("""
from stage import *

odd = os.fsdecode(b"x\\xff\\xe2\\x80\\xa8")
os.chdir(odd)
sys.orig_argv = [*sys.orig_argv, odd]
atoms = pair(ProfiledCalculator(Spring(), journal=odd + ".jsonl", summary=True))
step(atoms)
recording(atoms.calc).run.mark(odd)
step(atoms)
""")
    assert child.returncode == 0, child.stderr
    assert "nothing is recorded" not in child.stderr
    records = read_records(os.fsdecode(os.path.join(ODD, ODD + b".jsonl")))  # noqa: PTH118 - bytes
    assert len(records.calls) == 2
    assert records.all[0]["directory"].endswith("x\\udcff\u2028")
    assert records.all[0]["command"][-1] == "x\\udcff\u2028"
    assert records.notices[0]["text"] == "x\\udcff\u2028"
    assert records.counters["lost_rows"] == records.counters["faults"] == 0


def test_in_a_directory_that_is_gone_an_absolute_path_works_and_a_relative_one_is_one_clear_error() -> None:
    child = run_script("""
from stage import *
from instrumented_calc.errors import JournalPathError

journal = os.path.abspath("run.jsonl")
os.mkdir("here")
os.chdir("here")
os.rmdir("../here")
try:
    ProfiledCalculator(Spring())
except JournalPathError as error:
    assert "\\n" not in str(error)
    print(error)
atoms = pair(ProfiledCalculator(Spring(), journal=journal, summary=False))
step(atoms)
""")
    assert child.returncode == 0, child.stderr
    assert "working directory was deleted" in child.stdout
    assert len(read_records().calls) == 1


@pytest.mark.parametrize(
    "how",
    [pytest.param("os.truncate('run.jsonl', 0)", marks=pytest.mark.slow), "os.truncate('run.jsonl', 700)"],
)
def test_a_journal_that_is_truncated_continues_in_a_new_file_and_counts_the_lost_rows(how: str) -> None:
    child = run_script(f"""
from stage import *

atoms = pair(ProfiledCalculator(Spring(), summary=False))
recorder = recording(atoms.calc)
for _ in range(30):
    step(atoms)
recording(atoms.calc).run._recorder.flush()
{how}
for _ in range(200):
    step(atoms)
    if os.path.exists("run-2.jsonl"):
        break
    time.sleep(0.05)
for _ in range(30):
    step(atoms)
print(recording(atoms.calc).calls)
""")
    assert child.returncode == 0, child.stderr
    assert "was truncated from" in child.stderr
    records = read_records("run-2.jsonl")
    assert records.all[0]["continues"] is True
    assert len(records.of("lane")) == 1
    indices = [row["index"] for row in records.calls]
    assert indices == list(range(indices[0], int(child.stdout)))
    assert records.calls[0]["n_atoms"] == 2
    assert records.counters["calls"] == int(child.stdout)
    # The head and other records are lost too.
    assert records.counters["lost_rows"] >= indices[0] >= 30


def test_a_program_that_closes_all_descriptors_keeps_its_files_and_its_journal() -> None:
    child = run_script("""
from stage import *

atoms = pair(ProfiledCalculator(Spring(), summary=False))
for _ in range(10):
    step(atoms)
os.closerange(3, 200)
files = [open(name, "w") for name in "abcdefgh"]
for _ in range(10):
    step(atoms)
recording(atoms.calc).close()
for file in files:
    file.write("mine")
    file.close()
""")
    assert child.returncode == 0, child.stderr
    assert {Path(name).read_text() for name in "abcdefgh"} == {"mine"}
    assert [row["index"] for row in read_records().calls] == list(range(20))
    assert read_records().counters["lost_rows"] == 0


def test_invented_names_and_marks_leave_the_journal_within_its_limit() -> None:
    child = run_script("""
from stage import *
from instrumented_calc import span

class Many(Spring):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.number = getattr(self, "number", 0) + 1
        with span(f"frame-{self.number}"):
            pass

atoms = pair(ProfiledCalculator(Many(), max_journal=100_000, summary=False))
run = recording(atoms.calc).run
for number in range(1500):
    step(atoms)
    run.mark(f"frame {number}")
""")
    assert child.returncode == 0, child.stderr
    assert Path("run.jsonl").stat().st_size < 150_000
    records = read_records()
    sliced = sum(part["calls"] for part in records.of("slice"))
    assert sliced + sum(not row.get("sliced") for row in records.calls) == 1500


def test_a_megabyte_of_arguments_does_not_cost_the_first_record() -> None:
    child = run_script("""
from stage import *

sys.orig_argv = [*sys.orig_argv, *["x" * 100_000] * 12, *["frame.xyz"] * 2000]
step(pair(ProfiledCalculator(Spring(), journal="run.jsonl")))
""")
    assert child.returncode == 0, child.stderr
    start = read_records().all[0]
    assert start["command"][1] == "script.py"
    assert start["command"][-1].endswith("in all)")
    assert Path("run.jsonl").read_bytes().index(b"\n") < 60_000
    assert read_journal("run.jsonl").start is not None


def test_a_row_that_is_too_long_for_readers_is_shortened_and_costs_no_other() -> None:
    child = run_script("""
from stage import *

calc = ProfiledCalculator(Spring(), journal="run.jsonl")
atoms = pair(calc)
for names in (["energy"], ["energy", "x" * 3_000_000], ["energy"]):
    calc.calculate(atoms, names, ["positions"])
recording(calc).close()
""")
    assert child.returncode == 0, child.stderr
    journal = read_journal("run.jsonl")
    assert journal.damage.long_lines == 0
    assert len(journal.calls) == 3


def test_a_descriptor_with_which_the_program_reads_the_journal_is_left_alone() -> None:
    child = run_script("""
from stage import *

atoms = pair(ProfiledCalculator(Spring(), journal="run.jsonl"))
step(atoms)
descriptor = next(
    int(name) for name in os.listdir("/proc/self/fd") if name.isdigit() and int(name) > 2
    and os.readlink(f"/proc/self/fd/{name}").endswith("run.jsonl")
)
os.close(descriptor)
assert os.open("run.jsonl", os.O_RDONLY) == descriptor
for _ in range(20):
    step(atoms)
    time.sleep(0.02)
recording(atoms.calc).close()
assert os.read(descriptor, 20).startswith(b'{"event":"run_start"')
""")
    assert child.returncode == 0, child.stderr
    records = read_records()
    assert len(records.calls) == 21
    assert records.counters["lost_rows"] == 0
