"""The size of a job from runs whose law is known."""

from __future__ import annotations

from itertools import count

import msgspec
import numpy as np
import pytest
from tests.sized_runs import MS, write_run

from instrumented_calc.analysis.sizing.job_size import Trajectory, size_job
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.errors import ExperimentError
from instrumented_calc.journal.reader import read_journal

SIZES = (32, 108, 256, 500)


@pytest.fixture
def ran(tmp_path):
    """Write a run of MD of one size, and return its summary."""
    numbers = count()

    def make(n_atoms, step_ms, **options):
        path = tmp_path / f"{next(numbers)}.jsonl"
        write_run(path, n_atoms, step_ms, **options)
        return summarize(read_journal(path))

    return make


@pytest.fixture
def scaled(ran):
    """Return three runs of each size with a little scatter, whose cost is linear beyond a fixed part."""

    def make(*, scatter=0.01, sizes=SIZES, **options):
        rng = np.random.default_rng(0)
        return [
            ran(
                n,
                (1 + 0.01 * n) * np.exp(scatter * rng.normal()),
                megabytes=(100 + 0.1 * n) * np.exp(0.001 * rng.normal()),
                **options,
            )
            for n in sizes
            for _ in range(3)
        ]

    return make


def test_time_memory_and_replicas_of_a_trajectory(scaled):
    job = size_job(scaled(), Trajectory(1000, 1.0))
    assert (job.steps, job.timestep_fs, job.runs, job.beyond) == (500_000, 2.0, 12, 2.0)
    assert job.step_ns.value == pytest.approx(11 * MS, rel=0.03)
    assert job.step_ns.low < job.step_ns.value < job.step_ns.high
    assert job.ns_per_day.value == pytest.approx(86_400 / 0.011 * 2e-6, rel=0.1)
    assert job.ns_per_day.low == pytest.approx(86_400e9 / job.step_ns.high * 2e-6)
    assert job.start_ns == pytest.approx(1500 * MS, abs=50 * MS)
    assert job.wall_ns.high == job.start_ns + 500_000 * job.step_ns.high
    host = job.memory[0]
    assert host.needed_bytes.value == pytest.approx(200e6, rel=0.01)
    assert host.needed_bytes.low < host.needed_bytes.value < host.needed_bytes.high
    assert (host.largest, host.fits_at_least) == (None, 5000)  # 9000 is more than ten times the largest size
    assert (job.processors, job.replicas.bound_by) == (1, "host memory")
    assert job.replicas.number == int(1e9 // host.needed_bytes.high)


def test_few_processors_bound_the_replicas(scaled):
    job = size_job(scaled(cores=2), Trajectory(500, 1.0))
    assert (job.replicas.number, job.replicas.available, job.replicas.bound_by) == (2, 2, "processors")


def test_device_memory_is_predicted_where_it_was_measured(ran):
    runs = [ran(n, 1 + 0.01 * n, device_mb=50 + n * (1 + seed / 1000)) for n in SIZES for seed in range(3)]
    host, device = size_job(runs, Trajectory(1000, 1.0)).memory
    assert device.kind == "device"
    assert device.needed_bytes.value == pytest.approx(1050e6, rel=0.01)
    assert device.largest.value == pytest.approx(4950, rel=0.02)
    assert device.largest.low < device.largest.value < device.largest.high
    assert host.largest is None  # it does not grow


def test_a_run_of_the_own_program_sets_level_start_and_time_step(scaled, ran):
    own = ran(200, 3 * (1 + 0.01 * 200), megabytes=500 + 0.1 * 200, timestep=0.5)
    job = size_job(scaled(), Trajectory(400, 1.0), own)
    assert job.steps == 2_000_000
    assert job.step_ns.value == pytest.approx(3 * 5 * MS, rel=0.05)
    assert job.memory[0].needed_bytes.value == pytest.approx(540e6, rel=0.01)


def test_the_wanted_time_step_goes_before_that_of_the_runs(scaled):
    assert size_job(scaled(), Trajectory(500, 1.0, timestep_fs=1.0)).steps == 1_000_000


@pytest.mark.parametrize(
    ("wanted", "options", "why"),
    [
        (6000, {}, "12 times outside the measured sizes"),
        (2000, {"scatter": 0.5}, "interval is too wide"),
        (500, {"sizes": (32, 500)}, "of 2 sizes; a prediction needs 4, of 3 sizes"),
    ],
)
def test_what_the_runs_do_not_carry_is_refused_in_one_line(scaled, wanted, options, why):
    with pytest.raises(ExperimentError, match=why) as found:
        size_job(scaled(**options), Trajectory(wanted, 1.0))
    assert "\n" not in str(found.value)


def test_a_law_that_does_not_hold_is_not_carried_on(ran):
    rng = np.random.default_rng(0)
    runs = [
        ran(n, n * (1 + (n > 200)) * np.exp(0.01 * rng.normal()))
        for n in (32, 108, 256, 500, 864)
        for _ in "123"
    ]
    with pytest.raises(ExperimentError, match="do not follow one law"):
        size_job(runs, Trajectory(2000, 1.0))


def test_runs_that_differ_are_not_one_scaling(scaled, ran):
    with pytest.raises(ExperimentError, match="the runs differ in threads, openblas: 1 and 2"):
        size_job(scaled(), Trajectory(500, 1.0), ran(100, 2.0, threads=2))


def test_runs_without_a_time_step_need_one(scaled):
    runs = scaled(timestep=msgspec.UNSET)
    with pytest.raises(ExperimentError, match="give --timestep"):
        size_job(runs, Trajectory(500, 1.0))
    assert size_job(runs, Trajectory(500, 1.0, timestep_fs=1.0)).steps == 1_000_000


@pytest.mark.slow
def test_the_interval_of_a_job_holds_the_truth_as_often_as_it_says(ran):
    rng, held, memory_held = np.random.default_rng(6), 0, 0
    for _ in range(30):
        runs = [
            ran(
                n,
                (1 + 0.01 * n) * np.exp(0.05 * rng.normal()),
                megabytes=(100 + 0.1 * n) * np.exp(0.003 * rng.normal()),
            )
            for n in SIZES
            for _ in range(3)
        ]
        job = size_job(runs, Trajectory(1000, 1.0))
        held += job.step_ns.low <= 11 * MS * np.exp(0.05 * rng.normal()) <= job.step_ns.high
        needed = job.memory[0].needed_bytes
        memory_held += needed is None or needed.low <= 200e6 * np.exp(0.003 * rng.normal()) <= needed.high
    assert min(held, memory_held) >= 25  # of 28.5 expected: three standard deviations
