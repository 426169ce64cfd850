"""Planted, healthy and starved runs for the rules on contractions."""

from __future__ import annotations

import pytest

from instrumented_calc.analysis.rules.contractions import batching_gain
from instrumented_calc.journal.records import (
    Contraction,
    Contractions,
    Conversion,
    Conversions,
    Environment,
    Operands,
    ProductTime,
    ProductTimes,
    TracedOperation,
    TraceWindow,
)

STARVED = "not enough evidence"
US, MS, S = 1_000, 1_000_000, 1_000_000_000
EINSUM = "mnpqr,pqr->mn"
SMALL = ["float64[4,5,6,6,6]", "float64[6,6,6]"]  # 4320 multiply-accumulates
LARGE = ["float64[300,300]", "float64[300,300]"]  # 27 million


def contracted(operands, calls, ns, equation=EINSUM, **more):
    looks = Operands(operands, calls) if ns is None else Operands(operands, calls, ns, 0.0)
    return Contraction(
        equation=equation, library=more.pop("library", "numpy"), calls=calls, operands=[looks], **more
    )


def recorded(*contractions):
    return Contractions(time_ns=1000 * S, contractions=list(contractions))


def window(*operations, number=2):
    return TraceWindow(
        window=1,
        tracer="torch.profiler",
        index=50,
        calls=number,
        start_ns=100 * MS,
        wall_ns=number * 2 * MS,
        profiler_ns=0,
        operations=list(operations),
    )


def test_contractions_that_take_much_of_a_step_are_reported_with_their_ceiling(make, found):
    finding = found(make(100).also(recorded(contracted(SMALL, 10_000, 100 * MS))), "contraction-dominated")
    assert (finding.verdict, finding.severity) == ("flagged", "info")
    assert finding.saving_kind == "at most"
    assert finding.saving_share == pytest.approx(100 / 212.5, rel=0.01)
    assert finding.ceiling == pytest.approx(1 / (1 - 100 / 212.5), rel=0.01)
    assert EINSUM in finding.numbers["most"]
    few = make(100).also(recorded(contracted(SMALL, 10_000, 10 * MS)))
    assert found(few, "contraction-dominated").verdict == "clear"
    assert found(make(100), "contraction-dominated").verdict == STARVED


def test_contractions_whose_time_is_not_known_are_neither_many_nor_few(make, found):
    untimed = contracted(SMALL, 10_000, None, library="jax")
    assert found(make(100).also(recorded(untimed)), "contraction-dominated").verdict == STARVED
    some = make(100).also(recorded(untimed, contracted(SMALL, 10, 1 * MS)))
    assert found(some, "contraction-dominated").verdict == STARVED


def test_the_launch_time_on_the_host_is_not_the_time_of_the_contraction(make, found):
    asked = contracted([f"{each}@cuda:0" for each in SMALL], 99 * 2000, 150 * MS, library="torch")
    run = make(100).also(recorded(asked))
    assert found(run, "contraction-dominated").verdict == STARVED
    assert found(run, "tiny-contraction-storm").verdict == STARVED
    product = TracedOperation("aten::bmm", 20, shapes="[8,64,64] [8,64,64]", self_ns=3 * MS, device_ns=2 * MS)
    finding = found(run.also(window(product)), "contraction-dominated")
    assert (finding.verdict, finding.numbers["time_on"]) == ("clear", "device")


def test_a_sample_too_small_to_decide_the_side_of_the_limit_is_not_evidence(make, found):
    times = [90 * US] * 10 + [10 * US] * 10
    looks = Operands(SMALL, 20, sum(times), float(sum(each**2 for each in times)), sampled=True)
    sampled = Contraction(equation=EINSUM, library="numpy", calls=1000, operands=[looks])
    finding = found(make(100).also(recorded(sampled)), "contraction-dominated")
    assert finding.verdict == STARVED
    assert "too few were timed" in finding.headline


def test_the_matrix_products_of_a_model_are_its_own_work_and_no_fault(make, found):
    product = TracedOperation("aten::mm", 20, shapes="[64,64] [64,64]", self_ns=3 * MS)
    finding = found(make(100).also(window(product)), "contraction-dominated")
    assert finding.verdict == "clear"
    assert finding.numbers["share_of_traced_calls"] == pytest.approx(0.75)
    assert "on the host" in finding.headline
    assert finding.coverage == "2 traced calls"
    other = TracedOperation("aten::mm", 20, shapes="[64,64] [64,64]", self_ns=MS // 10)
    assert found(make(100).also(window(other)), "contraction-dominated").verdict == "clear"
    assert found(make(100).also(window()), "contraction-dominated").verdict == STARVED


def test_very_many_small_contractions_in_a_call_are_a_storm(make, found):
    storm = contracted(SMALL, 100 * 2000, 100 * 2000 * 5 * US)
    finding = found(make(100).also(recorded(storm)), "tiny-contraction-storm")
    assert (finding.verdict, finding.severity) == ("flagged", "cost")
    assert finding.numbers["per_call"] == pytest.approx(2000)
    assert finding.numbers["mean_us"] == pytest.approx(5)
    assert finding.numbers["estimated_gain_of_batching"] == pytest.approx(5.2)
    assert finding.numbers["arrays_of_a_call_mb"] == pytest.approx(2000 * 8 * (4320 + 216 + 20) / 1e6)
    assert "each call of the calculator makes 2,000 contractions mnpqr,pqr->mn" in finding.headline
    assert f"({', '.join(SMALL)}) one by one, of 5.00 us on average" in finding.headline
    assert "as mnpqr,zpqr->zmn, the operands that differ stacked along z" in finding.remedy
    assert "estimated" in finding.headline


def test_a_storm_is_one_on_a_busy_machine_and_in_torch_too(make, found):
    for library in ("numpy", "torch"):
        storm = contracted(SMALL, 100 * 400, 100 * 400 * 50 * US, library=library)
        finding = found(make(100).also(recorded(storm)), "tiny-contraction-storm")
        assert (finding.verdict, finding.severity) == ("flagged", "cost")


def test_a_batch_also_saves_the_code_around_each_contraction_in_proportion_to_its_time(make, found):
    batched = 1 - 1 / 5.2
    for library, around in (("numpy", 0.77), ("torch", 0.22)):
        storm = contracted(SMALL, 100 * 400, 100 * 400 * US, library=library)
        finding = found(make(100).also(recorded(storm)), "tiny-contraction-storm")
        assert finding.saving_share == pytest.approx(40 * batched * (1 + around) / 212.5, rel=0.01)


def test_some_hundred_small_contractions_are_worth_knowing(make, found):
    some = contracted(SMALL, 100 * 200, 100 * 200 * 5 * US)
    finding = found(make(100).also(recorded(some)), "tiny-contraction-storm")
    assert (finding.verdict, finding.severity) == ("flagged", "info")


def test_few_or_large_contractions_are_not_a_storm(make, found):
    few = contracted(SMALL, 100 * 50, 100 * 50 * 5 * US)
    assert found(make(100).also(recorded(few)), "tiny-contraction-storm").verdict == "clear"
    large = contracted(LARGE, 100 * 2000, 100 * 2000 * 50 * US, "ij,jk->ik")
    assert found(make(100).also(recorded(large)), "tiny-contraction-storm").verdict == "clear"
    program = contracted(SMALL, 100 * 2000, None, library="jax")
    assert found(make(100).also(recorded(program)), "tiny-contraction-storm").verdict == "clear"
    untimed = contracted(SMALL, 100 * 2000, None)
    assert found(make(100).also(recorded(untimed)), "tiny-contraction-storm").verdict == STARVED
    assert found(make(100), "tiny-contraction-storm").verdict == STARVED


def test_the_gain_of_batching_falls_with_size_and_is_never_a_loss():
    gains = [batching_gain(macs) for macs in (1, 256, 1000, 4320, 10_000, 21_504, 10**6)]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == gains[1] == pytest.approx(17.5)
    assert gains[-1] == pytest.approx(1)


def test_a_large_pair_far_slower_than_the_fastest_of_the_run_is_off_blas(make, found):
    slow = contracted(LARGE, 100, 100 * 27 * MS, "ij,jk->ik")
    fast = contracted(LARGE, 100, 100 * MS, "ij,jk->ik", optimize=True)
    finding = found(make(100).also(recorded(slow, fast)), "off-blas")
    assert finding.verdict == "flagged"
    assert finding.numbers["gflops"] == pytest.approx(2)
    assert finding.numbers["fastest_in_this_run_gflops"] == pytest.approx(54)
    assert "this run's fastest" in finding.headline


def test_without_anything_faster_to_compare_with_the_machine_is_not_known(make, found):
    slow = contracted(LARGE, 100, 100 * 27 * MS, "ij,jk->ik")
    finding = found(make(100).also(recorded(slow)), "off-blas")
    assert finding.verdict == STARVED
    assert "not recorded" in finding.headline
    single = contracted(
        [each.replace("64", "32", 1) for each in LARGE], 9, 9 * MS, "ij,jk->ik", optimize=True
    )
    assert found(make(100).also(recorded(slow, single)), "off-blas").verdict == STARVED
    on_device = contracted([f"{each}@cuda:0" for each in LARGE], 90, 90 * US, "ij,jk->ik", library="torch")
    assert found(make(100).also(recorded(slow, on_device)), "off-blas").verdict == STARVED
    once = contracted(LARGE, 1, MS, "ij,jk->ik", optimize=True)
    assert found(make(100).also(recorded(slow, once)), "off-blas").verdict == STARVED
    assert (
        found(make(100).also(recorded(contracted(LARGE, 5, 5 * 27 * MS, "ij,jk->ik"))), "off-blas").n is None
    )
    assert found(make(100), "off-blas").verdict == STARVED


def test_small_or_optimized_contractions_need_no_blas(make, found):
    small = contracted(SMALL, 1000, MS)
    fast = contracted(LARGE, 100, 100 * MS, "ij,jk->ik", optimize=True)
    assert found(make(100).also(recorded(small, fast)), "off-blas").verdict == "clear"


def test_an_index_of_both_operands_and_the_result_asks_for_matmul(make, found):
    operands = ["float64[8,150,150]", "float64[8,150,150]"]
    slow = contracted(operands, 100, 2700 * MS, "bij,bjk->bik")
    fast = contracted(operands, 100, 100 * MS, "bij,bjk->bik", optimize=True)
    assert found(make(100).also(recorded(slow, fast)), "off-blas").code == ("result = first @ second",)


CHAIN = ["float64[50,50]", "float64[50,50]", "float64[50,50]"]


def timed(operands, ns, equation="ij,jk->ik", library="numpy", **more):
    return ProductTimes(1000 * S, 10 * MS, [ProductTime(equation, library, operands, ns, 20, **more)])


def test_the_saving_is_the_time_in_the_run_less_that_of_the_other_code(make, found):
    slow = contracted(LARGE, 100, 100 * MS, "ij,jk->ik")
    run = make(100).also(recorded(slow), timed(LARGE, 200 * US))
    finding = found(run, "off-blas")
    assert (finding.verdict, finding.severity, finding.saving_kind) == ("flagged", "cost", "about")
    assert finding.saving_share == pytest.approx((100 * 1.0005 - 100 * 0.2) / 212.5, rel=0.01)
    assert finding.numbers["us_per_call_rewritten"] == pytest.approx(200)
    assert finding.code == ("result = first @ second",)
    assert "measured on the run's machine at its end" in finding.headline


def test_a_product_timed_with_smaller_operands_stands_for_larger_ones(make, found):
    slow = contracted(LARGE, 100, 100 * MS, "ij,jk->ik")
    smaller = ["float64[150,300]", "float64[300,150]"]
    run = make(100).also(recorded(slow), timed(smaller, 50 * US))
    assert found(run, "off-blas").numbers["us_per_call_rewritten"] == pytest.approx(200)
    others = [["float32[300,300]"] * 2, ["float64[300]", "float64[300]"]]
    for other in others:
        assert found(make(100).also(recorded(slow), timed(other, US)), "off-blas").verdict == STARVED


def test_a_run_on_a_busy_machine_is_not_taken_for_slow_code(make, found):
    """In the run the einsum took five times as long as afterwards: so would the matrix product."""
    slow = contracted(LARGE, 100, 100 * MS, "ij,jk->ik")
    busy = make(100).also(recorded(slow), timed(LARGE, 190 * US, einsum_ns=200 * US))
    assert found(busy, "off-blas").verdict == "clear"
    faster = make(100).also(recorded(slow), timed(LARGE, 50 * US, einsum_ns=200 * US))
    assert found(faster, "off-blas").saving_share == pytest.approx(0.75 * 100.05 / 212.5, rel=0.01)
    alone = make(100).also(recorded(slow), timed(LARGE, 400 * US))
    assert found(alone, "off-blas").verdict == "clear"


def test_a_product_that_is_not_faster_or_saves_little_is_left_alone(make, found):
    slow = contracted(LARGE, 100, 100 * MS, "ij,jk->ik")
    assert found(make(100).also(recorded(slow), timed(LARGE, 900 * US)), "off-blas").verdict == "clear"
    short = contracted(LARGE, 100, 4 * MS, "ij,jk->ik")
    assert found(make(100).also(recorded(short), timed(LARGE, 1 * US)), "off-blas").verdict == "clear"
    torch = contracted(LARGE, 100, 100 * MS, "ij,jk->ik", library="torch")
    assert found(make(100).also(recorded(torch)), "off-blas").verdict == "clear"


def test_torch_that_is_slower_than_its_own_matrix_product_is_flagged(make, found):
    operands = ["float32[8,50,60]", "float32[8,70,60]"]
    slow = contracted(operands, 100, 100 * MS, "bij,bkj->bik", library="torch")
    times = timed(operands, 100 * US, "bij,bkj->bik", "torch")
    finding = found(make(100).also(recorded(slow), times), "off-blas")
    assert finding.code == ("result = first @ second.permute(0, 2, 1)",)


def test_three_operands_save_what_the_best_order_was_measured_to_save(make, found):
    slow = contracted(CHAIN, 100, 100 * MS, "ij,jk,kl->il")
    finding = found(make(100).also(recorded(slow), timed(CHAIN, 100 * US, "ij,jk,kl->il")), "bad-path")
    assert finding.saving_share == pytest.approx((100.05 - 10) / 212.5, rel=0.01)
    tie = make(100).also(recorded(slow), timed(CHAIN, 990 * US, "ij,jk,kl->il", einsum_ns=MS))
    assert found(tie, "bad-path").verdict == "clear"


def test_a_search_in_each_call_is_found_by_the_code_without_one(make, found):
    tiny = ["float64[8]", "float64[8,8]", "float64[8,4]"]
    searched = contracted(tiny, 10_000, 10_000 * 15 * US, "n,nm,mc->c", optimize=True)
    finding = found(
        make(100).also(recorded(searched), timed(tiny, 2 * US, "n,nm,mc->c", optimize=True)), "path-search"
    )
    assert finding.verdict == "flagged"
    assert finding.saving_share == pytest.approx(10 * 13 / 212.5, rel=0.01)
    assert len(finding.code) == 2
    unmeasured = found(make(100).also(recorded(searched)), "path-search")
    assert (unmeasured.verdict, unmeasured.needs[0].kind) == (STARVED, "command")
    plain = contracted(tiny, 10_000, 10_000 * 15 * US, "n,nm,mc->c")
    assert found(make(100).also(recorded(plain)), "path-search").verdict == "clear"


def test_planning_of_a_pair_takes_microseconds_whatever_the_difference_to_other_code(make, found):
    """A network: most of a call is matrix products, of which planning is a small part."""
    layer = contracted(LARGE, 300, 300 * 500 * US, "na,ab->nb", optimize=True)
    network = make(100).also(recorded(layer), timed(LARGE, 300 * US, "na,ab->nb", optimize=True))
    assert found(network, "path-search").verdict == "clear"
    same = timed(LARGE, 300 * US, "na,ab->nb", optimize=True, einsum_ns=500 * US)
    assert found(make(100).also(recorded(layer), same), "path-search").verdict == "clear"
    pair = ["float64[4,3,3]", "float64[3,3]"]
    tiny = contracted(pair, 10_000, 10_000 * 15 * US, "mij,ij->m", optimize=True)
    quick = timed(pair, 2 * US, "mij,ij->m", optimize=True, einsum_ns=15 * US)
    assert found(make(100).also(recorded(tiny), quick), "path-search").severity == "cost"


def test_an_optimised_pair_with_a_common_index_may_still_miss_blas(make, found):
    operands = ["float64[8,150,150]", "float64[8,150,150]"]
    loops = contracted(operands, 100, 100 * MS, "bij,bjk->bik", optimize=True)
    run = make(100).also(recorded(loops), timed(operands, 100 * US, "bij,bjk->bik", optimize=True))
    assert found(run, "off-blas").code == ("result = first @ second",)
    assert found(run, "path-search").verdict == "clear"


def test_three_operands_in_a_bad_order_are_reported_with_the_factor(make, found):
    finding = found(make(100).also(recorded(contracted(CHAIN, 100, 100 * MS, "ij,jk,kl->il"))), "bad-path")
    assert finding.verdict == "flagged"
    assert finding.numbers["operations_over_best"] > 30
    assert finding.code == ("part1 = first @ second", "result = part1 @ third")
    assert finding.saving_share is None
    assert "report --measure" in finding.remedy


def test_a_kept_expression_would_make_tiny_contractions_slower(make, found):
    vectors = ["float64[8]", "float64[8,8]", "float64[8,4]"]
    tiny = contracted(vectors, 10_000, 10_000 * 7 * US, "n,nm,mc->c")
    assert found(make(100).also(recorded(tiny)), "bad-path").verdict == "clear"


def test_a_good_order_or_two_operands_are_clear(make, found):
    optimized = contracted(CHAIN, 100, 100 * MS, "ij,jk,kl->il", optimize=True)
    assert found(make(100).also(recorded(optimized)), "bad-path").verdict == "clear"
    assert found(make(100).also(recorded(contracted(SMALL, 10, MS))), "bad-path").verdict == "clear"
    cheap = contracted(CHAIN, 1, 50 * US, "ij,jk,kl->il")
    assert found(make(100).also(recorded(cheap)), "bad-path").verdict == "clear"


def test_an_order_that_is_not_recorded_is_not_evidence(make, found):
    torch = contracted(CHAIN, 100, 100 * MS, "ij,jk,kl->il", library="torch")
    assert found(make(100).also(recorded(torch)), "bad-path").verdict == STARVED
    shapeless = contracted(["?", "?", "?"], 100, 100 * MS, "ij,jk,kl->il")
    assert found(make(100).also(recorded(shapeless)), "bad-path").verdict == STARVED
    assert found(make(100), "bad-path").verdict == STARVED


def test_an_intermediate_far_larger_than_operands_and_result_is_a_bad_path(make, found):
    factors = ["float64[200,40]"] * 6
    swollen = contracted(factors, 100, MS, "ax,bx,ay,by,az,bz->", optimize=True)
    finding = found(make(100).also(recorded(swollen)), "bad-path")
    assert finding.verdict == "flagged"
    assert "1,600,000 elements" in finding.headline
    outer = contracted(["float64[300,2]"] * 4, 100, MS, "ai,bj,ak,bl->ijkl", optimize=True)
    assert found(make(100).also(recorded(outer)), "bad-path").verdict == "clear"


def converted(ns, calls=1000, **more):
    row = Conversion("numpy to torch", "float64@cpu", calls, ns, "float64@cpu", 8, **more)
    return Conversions(time_ns=1000 * S, conversions=[row])


def test_conversions_around_contractions_are_reported_from_their_threshold_on(make, found):
    work = recorded(contracted(SMALL, 1000, 50 * MS, library="torch"))
    finding = found(make(100).also(work, converted(20 * MS)), "conversion")
    assert finding.verdict == "flagged"
    assert finding.numbers["per_contraction"] == pytest.approx(1)
    assert finding.saving_share == pytest.approx(20 / 212.5, rel=0.01)
    assert found(make(100).also(work, converted(5 * MS)), "conversion").verdict == "clear"
    elsewhere = converted(20 * MS, component="to host")
    assert found(make(100).also(work, elsewhere), "conversion").verdict == "clear"


def test_contractions_of_several_dtypes_convert_in_each_call(make, found):
    mixed = ["float64[4,5,6,6,6]", "float32[6,6,6]"]
    finding = found(make(100).also(recorded(contracted(mixed, 1000, 50 * MS))), "conversion")
    assert finding.verdict == "flagged"
    assert "mixed dtypes" in finding.headline
    assert finding.numbers == {
        "share_of_contractions": pytest.approx(1),
        "seconds": pytest.approx(0.05),
        "computed_in": "float64",
    }
    rare = recorded(contracted(mixed, 10, MS), contracted(SMALL, 1000, 50 * MS))
    assert found(make(100).also(rare), "conversion").verdict == "clear"


def test_conversions_of_a_model_without_contractions_are_held_against_all_its_time(make, found):
    assert found(make(100).also(converted(50 * MS)), "conversion").verdict == "flagged"
    assert found(make(100).also(converted(5 * MS)), "conversion").verdict == "clear"


def test_positions_in_and_forces_out_are_no_avoidable_conversions(make, found):
    def converting(times, size):
        seen = converted(50 * MS)
        seen.conversions[0].calls, seen.conversions[0].bytes = times, times * size
        return found(make(100).also(seen), "conversion").verdict

    assert converting(200, 24 * 32 + 72) == "clear"  # two in each call, of 32 atoms
    assert converting(200, 100_000) == "flagged"
    assert converting(1000, 24) == "flagged"


def test_conversions_that_no_one_counted_are_not_called_none(make, found):
    torch = Environment(torch={"default_dtype": "float32"})
    assert found(make(100, torch), "conversion").verdict == STARVED
    assert found(make(100), "conversion").verdict == "clear"


def test_copies_between_host_and_device_are_the_business_of_another_rule(make, found):
    copy = Conversion("host to device", "float64@cpu", 1000, 50 * MS, "float64@cuda:0", 8)
    run = make(100, model={"device": "cuda:0"}).also(Conversions(time_ns=1000 * S, conversions=[copy]))
    assert found(run, "conversion").verdict == "clear"
    assert found(run, "transfers").verdict == "flagged"
