"""Notices and the start and end of a run, as events of structlog loggers."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys

import msgspec
import pytest
import structlog
from tests.capture import zoo
from tests.capture.zoo import copper

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.notices import Notices
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.records import Notice


@pytest.fixture(autouse=True)
def structlogs_defaults():
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def events():
    """The events that a program receives which has configured structlog."""
    received = []

    def keep(_, level, event):
        received.append({"level": level, **event})
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    return received


def profile(*, marks=()):
    wrapped = ProfiledCalculator(zoo.Spring(), "run.jsonl", summary=False)
    for each in ("first", *marks):
        wrapped.calculate(copper(), ["energy"], ["positions"])
        if each in marks:
            recording(wrapped).run.mark(each)
    recording(wrapped).close()
    return read_journal("run.jsonl")


def test_a_notice_is_a_record_with_its_details():
    rows = []
    notices = Notices("a1", rows.append, lambda: 7)
    notices.info("mark", "no details")
    notices.warn("rows-lost", "some details", lost_rows=3, stack=["a", "b"])
    assert msgspec.json.encode(rows) == msgspec.json.encode(
        [
            Notice("mark", "no details", 7, "a1", "info"),
            Notice("rows-lost", "some details", 7, "a1", "warning", {"lost_rows": 3, "stack": ["a", "b"]}),
        ]
    )


def test_a_warning_is_one_line_on_stderr_and_information_is_not_printed(capsys):
    notices = Notices("a1", lambda _: None, lambda: 7)
    notices.info("mark", "100 %s of it")
    notices.warn("stall", "a call has been open for 100 %s", open_ns=5)
    notices.warn("stall", "once per kind")
    assert capsys.readouterr().err == "instrumented-calc: a call has been open for 100 %s\n"


def test_a_program_that_configures_structlog_receives_start_notices_and_end(events, capsys):
    journal = profile(marks=["equilibrated"])
    run_id = journal.start.run_id
    assert [(each["level"], each["event"]) for each in events] == [
        ("info", "recording started"),
        ("info", "equilibrated"),
        ("info", "recording ended"),
    ]
    assert {each["run_id"] for each in events} == {run_id}
    assert events[1]["kind"] == "mark"
    assert events[-1]["calls"] == 2
    assert events[-1]["reason"] == "closed"
    assert [each.text for each in journal.notices] == ["equilibrated"]
    assert capsys.readouterr().err == ""


def test_the_programs_configuration_and_bound_context_are_used_and_left_alone(capsys):
    lines = io.StringIO()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(lines),
        cache_logger_on_first_use=True,
    )
    before = structlog.get_config()
    with structlog.contextvars.bound_contextvars(job="melt"):
        profile(marks=["equilibrated"])
    assert structlog.get_config() == before
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(each["job"], each["level"]) for each in found] == [("melt", "info")] * 3
    assert capsys.readouterr().err == ""


def test_standard_logging_receives_them_through_structlog(caplog):
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    with caplog.at_level("INFO", "instrumented_calc"):
        profile(marks=["100 %s"])
    assert {each.name for each in caplog.records} == {"instrumented_calc"}
    messages = [each.getMessage() for each in caplog.records]
    assert messages == ["recording started", "100 %s", "recording ended"]


@pytest.mark.parametrize("error", [KeyError("job"), type("Own", (Exception,), {})("of the program")])
def test_a_failing_processor_of_the_program_hurts_nothing(error, capsys):
    def fail(*_):
        raise error

    structlog.configure(processors=[fail])
    wrapped = ProfiledCalculator(zoo.Spring(), "run.jsonl", summary=False)
    ProfiledCalculator(wrapped)
    wrapped.calculate(copper(), ["energy"], ["positions"])
    recording(wrapped).run.mark("noted")
    recording(wrapped).close()
    journal = read_journal("run.jsonl")
    assert len(journal.calls) == 1
    assert [each.text for each in journal.notices] == ["noted"]
    assert journal.counters.faults == 0
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "wrapped again" in shown
    assert f"(on stderr because logging it failed: {type(error).__name__}" in shown


def test_a_keyboard_interrupt_in_the_programs_processor_passes():
    def interrupt(*_):
        raise KeyboardInterrupt

    structlog.configure(processors=[interrupt])
    wrapped = ProfiledCalculator(zoo.Spring(), "run.jsonl", summary=False)
    with pytest.raises(KeyboardInterrupt):
        wrapped.calculate(copper(), ["energy"], ["positions"])
    structlog.reset_defaults()
    wrapped.calculate(copper(), ["energy"], ["positions"])
    recording(wrapped).close()
    assert read_journal("run.jsonl").end is not None


def test_structlog_is_left_to_the_program():
    script = (
        "import sys, instrumented_calc\n"
        "heavy = ('structlog', 'psutil', 'numpy', 'ase', 'rich')\n"
        "print([name for name in heavy if name in sys.modules])\n"
        "from instrumented_calc import ProfiledCalculator\n"
        "from ase.build import molecule\n"
        "from ase.calculators.emt import EMT\n"
        "with_emt = ProfiledCalculator(EMT(), summary=False)\n"
        "with_emt.get_potential_energy(molecule('CO'))\n"
        "print([name for name in ('structlog', 'rich') if name in sys.modules])\n"
        "import structlog; print(structlog.is_configured())\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]", "False"]
