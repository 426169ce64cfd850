"""An unusable number or name gives a one-line error with the value and the accepted ones."""

import math

import numpy as np
import pytest
from ase.calculators.emt import EMT
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc import MDProfiler, benchmark_function
from instrumented_calc.errors import ExperimentError, InstrumentedCalcError
from instrumented_calc.experiments.calculators import build_calculator
from instrumented_calc.experiments.demo import run_demo
from instrumented_calc.experiments.dynamics import Protocol
from instrumented_calc.experiments.ranges import check_number, check_whole
from instrumented_calc.experiments.replay import read_frames
from instrumented_calc.experiments.scale import ScaleSettings, run_scale
from instrumented_calc.experiments.study.plan import Plan
from instrumented_calc.experiments.study.runner import run_study
from instrumented_calc.experiments.systems import build_system, cells_for, copper, true_sizes

HUGE, NAN, INFINITE = 10**20, float("nan"), float("inf")
PROTOCOL = {
    "ensemble": "nve",
    "steps": 1,
    "timestep_fs": 1.0,
    "temperature_k": 1.0,
    "equilibration": 0,
    "seed": 0,
}
SETTINGS = ScaleSettings("emt", "copper", 1)


def demo(folder, steps):
    run_demo("emt", copper(4), journal=folder / "run.jsonl", on_step=print, steps=steps)


def scale(folder, **options):
    run_scale(SETTINGS, [4], output=folder / "scale", **({"replicates": 1} | options))


OUT_OF_RANGE = [
    ("n_atoms", lambda _: build_system("copper", HUGE)),
    ("n_atoms", lambda _: build_system("water", 1e20)),
    ("n_atoms", lambda _: build_system("copper", 0)),
    ("n_atoms", lambda _: build_system("copper", 10**5000)),
    ("n_atoms", lambda _: build_system("copper", "64")),
    ("n_atoms", lambda _: build_system("copper", True)),
    ("temperature_k", lambda _: build_system("copper", 4, temperature_k=NAN)),
    ("temperature_k", lambda _: build_system("copper", 4, temperature_k=-1)),
    ("seed", lambda _: build_system("copper", 4, seed=-1)),
    ("n_atoms", lambda _: copper(HUGE)),
    ("steps", lambda folder: demo(folder, steps=HUGE)),
    ("steps", lambda _: Protocol(**PROTOCOL | {"steps": HUGE})),
    ("equilibration", lambda _: Protocol(**PROTOCOL | {"equilibration": -1})),
    ("timestep_fs", lambda _: Protocol(**PROTOCOL | {"timestep_fs": NAN})),
    ("timestep_fs", lambda _: Protocol(**PROTOCOL | {"timestep_fs": INFINITE})),
    ("temperature_k", lambda _: Protocol(**PROTOCOL | {"temperature_k": 1e300})),
    ("seed", lambda _: Protocol(**PROTOCOL | {"seed": 2**32})),
    ("n_atoms", lambda _: true_sizes("copper", [4, HUGE], 0)),
    ("threads", lambda _: ScaleSettings("emt", "copper", 1, threads=HUGE)),
    ("seed", lambda _: ScaleSettings("emt", "copper", 1, seed=-1)),
    ("replicates", lambda folder: scale(folder, replicates=HUGE)),
    ("time_limit_s", lambda folder: scale(folder, time_limit_s=NAN)),
    ("time_limit_s", lambda folder: scale(folder, time_limit_s=INFINITE)),
    ("reps", lambda _: Plan("einsum", reps=HUGE)),
    ("threads", lambda _: Plan("einsum", threads=HUGE)),
    ("seconds", lambda _: Plan("einsum", seconds=INFINITE)),
    ("time_limit_s", lambda folder: run_study(Plan("einsum"), folder / "s", time_limit_s=INFINITE)),
    ("tolerance", lambda folder: run_study(Plan("einsum"), folder / "s", tolerance=NAN)),
    ("steps", lambda folder: read_frames(folder / "f.xyz", -1)),
    ("warmup_steps", lambda _: MDProfiler(warmup_steps=-1)),
    ("n_calls", lambda _: benchmark_function(int, n_calls=HUGE)),
    ("n_warmup", lambda _: benchmark_function(int, n_warmup=-1)),
]


@pytest.mark.parametrize(("name", "attempt"), OUT_OF_RANGE)
def test_values_out_of_range_are_refused_before_any_work(tmp_path, name, attempt):
    with pytest.raises(
        ExperimentError, match=rf"^{name} must be (an integer|a number) from .* to .*, not "
    ) as caught:
        attempt(tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 150
    assert list(tmp_path.iterdir()) == []


@given(st.one_of(st.integers(), st.floats(), st.text(), st.none(), st.booleans()))
def test_a_number_is_taken_exactly_if_it_is_one_of_the_range(value):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    for check, good in (
        (check_number, number and -5 <= value <= 1e6),
        (check_whole, number and isinstance(value, int) and -5 <= value <= 1e6),
    ):
        if good:
            check("x", value, -5, 10**6)
        else:
            with pytest.raises(ExperimentError, match=r"^x must be "):
                check("x", value, -5, 10**6)


@pytest.mark.parametrize("value", [np.int64(4), np.int32(4), 4])
def test_numbers_of_numpy_are_numbers(value):
    assert len(build_system("copper", value, temperature_k=np.float32(300)).atoms) == 4


def test_whole_cells_reach_the_most_atoms():
    assert 4 * math.prod(cells_for(1_000_000)) == 1_000_000


NAMES = ["a" * 5000, "caf\udce9", "\x00", "a/" * 3000]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "attempt",
    [
        lambda name, _: build_system(name, 4),
        lambda name, _: build_calculator(name),
        lambda name, _: build_calculator(f"fennol:{name}"),
        lambda name, _: Protocol(**PROTOCOL | {"ensemble": name}),
        lambda name, folder: read_frames(folder / name),
    ],
)
def test_any_name_that_is_not_known_is_refused_in_one_line(tmp_path, name, attempt):
    with pytest.raises(InstrumentedCalcError) as caught:
        attempt(name, tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_temperatures_of_zero_are_for_nve_alone():
    assert Protocol(**PROTOCOL | {"temperature_k": 0.0}).temperature_k == 0
    with pytest.raises(ExperimentError, match=r"a thermostat \(langevin\) needs a positive temperature"):
        Protocol(**PROTOCOL | {"temperature_k": 0, "ensemble": "langevin"})


def test_emt_is_still_built_by_its_name():
    assert isinstance(build_calculator("emt"), EMT)
