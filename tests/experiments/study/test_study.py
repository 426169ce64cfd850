"""Planted studies: cells of a known cause get the right verdict, or the right refusal, every time."""

from __future__ import annotations

import numpy as np
import pytest

from instrumented_calc.analysis.study.cells import Executed, StudyCell, products_of
from instrumented_calc.analysis.study.checks import check_cells, problem
from instrumented_calc.analysis.study.judgement import judge_study
from instrumented_calc.analysis.study.values import compare
from instrumented_calc.reporting.study.tables import summary_csv, timings_csv

SEEDS = range(20)
FLOOR = 220 * 2**20
DISPATCH_S = 5e-6
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
CONTRACTIONS = 1000
# Of AniSOAP's optimisation study.
TIMINGS = [
    *("file", "mode", "rep", "N", "species_unique"),
    *("wall_s", "compute_s", "conv_in_s", "conv_out_s", "time_per_N2"),
]
SUMMARY = [
    *("file", "mode", "N", "species", "runs"),
    *("wall_mean", "wall_std", "tN2_mean", "conv_in_mean", "conv_out_mean"),
]
MODES = ("numpy_only", "torch_mixed", "torch_full")


def evidence(mode, operation_s=8e-6, **changes):
    """The record that an honest process would have written."""
    torch = mode != "numpy_only"
    seen = {
        "torch_loaded": torch,
        "torch_version": "2.13.0" if torch else "",
        "numpy_contractions": 0 if torch else CONTRACTIONS,
        "torch_contractions": CONTRACTIONS if torch else 0,
        "numpy_flops": 0.0 if torch else 1e6,
        "torch_flops": 1e6 if torch else 0.0,
        "torch_contraction_s": operation_s * CONTRACTIONS if torch else None,
        "peak_rss_bytes": (260 if torch else 40) * 2**20,
        "threads": THREADS,
        "effective": {"openblas 0": 1, **({"torch intra-op": 1, "torch inter-op": 1} if torch else {})},
        "processors": 2,
        "versions": {"numpy": "2.4.6", "torch": "2.13.0"},
        "blocks_read": 0,
    }
    return Executed(**(seen | changes))


def cells(  # noqa: PLR0913 - the planted values
    seed, walls, share=0.0, *, reps=5, noise=0.03, hidden=0.0, operation_s=8e-6, file="planted.xyz"
):
    """Cells of three modes whose times scatter by `noise`; `share` of torch_mixed's is conversion."""
    rng = np.random.default_rng(seed)
    found = []
    for rep in range(1, reps + 1):
        for mode, wall in zip(MODES, walls, strict=True):
            time = wall * float(np.exp(rng.normal(scale=noise)))
            converted = time * share if mode == "torch_mixed" else 0.0
            found.append(
                StudyCell(
                    file=file,
                    mode=mode,
                    rep=rep,
                    n_atoms=24,
                    species=1,
                    products=576,
                    pairs=2264,
                    wall_s=time,
                    compute_s=time - converted - hidden * time,
                    conv_in_s=converted * 0.8,
                    conv_out_s=converted * 0.2,
                    warmups=2,
                    executed=evidence(mode, operation_s),
                )
            )
    return found


def judged(found, **options):
    return judge_study(found, torch_floor_bytes=FLOOR, dispatch_s=DISPATCH_S, **options)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slow_conversion_is_conversion_bound(seed):
    found = judged(cells(seed, (1.0, 1.5, 0.9), share=0.4, operation_s=1e-4))
    assert found.decision == "conversion-bound"
    assert not found.refused


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slow_kernel_of_numpy_is_kernel_or_threading(seed):
    found = judged(cells(seed, (2.0, 1.0, 0.97), share=0.04, operation_s=1e-4))
    assert found.decision == "kernel/threading"


@pytest.mark.parametrize("seed", SEEDS)
def test_pure_overhead_is_overhead_bound(seed):
    found = judged(cells(seed, (1.0, 3.0, 2.9), share=0.05, operation_s=8e-6))
    assert found.decision == "overhead-bound"


@pytest.mark.parametrize("seed", SEEDS)
def test_overhead_stays_overhead_where_conversions_come_on_top(seed):
    found = judged(cells(seed, (1.0, 4.0, 2.9), share=0.27, operation_s=8e-6))
    assert found.decision == "overhead-bound"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("operation_s", [8e-6, 1e-3])
def test_noise_alone_is_inconclusive(seed, operation_s):
    found = judged(cells(seed, (1.0, 1.0, 1.0), share=0.02, noise=0.2, operation_s=operation_s))
    assert found.decision == "inconclusive"
    assert not found.refused


@pytest.mark.parametrize("seed", SEEDS)
def test_slow_operations_that_are_not_dispatch_are_not_called_overhead(seed):
    found = judged(cells(seed, (1.0, 3.0, 2.9), share=0.05, operation_s=1e-3))
    assert found.decision == "inconclusive"
    assert "much longer than dispatch" in found.why


SECRET = {
    "never loaded": {"torch_loaded": False, "torch_contractions": 0, "numpy_contractions": CONTRACTIONS},
    "loaded, not used": {"torch_contractions": 0, "torch_operations": 0, "numpy_contractions": CONTRACTIONS},
    "a token operation": {"torch_contractions": 1, "torch_flops": 1e3, "numpy_flops": 1e6},
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", SECRET)
def test_a_torch_mode_that_secretly_runs_numpy_is_refused(seed, how):
    found = [
        each if each.mode != "torch_full" else replaced(each, evidence("torch_full", **SECRET[how]))
        for each in cells(seed, (2.0, 1.0, 0.97), share=0.04, operation_s=1e-4)
    ]
    verdict = judged(found)
    assert verdict.refused
    assert verdict.decision == "inconclusive"
    assert "backend-label-unverified" in verdict.decisions[0].refused


@pytest.mark.parametrize("seed", SEEDS)
def test_a_process_too_small_for_torch_is_not_trusted(seed):
    small = evidence("torch_full", peak_rss_bytes=30 * 2**20)
    found = [
        replaced(each, small) if each.mode == "torch_full" else each
        for each in cells(seed, (2.0, 1.0, 0.97), share=0.04)
    ]
    verdict = judged(found)
    assert verdict.decisions[0].refused == ("rss-too-small-for-torch",)
    assert "30 MiB at most; importing torch alone takes 220" in verdict.problems[0].text


@pytest.mark.parametrize("seed", SEEDS)
def test_modes_whose_values_differ_get_no_speed_verdict_at_all(seed):
    rng = np.random.default_rng(seed)
    ours = {"descriptor": rng.normal(size=(4, 5))}
    theirs = {"descriptor": ours["descriptor"].copy()}
    theirs["descriptor"][2, 3] += 1e-6
    problem = compare("planted.xyz", ours, theirs, "torch_full", 1e-10)
    assert problem is not None
    assert "descriptor[2, 3]" in problem.text
    verdict = judged(cells(seed, (2.0, 1.0, 0.97), share=0.04), differing=[problem])
    assert verdict.refused
    assert verdict.decision == "inconclusive"
    assert verdict.decisions[0].ratios is None
    assert "times as long" not in " ".join(verdict.decisions[0].reasons)


def replaced(cell, executed):
    return StudyCell(
        **{name: getattr(cell, name) for name in StudyCell.__dataclass_fields__} | {"executed": executed}
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_on_one_side_differs(value):
    ours, theirs = {"energy": np.array([1.0, 2.0])}, {"energy": np.array([1.0, value])}
    assert compare("f", ours, theirs, "torch_full", 1e-10) is not None
    assert compare("f", theirs, ours, "torch_full", 1e-10) is not None


def test_other_shapes_and_missing_quantities_differ():
    ours = {"energy": np.zeros(2)}
    assert compare("f", ours, {"energy": np.zeros(3)}, "torch_full", 1.0).rule == "values-differ"
    assert compare("f", ours, {}, "torch_full", 1.0).text == "torch_full: only one side has energy"


def test_a_single_measurement_gives_no_verdict():
    verdict = judged(cells(0, (2.0, 1.0, 0.97), reps=1))
    assert "n-runs-1" in verdict.decisions[0].refused
    assert verdict.rows[0].wall.std is None


def test_unequal_threads_are_refused():
    found = [
        replaced(each, evidence(each.mode, effective={"openblas 0": 4}, threads={"OMP_NUM_THREADS": "4"}))
        if each.mode == "numpy_only"
        else each
        for each in cells(0, (2.0, 1.0, 0.97))
    ]
    assert judged(found).decisions[0].refused == ("threads-unequal",)


def test_threads_that_are_not_as_pinned_are_refused():
    found = cells(0, (2.0, 1.0, 0.97))
    found[1] = replaced(found[1], evidence("torch_mixed", effective={"torch intra-op": 2}))
    texts = [each.text for each in check_cells(found, FLOOR) if each.rule == "threads-unequal"]
    assert "torch_mixed: torch intra-op has 2 threads, not 1 as requested" in texts


def test_thread_variables_that_were_not_there_at_the_start_are_refused():
    found = cells(0, (2.0, 1.0, 0.97))
    found[0] = replaced(found[0], evidence("numpy_only", threads={}))
    assert {each.rule for each in check_cells(found, FLOOR)} == {"threads-unequal"}


def test_several_threads_and_one_inter_op_thread_are_equal():
    effective = {"openblas 0": 2, "torch intra-op": 2, "torch inter-op": 1}
    two = {"threads": {"OMP_NUM_THREADS": "2"}}
    found = [
        replaced(each, evidence(each.mode, effective=effective if "torch" in each.mode else {"x": 2}, **two))
        for each in cells(0, (2.0, 1.0, 0.97))
    ]
    assert check_cells(found, FLOOR) == []


def test_a_cold_cache_forbids_comparing_wall_times():
    found = [
        replaced(each, evidence(each.mode, blocks_read=50_000)) if each.mode == "numpy_only" else each
        for each in cells(0, (2.0, 1.0, 0.97))
    ]
    assert judged(found).decisions[0].refused == ("cold-cache-pair",)


@pytest.mark.parametrize(
    ("versions", "text"),
    [
        ({"numpy": "1.26.4", "torch": "2.13.0"}, "numpy 1.26.4 and 2.4.6"),
        ({"numpy": "2.4.6"}, "torch 2.13.0 and absent"),
    ],
)
def test_other_versions_are_not_comparable(versions, text):
    found = cells(0, (2.0, 1.0, 0.97))
    found[0] = replaced(found[0], evidence("numpy_only", versions=versions))
    (reported,) = check_cells(found, FLOOR)
    assert (reported.rule, reported.text) == ("hardware-unequal", text)


def test_a_first_replicate_without_warm_up_is_set_aside_and_reported():
    found = cells(0, (2.0, 1.0, 0.97), share=0.04, operation_s=1e-4, reps=6)
    cold = [
        changed(
            each, warmups=0, wall_s=each.wall_s * (4 if each.rep == 1 and each.mode == "numpy_only" else 1)
        )
        for each in found
    ]
    verdict = judged(cold)
    assert verdict.decision == "kernel/threading"
    assert [each.runs for each in verdict.rows] == [5, 6, 6]
    assert "warmup-missing" in {each.rule for each in verdict.problems}


def changed(cell, **changes):
    return StudyCell(**{name: getattr(cell, name) for name in StudyCell.__dataclass_fields__} | changes)


def test_unaccounted_time_makes_the_share_a_range_that_may_decide_nothing():
    verdict = judged(cells(0, (2.0, 1.0, 0.97), share=0.12, hidden=0.15, operation_s=1e-4))
    assert verdict.decision == "inconclusive"
    assert "conversions take 12.0% to 27.0% of torch_mixed" in verdict.decisions[0].reasons
    assert "unaccounted-time" in {each.rule for each in verdict.problems}
    assert not verdict.refused


def test_a_mode_that_stalled_leaves_no_verdict_and_is_reported():
    found = [each for each in cells(0, (2.0, 1.0, 0.97)) if each.mode != "torch_full"]
    lost = StudyCell("planted.xyz", "torch_full", 1, 0, 0, status="stalled", why="no end after 120 s")
    verdict = judged([*found, lost])
    assert verdict.why == "no times for torch_full"
    assert verdict.lost == (lost,)


def test_inputs_that_differ_are_inconclusive_together_and_decided_apart():
    slow = cells(0, (2.0, 1.0, 0.97), share=0.04, operation_s=1e-4, file="large")
    quick = cells(0, (1.0, 3.0, 2.9), share=0.05, file="small")
    verdict = judged([*slow, *quick])
    assert [each.decision for each in verdict.decisions] == ["kernel/threading", "overhead-bound"]
    assert verdict.why == "the inputs differ: kernel/threading on large; overhead-bound on small"


def test_batching_is_distinguished_from_the_library():
    found = [
        replaced(each, evidence(each.mode, torch_contractions=7)) if each.mode == "torch_full" else each
        for each in cells(0, (1.0, 2.0, 0.1), share=0.1)
    ]
    assert "torch_full does 7 contractions, torch_mixed 1000" in judged(found).why


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("power", "verdict"), [(1.0, "no worse than quadratic"), (3.0, "worse than quadratic")]
)
def test_scaling_with_species_has_a_verdict_of_its_own(seed, power, verdict):
    found = []
    for species in (1, 2, 3, 4):
        walls = tuple(species**power * each for each in (1.0, 2.0, 0.5))
        file = f"s{species}"
        found += [changed(each, species=species) for each in cells(seed, walls, noise=0.05, file=file)]
    (scaling, *_) = judged(found).scaling
    assert scaling.verdict == verdict
    assert scaling.exponent.low <= power + 0.3
    assert scaling.exponent.high >= power - 0.3


def test_sums_over_pairs_of_species_distinguish_species():
    numbers = {1: 576, 2: 432, 3: 384, 4: 360}
    for species, expected in numbers.items():
        assert products_of([str(i * species // 24) for i in range(24)]) == expected


def test_tables_have_the_columns_of_the_study_and_agree_with_each_other():
    found = cells(3, (2.0, 1.0, 0.97), share=0.1)
    timings = [line.split(",") for line in timings_csv(found).splitlines()]
    assert timings[0][:10] == TIMINGS
    summary = [line.split(",") for line in summary_csv(judged(found).rows).splitlines()]
    assert summary[0][:10] == SUMMARY
    for row in summary[1:]:
        walls = np.array([float(each[5]) for each in timings[1:] if each[1] == row[1]])
        assert float(row[5]) == pytest.approx(walls.mean(), rel=1e-12)
        assert float(row[6]) == pytest.approx(walls.std(ddof=1), rel=1e-12)
        assert float(row[7]) == pytest.approx(walls.mean() / 576, rel=1e-12)


def test_unmeasured_values_are_empty_in_the_tables():
    (line,) = timings_csv([StudyCell("a", "numpy_only", 1, 2, 1, wall_s=0.5)]).splitlines()[1:]
    assert line == "a,numpy_only,1,2,1,0.5,,,,0.125,float64 cpu eager,"


def test_a_problem_that_is_reported_twice_is_one():
    found = cells(0, (2.0, 1.0, 0.97))
    found = [replaced(each, None) if each.mode == "torch_full" else each for each in found]
    reported = [each for each in check_cells(found, FLOOR) if each.rule == "backend-label-unverified"]
    assert reported == [
        problem(
            "backend-label-unverified",
            "planted.xyz",
            "torch_full: no record of the executed backend",
        )
    ]


def test_values_that_differ_in_one_precision_refuse_that_one_only():
    found = cells(0, (2.0, 1.0, 0.97), share=0.04, operation_s=1e-4)
    single = [changed(each, tag="float32 cpu eager") for each in found]
    differing = problem("values-differ", "planted.xyz", "torch_full: apart", tag="float32 cpu eager")
    verdict = judged([*found, *single], differing=[differing])
    assert [(each.tag, each.decision, bool(each.refused)) for each in verdict.decisions] == [
        ("float32 cpu eager", "inconclusive", True),
        ("float64 cpu eager", "kernel/threading", False),
    ]


def test_numpy_of_another_dtype_is_not_taken_for_the_baseline_where_there_is_one():
    double = cells(0, (2.0, 1.0, 0.97), share=0.04, operation_s=1e-4)
    single = [changed(each, tag="float32 cpu eager") for each in cells(1, (1.0, 3.0, 2.9), share=0.05)]
    decisions = judged([*double, *single]).decisions
    assert {each.tag: each.decision for each in decisions} == {
        "float64 cpu eager": "kernel/threading",
        "float32 cpu eager": "overhead-bound",
    }
