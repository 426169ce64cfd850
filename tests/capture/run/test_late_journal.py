"""A journal that cannot be created at the first call: the run waits a limited time, and it is tried again."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.capture import zoo
from tests.gate import Gate
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.run import journal_path, recorder
from instrumented_calc.capture.run import recording as recording_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "RETRY_S", 0)
    monkeypatch.setattr(recorder, "RETRY_SHARE", 0)


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Gate]]:
    """Make a function of os hang for the journal until the event that this returns."""
    for module in (journal_path, recording_module):
        monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    events = []

    def make(name: str) -> Gate:
        answers, real = Gate(), getattr(os, name)
        events.append(answers)

        def hanging(path: Any, *args: Any, **kwargs: Any) -> Any:
            if "run.jsonl" in str(path):
                answers.wait()
            return real(path, *args, **kwargs)

        monkeypatch.setattr(os, name, hanging)
        return answers

    yield make
    for event in events:
        event.set()
    for thread in _openers():
        thread.join(30)
    for event in events:
        event.close()


def _openers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "instrumented-calc open"]


@pytest.mark.usefixtures("at_once")
def test_calls_are_recorded_once_the_directory_is_there_and_earlier_ones_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("job").mkdir()
    calc = ProfiledCalculator(zoo.Spring(), journal="job/run.jsonl", summary=False)
    Path("job").rmdir()
    atoms = zoo.copper()
    for _ in range(3):
        calc.calculate(atoms)
    Path("job").mkdir()
    for _ in range(2):
        calc.calculate(atoms)
    recording(calc).close()
    records = read_records("job/run.jsonl")
    assert len(records.calls) == 2
    assert records.counters["lost_rows"] == 3
    (notice,) = records.notices
    assert (notice["kind"], notice["details"]) == ("rows-lost", {"lost_rows": 3})
    (line,) = capsys.readouterr().err.splitlines()
    assert "job: no such directory" in line or "No such file" in line


def test_a_journal_that_cannot_be_created_is_not_tried_at_each_call() -> None:
    Path("job").mkdir()
    calc = ProfiledCalculator(zoo.Spring(), journal="job/run.jsonl")
    Path("job").rmdir()
    calc.calculate(zoo.copper())
    Path("job").mkdir()
    calc.calculate(zoo.copper())
    assert list(Path("job").iterdir()) == []
    recording(calc).run._recorder._retry_at -= recorder.RETRY_S
    calc.calculate(zoo.copper())
    assert Path("job/run.jsonl").exists()


@pytest.mark.usefixtures("at_once")
def test_the_first_call_does_not_wait_for_a_journal_whose_file_system_hangs(
    hang: Callable[[str], Gate], capsys: pytest.CaptureFixture[str]
) -> None:
    calc = ProfiledCalculator(zoo.Spring(), summary=False)
    answers = hang("open")
    calc.calculate(zoo.copper())
    (line,) = capsys.readouterr().err.splitlines()
    assert "run.jsonl: the file system does not respond" in line
    answers.set()
    for thread in _openers():
        thread.join(30)
    assert not Path("run.jsonl").exists()  # it came too late
    calc.calculate(zoo.copper())
    recording(calc).close()
    assert len(read_records().calls) == 1


def test_wrapping_does_not_wait_for_a_file_system_that_hangs(
    hang: Callable[[str], Gate], working_directory: Path
) -> None:
    answers = hang("stat")
    calc = ProfiledCalculator(zoo.Spring(), summary=False)
    answers.set()
    calc.calculate(zoo.copper())
    recording(calc).close()
    assert len(read_records(working_directory / "run.jsonl").calls) == 1


def test_ctrl_c_while_a_journal_is_opened_leaves_no_empty_one(
    hang: Callable[[str], Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    calc = ProfiledCalculator(zoo.Spring(), summary=False)
    answers = hang("open")
    join = threading.Thread.join

    def struck(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name == "instrumented-calc open" and answers.is_set() is False:
            raise KeyboardInterrupt
        join(thread, timeout)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", struck)
        with pytest.raises(KeyboardInterrupt):
            calc.calculate(zoo.copper())
    answers.set()
    for thread in _openers():
        thread.join(30)
    assert not Path("run.jsonl").exists()
