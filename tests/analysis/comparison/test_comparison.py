"""Two groups of runs: the statistics are valid, and runs that differ otherwise are not compared."""

from __future__ import annotations

import math
from collections import Counter
from itertools import count

import msgspec
import numpy as np
import pytest
from tests.journal.buckets import bucket_of

from instrumented_calc.analysis.comparison.changes import contraction_changes, finding_changes, memory_changes
from instrumented_calc.analysis.comparison.comparison import compare
from instrumented_calc.analysis.comparison.measured_run import MeasuredRun, run_of_result, run_of_summary
from instrumented_calc.analysis.comparison.speed_limits import least_speedup, max_slowdown
from instrumented_calc.analysis.statistics.bootstrap import correlation_time, quantile_spread
from instrumented_calc.analysis.statistics.student_t import Estimate, difference_of_means, t_quantile
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.errors import TargetError
from instrumented_calc.journal import records
from instrumented_calc.journal.first_energies import read_energies
from instrumented_calc.journal.reader import read_journal

REPEATS = 100
MS = 1e6


def run_of_times(times) -> MeasuredRun:
    quantiles = tuple(np.quantile(times, (0.5, 0.95, 0.99)).tolist())
    return MeasuredRun("run.jsonl", len(times), quantiles, np.asarray(times, np.float64))


def replicates(rng, slowdown: float = 1.0, scatter: float = 0.02, runs: int = 5) -> list[MeasuredRun]:
    levels = slowdown * np.exp(scatter * rng.normal(size=runs))
    return [run_of_times(MS * level * np.exp(0.05 * rng.normal(size=200))) for level in levels]


def correlated(rng, calls: int, memory: float) -> np.ndarray:
    """Return one series a repeat whose logarithms are autoregressive, all of one distribution."""
    noise = rng.normal(size=(calls, REPEATS)) * np.sqrt(1 - memory**2)
    logs = np.empty_like(noise)
    logs[0] = rng.normal(size=REPEATS)
    for call in range(1, calls):
        logs[call] = memory * logs[call - 1] + noise[call]
    return MS * np.exp(0.05 * logs).T


def verdicts(slowdown: float) -> Counter:
    rng = np.random.default_rng(0)
    return Counter(compare(replicates(rng), replicates(rng, slowdown)).verdict for _ in range(REPEATS))


def test_equal_replicates_are_not_distinguishable():
    assert verdicts(1.0)["not distinguishable"] >= 90


def test_a_slow_down_of_ten_percent_is_found():
    assert verdicts(1.1)["slower"] >= 90


def test_a_speed_up_of_ten_percent_is_found():
    assert verdicts(1 / 1.1)["faster"] >= 90


@pytest.mark.parametrize(
    ("calls", "memory"),
    [pytest.param(*case, marks=pytest.mark.slow) for case in ((300, 0.5), (1000, 0.0), (1000, 0.8))],
)
def test_intervals_of_two_single_runs_hold_the_truth_although_calls_are_correlated(calls, memory):
    rng = np.random.default_rng(1)
    pairs = zip(correlated(rng, calls, memory), correlated(rng, calls, memory), strict=True)
    intervals = [compare([run_of_times(a)], [run_of_times(b)], single=True).median.interval for a, b in pairs]
    assert sum(each.low <= 1 <= each.high for each in intervals) >= 90


def test_the_verdict_on_two_single_runs_says_that_it_is_on_these():
    rng = np.random.default_rng(2)
    series = MS * np.exp(0.05 * rng.normal(size=(2, 300)))
    runs = [run_of_times(series[0])], [run_of_times(1.1 * series[1])]
    found = compare(*runs, single=True)
    assert found.verdict == "slower"
    assert found.why.startswith("on these two runs only")
    assert not found.replicated
    unasked = compare(*runs)
    assert (unasked.verdict, unasked.deciding) == ("not sure", None)
    assert "--single" in unasked.why


def test_few_calls_without_replicates_give_no_interval():
    found = compare([run_of_times([MS] * 29)], [run_of_times([2 * MS] * 400)], single=True)
    assert found.verdict == "not sure"
    assert "29 steady calls" in found.why


def test_tails_of_single_runs_need_more_calls_than_medians():
    rng = np.random.default_rng(3)
    series = MS * np.exp(0.05 * rng.normal(size=(2, 400)))
    tails = compare([run_of_times(series[0])], [run_of_times(series[1])]).tails
    assert tails["p95"].interval is not None
    assert tails["p99"].interval is None


def test_a_single_run_borrows_the_scatter_of_the_replicates_it_is_compared_with():
    found = difference_of_means(np.array([0.0, 0.02, -0.02]), np.array([0.5]))
    # s = 0.02, so the error is s sqrt(1/3 + 1) with two degrees of freedom
    assert found.high - found.value == pytest.approx(4.3027 * 0.02 * np.sqrt(4 / 3), rel=1e-3)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (5, 2.571), (8, 2.306), (30, 2.042), (1e9, 1.960)]
)
def test_quantiles_of_t_are_those_of_the_tables(freedom, quantile):
    assert t_quantile(freedom) == pytest.approx(quantile, abs=1e-3)


@pytest.mark.parametrize("confidence", [0.95, 0.99])
@pytest.mark.parametrize("freedom", [1.0, 1.5, 2.0, 5.88, 30.0, 9999.0])
def test_quantiles_of_t_enclose_the_stated_probability(freedom, confidence):
    # With t = sqrt(v) tan(a) the density of t becomes cos(a)^(v-1): Abramowitz and Stegun (1964), 26.7.
    angles, weights = np.polynomial.legendre.leggauss(400)
    end = np.arctan(t_quantile(freedom, confidence) / np.sqrt(freedom))
    norm = np.sqrt(np.pi) * np.exp(math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2)) / 2
    inside = end / 2 * float((weights * np.cos(end / 2 * (angles + 1)) ** (freedom - 1)).sum()) / norm
    assert inside == pytest.approx(confidence, abs=1e-9)


def test_welch_s_interval_is_that_of_a_worked_example():
    # Two samples with variances 1 and 4, five values each: error 1, 5.88 degrees of freedom.
    before = np.array([-1.2649, -0.6325, 0.0, 0.6325, 1.2649])
    found = difference_of_means(before, 3 + 2 * before)
    assert found.value == pytest.approx(3)
    assert found.high - found.value == pytest.approx(2.459, abs=0.003)


def test_the_correlation_time_of_an_autoregressive_series_is_the_theory_s():
    series = correlated(np.random.default_rng(4), 20_000, 0.8)[0]
    assert correlation_time(np.log(series)) == pytest.approx((1 + 0.8) / (1 - 0.8), rel=0.25)
    assert correlation_time(np.ones(50)) == 1


def test_a_constant_series_is_known_exactly():
    assert quantile_spread(np.full(400, 5.0), (0.5,)).log_errors == pytest.approx((0.0,))


@pytest.fixture
def measured(tmp_path):
    """Write a journal, and return it as a comparison sees it."""
    numbers = count()

    def make(*more, energies=(1.0, 1.5, 2.0), ensemble="NVE", atoms=4, model=None, wall=MS, **environment):
        start = records.RunStart(
            schema=records.SCHEMA,
            run_id="r",
            started="2026-01-01T00:00:00Z",
            pid=1,
            version="0.1.0",
            environment=records.Environment(**environment),
        )
        lane = records.Lane(0, "EMT", "twin", n_atoms=atoms, formula=f"Cu{atoms}", model=model or {})
        phase = records.Phase(0, "VelocityVerlet", "md", 0, ensemble=ensemble, timestep_fs=5.0)
        calls = [
            records.Call(
                index=n,
                lane=0,
                phase=0,
                n_atoms=atoms,
                step=n,
                start_ns=int(n * 2 * wall),
                wall_ns=int(wall + n % 7),
                changes=["positions"],
                energy_ev=energy,
            )
            for n, energy in enumerate(energies)
        ]
        path = tmp_path / f"run-{next(numbers)}.jsonl"
        path.write_bytes(
            b"".join(msgspec.json.encode(each) + b"\n" for each in (start, lane, phase, *calls, *more))
        )
        return run_of_summary(summarize(read_journal(path)), read_energies(path))

    return make


def test_equal_energies_are_checked_frame_by_frame(measured):
    found = compare([measured()], [measured()])
    assert (found.values.verdict, found.values.frames) == ("equal", 3)
    assert found.comparable


def test_other_energies_forbid_a_verdict_and_are_named_by_step_and_size(measured):
    found = compare([measured()], [measured(energies=(1.0, 1.5, 2.4))])
    assert found.verdict is None
    assert [each.rule for each in found.obstacles] == ["values-differ"]
    assert "frame 3 (after 2 steps): 0.1 eV per atom" in found.obstacles[0].text
    assert compare([measured()], [measured(energies=(1.1, 1.5, 2.0))], allowed=["values"]).comparable


def test_energies_that_are_not_finite_on_one_side_differ(measured):
    found = compare([measured()], [measured(energies=(1.0, float("nan"), 2.0))])
    assert "one side is not finite" in found.obstacles[0].text
    assert [each.rule for each in found.obstacles] == ["values-differ", "not-sound"]


def test_random_forces_leave_only_the_first_frame_in_common(measured):
    found = compare([measured(ensemble="NVT")], [measured(ensemble="NVT", energies=(1.0, 9.0, 9.0))])
    assert (found.values.verdict, found.values.frames) == ("equal", 1)


def test_replicates_with_other_velocities_are_compared_as_far_as_they_agree(measured):
    before = [measured(energies=(1.0, 1.4, 1.9)), measured(energies=(1.0, 1.6, 2.1))]
    found = compare(before, [measured(energies=(1.0, 1.7, 2.2))])
    assert (found.values.verdict, found.values.frames) == ("equal", 1)
    assert "differ from each other" in found.values.why


def test_without_energies_nothing_is_checked_and_that_is_said(measured):
    found = compare([measured(energies=(msgspec.UNSET,))], [measured()])
    assert found.values.verdict == "not checked"
    assert found.comparable


def test_other_precision_is_granted_a_larger_tolerance_once_it_is_under_test(measured):
    single = measured(model={"dtype": "float32"}, energies=(1.002, 1.502, 2.0))
    double = measured(model={"dtype": "float64"})
    found = compare([double], [single])
    assert [each.rule for each in found.obstacles] == ["hardware-unequal"]
    assert "dtype, model's dtype: before float64, after float32" in found.obstacles[0].text
    assert compare([double], [single], allowed=["dtype"]).comparable


@pytest.mark.parametrize(
    ("key", "name", "other"),
    [
        ("model", "name", "Bar"),
        ("model", "library", "foo 2.0"),
        ("model", "parameters", 8),
        ("model", "cutoff", 5.0),
        ("settings", "settings", {"method": "GFN1-xTB"}),
        ("weights", "weights_sha256", "ef"),
    ],
)
def test_another_calculator_forbids_a_verdict(measured, key, name, other):
    model = {"name": "Foo", "library": "foo 1.0", "parameters": 7, "cutoff": 6.0}
    model |= {"settings": {"method": "GFN2-xTB"}, "weights_sha256": "ab"}
    before, after = measured(model=model), measured(model=model | {name: other})
    found = compare([before], [after])
    assert [each.rule for each in found.obstacles] == ["hardware-unequal"]
    assert f"--allow {key}" in found.obstacles[0].text
    assert compare([before], [after], allowed=[key]).comparable
    assert compare([before], [after], allowed=["calculator"]).comparable
    assert compare([before], [measured()]).comparable  # 0.1.0 did not record it


def test_other_threads_are_not_comparable_unless_they_are_under_test(measured):
    one, two = (measured(threads_effective=[records.ThreadPool("blas", "openblas", n)]) for n in (1, 2))
    found = compare([one], [two])
    assert [each.rule for each in found.obstacles] == ["threads-unequal"]
    assert "openblas: before 1, after 2; if this is under test: --allow threads" in found.obstacles[0].text
    assert compare([one], [two], allowed=["threads"]).comparable


def test_replicates_of_one_side_must_be_equal_too(measured):
    runs = [measured(cpu="a"), measured(cpu="b")]
    assert not compare(runs, [measured(cpu="a")]).comparable


@pytest.mark.parametrize("allowed", ["torch", "libraries"])
def test_a_library_is_allowed_by_its_own_name(measured, allowed):
    old, new = (measured(libraries=[records.Library("torch", version)]) for version in ("2.5", "2.6"))
    assert not compare([old], [new]).comparable
    assert compare([old], [new], allowed=[allowed]).comparable


def test_a_value_missing_on_one_side_is_not_a_difference(measured):
    assert compare([measured(cpu="a")], [measured()]).comparable


def test_other_systems_are_not_comparable(measured):
    found = compare([measured()], [measured(atoms=8)])
    assert found.obstacles[0].rule == "systems-differ"
    assert "before Cu4 (4 atoms), after Cu8 (8 atoms)" in found.obstacles[0].text


def test_a_result_file_is_compared_by_its_latencies(measured):
    result = {"latencies_ms": [2.0, 2.1] * 20, "device": "cpu", "n_atoms": 4}
    found = compare([measured(energies=[1.0] * 40)], [run_of_result("result.json", result)], single=True)
    assert found.verdict == "slower"
    assert found.values.verdict == "not checked"
    assert run_of_result("other.json", {"a": 1}) is None


def test_memory_and_contractions_are_set_side_by_side(measured):
    def contracted(calls, ns):
        seen = records.Operands(["float64[2]"], seen=calls, ns=ns, squares_ns2=1.0)
        done = records.Contraction("i,i", "numpy", calls, operands=[seen])
        return records.Contractions(time_ns=10**12, contractions=[done])

    def sampled(bytes_):
        return records.Call(index=9, start_ns=10**9, wall_ns=10**6, rss_bytes=bytes_)

    before, after = measured(contracted(8, 400), sampled(100)), measured(contracted(4, 100), sampled(160))
    change = contraction_changes([before], [after])[0]
    assert change.calls == (2.0, 1.0)
    assert change.time.value == pytest.approx(0.25)
    assert memory_changes([before], [after])[0].after_bytes == 160


def test_a_finding_of_one_side_appeared_or_went(measured):
    still = [
        records.Call(index=n, start_ns=n * 10**7, wall_ns=10**6, changes=[], step=n) for n in range(9, 60)
    ]
    before, after = measured(), measured(*still)
    changes = finding_changes([before], [after])
    assert all(each.appeared for each in changes)
    assert [each.rule for each in changes] == [each.rule for each in finding_changes([after], [before])]
    assert changes


@pytest.mark.parametrize(
    ("limit", "interval", "state"),
    [
        (max_slowdown("5%"), (1.06, 1.2), "broken"),
        (max_slowdown("5%"), (1.04, 1.2), "not sure"),
        (max_slowdown("5%"), (0.9, 1.05), "met"),
        (max_slowdown("1.05x"), (0.9, 1.04), "met"),
        (least_speedup("5x"), (0.1, 0.19), "met"),
        (least_speedup("5x"), (0.19, 0.21), "not sure"),
        (least_speedup("5x"), (0.21, 0.3), "broken"),
    ],
)
def test_a_limit_is_broken_only_by_the_whole_interval(limit, interval, state):
    assert limit.check(Estimate(1.0, *interval)) == state
    assert limit.check(None) == "not sure"


@pytest.mark.parametrize("text", ["fast", "5", "-5%", "0.5x", ""])
def test_a_limit_that_cannot_be_read_is_refused(text):
    with pytest.raises(TargetError, match="--max-slowdown"):
        max_slowdown(text)


def test_a_thinned_run_is_compared_by_its_histograms(measured):
    def slices(wall):
        return [
            records.Slice(
                start_ns=n * 10**9,
                end_ns=(n + 1) * 10**9,
                calls=100,
                nested=0,
                failed=0,
                unchanged=0,
                wall_ns=100 * wall,
                gap_ns=0,
                min_ns=wall,
                max_ns=wall,
                squares_ns2=100.0 * wall**2,
                atom_calls=400,
                histogram=[(bucket_of(wall + 40_000 * (n % 3)), 100)],
                phase=0,
            )
            for n in range(60)
        ]

    found = compare([measured(*slices(10**6))], [measured(*slices(2 * 10**6))], single=True)
    assert found.verdict == "slower"
    assert found.median.value == pytest.approx(2, rel=0.05)
