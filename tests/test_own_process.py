"""Readings of the process and the machine on systems without `/proc`, getrusage or fcntl.

Such a system is simulated: files of Linux that nobody but psutil may open (psutil stands for the interfaces
of macOS), and modules and functions that Windows lacks.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from instrumented_calc import own_process
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.cli import main
from instrumented_calc.journal.mounts import on_network_file_system
from instrumented_calc.journal.reader import read_journal

MB = 1_000_000

WITHOUT_PROC = """
import builtins, io, os, sys

hidden = set()

class Hiding:  # no function: as an attribute of a class (pathlib of Python 3.10), it must not become a method
    def __init__(self, function):
        self.function = function

    def __call__(self, path=".", *arguments, **keywords):
        text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        if text.startswith(("/proc", "/sys/")) and not for_libraries(sys._getframe(1)):
            hidden.add(text)
            raise FileNotFoundError(2, "No such file or directory", text)
        return self.function(path, *arguments, **keywords)

def for_libraries(frame):  # both use functions of the system on macOS
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] in ("psutil", "threadpoolctl"):
            return True
        frame = frame.f_back
    return False

builtins.open = io.open = Hiding(io.open)
os.open, os.listdir, os.scandir = Hiding(os.open), Hiding(os.listdir), Hiding(os.scandir)
"""
WITHOUT_POSIX = """
import ase.calculators.emt, ase.md.verlet, numpy, opt_einsum, os, psutil, select, signal, structlog, sys

for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
for name in (
    "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "fork", "getuid", "killpg", "pread",
    "register_at_fork", "sched_getaffinity", "statvfs", "sysconf", "uname",
):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1"):
    delattr(signal, name)
del select.poll
"""
EVERY_MODULE = """
import importlib, pkgutil
import instrumented_calc

for each in pkgutil.walk_packages(instrumented_calc.__path__, "instrumented_calc."):
    if not each.name.endswith("__main__"):
        importlib.import_module(each.name)
"""
MOLECULAR_DYNAMICS = """
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet

from instrumented_calc import profiled

atoms = bulk("Cu", cubic=True)
atoms.rattle(0.1)
with profiled(EMT(), "run.jsonl", summary=True) as atoms.calc:
    dynamics = VelocityVerlet(atoms, 5 * units.fs)
    dynamics.run(60)
    while b'\\n{"event":"machine"' not in open("run.jsonl", "rb").read():  # the journal's thread reads it
        dynamics.run(20)
"""


def python(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)


def test_a_run_without_proc_and_sys_is_measured_by_psutil(tmp_path, capsys):
    done = python(WITHOUT_PROC + MOLECULAR_DYNAMICS + "print(*hidden)", tmp_path)
    assert {"/proc/self/statm", "/proc/self/status", "/proc/meminfo", "/proc/cpuinfo"} <= {
        *done.stdout.split()
    }
    # on a busy machine the time that the program took to start has the line of the memory
    assert "\nmemory " in done.stderr or "\nbefore " in done.stderr
    assert "instrumented-calc:" not in done.stderr
    journal = read_journal(tmp_path / "run.jsonl")
    assert [each.text for each in journal.notices if each.level == "warning"] == []
    assert journal.counters.faults == 0
    environment = journal.environment
    assert environment.cpu_count == environment.affinity == os.cpu_count()
    assert environment.physical_cores == psutil.cpu_count(logical=False)
    assert environment.memory_bytes == own_process.physical_memory()
    assert environment.threads_effective
    summary = summarize(journal)
    assert summary.memory.peak_bytes > 10 * MB
    machine = journal.machines[-1]
    assert machine.rss_bytes > 10 * MB
    assert machine.peak_rss_bytes > 10 * MB
    assert 0 < machine.available_bytes < environment.memory_bytes
    assert 3 <= machine.open_files < machine.open_files_limit
    assert machine.disk_free_bytes > 0
    assert main(["report", str(tmp_path / "run.jsonl"), "--all"]) == 0
    shown = capsys.readouterr().out
    assert "Memory" in shown


@pytest.mark.slow
def test_every_module_can_be_imported_and_a_run_recorded_without_posix(tmp_path):
    done = python(WITHOUT_POSIX + EVERY_MODULE + MOLECULAR_DYNAMICS, tmp_path)
    assert "\nmemory " in done.stderr or "\nbefore " in done.stderr
    journal = read_journal(tmp_path / "run.jsonl")
    assert journal.counters.faults == 0
    assert journal.machines[-1].rss_bytes > 10 * MB


def test_memory_with_proc_is_that_of_its_status_file(tmp_path):
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t  2000 kB\nVmRSS:\t  1000 kB\n")
    assert own_process.memory_in_use(status) == (1000 * 1024, 2000 * 1024)


@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1)])
def test_the_peak_without_proc_has_the_unit_of_the_system(system, unit, tmp_path, monkeypatch):
    monkeypatch.setattr(own_process.sys, "platform", system)
    resident, peak = own_process.memory_in_use(tmp_path / "none")
    assert resident > 10 * MB
    assert peak == unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_mounts_without_proc_are_those_of_psutil(tmp_path, monkeypatch):
    class Mount:
        mountpoint, fstype = str(tmp_path), "smbfs"

    monkeypatch.setattr(Path, "read_bytes", lambda _: (_ for _ in ()).throw(FileNotFoundError()))
    assert not on_network_file_system(tmp_path / "run.jsonl")
    monkeypatch.setattr("psutil.disk_partitions", lambda **_: [Mount])
    assert on_network_file_system(tmp_path / "run.jsonl")
