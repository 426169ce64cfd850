"""Trace windows with an exact tracer: when they open, their records, and the state they leave unchanged."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, Trace, span
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.capture.run.recorder import Recorder
from instrumented_calc.capture.settings import Settings
from instrumented_calc.capture.tracing import window_files, windows
from instrumented_calc.capture.tracing.slices import TracedSlice
from instrumented_calc.capture.wrapping.twin import twin
from instrumented_calc.errors import TraceSettingsError
from instrumented_calc.journal.reader import read_journal

STEP = 1_000_000
START_COST, STOP_COST = 300_000, 500_000
OFFSET = 5 * 10**9  # the tracer has a clock of its own
SECOND = 10**9


class Library:
    """A tracer of a library that runs one operation in each component, and its clock."""

    name = "fake.profiler"

    def __init__(self, clock) -> None:
        self.clock = clock
        self.slices: list[TracedSlice] = []
        self.started = self.stopped = 0
        self.taken = False
        self.idle = False
        self.fails_at = ""
        self.threads: set[int] = set()

    def is_taken(self) -> bool:
        return self.taken

    @contextlib.contextmanager
    def annotate(self, name):
        began = self.clock.now
        yield
        self.slices.append(TracedSlice(began + OFFSET, self.clock.now + OFFSET, name, 1))

    def operation(self, ns: int) -> None:
        began = self.clock.now
        self.clock.advance(ns)
        if self.started > self.stopped and not self.idle:
            self.slices.append(TracedSlice(began + OFFSET, self.clock.now + OFFSET, "op", 1, "[2,3]"))

    def start(self) -> None:
        self.clock.advance(START_COST)
        if self.fails_at == "start":
            raise RuntimeError(self.fails_at)
        self.started += 1
        self.threads.add(threading.get_ident())

    def stop(self) -> list[TracedSlice]:
        self.clock.advance(STOP_COST)
        self.stopped += 1
        if self.fails_at == "stop":
            raise RuntimeError(self.fails_at)
        slices, self.slices = self.slices, []
        return slices


class Stepping(Calculator):
    """Takes a millisecond: half of it in an operation of the library, inside a component."""

    implemented_properties = ("energy",)
    library: Library
    fails = False

    def calculate(self, *args, **kwargs) -> None:
        clock = self.library.clock
        clock.advance(STEP // 4)
        with span("model"):
            self.library.operation(STEP // 2)
            clock.advance(STEP // 4)
        if self.fails:
            raise ArithmeticError
        self.results = {"energy": 0.0}


@pytest.fixture
def library(exact_clock, monkeypatch):
    """A library that is loaded, with its tracer; no other library has one."""
    made = Library(exact_clock)
    monkeypatch.setitem(sys.modules, "fake_library", ModuleType("fake_library"))
    monkeypatch.setattr(windows, "TRACERS", {"fake_library": lambda: made})
    return made


@pytest.fixture
def run(library, working_directory):
    """A run with a setting: its recorder, and a function that makes calls."""

    def make(trace, budget=0.01):
        settings = Settings(
            path=str(working_directory / "run.jsonl"), own_run=True, trace=trace, overhead_budget=budget
        )
        recorder = Recorder(settings, clock=library.clock)
        calculator = Stepping()
        calculator.library = library
        wrapped = twin(calculator, recorder)
        atoms = Atoms("Ar")

        def call(times=1):
            for _ in range(times):
                wrapped.calculate(atoms, ["energy"], ["positions"])

        recorder.calculator = wrapped
        return recorder, call

    return make


def windows_of(records):
    return {row["index"]: row["window"] for row in records.calls if "window" in row}


def test_windows_open_at_multiples_and_no_more_often_than_requested(run):
    recorder, call = run(Trace(every_calls=10, max_windows=3))
    call(60)
    recorder.end("closed")
    records = read_records()
    assert windows_of(records) == {10: 1, 20: 2, 30: 3}
    assert [row["index"] for row in records.calls] == list(range(60))
    assert [(each["window"], each["index"], each["calls"]) for each in records.of("trace")] == [
        (1, 10, 1),
        (2, 20, 1),
        (3, 30, 1),
    ]


def test_a_window_is_made_of_consecutive_calls_each_traced_by_itself(run, library):
    recorder, call = run(Trace(every_calls=10, active=3, max_windows=1))
    call(20)
    recorder.end("closed")
    records = read_records()
    assert windows_of(records) == {10: 1, 11: 1, 12: 1}
    (trace,) = records.of("trace")
    assert trace["calls"] == 3
    assert trace["wall_ns"] == 3 * STEP
    assert library.started == library.stopped == 3


def test_sums_are_exclusive_by_component_and_add_up_to_the_wall_time(run):
    recorder, call = run(Trace(every_calls=10, max_windows=1))
    call(11)
    recorder.end("closed")
    (trace,) = read_records().of("trace")
    sums = {(each.get("component", ""), each["operation"]): each for each in trace["operations"]}
    assert {key: each["self_ns"] for key, each in sums.items()} == {
        ("", "*between operations*"): STEP // 4,
        ("model", "*between operations*"): STEP // 4,
        ("model", "op"): STEP // 2,
    }
    assert sums["model", "op"]["shapes"] == "[2,3]"
    assert trace["wall_ns"] == STEP


def test_the_chrome_trace_is_on_the_runs_clock_and_beside_the_journal(run):
    recorder, call = run(Trace(every_calls=10, max_windows=1))
    call(11)
    recorder.end("closed")
    records = read_records()
    (trace,) = records.of("trace")
    assert trace["file"] == "run.trace-1.json"
    slices = [e for e in json.loads(Path(trace["file"]).read_text())["traceEvents"] if e["ph"] == "X"]
    assert [(each["name"], each["cat"], each["dur"]) for each in slices] == [
        ("calculate", "component", STEP / 1e3),
        ("model", "component", STEP * 0.75 / 1e3),
        ("op", "operation", STEP * 0.5 / 1e3),
    ]
    assert slices[0]["ts"] == records.calls[10]["start_ns"] / 1e3


def test_a_trace_goes_neither_through_a_link_nor_over_an_earlier_runs_trace(run):
    Path("victim").write_bytes(b"precious")
    Path("run.trace-1.json").symlink_to("victim")
    Path("run.trace-1-2.json").write_bytes(b"earlier")
    recorder, call = run(Trace(every_calls=10, max_windows=1))
    call(11)
    recorder.end("closed")
    (trace,) = read_records().of("trace")
    assert trace["file"] == "run.trace-1-3.json"
    assert json.loads(Path(trace["file"]).read_text())["traceEvents"]
    assert (Path("victim").read_bytes(), Path("run.trace-1-2.json").read_bytes()) == (b"precious", b"earlier")


def test_no_file_is_written_unless_requested(run):
    recorder, call = run(Trace(every_calls=10, chrome=False))
    call(11)
    recorder.end("closed")
    (trace,) = read_records().of("trace")
    assert "file" not in trace
    assert not list(Path().glob("*trace*"))


def test_the_cost_of_a_window_is_charged_to_the_profiler_and_not_to_calls(run):
    recorder, call = run(Trace(every_calls=10))
    call(20)
    recorder.end("closed")
    records = read_records()
    (trace,) = records.of("trace")
    assert trace["profiler_ns"] == START_COST + STOP_COST
    assert {row["wall_ns"] for row in records.calls} == {STEP}
    assert records.counters["self_ns"] >= START_COST + STOP_COST
    after = records.calls[11]  # sampled, so that the breakdown has the cost where it arose
    assert after["self_ns"] >= START_COST + STOP_COST
    assert after["gap_ns"] == STOP_COST
    assert records.calls[10]["gap_ns"] == START_COST


def test_a_failing_call_ends_its_trace_and_raises_as_ever(run, library):
    recorder, call = run(Trace(every_calls=10))
    call(10)
    Stepping.fails = True
    try:
        with pytest.raises(ArithmeticError):
            call()
    finally:
        Stepping.fails = False
    call(2)
    recorder.end("closed")
    assert library.started == library.stopped == 1
    assert windows_of(read_records()) == {10: 1}


@pytest.mark.parametrize("where", ["start", "stop"])
def test_a_failing_profiler_is_reported_once_and_not_used_again(run, library, where, capsys):
    recorder, call = run(Trace(every_calls=10))
    library.fails_at = where
    call(40)
    recorder.end("closed")
    records = read_records()
    assert [row["index"] for row in records.calls] == list(range(40))
    assert [each["kind"] for each in records.of("notice")] == ["trace-failed"]
    assert records.of("trace") == []
    assert capsys.readouterr().err.count("no more trace windows") == 1
    assert library.started + (where == "start") == 1


def test_a_profiler_of_the_users_own_is_left_alone(run, library):
    recorder, call = run(Trace(every_calls=10))
    library.taken = True
    call(31)
    library.taken = False
    call(10)
    recorder.end("closed")
    records = read_records()
    assert [each["kind"] for each in records.of("notice")] == ["trace-skipped"]
    assert windows_of(records) == {40: 1}


def test_inner_calls_are_part_of_the_window_of_the_outer_one(run, library, working_directory):
    recorder, _ = run(Trace(every_calls=1, max_windows=1))

    class Mixing(Calculator):
        implemented_properties = ("energy",)

        def calculate(self, atoms, properties, system_changes) -> None:
            recorder.calculator.calculate(atoms, properties, system_changes)
            self.results = {"energy": 0.0}

    mixer = twin(Mixing(), recorder)
    for _ in range(3):
        mixer.calculate(Atoms("Ar"), ["energy"], ["positions"])
    recorder.end("closed")
    records = read_records()
    traced = windows_of(records)
    (outer,) = [row for row in records.calls if "window" in row and "parent" not in row]
    (inner,) = [row for row in records.calls if row.get("parent") == outer["index"]]
    assert traced == {outer["index"]: 1, inner["index"]: 1}
    assert library.started == 1
    components = {each.get("component", "") for each in records.of("trace")[0]["operations"]}
    assert components == {"", "model"}


def test_calls_of_other_threads_are_not_traced_in_a_window(run, library):
    recorder, call = run(Trace(every_calls=2, active=4, max_windows=1))
    call(3)
    other = threading.Thread(target=call, args=(3,))
    other.start()
    other.join()
    call(5)
    recorder.end("closed")
    assert windows_of(read_records()) == {2: 1, 6: 1, 7: 1, 8: 1}
    assert library.threads == {threading.get_ident()}


def test_a_window_whose_thread_is_gone_is_closed_by_the_next_call(run):
    recorder, call = run(Trace(every_calls=2, active=4))
    other = threading.Thread(target=call, args=(3,))
    other.start()
    other.join()
    call(3)
    recorder.end("closed")
    records = read_records()
    assert windows_of(records) == {2: 1, 4: 2, 5: 2}
    assert [each["calls"] for each in records.of("trace")] == [1, 2]


def test_ctrl_c_during_the_profilers_start_reaches_the_user_and_ends_tracing(run, library, monkeypatch):
    recorder, call = run(Trace(every_calls=2))
    call(2)

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Library, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        call()
    monkeypatch.undo()
    call(4)
    recorder.end("closed")
    assert not windows._one_at_a_time.locked()
    assert library.started == 0


def test_a_window_that_the_runs_end_cuts_short_is_kept(run):
    recorder, call = run(Trace(every_calls=2, active=5))
    call(4)
    recorder.end("closed")
    (trace,) = read_records().of("trace")
    assert trace["calls"] == 2


def test_a_run_that_ends_during_a_traced_call_leaves_no_profiler_running(run, library, monkeypatch):
    recorder, call = run(Trace(every_calls=2))
    call(2)
    ending = Library.operation
    monkeypatch.setattr(Library, "operation", lambda self, ns: (recorder.end("closed"), ending(self, ns)))
    call()
    assert library.started == library.stopped == 1
    assert read_records().of("trace") == []


class TestByItself:
    def test_the_first_window_waits_until_its_cost_fits_the_budget(self, run, library):
        recorder, call = run("auto", budget=0.01)
        call(50)
        recorder.windows.beat(recorder.recording._origin + 199 * SECOND)
        call(2)
        assert library.started == 0
        recorder.windows.beat(recorder.recording._origin + 201 * SECOND)
        call(2)
        assert library.started == 1
        recorder.end("closed")

    def test_the_next_ones_come_at_doubling_distances(self, run, library):
        recorder, call = run("auto")
        call(50)
        opened = []
        for second in range(200, 4000, 10):
            library.clock.now = recorder.recording._origin + second * SECOND
            recorder.windows.beat(library.clock.now)
            before = library.started
            call(1)
            opened += [second] * (library.started - before)
        recorder.end("closed")
        assert opened == [200, 410, 830, 1670, 3350]

    def test_never_during_the_first_calls(self, run, library):
        recorder, call = run("auto")
        call(1)
        recorder.windows.beat(recorder.recording._origin + 1000 * SECOND)
        call(9)
        assert library.started == 0
        call(1)
        assert library.started == 1
        recorder.end("closed")

    def test_calls_that_run_nothing_of_the_library_are_traced_once_only(self, run, library):
        library.idle = True
        recorder, call = run("auto")
        call(20)
        for second in range(200, 2000, 100):
            recorder.windows.beat(recorder.recording._origin + second * SECOND)
            call(1)
        recorder.end("closed")
        assert library.started == 1
        assert "file" not in read_records().of("trace")[0]

    def test_after_an_empty_window_it_is_the_next_librarys_turn(self, run, library, monkeypatch):
        library.idle = True
        other = Library(library.clock)
        monkeypatch.setitem(windows.TRACERS, "other_library", lambda: other)
        monkeypatch.setitem(sys.modules, "other_library", ModuleType("other_library"))
        recorder, call = run("auto")
        call(20)
        recorder.windows.beat(recorder.recording._origin + 300 * SECOND)
        call(2)
        recorder.end("closed")
        assert (library.started, other.started) == (1, 1)

    def test_nothing_happens_where_no_library_is_loaded(self, run, library, monkeypatch):
        monkeypatch.delitem(sys.modules, "fake_library")
        recorder, call = run("auto")
        call(20)
        recorder.windows.beat(recorder.recording._origin + 10_000 * SECOND)
        call(1)
        assert recorder.maker.trace_at is None
        recorder.end("closed")
        assert read_records().notices == []

    def test_off_means_never(self, run, library):
        recorder, call = run("off")
        call(20)
        recorder.windows.beat(recorder.recording._origin + 10_000 * SECOND)
        call(20)
        recorder.end("closed")
        assert library.started == 0


class TestOnDemand:
    @pytest.mark.parametrize("trace", ["off", "auto", Trace(every_calls=1000)])
    def test_touching_a_file_opens_a_window_at_the_next_call(self, run, trace, library):
        recorder, call = run(trace)
        call(3)
        asking = Path("run.jsonl.trace")
        asking.touch()
        recorder.windows._schedule._next_look = 0
        recorder.windows.beat(library.clock.now)
        assert not asking.exists()
        call(3)
        recorder.end("closed")
        assert windows_of(read_records()) == {3: 1}

    def test_without_a_library_it_is_said_that_nothing_can_be_traced(self, run, library, monkeypatch):
        monkeypatch.delitem(sys.modules, "fake_library")
        recorder, call = run("off")
        call(3)
        Path("run.jsonl.trace").touch()
        recorder.windows._schedule._next_look = 0
        recorder.windows.beat(library.clock.now)
        call(3)
        recorder.end("closed")
        assert [each["kind"] for each in read_records().of("notice")] == ["trace-empty"]


class TestSettings:
    @pytest.mark.parametrize("numbers", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 101, 1), (-5, 1, 1)])
    def test_numbers_that_make_no_sense_are_refused(self, numbers):
        every_calls, active, max_windows = numbers
        with pytest.raises(TraceSettingsError, match="at least 1"):
            Trace(every_calls=every_calls, active=active, max_windows=max_windows)

    @pytest.mark.parametrize("trace", ["on", None, 500, True])
    def test_other_words_are_refused_while_wrapping(self, trace):
        with pytest.raises(TraceSettingsError, match="give 'auto', 'off' or Trace"):
            ProfiledCalculator(EMT(), trace=trace)

    def test_the_journal_has_the_setting(self, run):
        recorder, call = run(Trace(every_calls=7))
        call()
        recorder.end("closed")
        settings = read_records().all[0]["settings"]
        assert settings["trace"] == {"every_calls": 7, "active": 1, "max_windows": 10, "chrome": True}


def test_the_breakdown_shows_a_windows_cost_as_the_profilers_and_never_as_the_integrators(run):
    recorder, call = run(Trace(every_calls=10, max_windows=4))
    call(50)
    recorder.end("closed")
    breakdown = summarize(read_journal("run.jsonl")).breakdown
    assert breakdown.of_kind("outside") == 0
    assert breakdown.of_kind("profiler") == 4 * (START_COST + STOP_COST)
    assert breakdown.wall_ns == 50 * STEP + 4 * (START_COST + STOP_COST)


def test_the_end_of_a_run_does_not_wait_for_a_file_system_that_hangs_at_a_windows_file(run, monkeypatch):
    answers = threading.Event()
    threads = []

    def hanging(path, content):
        threads.append(threading.current_thread())
        assert answers.wait(60)
        return write(path, content)

    write = window_files.write_numbered
    monkeypatch.setattr(window_files, "write_numbered", hanging)
    recorder, call = run(Trace(every_calls=10, active=5, max_windows=1))
    call(12)
    try:
        recorder.end("closed", patience_s=0.2)
        assert threading.main_thread() not in threads
    finally:
        answers.set()
    recorder._pulse._done.wait(60)
    records = read_records()
    assert records.of("trace")[0]["file"] == "run.trace-1.json"
    assert Path("run.trace-1.json").stat().st_size
    assert records.end["counters"]["lost_rows"] == 0
