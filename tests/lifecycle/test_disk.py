"""Disks fill, files vanish and servers hang: the calculations continue, and the journal says what is
missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from tests.lifecycle.children import read_cut, run_script
from tests.support import JOURNAL_THREAD, read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.rows import row_maker as rows_module
from instrumented_calc.errors import JournalPathError
from instrumented_calc.journal import writer as writer_module

if TYPE_CHECKING:
    from collections.abc import Callable

TROUBLE = "the run continues, rows are lost until there is space"

FULL_DISK = """
from stage import *
import resource

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

bare, atoms = pair(Spring()), pair(ProfiledCalculator(Spring(), summary=False))
recorder = recording(atoms.calc).run._recorder
assert step(atoms) == step(bare)
size = os.path.getsize("run.jsonl")
"""


def test_a_full_disk_loses_nothing_if_there_is_room_again_in_time() -> None:
    child = run_script(
        FULL_DISK
        + """
limit(size + 1000)
assert [step(atoms) for _ in range(300)] == [step(bare) for _ in range(300)]
recorder.flush()
recorder.flush()
assert os.path.getsize("run.jsonl") == size + 1000  # the last line is torn now
limit(resource.RLIM_INFINITY)
assert [step(atoms) for _ in range(300)] == [step(bare) for _ in range(300)]
"""
    )
    assert child.returncode == 0, child.stderr
    assert child.stderr.count("\n") == child.stderr.count(TROUBLE) == 1
    records = read_records()
    assert [row["index"] for row in records.calls] == list(range(601))
    assert records.counters["calls"] == 601
    assert records.counters["lost_rows"] == 0


def test_rows_lost_on_a_full_disk_are_counted() -> None:
    child = run_script(
        FULL_DISK
        + """
from instrumented_calc.journal import writer
writer.WAITING_LIMIT = 20_000
limit(size + 1000)
for _ in range(30):
    assert [step(atoms) for _ in range(100)] == [step(bare) for _ in range(100)]
    recorder.flush()
limit(resource.RLIM_INFINITY)
assert [step(atoms) for _ in range(100)] == [step(bare) for _ in range(100)]
recorder.flush()
atoms.calc.calculate(Atoms("Ar3", np.eye(3)), ["forces"], [])
"""
    )
    assert child.returncode == 0, child.stderr
    (line,) = child.stderr.splitlines()  # on a busy machine, more may wait than is kept before a write fails
    assert "the run continues, rows are" in line
    records = read_records()
    indices = [row["index"] for row in records.calls]
    lost = records.counters["lost_rows"]
    assert lost > 1000
    assert records.counters["calls"] == 3102
    assert 0 <= len(indices) + lost - 3102 < 20  # a notice may be lost too
    assert indices == sorted(set(indices))
    assert indices[-101:] == list(range(3001, 3102))
    # What later rows take from earlier ones was written again after the gap.
    assert {row["n_atoms"] for row in records.calls[:-1]} == {2}
    after = next(row for row in records.of("call") if row["index"] == indices[-101])
    assert after["n_atoms"] == 2
    assert records.calls[-1]["n_atoms"] == 3


@pytest.mark.slow
def test_a_disk_that_stays_full_harms_nothing_but_the_journal() -> None:
    child = run_script(
        FULL_DISK
        + """
limit(size + 1000)
assert [step(atoms) for _ in range(300)] == [step(bare) for _ in range(300)]
"""
    )
    assert child.returncode == 0
    trouble, missing = child.stderr.splitlines()
    assert trouble.endswith(TROUBLE)
    assert "could not grow until the run ended and lacks the last" in missing
    assert read_cut("run.jsonl").of("run_end") == []
    assert len(read_cut("run.jsonl").calls) > 1


def test_a_device_without_space_is_survived_too() -> None:
    unshare = shutil.which("unshare")
    mounting = (unshare or "false", "--mount", "sh", "-c")
    mount = 'mkdir disk && mount -t tmpfs -o size=256k tmpfs disk && exec "$0" "$@"'
    tried = subprocess.run(
        [*mounting, "mkdir try && mount -t tmpfs tmpfs try"], capture_output=True, check=False
    )
    if tried.returncode:
        pytest.skip("no file system can be mounted here")
    child = run_script(
        """
from stage import *

Path("disk/filler").write_bytes(bytes(200_000))
atoms = pair(ProfiledCalculator(Spring(), journal="disk/run.jsonl", summary=False))
recorder = recording(atoms.calc).run._recorder
for _ in range(10):
    for _ in range(100):
        step(atoms)
    recorder.flush()
os.remove("disk/filler")
for _ in range(10):
    step(atoms)
recording(atoms.calc).close()
Path("run.jsonl").write_bytes(Path("disk/run.jsonl").read_bytes())
""",
        prefix=(*mounting, mount),
    )
    assert child.returncode == 0, child.stderr
    assert TROUBLE in child.stderr
    assert [row["index"] for row in read_records().calls] == list(range(1010))
    assert read_records().counters["lost_rows"] == 0


@pytest.mark.parametrize(
    "removing", ["os.remove('here/run.jsonl')", pytest.param("shutil.rmtree('here')", marks=pytest.mark.slow)]
)
def test_a_journal_that_is_removed_continues_if_it_can(removing: str) -> None:
    child = run_script(f"""
from stage import *
import shutil
from instrumented_calc.capture.run import recording as recording_module

recording_module.TALLY_EVERY_NS = 0  # look after the file at every beat
os.mkdir("here")
bare = pair(Spring())
atoms = pair(ProfiledCalculator(Spring(), journal="here/run.jsonl", summary=False))
for number in range(60):
    assert step(atoms) == step(bare)
    if number == 20:
        {removing}
    time.sleep(0.02)
recording(atoms.calc).close()
""")
    assert child.returncode == 0, child.stderr
    assert child.stderr.count("\n") == child.stderr.count("was removed") == 1
    if "rmtree" in removing:
        assert not Path("here").exists()
        return
    records = read_records("here/run.jsonl")
    assert records.all[0]["continues"] is True
    assert len(records.of("lane")) == 1
    assert [notice["kind"] for notice in records.of("notice")].count("journal-removed") == 1
    indices = [row["index"] for row in records.calls]
    assert indices == list(range(indices[0], 60))
    assert 20 < indices[0] < 59
    assert records.counters["calls"] == 60
    assert records.counters["lost_rows"] >= indices[0]
    assert records.calls[0]["n_atoms"] == 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing/run.jsonl", "no such directory"), ("file/run.jsonl", "Not a directory")],
)
def test_a_directory_that_is_none_fails_while_wrapping(name: str, reason: str) -> None:
    Path("file").write_text("")
    with pytest.raises(JournalPathError, match=reason):
        ProfiledCalculator(LennardJones(), journal=name)


def test_a_directory_that_cannot_be_written_fails_while_wrapping() -> None:
    child = run_script("""
from stage import *
import tempfile

directory = tempfile.mkdtemp()
os.chmod(directory, 0o555)
if os.getuid() == 0:  # root may write anywhere
    os.setuid(65534)
try:
    ProfiledCalculator(Spring(), journal=f"{directory}/run.jsonl")
except OSError as error:
    print(str(error).replace(directory, "DIR"))
""")
    assert child.returncode == 0, child.stderr
    assert child.stdout.count("\n") == 1
    # The test's own directory may be closed to others, too.
    assert "not writable" in child.stdout or "Permission denied" in child.stdout


def test_a_directory_that_was_lost_before_the_first_call_is_reported_once() -> None:
    child = run_script("""
from stage import *

os.mkdir("here")
bare = pair(Spring())
atoms = pair(ProfiledCalculator(Spring(), journal="here/run.jsonl"))
os.rmdir("here")
assert [step(atoms) for _ in range(20)] == [step(bare) for _ in range(20)]
""")
    assert child.returncode == 0, child.stderr
    assert child.stderr.count("\n") == child.stderr.count("nothing is recorded") == 1


def test_a_name_that_is_taken_is_numbered() -> None:
    Path("run.jsonl").write_text("somebody's\n")
    Path("run-2.jsonl").mkdir()
    atoms = Atoms("Ar2", [[0, 0, 0], [0, 0, 3.5]], calculator=ProfiledCalculator(LennardJones()))
    atoms.get_potential_energy()
    recording(atoms.calc).close()
    assert Path("run.jsonl").read_text() == "somebody's\n"
    assert recording(atoms.calc).run.path == Path.cwd() / "run-3.jsonl"
    assert read_records("run-3.jsonl").counters["calls"] == 1


# -- a file system that may stop answering ---------------------------------------------------------


def _on_journal_thread() -> bool:
    return threading.current_thread().name == JOURNAL_THREAD


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a function of the test see every write to a journal before it is done."""
    real = os.write

    def install(before: Callable[[], None]) -> None:
        def watched(fd: int, data: Any) -> int:
            before()
            return real(fd, data)

        monkeypatch.setattr(os, "write", watched)

    return install


def _atoms() -> Atoms:
    return Atoms("Ar2", [[0, 0, 0], [0, 0, 3.5]], calculator=ProfiledCalculator(LennardJones()))


def _step(atoms: Atoms, number: int) -> None:
    for _ in range(number):
        atoms.positions[0, 0] += 1e-3
        atoms.get_potential_energy()


def test_on_a_network_file_system_the_calculating_thread_never_writes(
    write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "on_network_file_system", lambda _: True)
    writers: list[bool] = []
    write(lambda: writers.append(_on_journal_thread()))
    atoms = _atoms()
    for _ in range(30):
        _step(atoms, 3)
        time.sleep(0.02)
    assert len(writers) >= 2
    assert all(writers)
    recording(atoms.calc).close()
    assert read_records().counters["calls"] == 90


@pytest.mark.parametrize("network", [True, False])
def test_a_write_that_hangs_in_the_journals_thread_does_not_stop_the_calculations(
    network: bool, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "on_network_file_system", lambda _: network)
    monkeypatch.setattr(rows_module, "WRITE_AT_ONCE_NS", 10**18)
    answers, hangs = threading.Event(), threading.Event()

    def hang() -> None:
        if _on_journal_thread():
            hangs.set()
            assert answers.wait(60)

    atoms = _atoms()
    write(hang)
    _step(atoms, 10)
    assert hangs.wait(30)
    monkeypatch.setattr(rows_module, "WRITE_AT_ONCE_NS", 0)  # every call would like to write
    _step(atoms, 500)
    assert not answers.is_set()  # calls that ended while the write still hangs
    answers.set()
    recording(atoms.calc).close()
    assert [row["index"] for row in read_records().calls] == list(range(510))
