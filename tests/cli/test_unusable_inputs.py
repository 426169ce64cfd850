"""Files that cannot be read, and outputs that cannot be written: one line, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.journal.specimens import call, encoded, start

from instrumented_calc.cli import main


def arguments(command: str, path: Path) -> list[str]:
    return [command, str(path), *([str(path)] if command == "compare" else [])]


@pytest.fixture
def folder(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "directory").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 9)
    return tmp_path


@pytest.mark.parametrize("command", ["report", "validate", "compare"])
@pytest.mark.parametrize(
    "name", ["pipe", "empty", "directory", "binary", "missing", "x" * 5000, "\udcff", "\x1b[31m", "/dev/zero"]
)
def test_an_input_that_cannot_be_used_is_one_line(folder, capsys, command, name):
    assert main(arguments(command, folder / name)) not in {0, 70}
    reported = capsys.readouterr().err
    assert reported.count("\n") == 1
    assert len(reported) < 400
    assert "\x1b" not in reported


def test_a_result_file_that_cannot_be_used_is_one_line(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "deep.json").write_bytes(b"[" * 100_000)
    (tmp_path / "odd.json").write_bytes(b'{"latencies_ms":"x","device":[],"n_atoms":{}}')
    for name in ("pipe.json", "deep.json", "odd.json"):
        assert main(arguments("compare", tmp_path / name)) not in {0, 70}
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", ["report", "validate", "compare"])
def test_a_journal_of_any_name_is_read(tmp_path, capsys, command):
    path = tmp_path / "run-\udcff\x1b]0;x\x07\u202e.jsonl"
    path.write_bytes(encoded(start(), *(call(n) for n in range(50))))
    assert main(arguments(command, path)) in {0, 1, 3}
    shown = capsys.readouterr()
    assert not {"\x1b", "\x07", "\u202e"} & {*(shown.out + shown.err)}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
@pytest.mark.parametrize("command", ["report", "validate"])
def test_a_full_disk_behind_stdout_is_one_line(tmp_path, command):
    path = tmp_path / "run.jsonl"
    path.write_bytes(encoded(start(), call(0)))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "instrumented_calc", *arguments(command, path)],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode not in {0, 70}
    assert b"Traceback" not in done.stderr
    assert b"No space left" in done.stderr
