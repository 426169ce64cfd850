"""Files of any size take bounded memory and time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.journal.specimens import call, encoded, start

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.first_energies import read_energies
from instrumented_calc.journal.lines import CHUNK_BYTES, HOLE, LONGEST_LINE, TOO_LONG, open_lines
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.validation import validate_journal

MEMORY_MB = 150
BEGINNING, END = encoded(start(), call(0)), encoded(call(1))


# VmHWM begins anew with each program; ru_maxrss would be at least that of the test process.
WITH_PEAK = """
import re, sys
from pathlib import Path
from instrumented_calc.cli import main
code = main(sys.argv[1:])
print("\\n", code, re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def peak_mb(command: str, path: Path) -> float:
    """Return the peak memory of a command on a file, which may refuse it, in MB (10^6 byte)."""
    arguments = [command, *[str(path)] * (1 + (command == "compare"))]
    child = subprocess.run(
        [sys.executable, "-c", WITH_PEAK, *arguments], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in child.stderr
    code, peak_kb = child.stdout.split()[-2:]
    assert int(code) in {0, 1, 3, 4, 5}
    return int(peak_kb) * 1024 / 1e6


@pytest.fixture
def long_line(tmp_path) -> Path:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(BEGINNING)
        for _ in range(80):
            file.write(b"x" * 10**6)
        file.write(b"\n" + END)
    return path


@pytest.fixture
def sparse(tmp_path) -> Path:
    path = tmp_path / "sparse.jsonl"
    with path.open("wb") as file:
        file.write(BEGINNING)
        file.seek(2**40)
        file.write(b"\n" + END)
    return path


@pytest.mark.parametrize("command", ["report", "validate", "compare"])
def test_a_long_line_is_skipped_without_being_held(long_line, command):
    assert peak_mb(command, long_line) < MEMORY_MB


def test_lines_around_a_long_line_are_read(long_line):
    journal = read_journal(long_line)
    assert journal.calls.index.tolist() == [0, 1]
    assert journal.damage.long_lines == 1
    assert validate_journal(long_line).problem_count == 1


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="holes are read here, which takes long")
def test_holes_of_a_sparse_file_are_skipped(sparse):
    if sparse.stat().st_blocks * 512 > 2**30:
        pytest.skip("this file system has no holes")
    assert read_journal(sparse).calls.index.tolist() == [0, 1]
    assert validate_journal(sparse).problem_count == 1
    assert read_energies(sparse) == ()
    assert peak_mb("report", sparse) < MEMORY_MB


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="bytes read are counted by Linux")
def test_of_a_file_with_many_holes_only_the_data_is_read(tmp_path):
    path = tmp_path / "holes.jsonl"
    holes = 2000
    with path.open("wb") as file:
        file.write(BEGINNING)
        for number in range(1, holes):
            file.seek(number * 2**18)
            # Some lines end at a hole without a newline.
            file.write(
                encoded(call(number)).ljust(4096 if number % 3 else 1, b" ").rstrip(b"\n" * (number % 2))
            )
    stored = path.stat().st_blocks * 512
    if stored > holes * 2**16:
        pytest.skip("this file system has no holes")
    before = bytes_read()
    journal = read_journal(path)
    assert journal.calls.index.tolist() == list(range(holes))
    assert journal.bad_lines == 0
    assert bytes_read() - before < 4 * stored + 10**6


def bytes_read() -> int:
    """Return the number of bytes that this process has read."""
    return int(Path("/proc/self/io").read_text().split()[1])


def test_nul_bytes_outside_holes_are_passed_over(tmp_path):
    path = tmp_path / "nul.jsonl"
    path.write_bytes(BEGINNING + bytes(3 * 2**20) + END)
    journal = read_journal(path)
    assert journal.calls.index.tolist() == [0, 1]
    assert journal.damage.empty_bytes == 3 * 2**20


@pytest.mark.parametrize("filler", [b"x", b"\0", b"\n", b" ", b'{"event":"call",'])
@pytest.mark.parametrize("length", [1, CHUNK_BYTES - 1, CHUNK_BYTES, LONGEST_LINE, 2 * LONGEST_LINE + 7])
def test_lines_are_whole_whatever_stands_between_them(tmp_path, filler, length):
    path = tmp_path / "run.jsonl"
    between = (filler * (length // len(filler) + 1))[:length]
    path.write_bytes(b"first\n" + between + b"\nlast\n")
    with open_lines(path) as lines:
        found = [line.rstrip(b"\n") for _, line in lines.lines()]
    assert (found[0], found[-1]) == (b"first", b"last")
    kept = {line for line in found[1:-1] if line.strip()} - {HOLE, TOO_LONG}
    assert kept <= {between}
    assert (TOO_LONG in found) == (length > LONGEST_LINE + CHUNK_BYTES and filler not in {b"\0", b"\n"})


@pytest.mark.parametrize("use", [read_journal, validate_journal, read_energies])
def test_a_path_that_is_not_a_regular_file_is_refused_immediately(tmp_path, use):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), Path("/dev/null"), tmp_path, tmp_path / ("x" * 5000)):
        with pytest.raises(JournalReadError) as caught:
            use(path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300
