"""The recorded machine, limits and batch system of a run."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from instrumented_calc.capture.environment import environment as captured
from instrumented_calc.capture.environment.batch_system import mpi_rank, scheduler, series
from instrumented_calc.capture.environment.cgroups import cpu_quota, memory_limit
from instrumented_calc.capture.environment.threads import THREAD_VARIABLES
from instrumented_calc.journal.records import Environment

GIB = 2**30


def place(root, files):
    """Lay out a file system: proc and sys files by path."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def run_python(script):
    """Run a script in a separate process and return its output."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    return done.stdout


def test_environment_survives_its_way_through_json():
    known = captured.environment()
    line = msgspec.json.encode(known)
    assert msgspec.json.decode(line, type=Environment) == known
    assert known.python.split()[1] == sys.version.split()[0]
    assert known.affinity == len(os.sched_getaffinity(0))
    assert known.memory_bytes > known.affinity
    assert {"ase", "numpy"} <= {library.name for library in known.libraries}


def test_a_source_that_fails_leaves_only_its_own_key_absent(monkeypatch):
    def no_host():
        raise OSError

    monkeypatch.setattr(captured.socket, "gethostname", no_host)
    known = captured.environment()
    assert known.host is msgspec.UNSET
    assert known.cpu_count == os.cpu_count()


def test_threads_wanted_are_reported_as_they_were_written(monkeypatch):
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert captured.environment().threads_wanted is msgspec.UNSET
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert captured.environment().threads_wanted == {"OMP_NUM_THREADS": "4,2"}


def test_thread_pools_are_those_that_are_loaded():
    known = captured.environment()
    assert {pool.library for pool in known.threads_effective} >= {"blas"}
    assert all(pool.threads >= 1 for pool in known.threads_effective)


def test_capture_imports_neither_torch_nor_jax_nor_numpy():
    script = (
        "import sys; from instrumented_calc.capture.environment.environment import environment\n"
        "environment(); print(sorted({'torch', 'jax', 'numpy', 'ase', 'scipy'} & set(sys.modules)))"
    )
    assert run_python(script) == "[]\n"


def test_torch_is_described_without_starting_cuda():
    torch = pytest.importorskip("torch")
    known = captured.environment()
    assert known.torch_threads[0] == torch.get_num_threads()
    assert known.torch["default_dtype"] == "float32"
    assert known.torch["tf32_matmul"] is False
    assert "devices" not in known.torch
    assert not torch.cuda.is_initialized()


def test_tf32_is_known_whichever_of_torchs_settings_a_program_uses():
    pytest.importorskip("torch")
    script = (
        "import torch; from instrumented_calc.capture.environment.environment import environment\n"
        "print(environment().torch['tf32_matmul'])\n"
        "torch.set_float32_matmul_precision('high'); print(environment().torch['tf32_matmul'])\n"
        "if hasattr(torch.backends.cuda.matmul, 'fp32_precision'):\n"
        "    torch.backends.cuda.matmul.fp32_precision = 'ieee'\n"
        "else:\n"
        "    torch.backends.cuda.matmul.allow_tf32 = False\n"
        "print(environment().torch['tf32_matmul'])\n"
    )
    assert run_python(script) == "False\nTrue\nFalse\n"


def test_the_model_name_is_read_from_the_head_of_cpuinfo():
    text = Path("/proc/cpuinfo").read_text()
    if "model name" in text:
        assert f": {captured.environment().cpu}\n" in text
    else:
        assert captured.environment().cpu is msgspec.UNSET


def test_the_tightest_quota_of_the_groups_around_counts_in_version_2(tmp_path):
    root = place(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job/step\n",
            "sys/fs/cgroup/job/step/cpu.max": "max 100000\n",
            "sys/fs/cgroup/job/cpu.max": "250000 100000\n",
            "sys/fs/cgroup/job/step/memory.max": f"{8 * GIB}\n",
            "sys/fs/cgroup/job/memory.max": f"{4 * GIB}\n",
        },
    )
    assert cpu_quota(root) == 2.5
    assert memory_limit(64 * GIB, root) == 4 * GIB


def test_limits_are_read_from_each_controller_in_version_1(tmp_path):
    root = place(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/slurm/job_1\n3:cpu,cpuacct:/slurm/job_1\n0::/x\n",
            "sys/fs/cgroup/cpu/slurm/job_1/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu/slurm/job_1/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/slurm/job_1/memory.limit_in_bytes": f"{2 * GIB}\n",
        },
    )
    assert cpu_quota(root) == 1.5
    assert memory_limit(64 * GIB, root) == 2 * GIB


def test_no_limit_is_absent_in_either_version(tmp_path):
    root = place(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n3:cpu:/\n0::/job\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/job/cpu.max": "max 100000\n",
            "sys/fs/cgroup/job/memory.max": "max\n",
        },
    )
    assert cpu_quota(root) is None
    assert memory_limit(64 * GIB, root) is None


@pytest.mark.parametrize(
    ("variables", "expected", "linked"),
    [
        ({}, {}, None),
        (
            {"SLURM_JOB_ID": "812345", "SLURMD_NODENAME": "gpu017", "SLURM_RESTART_COUNT": "1"},
            {"name": "Slurm", "job_id": "812345", "node": "gpu017", "restarts": "1"},
            "Slurm 812345",
        ),
        (
            {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"},
            {"name": "Slurm", "job_id": "9", "array_id": "7", "array_index": "2"},
            "Slurm 9[2]",
        ),
        ({"PBS_JOBID": "3.head"}, {"name": "PBS", "job_id": "3.head"}, "PBS 3.head"),
        (
            {"LSB_JOBID": "5", "LSB_JOBINDEX": "0", "LSB_QUEUE": "long"},
            {"name": "LSF", "job_id": "5", "queue": "long"},
            "LSF 5",
        ),
        (
            {"LSB_JOBID": "5", "LSB_JOBINDEX": "4"},
            {"name": "LSF", "job_id": "5", "array_index": "4"},
            "LSF 5[4]",
        ),
        (
            {"SLURM_JOB_ID": "1", "INSTRUMENTED_CALC_SERIES": "melt"},
            {"name": "Slurm", "job_id": "1"},
            "melt",
        ),
    ],
)
def test_a_batch_job_is_named_and_linked(variables, expected, linked):
    assert scheduler(variables) == expected
    assert series(variables) == linked


def test_condor_reports_its_job_in_a_file(tmp_path):
    (tmp_path / ".job.ad").write_text(
        'ClusterId = 88\nGlobalJobId = "schedd#88.3#1700"\nNumJobStarts = 1\nProcId = 3\n'
        'Requirements = (Memory > 2) && (Arch == "X86_64")\n'
    )
    variables = {"_CONDOR_SCRATCH_DIR": str(tmp_path), "_CONDOR_SLOT": "slot1_2"}
    expected = {"job_id": "schedd#88.3#1700", "cluster": "88", "process": "3", "starts": "1"}
    assert scheduler(variables) == {"name": "HTCondor", "slot": "slot1_2", **expected}
    assert series(variables) == "HTCondor schedd#88.3#1700"


def test_condor_without_its_file_is_still_named(tmp_path):
    variables = {"_CONDOR_SCRATCH_DIR": str(tmp_path)}
    assert scheduler(variables) == {"name": "HTCondor"}
    assert series(variables) is None


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({}, None),
        ({"OMPI_COMM_WORLD_RANK": "3"}, 3),
        ({"PMIX_RANK": "0"}, 0),
        ({"PMI_RANK": "7"}, 7),
        ({"MV2_COMM_WORLD_RANK": "1"}, 1),
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "4", "SLURM_STEP_ID": "0"}, 2),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, None),  # the batch script, not a step
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_STEP_ID": "0"}, None),
        ({"PMI_RANK": "not a number"}, None),
    ],
)
def test_a_rank_is_known_only_where_there_are_several(variables, rank):
    assert mpi_rank(variables) == rank
