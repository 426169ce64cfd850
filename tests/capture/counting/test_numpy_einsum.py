"""Every numpy.einsum of a recorded call is counted, exactly, and nothing else changes."""

from __future__ import annotations

import functools
import itertools
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy import einsum as imported_early
from tests.capture.counting.working import Working, contracted
from tests.capture.zoo import copper

from instrumented_calc import ProfiledCalculator, recording, span
from instrumented_calc.analysis.contractions.contractions import measure_contractions
from instrumented_calc.capture.counting import cells
from instrumented_calc.capture.counting import table as table_module
from instrumented_calc.capture.counting.cells import Cell
from instrumented_calc.capture.counting.numpy_einsum import NumpyEinsumProbe
from instrumented_calc.capture.counting.table import SignatureTable
from instrumented_calc.capture.open_calls import Entry, active
from instrumented_calc.capture.run.recording import LISTENERS
from instrumented_calc.journal.reader import read_journal

partial = functools.partial(np.einsum, "ij,jk->ik")
A, B = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)


def as_default(a, b, contract=np.einsum):
    return contract("ij,jk->ik", a, b)


ROUTES = {
    "attribute": lambda: np.einsum("ij,jk->ik", A, B),
    "early from-import": lambda: imported_early("ij,jk->ik", A, B),
    "partial": lambda: partial(A, B),
    "default argument": lambda: as_default(A, B),
    "sublists": lambda: np.einsum(A, [8, 9], B, [9, 10], [8, 10]),
    "out": lambda: np.einsum("ij,jk->ik", A, B, out=np.empty((2, 4))),
    "optimize": lambda: np.einsum("ij,jk->ik", A, B, optimize=True),
    "optimize as a list": lambda: np.einsum("ij,jk->ik", A, B, optimize=["einsum_path", (0, 1)]),
    "dtype": lambda: np.einsum("ij,jk->ik", A, B, dtype=np.float64),
    "spaces": lambda: np.einsum("ij, jk -> ik", A, B),
}


@pytest.mark.parametrize("route", ROUTES)
def test_every_way_to_call_it_is_counted_once(route):
    found, value = contracted(ROUTES[route], calls=3)
    (row,) = found.rows
    assert row.equation == "ij,jk->ik"
    assert row.calls == 3
    assert row.exact
    assert row.optimize == route.startswith("optimize")
    (signature,) = row.signatures
    assert signature.operands == ("float64[2,3]", "float64[3,4]")
    assert signature.arithmetic.macs == 24
    assert signature.arithmetic.flops == 48
    assert signature.line.startswith(__name__)
    np.testing.assert_array_equal(value, ROUTES[route]())


def test_generated_code_is_named_by_its_caller():
    namespace = {"einsum": np.einsum}  # as torch.fx does: without the name of a module
    code = compile("def generated(a, b): return einsum('ij,jk->ik', a, b)", "<generated>", "exec")
    exec(code, namespace)  # noqa: S102 - the code under test is generated
    found, _ = contracted(lambda: namespace["generated"](A, B))
    ((signature,),) = (row.signatures for row in found.rows)
    assert signature.line.startswith(f"{__name__}:")


@pytest.mark.parametrize(("file", "named"), [("/home/silly.py", "silly.py:1"), ("<stdin>", "__main__:1")])
def test_a_script_is_named_by_its_file(file, named):
    namespace = {"__name__": "__main__", "einsum": np.einsum, "A": A, "B": B}
    script = compile("einsum('ij,jk->ik', A, B)", file, "exec")
    found, _ = contracted(lambda: exec(script, namespace))  # noqa: S102 - the code under test is a script
    ((signature,),) = (row.signatures for row in found.rows)
    assert signature.line == named


def test_out_is_the_array_that_was_given():
    out = np.empty((2, 4))
    _, value = contracted(lambda: np.einsum("ij,jk->ik", A, B, out=out))
    assert value is out


@pytest.mark.parametrize(
    "wrong",
    [("ij,jk->ik", A, A), ("ij,jk->ik",), (), ("ij->ij->", A), (A, "x"), ("i", [[1, 2], [3]]), (None, A)],
    ids=str,
)
def test_errors_are_numpys_own(wrong):
    with pytest.raises(Exception) as bare:  # noqa: PT011 - whatever numpy raises
        np.einsum(*wrong)

    def work():
        with pytest.raises(type(bare.value)) as inside:
            np.einsum(*wrong)
        return str(inside.value)

    _, reported = contracted(work)
    assert reported == str(bare.value)


def test_one_and_three_operands_are_inspected_too():
    def work():
        np.einsum("ii", np.eye(3))
        np.einsum("ij,jk,kl->il", A, B, B.T)

    rows = {row.equation: row for row in contracted(work)[0].rows}
    assert rows["ii"].signatures[0].operands == ("float64[3,3]",)
    chain = rows["ij,jk,kl->il"].signatures[0]
    assert chain.operands == ("float64[2,3]", "float64[3,4]", "float64[4,3]")
    assert chain.arithmetic.macs == 2 * 3 * 4 * 3
    assert chain.arithmetic.best_flops < chain.arithmetic.flops


def test_operands_that_are_not_arrays_are_counted_without_shapes():
    found, _ = contracted(lambda: np.einsum("i,i", [1.0, 2.0], [3.0, 4.0]))
    assert found.rows[0].calls == 1
    assert found.rows[0].signatures[0].arithmetic is None


def test_the_component_that_called_is_named():
    def work():
        np.einsum("ij->ji", A)
        with span("pairs"):
            np.einsum("ij->ji", A)
            np.einsum("ij->ji", A)

    found, _ = contracted(work)
    assert {row.component: row.calls for row in found.rows} == {"": 1, "pairs": 2}


def test_nothing_is_counted_outside_of_calls_and_in_threads_without_a_call():
    def work():
        thread = threading.Thread(target=lambda: np.einsum("ij->ji", A))
        thread.start()
        thread.join()

    calc = ProfiledCalculator(Working(work), journal="c.jsonl", summary=False)
    calc.calculate(copper())
    np.einsum("ij->ji", A)
    recording(calc).close()
    assert measure_contractions(read_journal("c.jsonl")) is None


def test_the_innermost_call_of_another_run_has_its_own_counts():
    inner = ProfiledCalculator(Working(lambda: np.einsum("ij->ji", A)), journal="i.jsonl", summary=False)

    def work():
        np.einsum("ij->ij", A)
        inner.calculate(copper())

    found, _ = contracted(work)
    recording(inner).close()
    assert [row.equation for row in found.rows] == ["ij->ij"]
    within = measure_contractions(read_journal("i.jsonl"))
    assert [row.equation for row in within.rows] == ["ij->ji"]


def test_numpys_own_code_is_back_when_the_last_run_has_ended():
    function = np.einsum._implementation
    bare = function.__code__
    one = ProfiledCalculator(Working(ROUTES["attribute"]), journal="1.jsonl", summary=False)
    two = ProfiledCalculator(Working(ROUTES["attribute"]), journal="2.jsonl", summary=False)
    one.calculate(copper())
    two.calculate(copper())
    assert function.__code__ is not bare
    recording(one).close()
    assert function.__code__ is not bare
    recording(two).close()
    assert function.__code__ is bare
    assert not [name for name in function.__globals__ if "instrumented" in name]


def test_an_einsum_of_another_numpy_is_reported_and_the_run_continues(monkeypatch):
    def refuse(_):
        message = "numpy.einsum has unexpected parameters"
        raise TypeError(message)

    monkeypatch.setitem(LISTENERS, "numpy.einsum", refuse)
    calc = ProfiledCalculator(Working(ROUTES["attribute"]), journal="c.jsonl", summary=False)
    calc.calculate(copper())
    recording(calc).close()
    journal = read_journal("c.jsonl")
    assert len(journal.calls) == 1
    assert journal.contractions == ()
    assert "numpy.einsum cannot be measured here" in journal.notices[0].text


def clocked(cost):
    """Return a clock whose readings take the times in `cost`, one after the other."""
    now, costs = 0, itertools.cycle(cost)

    def clock():
        nonlocal now
        now += next(costs)
        return now

    return clock


class Open:
    """A call that is open in this thread, with a clock of its own."""

    def __init__(self, clock):
        self.clock = clock
        self.signatures = SignatureTable()
        self.probe = NumpyEinsumProbe()
        self.entry = Entry(0, self)

    def __enter__(self):
        active.stack.append(self.entry)
        return self

    def __exit__(self, *_):
        active.stack.remove(self.entry)
        self.probe.close()

    def reported(self):
        record = self.signatures.news(0)
        return record.contractions if record else []


def test_times_are_the_clocks():
    with Open(clocked([0, 7])) as run:
        for _ in range(5):
            np.einsum("ij->ji", A)
        (row,) = run.reported()
    assert (row.calls, row.operands[0].seen, row.operands[0].ns) == (5, 5, 35)


def test_a_quick_equation_is_counted_exactly_and_inspected_periodically():
    with Open(clocked([0, 1000])) as run:
        for _ in range(cells.REVIEW_AFTER + 1):
            np.einsum("ij->ji", A)
        run.signatures.reconsider()
        for _ in range(3200):
            np.einsum("ij->ji", A)
        (row,) = run.reported()
    assert row.calls == cells.REVIEW_AFTER + 1 + 3200
    every, some = row.operands
    assert (every.seen, every.sampled) == (cells.REVIEW_AFTER + 1, False)
    assert some.sampled
    assert 3200 / 16 * 0.8 < some.seen < 3200 / 16 * 1.25


def test_a_middling_equation_is_timed_each_time_and_inspected_periodically():
    with Open(clocked([0, 30_000])) as run:
        for _ in range(cells.REVIEW_AFTER + 1):
            np.einsum("ij->ji", A)
        run.signatures.reconsider()
        for _ in range(1600):
            np.einsum("ij->ji", A)
        (row,) = run.reported()
    looks = sum(each.seen for each in row.operands)
    assert row.calls == cells.REVIEW_AFTER + 1 + 1600 == row.timed + looks
    assert row.ns + sum(each.ns for each in row.operands) == row.calls * 30_000
    assert row.timed > 1200


def test_a_slow_equation_is_always_inspected():
    with Open(clocked([0, 60_000])) as run:
        for _ in range(2 * cells.REVIEW_AFTER):
            np.einsum("ij->ji", A)
            run.signatures.reconsider()
        (row,) = run.reported()
    assert row.operands[0].seen == row.calls == 2 * cells.REVIEW_AFTER


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(0, 10**6))
def test_counts_reported_piece_by_piece_add_up(pieces, seed):
    cell, calls = Cell("ij->ji"), 0
    draws = np.random.default_rng(seed)
    counted = 0
    for piece in pieces:
        for _ in range(piece * 50):
            calls += 1
            if cell.left > 1:
                cell.left -= 1
                continue
            if cell.left:
                cell.sampled()
            seen = cell.by_operands.setdefault((), cells.Seen(["?"], ""))
            seen.add(int(draws.integers(100, 5000)))
        cell.reconsider()
        reported = cell.news("numpy", "")
        counted += reported.calls if reported else 0
    assert counted == calls


def test_a_loop_whose_period_is_the_sampling_distance_is_sampled_evenly():
    arrays = [np.ones((2, size)) for size in range(1, cells.ONE_IN + 1)]
    with Open(clocked([0, 1000])) as run:
        for round_ in range(600):
            for array in arrays:
                np.einsum("ij->ji", array)
            if round_ == 100:
                run.signatures.reconsider()
        (row,) = run.reported()
    looks = [each.seen for each in row.operands if each.sampled]
    assert len(looks) == len(arrays)
    assert max(looks) < 3 * min(looks)


def test_signatures_beyond_the_limit_share_one_row(monkeypatch):
    monkeypatch.setattr(table_module, "MOST_SIGNATURES", 10)

    def work():
        for size in range(1, 40):
            np.einsum("ij->ji", np.ones((2, size)))
        for letter in "abcdefgh":
            np.einsum(f"{letter}->{letter}", np.ones(2))

    found, _ = contracted(work)
    assert found.calls == 47
    assert {row.equation for row in found.rows} == {"ij->ji", "*other*"}
    others = [each for row in found.rows for each in row.signatures if each.operands == ("*other*",)]
    assert others
    assert sum(len(row.signatures) for row in found.rows) <= 12


class Threads:
    """Four threads that contract until they are stopped, each inside an open call of `maker`."""

    def __init__(self, maker):
        self.errors, self.done = [], [0] * 4
        self._maker, self._stop = maker, threading.Event()
        self._threads = [threading.Thread(target=self._contract, args=(place,)) for place in range(4)]

    def _contract(self, place):
        entry = Entry(0, self._maker)
        active.stack.append(entry)
        try:
            while not self._stop.is_set():
                assert np.einsum("ij->ji", A).shape == (3, 2)
                self.done[place] += 1
        except BaseException as error:  # noqa: BLE001 - to be shown by the test
            self.errors.append(error)
        finally:
            active.stack.remove(entry)

    def wait_for_calls(self):
        """Return when several calls have begun and ended: a thread may be in one now."""
        enough = sum(self.done) + 2 * len(self.done)
        while sum(self.done) < enough and not self.errors:
            time.sleep(0)

    def __enter__(self):
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        sys.setswitchinterval(self._interval)
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("turns", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_four_threads_lose_no_count_while_recorders_come_and_go(turns):
    calc = ProfiledCalculator(Working(lambda: None), journal="t.jsonl", summary=False)
    calc.calculate(copper())
    with Threads(recording(calc).run._recorder.maker) as threads:
        for _ in range(turns):
            NumpyEinsumProbe().close()
            time.sleep(0)  # let the others run
    recording(calc).close()
    assert threads.errors == []
    assert measure_contractions(read_journal("t.jsonl")).calls == sum(threads.done)


@pytest.mark.parametrize("turns", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_four_threads_meet_no_error_while_the_code_itself_comes_and_goes(turns):
    function = np.einsum._implementation
    bare = function.__code__
    with Open(clocked([0, 1000])) as run:
        run.probe.close()
        with Threads(run) as threads:
            for turn in range(turns):
                probe = NumpyEinsumProbe()
                assert function.__code__ is not bare
                time.sleep(0)
                if turn % 20 == 0:
                    threads.wait_for_calls()
                probe.close()
                assert function.__code__ is bare
        reported = sum(each.calls for each in run.reported())
    assert threads.errors == []
    assert 0 < reported <= sum(threads.done)


def test_names_that_a_program_invents_are_summed_under_one(monkeypatch):
    """Each step has a span, an equation and shapes of its own: memory and journal stay bounded."""
    monkeypatch.setattr(table_module, "MOST_COMPONENTS", 10)
    number = itertools.count()

    def work():
        for _ in range(50):
            with span(f"frame {next(number)}"):
                np.einsum("ij->i", A)

    found, _ = contracted(work, calls=4)
    assert found.calls == 200
    components = {each.component for each in found.rows}
    assert len(components) <= 11
    assert table_module.OTHER_COMPONENTS in components


def test_a_table_does_not_grow_with_equations_shapes_and_spans():
    table = SignatureTable()
    for number in range(100_000):
        entry = Entry(number, None, name=f"frame {number}")
        counted = table.of(entry)
        cell = counted.cell(counted.numpy, f"equation {number}", "x" * 1000)
        counted.seen(cell, (number,), ["float64[3]"]).add(1)
        assert entry.signatures is counted
    news = table.news(0).contractions
    assert len(table._by_thread) <= table_module.MOST_COMPONENTS + 1
    assert len(news) <= table_module.MOST_SIGNATURES
    assert sum(each.calls for each in news) == 100_000
    assert max(len(each.equation) for each in news) <= table_module.LONGEST_EQUATION
    assert len(table.news(1).contractions if table.news(1) else ()) == 0
