"""A fault of the recorder is reported once and counted; the simulation does not notice."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from ase import units
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from tests.capture import zoo
from tests.capture.zoo import copper
from tests.support import journal_threads, read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.calls.driver import DriverWatch
from instrumented_calc.capture.calls.lane import LiveLane
from instrumented_calc.capture.environment import environment
from instrumented_calc.capture.probes.process import ProcessProbe
from instrumented_calc.capture.rows.descriptions import Descriptions
from instrumented_calc.capture.rows.outbox import Outbox
from instrumented_calc.capture.rows.phases import Phases
from instrumented_calc.capture.rows.row_maker import RowMaker
from instrumented_calc.capture.rows.sampler import Sampler
from instrumented_calc.capture.run import header
from instrumented_calc.capture.run import recording as recording_module
from instrumented_calc.capture.wrapping.twin import twin
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.writer import JournalWriter

TOLD = "instrumented-calc: internal error in the "


class InjectedError(Exception):
    """Raised by an injected fault."""


def broken(*_, **__):
    """Fail."""
    raise InjectedError


def simulate(wrap=lambda calc: calc, steps=12):
    """Run a little MD and return where it ends, and the calculator."""
    atoms = copper()
    atoms.calc = wrap(EMT())
    VelocityVerlet(atoms, 2 * units.fs).run(steps)
    return (atoms.positions.tobytes(), atoms.get_momenta().tobytes()), atoms.calc


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Descriptions, "new_context"),
        (Phases, "look"),
        (Sampler, "sample"),
        (Descriptions, "_describe_lane"),
        (LiveLane, "describe"),
        (DriverWatch, "search"),
        (DriverWatch, "follow"),
        (ProcessProbe, "sample"),
        (Outbox, "_carry"),
        (JournalWriter, "write"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_md_continues_bitwise_equal_and_the_user_is_warned_once(owner, name, monkeypatch, capsys):
    expected, _ = simulate()
    capsys.readouterr()
    opened = ProfiledCalculator(zoo.Spring())
    opened.calculate(copper())
    recorder = recording(opened).run._recorder
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, broken)
        recorder.maker.sample_next()
        ends, calc = simulate(ProfiledCalculator)
        if name in ("_carry", "write"):
            with suppress(InjectedError):  # a failed write is counted, not raised
                recorder.flush()
            recorder.fault("test", InjectedError())
    assert ends == expected
    assert recorder.counters.faults > 0
    reported = capsys.readouterr().err.splitlines()
    assert [line.startswith(TOLD) for line in reported] == [True]
    assert "InjectedError" in reported[0]
    recording(calc).close()
    records = read_records()
    assert records.counters["faults"] == recorder.counters.faults


def test_rows_continue_when_a_fault_has_passed(monkeypatch):
    wrapped = ProfiledCalculator(zoo.Spring())
    wrapped.calculate(copper())
    with monkeypatch.context() as patch:
        patch.setattr(Descriptions, "new_context", broken)
        wrapped.calculate(copper()[:3])
    wrapped.calculate(copper()[:2])
    recording(wrapped).close()
    records = read_records()
    assert [row["n_atoms"] for row in records.calls] == [8, None, 2]
    assert records.counters["faults"] == 1
    assert records.counters["lost_rows"] == 0
    (notice,) = records.notices
    assert (notice["kind"], notice["level"]) == ("recorder-fault", "warning")


@pytest.mark.parametrize("failing", [True, False])
def test_a_fault_leaves_the_calculators_own_outcome_alone(failing, monkeypatch):
    wrapped = ProfiledCalculator(zoo.FailingSpring())
    wrapped.calculate(copper())
    monkeypatch.setattr(RowMaker, "finish", broken)
    if failing:
        wrapped.failure = failure = RuntimeError()
        with pytest.raises(RuntimeError) as caught:
            wrapped.calculate(copper())
        assert caught.value is failure
        assert failure.__context__ is None
    else:
        wrapped.calculate(atoms=copper()[:1])
        assert len(wrapped.results["forces"]) == 1


def test_a_broken_reporter_does_not_matter(monkeypatch):
    wrapped = ProfiledCalculator(zoo.Spring())
    wrapped.calculate(copper())
    recorder = recording(wrapped).run._recorder
    monkeypatch.setattr(recorder.maker, "append", broken)
    monkeypatch.setattr(sys, "stderr", None)
    wrapped.calculate(copper())
    wrapped.calculate(atoms=copper())
    assert recorder.counters.faults == 2


def test_a_closed_stderr_does_not_matter(monkeypatch, tmp_path):
    with (tmp_path / "err").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
    wrapped = ProfiledCalculator(zoo.Spring())
    monkeypatch.setattr(RowMaker, "finish", broken)
    wrapped.calculate(copper())
    assert recording(wrapped).run._recorder.counters.faults == 1


def test_a_probe_that_cannot_begin_is_named_and_the_others_measure(monkeypatch):
    monkeypatch.setitem(recording_module.LISTENERS, "garbage collection", broken)
    expected, _ = simulate()
    ends, calc = simulate(ProfiledCalculator)
    assert ends == expected
    run = recording(calc).run
    run.close()
    journal = read_journal(run.path)
    assert len(journal.calls) == recording(calc).calls > 0
    assert [notice.kind for notice in journal.notices] == ["not-measured"]
    assert "garbage collection" in journal.notices[0].text


@pytest.mark.parametrize(
    ("owner", "name"),
    [(header, "environment"), (recording_module, "JournalWriter"), (recording_module, "ProcessProbe")],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_a_run_that_cannot_begin_records_nothing(owner, name, monkeypatch, capsys):
    expected, _ = simulate()
    monkeypatch.setattr(owner, name, broken)
    ends, calc = simulate(ProfiledCalculator)
    assert ends == expected
    assert recording(calc).calls == 0
    reported = capsys.readouterr().err.splitlines()
    assert len(reported) == 1
    assert reported[0].startswith("instrumented-calc: nothing is recorded")
    assert journal_threads() == []


def test_a_directory_that_vanishes_before_the_first_call_does_not_matter(capsys):
    Path("job").mkdir()
    wrapped = ProfiledCalculator(zoo.Spring(), journal="job/run.jsonl")
    Path("job").rmdir()
    wrapped.calculate(copper())
    assert wrapped.results["energy"] > 0
    assert "nothing is recorded" in capsys.readouterr().err


def test_a_process_that_may_start_no_thread_records_all_the_same(monkeypatch):
    def start(_):
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(threading.Thread, "start", start)
    wrapped = ProfiledCalculator(zoo.Spring())
    for _ in range(3):
        wrapped.calculate(copper())
    recording(wrapped).close()
    assert len(read_records().calls) == 3


def test_atoms_that_have_no_length_cost_nothing_but_their_number(make_recorder, capsys):
    class Odd(zoo.Spring):
        def calculate(self, atoms=None, properties=None, system_changes=None):
            self.results = {"energy": 1.0}

    recorder = make_recorder()
    wrapped = twin(Odd(), recorder)
    wrapped.calculate(object(), ["energy"], [])
    wrapped.calculate(copper(), ["energy"], [])
    recorder.end("closed")
    records = read_records()
    assert [row["n_atoms"] for row in records.calls] == [None, 8]
    assert records.counters["faults"] == records.counters["lost_rows"] == 0
    assert TOLD not in capsys.readouterr().err


def test_the_opening_uses_the_environment_module():
    assert header.environment is environment.environment
