"""Many concurrent threads: no row is lost or torn, and each has the right position."""

from __future__ import annotations

import sys
import threading
from collections import Counter

import pytest
from ase.calculators.emt import EMT
from ase.calculators.mixing import SumCalculator
from ase.mep import NEB
from ase.optimize import FIRE
from tests.capture import zoo
from tests.capture.conformance import spy
from tests.capture.zoo import copper
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording, span

THREADS, CALLS = 8, 150


@pytest.fixture
def often():
    """Have Python switch threads fifty times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)  # oftener, and a busy machine does nothing but switch
    yield
    sys.setswitchinterval(before)


def in_threads(work):
    """Run `work(number)` in many threads that start together."""
    barrier = threading.Barrier(THREADS)
    failures = []

    def run(number):
        barrier.wait()
        try:
            work(number)
        except BaseException as failure:  # noqa: BLE001 - asserted below
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_calculator_for_each_thread_loses_no_row(often):
    calcs = [ProfiledCalculator(zoo.Spring()) for _ in range(THREADS)]

    def work(number):
        atoms = copper()[: number + 1]
        for _ in range(CALLS):
            calcs[number].calculate(atoms, ["energy"], ["positions"])

    in_threads(work)
    recording(calcs[0]).close()
    records = read_records()
    rows = records.calls
    assert sorted(row["index"] for row in rows) == list(range(THREADS * CALLS))
    assert Counter((row["lane"], row["n_atoms"]) for row in rows) == {
        (number, number + 1): CALLS for number in range(THREADS)
    }
    assert records.counters["calls"] == THREADS * CALLS
    assert records.counters["faults"] == records.counters["lost_rows"] == 0
    assert [recording(calc).calls for calc in calcs] == [CALLS] * THREADS
    assert len(records.of("lane")) == THREADS
    assert not any("parent" in row for row in rows)


def test_one_calculator_for_all_threads_loses_no_row(often):
    calc = zoo.PureSlots()  # state per call only
    wrapped = ProfiledCalculator(calc)

    def work(_):
        atoms = copper()
        for _ in range(CALLS):
            wrapped.calculate(atoms, ["energy"], [])

    in_threads(work)
    recording(wrapped).close()
    rows = read_records().calls
    assert sorted(row["index"] for row in rows) == list(range(THREADS * CALLS))
    assert recording(wrapped).calls == THREADS * CALLS


def test_a_call_inside_another_has_its_own_threads_call_as_parent(often):
    sums = [
        ProfiledCalculator(SumCalculator([ProfiledCalculator(zoo.Spring()) for _ in range(2)]))
        for _ in range(THREADS)
    ]

    def work(number):
        atoms = copper()
        atoms.calc = sums[number]
        for _ in range(20):
            atoms.translate(0.01)
            with span("nowhere"):
                atoms.get_forces()

    in_threads(work)
    recording(sums[0]).close()
    rows = read_records().calls
    lanes = {row["index"]: row["lane"] for row in rows}
    outer = {recording(calc)._lane.number for calc in sums}
    assert len(rows) == THREADS * 20 * 3
    for row in rows:
        # the parts of a sum were wrapped just before it
        parent = lanes[row["parent"]] if "parent" in row else row["lane"]
        assert parent in outer
        assert 0 <= parent - row["lane"] <= 2
    assert sum("parent" in row for row in rows) == THREADS * 20 * 2


def test_a_run_that_ends_while_threads_calculate_does_not_disturb_them(often):
    calcs = [ProfiledCalculator(zoo.Spring()) for _ in range(THREADS)]
    run = recording(calcs[0]).run

    def work(number):
        atoms = copper()
        for turn in range(CALLS):
            calcs[number].calculate(atoms, ["energy"], ["positions"])
            if number == 3 and turn == CALLS // 2:
                run.close()

    in_threads(work)
    records = read_records()
    assert records.end["reason"] == "closed"
    assert len(records.calls) == records.counters["calls"]
    assert records.counters["faults"] == 0


@pytest.mark.parametrize("parallel", [False, True])
def test_a_band_of_images_loses_no_row(parallel):
    images = [copper() for _ in range(5)]
    asked = []
    for number, image in enumerate(images):
        image.translate(0.01 * number)
        image.rattle(0.01, seed=number)
        calc = EMT()
        asked.append(spy(calc))
        image.calc = ProfiledCalculator(calc)
    band = NEB(images, parallel=parallel, method="improvedtangent")
    FIRE(band, logfile=None).run(steps=5)
    recording(images[0].calc).close()
    records = read_records()
    rows = records.calls
    assert Counter(row["lane"] for row in rows) == {
        number: len(calls) for number, calls in enumerate(asked) if calls
    }
    assert len(rows) >= 3 * 6
    assert records.counters["faults"] == 0
