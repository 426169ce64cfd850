"""The longest contractions are timed as matrix products, within a budget and without traces elsewhere."""

from __future__ import annotations

import time

import numpy as np
import pytest
from msgspec import UNSET

from instrumented_calc.capture.counting.product_times import MOST_TIMED, Wanted, time_products
from instrumented_calc.capture.counting.table import FEWEST_CALLS, SignatureTable
from instrumented_calc.journal.operand_text import shape_of

BUDGET_NS = 40_000_000
PRODUCT = Wanted("ij,jk->ik", "numpy", ("float64[30,30]", "float64[30,30]"))
LARGE = Wanted("ij,jk->ik", "numpy", ("float32[9000,9000]", "float32[9000,9000]"))


def test_a_small_product_is_timed_with_the_operands_of_the_run():
    (found,) = time_products([PRODUCT], BUDGET_NS)
    assert (found.equation, found.library, found.operands) == (
        PRODUCT.equation,
        "numpy",
        list(PRODUCT.operands),
    )
    assert found.ns > 0
    assert found.rounds >= 3


def test_a_product_that_takes_too_long_is_timed_with_smaller_operands():
    (found,) = time_products([LARGE], BUDGET_NS)
    left, right = map(shape_of, found.operands)
    assert left[1] == right[0]
    assert 1 < left[0] < 9000
    assert all(each.startswith("float32") for each in found.operands)


def test_the_einsum_is_timed_beside_its_product_if_there_is_time_for_it():
    (found,) = time_products([PRODUCT._replace(ns=20_000.0)], BUDGET_NS)
    assert found.einsum_ns > 0
    (found,) = time_products([PRODUCT._replace(ns=BUDGET_NS)], BUDGET_NS)
    assert found.einsum_ns is UNSET
    (found,) = time_products([PRODUCT._replace(ns=20_000.0, optimize=True)], BUDGET_NS)
    assert found.optimize
    assert found.einsum_ns > found.ns


def test_the_measurement_keeps_to_its_budget():
    started = time.process_time_ns()
    time_products([LARGE] * MOST_TIMED, BUDGET_NS)
    # the first trial of each assumes a slow machine; a busy one needs more CPU time for the same work
    assert time.process_time_ns() - started < 5 * BUDGET_NS
    assert time_products([PRODUCT], 0) == []


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("ii,ij->j", "numpy", ("float64[3,3]", "float64[3,4]")),
        Wanted("ij,jk->ik", "numpy", ("int64[30,30]", "int64[30,30]")),
        Wanted("ij,jk->ik", "numpy", ("?", "?")),
        Wanted("ij,jk->ik", "numpy", ()),
        Wanted("ij,jk->ik", "torch", ("float64[30,30]@cuda:0", "float64[30,30]@cuda:0")),
        Wanted("ij,jk->ik", "no_such_library", PRODUCT.operands),
        Wanted("*other*", "numpy", ("*other*",)),
    ],
)
def test_what_cannot_be_timed_is_absent(wanted):
    assert time_products([wanted], BUDGET_NS) == []


def test_the_program_keeps_its_random_numbers_and_error_state():
    np.random.seed(1)  # noqa: NPY002 - the state that a program shares with us
    before, errors = np.random.get_state()[1].tolist(), np.geterr()  # noqa: NPY002
    with np.errstate(all="raise"):
        time_products([PRODUCT], BUDGET_NS)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert np.geterr() == errors


def test_torch_is_timed_on_the_host_with_its_own_operations():
    torch = pytest.importorskip("torch")
    wanted = Wanted("bij,bkj->bik", "torch", ("float32[4,10,20]", "float32[4,30,20]"))
    with torch.device("meta"):  # a default device that would compute nothing
        (found,) = time_products([wanted], BUDGET_NS)
    assert found.operands == list(wanted.operands)
    assert torch.is_grad_enabled()


class Entry:
    """The innermost entry of a thread's stack."""

    name = ""
    signatures = None


def test_the_longest_equations_come_first_and_rare_or_quick_ones_not_at_all():
    table = SignatureTable()
    signatures = table.of(Entry())
    for equation, calls, ns in (("a,a->", FEWEST_CALLS, 10), ("b,b->", 40, 50), ("c,c->", 1, 10**6)):
        cell = signatures.cell(signatures.numpy, equation, equation)
        for _ in range(calls):
            signatures.seen(cell, equation, ["float64[2]", "float64[2]"]).add(ns)
    pair = ("float64[2]", "float64[2]")
    first, second = Wanted("b,b->", "numpy", pair, ns=50), Wanted("a,a->", "numpy", pair, ns=10)
    assert table.longest(0) == [first, second]
    assert table.longest(1000) == [first]


def test_calls_that_were_only_counted_are_part_of_the_estimate():
    signatures = SignatureTable().of(Entry())
    cell = signatures.cell(signatures.numpy, "a,a->", "a,a->")
    signatures.seen(cell, 1, ["float64[2]", "float64[2]"]).add(100)
    cell.skipped, cell.timed, cell.ns = 5, 2, 300
    assert cell.estimate() == (8, 100 + 300 + 5 * 100, ["float64[2]", "float64[2]"])
