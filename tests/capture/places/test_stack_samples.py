"""Planted slow functions are found: in a calculator, a span, an observer, an integrator, a thread pool."""

from __future__ import annotations

import gc
import random
import sys
import threading
import time
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from tests.capture.zoo import copper
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording, span
from instrumented_calc.capture.run import pulse

ENOUGH = 12  # samples
PATIENCE_S = 60
QUALIFIED = sys.version_info >= (3, 11)


def slow() -> None:
    """Take longer than everything else in a step."""
    time.sleep(0.02)


class SlowCalculator(Calculator):
    """Takes its time in the calculation itself, or in a span."""

    implemented_properties = ("energy", "forces")

    def __init__(self, where: str = "") -> None:
        super().__init__()
        self.where = where

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self.where == "calculator":
            slow()
        if self.where == "span":
            with span("graph"):
                slow()
        self.results = {"energy": 0.0, "forces": np.zeros((len(self.atoms), 3))}


class LoopCalculator(Calculator):
    """Loops over pairs in Python. The jump after the branch has no line on Python 3.11."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        energy, x = 0.0, [float(each) for each in self.atoms.positions[:, 0]]
        for first in range(len(x)):
            for second in range(10_000):  # most of the time of a step
                if first != second:
                    distance = x[first] - x[second % len(x)]
                    energy += distance * distance
        self.results = {"energy": energy, "forces": np.zeros((len(x), 3))}


class SlowIntegrator(VelocityVerlet):
    """An integrator of the user's own."""

    def step(self, *args, **kwargs):
        slow()
        return super().step(*args, **kwargs)


def samples_of(calc) -> int:
    return recording(calc).run._recorder.recording._stack_samples._table.samples


def until_enough(calc, work) -> None:
    """Repeat some work until enough samples were taken."""
    until = time.monotonic() + PATIENCE_S
    work()
    while samples_of(calc) < ENOUGH and time.monotonic() < until:
        work()


def read_places(path="run.jsonl"):
    record = read_records(path).of("places")[-1]
    assert sum(each["samples"] for each in record["stacks"]) == record["samples"]
    assert sum(each["ns"] for each in record["stacks"]) == pytest.approx(record["ns"], abs=100)
    return record


def innermost(record, stack):
    """Return the places of a stack inside its part: function, package, file name."""
    lines = [record["lines"][number] for number in stack.get("stack", [])[: stack.get("inside", 0)]]
    return [(line["function"], line.get("package", ""), Path(line.get("file", "")).name) for line in lines]


def largest(record):
    """Return the stack with the most time but the recorder's, whose start takes long on a busy machine."""
    return next(each for each in record["stacks"] if each["part"] != "recorder")


def run_md(where: str) -> None:
    atoms = copper()
    atoms.calc = ProfiledCalculator(SlowCalculator(where), "run.jsonl", summary=False)
    kind = SlowIntegrator if where == "integrator" else VelocityVerlet
    dynamics = kind(atoms, 1 * units.fs)
    if where == "observer":
        dynamics.attach(slow)
    until_enough(atoms.calc, lambda: dynamics.run(5))
    recording(atoms.calc).close()


EXPECTED = {
    "calculator": ("calculator", ""),
    "span": ("calculator", "graph"),
    "observer": ("observers", ""),
    "integrator": ("driver", ""),
}


@pytest.mark.parametrize(
    "where",
    [
        "calculator",
        "observer",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("span", "integrator")),
    ],
)
def test_a_planted_slow_function_is_found(where):
    run_md(where)
    record = read_places()
    stack = largest(record)
    assert (stack["part"], stack.get("component", "")) == EXPECTED[where]
    places = innermost(record, stack)
    assert places[0] == ("slow", "", "test_stack_samples.py")
    caller = {"integrator": "SlowIntegrator.step", "observer": None}.get(where, "SlowCalculator.calculate")
    if caller is not None:
        assert places[1][0] == (caller if QUALIFIED else caller.partition(".")[2])
    line = record["lines"][stack["stack"][0]]["line"]
    assert Path(__file__).read_text(encoding="utf-8").splitlines()[line - 1].strip() == "time.sleep(0.02)"


def test_a_loop_in_python_is_named_with_a_line():
    atoms = copper()
    atoms.calc = ProfiledCalculator(LoopCalculator(), "run.jsonl", summary=False)
    dynamics = VelocityVerlet(atoms, 1 * units.fs)
    until_enough(atoms.calc, lambda: dynamics.run(5))
    recording(atoms.calc).close()
    record = read_places()
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    # Functions of libraries have no line.
    lines = [
        each["line"] for each in record["lines"] if "line" in each and each["function"].endswith("calculate")
    ]
    assert any("distance" in source[line - 1] or "second" in source[line - 1] for line in lines)


def test_in_a_pool_of_threads_the_time_is_divided_among_the_calculating_threads():
    calcs = [ProfiledCalculator(SlowCalculator("calculator"), summary=False) for _ in range(3)]

    def task(calc):
        calc.calculate(copper(), ["energy"], all_changes)

    gc.set_threshold(5)
    try:
        with ThreadPoolExecutor(3) as pool:
            until_enough(calcs[0], lambda: [*pool.map(task, calcs * 5)])
    finally:
        gc.set_threshold(700, 10, 10)
    recording(calcs[0]).close()
    record = read_places()
    assert largest(record)["part"] == "calculator"
    assert innermost(record, largest(record))[0][0] == "slow"
    assert record["ns"] <= record["time_ns"]


def test_samples_are_off_on_request_and_without_a_budget():
    for options in ({"places": False}, {"overhead_budget": 0}):
        atoms = copper()
        atoms.calc = ProfiledCalculator(SlowCalculator("calculator"), "run.jsonl", summary=False, **options)
        dynamics = VelocityVerlet(atoms, 1 * units.fs)
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            dynamics.run(2)
        assert samples_of(atoms.calc) == 0
        path = recording(atoms.calc).run.path
        recording(atoms.calc).close()
        assert read_records(path).of("places") == []


@pytest.fixture
def by_hand(monkeypatch):
    """A run of which samples are only taken by the test, each when it wants."""
    monkeypatch.setattr(pulse, "PULSE_S", 1000)
    inner, entered, leave = SlowCalculator(), threading.Event(), threading.Event()
    calc = ProfiledCalculator(inner, "run.jsonl", summary=False)
    calc.calculate(copper(), ["energy"], [])
    recorder = recording(calc).run._recorder

    def blocked(*_args, **_kwargs):
        entered.set()
        leave.wait(PATIENCE_S)

    inner_type = type(inner)
    monkeypatch.setattr(inner_type, "calculate", blocked)
    yield calc, recorder.recording._stack_samples, recorder.maker, entered, leave
    leave.set()
    recording(calc).close()


def look(samples, *args):
    """Take a sample in another thread, as the journal's thread does."""
    samples._due = 0
    thread = threading.Thread(target=samples.look, args=args)
    thread.start()
    thread.join()


def stacks_of(samples, now):
    """Return the samples by part and component."""
    found = Counter()
    record = samples.record(now, last=True)
    for each in [] if record is None else record.stacks:
        found[each.part, each.component] += each.samples
    return found


def test_time_after_the_last_call_is_not_part_of_the_run(by_hand):
    calc, samples, maker, entered, leave = by_hand
    look(samples, maker.clock())
    look(samples, maker.clock())
    assert not stacks_of(samples, maker.clock())
    thread = threading.Thread(target=calc.calculate, args=(copper(), ["energy"], []))
    thread.start()
    assert entered.wait(PATIENCE_S)
    look(samples, maker.clock())
    assert stacks_of(samples, maker.clock()) == {("calculator", ""): 1, ("other", ""): 2}
    leave.set()
    thread.join()
    look(samples, maker.clock())
    assert sum(stacks_of(samples, maker.clock()).values()) == 3


def test_what_had_ended_before_the_stack_could_be_read_counts_as_not_seen(by_hand):
    calc, samples, maker, entered, leave = by_hand
    now = maker.clock()
    late = now - maker.last_end + 1000
    switch = sys.getswitchinterval()
    sys.setswitchinterval(10)
    try:
        look(samples, now, late)  # when it was due, the call was still open
        thread = threading.Thread(target=calc.calculate, args=(copper(), ["energy"], []))
        thread.start()
        assert entered.wait(PATIENCE_S)
        now = maker.clock()
        look(samples, now, now - maker.last_end - 1000)  # when it was due, the call had not begun
    finally:
        sys.setswitchinterval(switch)
    assert stacks_of(samples, now) == {("between", ""): 1, ("calculator", "*not seen*"): 1}
    leave.set()
    thread.join()


def test_samples_that_cost_much_make_the_next_ones_wait_after_a_short_start(by_hand, monkeypatch):
    _, samples, *_ = by_hand
    ms, origin = 1_000_000, samples._origin
    monkeypatch.setattr(time, "thread_time_ns", count(step=2 * ms).__next__)
    due = []
    for pulse_number in range(80):  # 2 ms of CPU time for each
        before = samples._last
        samples.look(origin + pulse_number * 100 * ms)
        due += [pulse_number] if samples._last != before or not pulse_number else []
    assert due == [0, 1, 2, 3, 4, 5, 20, 40, 60]  # 10 ms at once, then a thousandth of the time


def test_records_are_written_at_doubling_distances(by_hand):
    calc, samples, maker, entered, leave = by_hand
    thread = threading.Thread(target=calc.calculate, args=(copper(), ["energy"], []))
    thread.start()
    assert entered.wait(PATIENCE_S)
    look(samples, maker.clock())
    second = 10**9
    origin = samples._origin
    due = [number for number in range(100) if samples.record(origin + number * second)]
    assert due == [2, 4, 8, 16, 32, 64]
    leave.set()
    thread.join()


def test_a_thinned_journal_has_the_samples(monkeypatch):
    monkeypatch.setattr(pulse, "PULSE_S", 1000)
    calc = ProfiledCalculator(SlowCalculator(), "run.jsonl", summary=False, max_journal=20_000)
    atoms = copper()
    for _ in range(500):
        calc.calculate(atoms, ["energy"], [])
    samples = recording(calc).run._recorder.recording._stack_samples
    recording(calc).run._recorder.flush()
    look(samples, recording(calc).run._recorder.maker.clock())
    calc.calculate(atoms, ["energy"], [])
    look(samples, recording(calc).run._recorder.maker.clock())
    recording(calc).close()
    records = read_records()
    assert "journal-thinned" in [each["kind"] for each in records.notices]
    assert [each["samples"] for each in records.of("places")] == [1]


def test_no_frame_is_held_and_no_local_variable_is_kept_alive(by_hand):
    calc, samples, maker, entered, leave = by_hand

    class Thing:
        """Something that must die with its frame."""

    died = []

    def work():
        thing = Thing()
        weakref.finalize(thing, died.append, True)
        calc.calculate(copper(), ["energy"], [])

    thread = threading.Thread(target=work)
    thread.start()
    assert entered.wait(PATIENCE_S)
    gc.disable()
    try:
        look(samples, maker.clock())
        leave.set()
        thread.join()
        assert died == [True]
    finally:
        gc.enable()


def test_dynamics_are_equal_bit_for_bit_and_the_users_random_numbers_too():
    def trajectory(wrap):
        random.seed(5)
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=3)
        atoms.calc = wrap(EMT())
        VelocityVerlet(atoms, 2 * units.fs).run(200)
        return atoms.positions.tobytes(), atoms.get_velocities().tobytes(), random.random()  # noqa: S311

    bare = trajectory(lambda calc: calc)
    assert trajectory(lambda calc: ProfiledCalculator(calc, "run.jsonl", summary=False)) == bare
