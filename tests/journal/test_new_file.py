"""New files: never through a link, never over an existing file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from instrumented_calc.journal.new_file import (
    create,
    create_numbered,
    numbered,
    replace,
    write_numbered,
)


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_bytes(b"precious")
    return path


def test_a_link_is_never_written_through(tmp_path, victim):
    link = tmp_path / "run.trace-1.json"
    link.symlink_to(victim)
    assert write_numbered(link, b"{}") == tmp_path / "run.trace-1-2.json"
    with pytest.raises(FileExistsError):
        create(link)
    assert victim.read_bytes() == b"precious"
    assert link.is_symlink()


def test_a_link_that_leads_nowhere_creates_nothing(tmp_path):
    (tmp_path / "a.json").symlink_to(tmp_path / "outside")
    write_numbered(tmp_path / "a.json", b"{}")
    assert not (tmp_path / "outside").exists()


def test_the_first_free_number_is_taken(tmp_path):
    for content in (b"1", b"2", b"3"):
        write_numbered(tmp_path / "a.json", content)
    assert [(tmp_path / name).read_bytes() for name in ("a.json", "a-2.json", "a-3.json")] == [
        b"1",
        b"2",
        b"3",
    ]


def test_the_number_goes_before_the_suffix():
    assert numbered(Path("a/run.jsonl"), 1) == Path("a/run.jsonl")
    assert numbered(Path("a/run.x.jsonl"), 12) == Path("a/run.x-12.jsonl")


def test_replacing_swaps_the_whole_file_and_the_link_not_its_target(tmp_path, victim):
    report = tmp_path / "report.json"
    replace(report, b"old")
    replace(report, b"new")
    assert report.read_bytes() == b"new"
    (tmp_path / "link.json").symlink_to(victim)
    replace(tmp_path / "link.json", b"new")
    assert victim.read_bytes() == b"precious"
    assert (tmp_path / "link.json").read_bytes() == b"new"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.json", "report.json", "victim"]


def test_a_file_that_cannot_replace_a_folder_leaves_nothing_behind(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        replace(tmp_path / "folder", b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_half_a_file_is_removed(tmp_path):
    code = (
        "import resource, signal, sys, pathlib\n"
        "from instrumented_calc.journal.new_file import write_numbered\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    write_numbered(pathlib.Path(sys.argv[1]), bytes(5000))\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(tmp_path / "a.json")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "File too large\n"
    assert not list(tmp_path.iterdir())


def test_the_umask_holds_and_the_descriptor_is_not_inherited(tmp_path):
    before = os.umask(0o027)
    try:
        fd, path = create_numbered(tmp_path / "run.jsonl", os.O_WRONLY | os.O_APPEND)
    finally:
        os.umask(before)
    try:
        assert path.stat().st_mode & 0o777 == 0o640
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_a_new_file_never_takes_the_place_of_a_closed_stream(tmp_path):
    code = (
        "import os, sys, pathlib\n"
        "from instrumented_calc.journal.new_file import create\n"
        "os.close(2)\n"
        "print(create(pathlib.Path(sys.argv[1])) > 2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


def test_a_name_is_taken_relative_to_an_open_folder(tmp_path):
    (tmp_path / "in").mkdir()
    folder = os.open(tmp_path / "in", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.close(create("a.json", folder=folder))
    finally:
        os.close(folder)
    assert (tmp_path / "in/a.json").exists()
