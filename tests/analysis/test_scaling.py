"""How time and memory grow, on runs whose law is known."""

from __future__ import annotations

from itertools import count

import msgspec
import numpy as np
import pytest

from instrumented_calc.analysis.scaling import fit_exponent, measure_scaling, not_as_pinned
from instrumented_calc.analysis.statistics.student_t import slope
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal

SIZES = (32, 108, 256, 500)


@pytest.fixture
def ran(tmp_path):
    """Write a run of one size, with a median and perhaps a component, and return its summary."""
    numbers = count()

    def make(n_atoms, wall, *, part=None, rss=None, threads=1):
        start = records.RunStart(
            schema=records.SCHEMA,
            run_id="r",
            started="2026-01-01T00:00:00Z",
            pid=1,
            version="0.1.0",
            environment=records.Environment(
                threads_effective=[records.ThreadPool("blas", "openblas", threads)], memory_bytes=10**9
            ),
        )
        calls = [
            records.Call(
                index=n,
                lane=0,
                n_atoms=n_atoms,
                start_ns=n * 10**10,
                wall_ns=int(wall),
                components={"part": int(part)} if part else msgspec.UNSET,
                rss_bytes=rss or msgspec.UNSET,
            )
            for n in range(12)
        ]
        path = tmp_path / f"{next(numbers)}.jsonl"
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (start, *calls)))
        return summarize(read_journal(path))

    return make


def test_the_exponent_of_a_power_law_is_found(ran):
    found = measure_scaling([ran(n, 1000 * n**1.5) for n in SIZES])
    assert found.exponent.value == pytest.approx(1.5, abs=1e-3)
    assert found.overhead_bound is False
    assert [each.n_atoms for each in found.sizes] == list(SIZES)
    assert found.sizes[0].us_per_atom == pytest.approx(32**0.5, rel=1e-3)
    assert found.sizes[0].interval is None  # of one run
    first, *_, last = found.fit
    assert (first.n_atoms, last.n_atoms) == (pytest.approx(32), pytest.approx(500))
    assert last.time_ns.value == pytest.approx(1000 * 500**1.5, rel=1e-3)


def test_a_flat_curve_is_overhead_bound(ran):
    rng = np.random.default_rng(0)
    runs = [ran(n, 5e6 * np.exp(0.02 * rng.normal())) for n in SIZES for _ in range(3)]
    found = measure_scaling(runs)
    assert found.overhead_bound is True
    assert found.sizes[0].scatter == pytest.approx(0.02, rel=1)
    interval = found.sizes[0].interval
    reach = 4.302653 * found.sizes[0].scatter / 3**0.5  # t of two degrees of freedom
    assert interval.value == pytest.approx(found.sizes[0].median_ns)
    assert interval.high == pytest.approx(interval.value * np.exp(reach), rel=1e-6)


@pytest.mark.parametrize(("sizes", "why"), [((32, 500), "2 sizes"), ((32, 40, 50), "span a factor of 1.6")])
def test_too_few_sizes_or_too_near_ones_give_no_verdict(ran, sizes, why):
    found = measure_scaling([ran(n, 5e6) for n in sizes])
    assert found.overhead_bound is None
    assert why in found.why


def test_the_interval_of_the_exponent_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    atoms = np.repeat(np.array(SIZES, np.float64), 3)
    fits = [fit_exponent(atoms, 10 * atoms * np.exp(0.05 * rng.normal(size=12))) for _ in range(400)]
    assert 0.92 <= np.mean([fit.low <= 1 <= fit.high for fit in fits]) <= 0.98


def test_a_slope_and_its_interval_are_those_of_a_worked_example():
    # Residuals -0.1, 0.2, -0.1 about 1 + 2 x: error sqrt(0.06 / 1 / 2), one degree of freedom.
    fit, at_zero = slope(np.array([0.0, 1.0, 2.0]), np.array([0.9, 3.2, 4.9]))
    assert fit.value == pytest.approx(2)
    assert at_zero == pytest.approx(1)
    assert fit.high - fit.value == pytest.approx(12.706 * 0.03**0.5, rel=1e-3)


def test_every_part_has_its_own_exponent(ran):
    found = measure_scaling([ran(n, 1000 * n + 10 * n**2, part=10 * n**2) for n in SIZES])
    assert found.components["part"].value == pytest.approx(2, abs=1e-3)
    assert found.components["other in the calculator"].value == pytest.approx(1, abs=1e-3)
    assert next(iter(found.components)) == "part"


@pytest.mark.parametrize(
    ("per_atom", "largest", "at_least"),
    [(1000, None, 10 * max(SIZES)), (300_000, pytest.approx(3000, rel=0.01), None)],
)
def test_how_many_atoms_fit_is_said_as_far_as_the_sizes_carry_it(ran, per_atom, largest, at_least):
    found = measure_scaling([ran(n, 1000 * n, rss=10**8 + per_atom * n + n % 3) for n in SIZES])
    fit = found.memory[0]
    assert fit.bytes_per_atom.value == pytest.approx(per_atom, rel=0.01)
    assert fit.at_zero_bytes == pytest.approx(10**8, rel=1e-3)
    assert (fit.largest and fit.largest.value) == largest
    assert fit.fits_at_least == at_least


def test_memory_that_does_not_grow_is_not_extrapolated(ran):
    found = measure_scaling(
        [ran(n, 1000 * n, rss=10**8 + noise) for n, noise in zip(SIZES, (7, 3, 9, 5), strict=True)]
    )
    assert found.memory[0].largest is None


def test_runs_with_other_threads_have_no_common_exponent(ran):
    found = measure_scaling([ran(n, 1000 * n, threads=1 + (n > 100)) for n in SIZES])
    assert found.exponent is None
    assert found.fit == ()
    assert found.unequal[0].key == "threads"


def test_threads_that_are_not_as_asked_for_are_named(ran):
    assert not_as_pinned([ran(32, 1000, threads=1)], 1) == []
    assert "openblas has 2 threads, not 1 as requested" in not_as_pinned([ran(32, 1000, threads=2)], 1)[0]
