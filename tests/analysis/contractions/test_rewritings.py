"""What other code for a contraction gains, and whether it is equal."""

import pytest

from instrumented_calc.analysis.contractions import rewritings
from instrumented_calc.analysis.contractions.contractions import ContractionUse, Signature
from instrumented_calc.analysis.contractions.flops import arithmetic
from instrumented_calc.analysis.contractions.rewritings import AROUND_NUMPY_NS, LEAST_NS, gain_of, is_equal
from instrumented_calc.einsum_rewriting import Rewriting
from instrumented_calc.journal.records import ProductTime, ProductTimes

EQUATION = "ij,jk->ik"
PAIR = ("float64[100,100]", "float64[100,100]")


def row(*times, equation=EQUATION, library="numpy", optimize=False):
    """Return a contraction called with some operands, so often, for so long."""
    signatures = tuple(
        Signature(operands, calls, exact=True, ns=ns, arithmetic=arithmetic(equation, operands))
        for operands, calls, ns in times
    )
    calls = sum(each.calls for each in signatures)
    ns = sum(each.ns or 0 for each in signatures)
    return ContractionUse(equation, library, "", optimize, "", calls, ns, 0.0, None, signatures)


def timed(operands, ns, equation=EQUATION, library="numpy", **more):
    return (ProductTimes(0, 0, [ProductTime(equation, library, list(operands), ns, 9, **more)]),)


def test_the_same_operands_take_what_was_measured():
    gain = gain_of(row((PAIR, 50, 50e6)), timed(PAIR, 40_000))
    assert gain.code == ("result = first @ second",)
    assert (gain.calls, gain.product_ns) == (50, 50 * 40_000)
    assert gain.ns == 50e6 + 50 * AROUND_NUMPY_NS
    assert gain_of(row((PAIR, 50, 50e6), optimize=True), ()).ns == 50e6


def test_an_einsum_that_was_slower_in_the_run_than_afterwards_had_a_slow_machine():
    gain = gain_of(row((PAIR, 50, 50e6)), timed(PAIR, 40_000, einsum_ns=500_000))
    assert gain.sure
    assert gain.product_ns == pytest.approx(50 * 40_000 * (1_000_000 + AROUND_NUMPY_NS) / 500_000)
    quicker = gain_of(row((PAIR, 50, 50e6)), timed(PAIR, 40_000, einsum_ns=5_000_000))
    assert quicker.product_ns == 50 * 40_000
    other = ("float64[50,50]", "float64[50,50]")
    assert not gain_of(row((PAIR, 50, 50e6)), timed(other, 40_000, einsum_ns=500_000)).sure


def test_other_operands_take_as_much_as_their_work():
    larger, tiny = ("float64[200,100]", "float64[100,300]"), ("float64[2,2]", "float64[2,2]")
    gain = gain_of(row((larger, 10, 9e6), (tiny, 10, 1e5)), timed(PAIR, 40_000))
    assert gain.product_ns == pytest.approx(10 * 6 * 40_000 + 10 * LEAST_NS)


@pytest.mark.parametrize(
    "measured",
    [
        (),
        timed(PAIR, 10, equation="ij,jk->ki"),
        timed(PAIR, 10, library="torch"),
        timed(("float32[100,100]",) * 2, 10),
        timed(("?", "?"), 10),
        timed(PAIR, 10, optimize=True),
    ],
)
def test_without_a_time_of_the_same_equation_and_dtypes_the_gain_is_unknown(measured):
    assert gain_of(row((PAIR, 50, 50e6)), measured).product_ns is None


@pytest.mark.parametrize(
    "contraction",
    [
        row((PAIR, 50, None)),
        row((PAIR, 50, 50e6), library="jax"),
        row((("float32[9,9]@cuda:0",) * 2, 50, 50e6), library="torch"),
        row((("?", "?"), 50, 50e6)),
        row((PAIR, 50, 50e6), equation="ii,ij->j"),
    ],
)
def test_what_was_not_timed_or_has_no_other_code_gains_nothing(contraction):
    assert gain_of(contraction, timed(PAIR, 10)) is None


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_code_is_compared_on_small_operands_whatever_those_of_the_run(library):
    large = ("float64[7000,50000,1]", "float64[50000,3000]")
    assert is_equal("ija,jk->kai", large, library)
    assert not is_equal("ii,ij->j", PAIR, library)
    assert not is_equal(EQUATION, ("?", "?"), library)


def test_wrong_code_is_not_equal(monkeypatch):
    def wrong(equation, shapes, library="numpy"):
        return Rewriting(
            ("result = (first @ second).T",), ("ij", "jk"), {"i": 100, "j": 100, "k": 100}, (), ()
        )

    assert is_equal(EQUATION, PAIR, "numpy")
    monkeypatch.setattr(rewritings, "rewrite", wrong)
    assert not is_equal(EQUATION, PAIR, "numpy")
