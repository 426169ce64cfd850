"""When contractions are timed as matrix products: only at the end of a run that its program closes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.lifecycle.children import run_script

from instrumented_calc.cli import main
from instrumented_calc.cli.product_timing import with_products_timed
from instrumented_calc.journal.reader import read_journal

PROGRAM = """
from stage import *

class Slow(Spring):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        for _ in range({repeats}):
            np.einsum("ij,jk->ik", square, square)

square = np.random.default_rng(0).normal(size=({size}, {size}))
atoms = pair(ProfiledCalculator(Slow({sleep}), summary=False, overhead_budget={budget}))
for _ in range(40):
    step(atoms)
{end}
"""
CLOSE = "recording(atoms.calc).close()"
FAILING = """
try:
    raise ValueError("no")
finally:
    recording(atoms.calc).close()
"""


def recorded(end=CLOSE, size=120, sleep=0.0, repeats=10, budget=1):
    child = run_script(PROGRAM.format(end=end, size=size, sleep=sleep, repeats=repeats, budget=budget))
    assert child.returncode == (end == FAILING), child.stderr
    return read_journal("run.jsonl")


def test_a_run_that_is_closed_has_the_time_of_its_longest_contraction():
    for _ in range(10):  # on a busy machine there may be no time left for it
        journal = recorded()
        if journal.product_times:
            break
        Path("run.jsonl").unlink()
    (times,) = journal.product_times
    (product,) = times.products
    assert product.equation == "ij,jk->ik"
    assert product.ns > 0
    assert times.time_ns <= journal.end.time_ns


@pytest.mark.parametrize(
    "end", ["", pytest.param(FAILING, marks=pytest.mark.slow)], ids=["exit", "exception"]
)
def test_neither_an_exit_nor_an_exception_waits_for_a_measurement(end):
    assert recorded(end).product_times == ()


@pytest.mark.slow
def test_contractions_that_take_little_are_not_timed():
    assert recorded(size=5, sleep=0.005, repeats=1).product_times == ()


@pytest.mark.slow
def test_without_a_budget_nothing_is_timed():
    assert recorded(budget=0).product_times == ()


def test_a_report_measures_on_request(capsys):
    recorded("")
    assert main(["report", "run.jsonl"]) == 0
    assert "report --measure" in capsys.readouterr().out
    assert main(["report", "run.jsonl", "--measure"]) == 0
    journals = (with_products_timed(Path("run.jsonl")) for _ in range(10))  # as above
    journal = next(each for each in journals if each.product_times)
    assert journal.products_timed_now
    assert journal.product_times[0].products[0].equation == "ij,jk->ik"
