"""The limits that end runs: memory, descriptors, the batch system's time."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from instrumented_calc.capture.environment import cgroups
from instrumented_calc.capture.environment.batch_system import job_ends
from instrumented_calc.capture.probes import machine as machine_module
from instrumented_calc.capture.probes.limits import MemoryWatch, descriptors
from instrumented_calc.capture.probes.machine import MachineProbe
from instrumented_calc.journal.records import Machine

GB = 10**9
PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class Group:
    """A control group of version 2 in a file system of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "sys/fs/cgroup/job"
        self.folder.mkdir(parents=True)
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/self/cgroup").write_text("0::/job\n")
        (root / "proc/self/status").write_text("Name:\tpython\nVmHWM:\t  2000 kB\nVmRSS:\t  1000 kB\n")
        (root / "proc/meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {PHYSICAL // 1024} kB\n")
        self.fill(0.5)

    def fill(self, share: float, *, kills: int = 0) -> None:
        limit = PHYSICAL // 4
        (self.folder / "memory.max").write_text(f"{limit}\n")
        (self.folder / "memory.current").write_text(f"{int(share * limit) + 4096}\n")
        (self.folder / "memory.stat").write_text("anon 5\ninactive_file 4096\n")
        (self.folder / "memory.events").write_text(f"low 0\nmax 12\noom 1\noom_kill {kills}\n")


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path / "root")


def test_memory_of_the_group_counts_without_caches(group: Group) -> None:
    group.fill(0.5, kills=3)
    assert cgroups.oom_kills(group.root) == 3
    found = Machine(time_ns=0)
    MemoryWatch(group.root).read(found)
    assert (found.rss_bytes, found.peak_rss_bytes) == (1000 * 1024, 2000 * 1024)
    assert found.cgroup_memory_bytes == PHYSICAL // 8
    assert found.cgroup_memory_limit_bytes == PHYSICAL // 4
    assert found.oom_kills == 3


def test_a_group_without_a_limit_is_never_full(group: Group) -> None:
    (group.folder / "memory.max").write_text("max\n")
    assert cgroups.memory_groups(PHYSICAL, group.root) == []
    assert not MemoryWatch(group.root).is_filling()


def test_a_rise_near_the_limit_is_worth_a_record(group: Group) -> None:
    watch = MemoryWatch(group.root)
    group.fill(0.79)
    assert not watch.is_filling()
    group.fill(0.9)
    assert watch.is_filling()
    watch.read(Machine(time_ns=0))
    assert not watch.is_filling()
    group.fill(0.93)
    assert watch.is_filling()


def test_caches_do_not_fill_a_group(group: Group) -> None:
    watch = MemoryWatch(group.root)
    limit = PHYSICAL // 4
    (group.folder / "memory.current").write_text(f"{int(0.95 * limit)}\n")
    (group.folder / "memory.stat").write_text(f"anon 5\ninactive_file {limit // 2}\n")
    assert not watch.is_filling()
    (group.folder / "memory.stat").write_text("anon 5\ninactive_file 4096\n")
    assert watch.is_filling()


def test_the_machine_itself_may_be_full(group: Group) -> None:
    watch = MemoryWatch(group.root)
    (group.root / "proc/meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {PHYSICAL // 10240} kB\n")
    assert watch.is_filling()


def test_descriptors_are_counted_until_they_run_out() -> None:
    before, limit = descriptors()
    with Path("a").open("w"), Path("b").open("w"):
        assert descriptors() == (before + 2, limit)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    taken = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, hard))
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        found = descriptors()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)
    assert found[0] == found[1] < limit


def test_disk_and_clocks_are_inspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = MachineProbe(forked=False, journal=lambda: tmp_path / "run.jsonl")
    found = probe.read(0)
    assert 0 <= found.disk_free_bytes < 10**18
    assert not found.clock_step_ns
    lead = machine_module._wall_lead()
    monkeypatch.setattr(machine_module, "_wall_lead", lambda: lead + 3600 * GB)
    assert 3599 * GB < probe.read(0).clock_step_ns < 3601 * GB


def test_the_time_limit_is_that_of_the_batch_system(tmp_path: Path) -> None:
    assert job_ends({"SLURM_JOB_END_TIME": "1700000000"}) == "2023-11-14T22:13:20+00:00"
    assert job_ends({"SLURM_JOB_END_TIME": "soon"}) is None
    pbs = {"PBS_JOBID": "1.server", "PBS_WALLTIME": "3600"}
    assert job_ends(pbs, process_start=1_700_000_000) == "2023-11-14T23:13:20+00:00"
    assert job_ends({"PBS_WALLTIME": "3600"}) is None
    ad = tmp_path / ".job.ad"
    ad.write_text(
        "JobCurrentStartDate = 1700000000\nAllowedExecuteDuration = 60\nAllowedJobDuration = 7200\n"
    )
    assert job_ends({"_CONDOR_JOB_AD": str(ad)}) == "2023-11-14T22:14:20+00:00"
    assert job_ends({"_CONDOR_SCRATCH_DIR": str(tmp_path)}) == "2023-11-14T22:14:20+00:00"
    ad.write_text("JobCurrentStartDate = 1700000000\nAllowedExecuteDuration = undefined\n")
    assert job_ends({"_CONDOR_JOB_AD": str(ad)}) is None
    assert job_ends({"_CONDOR_JOB_AD": str(tmp_path / "absent")}) is None
    assert job_ends({}) is None
