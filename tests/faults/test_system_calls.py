"""System calls fail at any time: MD is equal bit for bit, and the journal reports the gaps."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet
from tests.capture import zoo
from tests.faults.failing import failing
from tests.lifecycle.children import run_script
from tests.support import journal_threads, open_files, read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.run import pulse
from instrumented_calc.capture.run import recording as recording_module
from instrumented_calc.errors import JournalPathError, JournalReadError
from instrumented_calc.journal.reader import read_journal

if TYPE_CHECKING:
    from tests.faults.failing import Count

STEPS = 10
CALLS = STEPS + 1
FOR_EVER = 10**9
MOST_ROUNDS = 400
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EINTR", "EAGAIN", "no memory")
# One failure of each kind by default, all of them, and those that happen once, with `-m slow`.
USUAL = {
    "write": "ENOSPC",
    "open": "EIO",
    "fstat": "EIO",
    "stat": "EIO",
    "close": "EDQUOT",
    "read": "EIO",
    "unlink": "EIO",
    "statvfs": "EIO",
    "thread": "EAGAIN",
}
# System calls that the recorder may not need in such a short run.
NEVER_MADE = ("unlink", "statvfs", "read")
THINNED, WHOLE = 6_000, 256_000_000  # a thinned run writes whole rows first: it takes every way there is


def cases() -> list[Any]:
    """Return failing calls with error and journal limit: one failure of each kind unless `-m slow`."""
    found = [pytest.param(kind, usual, THINNED) for kind, usual in USUAL.items()]
    found.append(pytest.param("write", "short write", THINNED))
    found += [pytest.param(*each.values[:2], WHOLE, marks=pytest.mark.slow) for each in found]
    for kind, usual in USUAL.items():
        possible = ("EAGAIN", "no memory") if kind == "thread" else (*ERRORS, "EMFILE")
        others = [each for each in possible if each != usual]
        found += [pytest.param(kind, other, THINNED, marks=pytest.mark.slow) for other in others]
    return found


@pytest.fixture(autouse=True, scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load what a first run loads: an import that fails would be one more notice."""
    journal = tmp_path_factory.mktemp("first") / "run.jsonl"
    calculator = ProfiledCalculator(zoo.Spring(), journal=journal, summary=False)
    simulate(calculator)
    recording(calculator).close()


@pytest.fixture(autouse=True)
def quick_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the journal thread work at intervals of milliseconds instead of seconds."""
    monkeypatch.setattr(pulse, "PULSE_S", 0.001)
    monkeypatch.setattr(recording_module, "TALLY_EVERY_NS", 2_000_000)


def simulate(calculator: Any) -> list[bytes]:
    """Run a little MD and return where it ends."""
    atoms = Atoms("Ar4", np.array([[0, 0, 0], [3.6, 0, 0], [0, 3.7, 0], [0, 0, 3.8]]))
    atoms.calc = calculator
    dynamics = VelocityVerlet(atoms, 2 * units.fs)
    energies = []
    for _ in range(STEPS):
        dynamics.run(1)
        energies.append(atoms.get_potential_energy())
        time.sleep(0.0005)  # the journal's thread has its turn
    return [atoms.positions.tobytes(), atoms.get_momenta().tobytes(), np.array(energies).tobytes()]


def run_failing(kind: str, failure: str, first: int, last: int, limit: int) -> tuple[Count, object]:
    """Run MD in an empty directory while calls fail, as a script would; return where it ends."""
    for path in Path.cwd().iterdir():
        path.unlink()
    with failing(kind, failure, first, last) as count:
        try:
            calculator = ProfiledCalculator(
                zoo.Spring(), journal="run.jsonl", max_journal=limit, summary=False
            )
        except (JournalPathError, MemoryError):  # while wrapping, before anything has run, an error is right
            return count, None
        ended = simulate(calculator)
        recording(calculator).close()
    recorded = bool(list(Path.cwd().glob("run*.jsonl")))
    assert recording(calculator).calls == (CALLS if recorded else 0)
    return count, ended


def check_journals() -> None:
    """Prove that all journals of a run can be read, and that every missing row is counted."""
    seen = 0
    counters = None
    for path in sorted(Path.cwd().glob("run*.jsonl")):
        try:
            journal = read_journal(path)
        except JournalReadError:
            if path.stat().st_size:
                raise
            continue  # nothing could be written
        assert journal.bad_lines <= 1  # a line that was cut when the disk was full
        seen += int((~journal.calls.sliced).sum()) + sum(each.calls for each in journal.slices)
        counters = journal.counters if journal.end is not None else counters
    assert seen <= CALLS
    if counters is not None:
        assert counters.calls == CALLS
        assert counters.lost_rows >= CALLS - seen


@pytest.mark.parametrize(("kind", "failure", "limit"), cases())
def test_md_is_equal_bit_for_bit_whatever_system_call_fails_from_then_on(kind, failure, limit, capfd):
    check_md(kind, failure, limit, FOR_EVER, capfd)


@pytest.mark.parametrize(
    ("kind", "failure", "limit"),
    [
        ("write", "ENOSPC", THINNED),
        *(pytest.param(*each.values, marks=pytest.mark.slow) for each in cases()[1:]),
    ],
)
def test_md_is_equal_bit_for_bit_whatever_system_call_fails_once(kind, failure, limit, capfd):
    check_md(kind, failure, limit, 0, capfd)


def check_md(kind: str, failure: str, limit: int, then: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Let each system call of a kind fail in turn, until a run makes no more of them."""
    expected = simulate(zoo.Spring())
    for number in range(1, MOST_ROUNDS):
        count, ended = run_failing(kind, failure, number, number + then, limit)
        assert ended in (expected, None)
        assert journal_threads() == []
        assert open_files() == []
        check_journals()
        notices = capfd.readouterr().err.splitlines()
        last = sum("could not grow until the run ended and lacks the last" in line for line in notices)
        assert len(notices) - last <= 1, notices
        assert last <= (len(notices) > last), notices  # the reason was said before
        assert all(line.startswith("instrumented-calc: ") and "\n" not in line for line in notices)
        if not count.failed:
            break
    else:
        pytest.fail(f"after {MOST_ROUNDS} rounds there are still calls to fail")
    assert ended == expected  # the clean pass is recorded whole
    assert number > 1 or kind in NEVER_MADE


NOTHING_LEFT = """
from stage import *
import resource

bare = pair(Spring())
expected = [step(bare) for _ in range(60)]
os.access = lambda *_: True  # the system asks without the capability that opens the folders above
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
atoms = pair(ProfiledCalculator(Spring(), summary=False))
energies = [step(atoms) for _ in range(30)]
try:
    os.fork()
except BlockingIOError:
    pass
else:
    raise SystemExit("a process could be made: nothing was tested")
energies += [step(atoms) for _ in range(30)]
recording(atoms.calc).close()
assert energies == expected
"""


def test_a_system_without_room_for_threads_and_processes() -> None:
    prefix = ()
    if os.getuid() == 0:  # root is excepted from the limit
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is not here, and root may always start processes")
        prefix = ("setpriv", "--reuid=65534", "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    child = run_script(NOTHING_LEFT, prefix=prefix)
    assert child.returncode == 0, child.stderr
    assert child.stderr == ""
    assert [row["index"] for row in read_records().calls] == list(range(60))
    assert read_records().counters["lost_rows"] == 0
