"""A cell of an experiment and a row of a stored table with the same figures get the same answers."""

from __future__ import annotations

import math

import pytest

from instrumented_calc.analysis.experiment_checks import (
    cold_start,
    different_threads,
    is_single,
    least_torch_bytes,
    unaccounted_share,
)
from instrumented_calc.analysis.study.cells import Executed, StudyCell
from instrumented_calc.intake.reading.measurements import Measurement


def cell(rep, wall, compute=None, *, warm=False, threads=1):
    seen = Executed(torch_loaded=False, threads={}, effective={"openblas": threads}, processors=8)
    parts = {"wall_s": wall, "compute_s": compute, "conv_in_s": 0.0, "conv_out_s": 0.0}
    return StudyCell("a.xyz", "numpy_only", rep, 10, 1, warmups=2 if warm else 0, executed=seen, **parts)


def row(rep, wall, compute=None, *, warm=False, threads=1):
    parts = {"wall_s": wall, "compute_s": compute, "conv_in_s": 0.0}
    return Measurement(
        "b/t.csv", "a.xyz", "numpy_only", rep, warmed_up=warm, threads=f"{threads} on 8 processors", **parts
    )


@pytest.fixture(params=[cell, row])
def run(request):
    return request.param


def test_a_first_replicate_is_cold_above_half_again_the_fastest(run):
    assert cold_start([run(2, 1.0), run(1, 1.51)]) == pytest.approx(1.51)
    assert cold_start([run(1, 1.5), run(2, 1.0)]) is None
    assert cold_start([run(1, 9.0, warm=True), run(2, 1.0)]) is None
    assert cold_start([run(1, 9.0)]) is None
    assert cold_start([run(1, math.nan), run(2, None), run(3, 1.0)]) is None


def test_unaccounted_time_is_a_share_of_all_the_time(run):
    assert unaccounted_share([run(1, 1.0, 0.5), run(2, 3.0, 2.7)]) == pytest.approx(0.2)
    assert unaccounted_share([run(1, 1.0, 1.1)]) == 0
    assert unaccounted_share([run(1, 1.0), run(2, None, 1.0), run(3, math.inf, 1.0)]) is None


def test_threads_in_effect_are_compared(run):
    assert different_threads([run(1, 1.0), run(2, 1.0)]) == {}
    assert different_threads([run(1, 1.0), run(2, 1.0, threads=2)]) == {
        "1 on 8 processors": "numpy_only",
        "2 on 8 processors": "numpy_only",
    }


def test_one_run_is_single(run):
    assert is_single([run(1, 1.0)])
    assert not is_single([run(1, 1.0), run(2, 1.0)])


def test_a_measured_floor_of_memory_replaces_the_assumed_one():
    assert least_torch_bytes() == 150_000 * 1024
    assert least_torch_bytes(220e6) == pytest.approx(176e6)
