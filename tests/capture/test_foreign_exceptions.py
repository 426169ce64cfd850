"""A user's time limit ends the program's work wherever it is raised, and no row is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

import pytest
from tests.capture import zoo
from tests.capture.zoo import copper
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.calls import driver
from instrumented_calc.capture.calls.first_calls import FIRST_CALLS
from instrumented_calc.capture.calls.lane import LiveLane
from instrumented_calc.capture.environment import libraries
from instrumented_calc.capture.open_calls import active
from instrumented_calc.capture.parts.components import Components
from instrumented_calc.capture.probes.process import ProcessProbe
from instrumented_calc.capture.rows import result_checks, sampler
from instrumented_calc.capture.rows.descriptions import Descriptions
from instrumented_calc.capture.rows.outbox import Outbox
from instrumented_calc.capture.rows.phases import Phases
from instrumented_calc.capture.rows.result_checks import ResultChecks
from instrumented_calc.capture.rows.row_maker import RowMaker
from instrumented_calc.capture.rows.sampler import Sampler
from instrumented_calc.integration import Part

ROOT = Path(__file__).parents[2]
ALARMS = 500


class TimeLimitError(Exception):
    """Raised by a time limit."""


@pytest.fixture
def limit():
    """Install a handler that raises one and the same exception, which is returned."""
    error = TimeLimitError()

    def strike(*_):
        raise error

    before = signal.signal(signal.SIGALRM, strike)
    yield error
    signal.signal(signal.SIGALRM, before)


def striking(function):
    """Return a function during which the alarm goes off once."""
    struck = []

    def run(*args, **kwargs):
        if not struck:
            struck.append(True)
            signal.raise_signal(signal.SIGALRM)
        return function(*args, **kwargs)

    return run


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (RowMaker, "finish"),
        (Descriptions, "new_context"),
        (Sampler, "sample"),
        (Phases, "look"),
        (Descriptions, "_describe_lane"),
        (ResultChecks, "check"),
        (Sampler, "state"),
        (sampler, "read_state"),
        (result_checks, "array_is_finite"),
        (driver.DriverWatch, "search"),
        (LiveLane, "describe"),
        (ProcessProbe, "sample"),
        (Outbox, "_carry"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_it_passes_from_the_end_of_a_call_and_the_row_is_kept(owner, name, limit, monkeypatch):
    wrapped = ProfiledCalculator(zoo.Spring())
    wrapped.calculate(copper(), ["energy"], ["positions"])
    maker = recording(wrapped).run._recorder.maker
    maker._next_look = maker._last_row = maker._sampler.due = maker._sampler._next_state = 0
    lane = recording(wrapped)._lane
    lane.look_after, lane.context, maker.descriptions._lanes, lane.watch.countdown = 0, None, set(), 0
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, striking(getattr(owner, name)))
        with pytest.raises(TimeLimitError) as caught:
            wrapped.calculate(copper(), ["forces"], ["positions"])
    assert caught.value is limit
    assert limit.__context__ is None
    assert active.stack == []
    wrapped.calculate(copper(), ["energy"], ["positions"])
    recording(wrapped).close()
    records = read_records()
    assert records.counters["faults"] == 0
    assert recording(wrapped).calls == 3
    assert len(records.calls) + records.counters["lost_rows"] == 3
    if owner is not Outbox:
        assert [row["index"] for row in records.calls] == [0, 1, 2]
    assert not any("parent" in row for row in records.calls)


@pytest.mark.parametrize("hidden", [False, True], ids=["plain", "behind a KeyError"])
@pytest.mark.parametrize("name", ["open", "journal"])
def test_it_passes_from_the_start_of_our_threads_and_the_next_calls_are_recorded(
    name, hidden, limit, monkeypatch
):
    start, struck = threading.Thread.start, []

    def interrupted(thread):
        start(thread)
        if thread.name != f"instrumented-calc {name}" or struck:
            return
        struck.append(thread)
        try:
            signal.raise_signal(signal.SIGALRM)
        except TimeLimitError as error:
            if hidden:  # as `Thread.start` does if it is interrupted early
                raise KeyError(thread) from error
            raise

    wrapped = ProfiledCalculator(zoo.Spring())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(TimeLimitError) as caught:
            wrapped.calculate(copper(), ["energy"], ["positions"])
    assert caught.value is limit
    for _ in range(3):
        wrapped.calculate(copper(), ["energy"], ["positions"])
    struck[0].join(10)
    running = [each for each in threading.enumerate() if each.name == "instrumented-calc journal"]
    recording(wrapped).close()
    assert len(running) == 1
    assert not struck[0].is_alive()
    (journal,) = (each for each in Path.cwd().glob("run*.jsonl") if each.stat().st_size)
    assert len(read_records(journal).calls) == 3


@pytest.mark.parametrize("name", ["prepare", "stored"])
def test_it_passes_from_the_preparation_of_a_lane_which_is_then_made_up_for(name, limit, monkeypatch):
    wrapped = ProfiledCalculator(zoo.Spring())
    with monkeypatch.context() as patch:
        patch.setattr(LiveLane, name, striking(getattr(LiveLane, name)))
        with pytest.raises(TimeLimitError):
            wrapped.calculate() if name == "stored" else wrapped.calculate(copper(), ["energy"], [])
    for _ in range(FIRST_CALLS):
        wrapped.calculate(copper(), ["energy"], ["positions"])
    recording(wrapped).close()
    assert read_records().counters["faults"] == 0
    assert recording(wrapped)._lane.components is None


@pytest.mark.parametrize("name", ["put", "take_back", "collect"])
def test_stand_ins_are_removed(name, limit, monkeypatch):
    calc = zoo.Spring()
    wrapped = ProfiledCalculator(calc)
    wrapped.calculate(copper(), ["energy"], ["positions"])
    timed = type("Owner", (), {"part": active.renew})
    lane = recording(wrapped)._lane
    plain = timed.part
    lane.components = Components([Part("part", timed, "part")])
    with monkeypatch.context() as patch:
        patch.setattr(Components, name, striking(getattr(Components, name)))
        with pytest.raises(TimeLimitError):
            wrapped.calculate(copper(), ["energy"], ["positions"])
    assert timed.part is plain
    assert active.stack == []


@pytest.mark.parametrize("first", [True, False], ids=["first call", "later call"])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (os, "open"),
        (os, "fstat"),
        (os, "write"),
        (os, "pread"),
        (Path, "read_text"),
        (os, "getcwd"),
        (metadata, "version"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_a_time_limit_that_resembles_a_system_error_passes(owner, name, first, monkeypatch):
    error = TimeoutError("the user's time limit")  # an OSError, as files raise it

    def strike(*_):
        raise error

    libraries.libraries.cache_clear()  # an earlier run of this process has looked the versions up
    before = signal.signal(signal.SIGALRM, strike)
    wrapped = ProfiledCalculator(zoo.Spring())
    if not first:
        wrapped.calculate(copper(), ["energy"], ["positions"])
        maker = recording(wrapped).run._recorder.maker
        maker._next_look = maker._last_row = maker._sampler.due = 0
        maker.keeping_up.direct = True
    struck = []

    def run(*args, **kwargs):
        if not struck and threading.current_thread() is threading.main_thread():
            struck.append(True)
            signal.raise_signal(signal.SIGALRM)
        return function(*args, **kwargs)

    function = getattr(owner, name)
    caught = None
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, run)
        try:
            wrapped.calculate(copper(), ["energy"], ["positions"])
        except TimeoutError as passed:
            caught = passed
    signal.signal(signal.SIGALRM, before)
    assert struck or not first
    assert caught is (error if struck else None)
    wrapped.calculate(copper(), ["energy"], ["positions"])
    recording(wrapped).close()
    assert [each.name for each in Path().iterdir()] == ["run.jsonl"]  # no empty one of the first attempt
    records = read_records()
    assert len(records.calls) == recording(wrapped).calls
    assert records.counters["faults"] == 0
    assert not records.notices


def test_no_alarm_of_thousands_is_lost_and_no_row():
    done = subprocess.run(
        [sys.executable, "-m", "tests.capture.time_limits", "wrapped", str(ALARMS)],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    reported = json.loads(done.stdout.splitlines()[-1])
    assert reported["fired"] == reported["caught"] > 0
    assert "contexts" not in reported
    assert reported["faults"] == reported["open"] == 0
    records = read_records(Path(reported["journal"]))
    assert len(records.calls) == reported["calls"] >= reported["finished"]
    assert records.counters["lost_rows"] == 0
