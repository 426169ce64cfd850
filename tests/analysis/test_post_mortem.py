"""How a run ended, determined from synthetic journals: every statement is as strong as its evidence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from instrumented_calc.analysis.post_mortem import how_it_ended
from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.step_numbers import number_steps
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal import process_alive, reader
from instrumented_calc.journal.reader import Journal, read_journal
from instrumented_calc.journal.records import (
    SCHEMA,
    Call,
    Counters,
    Environment,
    Machine,
    Notice,
    OpenCall,
    RunEnd,
    RunStart,
    Slice,
)
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.ending import ending_words
from instrumented_calc.reporting.run.final_summary import closing_text
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report

SECOND, GB = 10**9, 10**9
STARTED = "2026-01-01T00:00:00.000+00:00"


@pytest.fixture(autouse=True)
def _dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no journal's process running."""
    monkeypatch.setattr(reader, "writer_is_alive", lambda _: False)


def made(*records: Any, calls: int = 3, **environment: Any) -> Journal:
    """Write and read a journal of calls of one second each."""
    start = RunStart(
        SCHEMA, "r", STARTED, pid=1, version="0", environment=Environment(host="h", **environment)
    )
    rows = [Call(i, lane=0, start_ns=i * SECOND, wall_ns=SECOND, step=i) for i in range(calls)]
    Path("run.jsonl").write_bytes(msgspec.json.Encoder().encode_lines([start, *rows, *records]))
    return read_journal("run.jsonl")


def words(*records: Any, **options: Any) -> str:
    journal = made(*records, **options)
    return ending_words(how_it_ended(journal, number_steps(journal)))


def end(**fields: Any) -> RunEnd:
    return RunEnd(reason="exit", time_ns=1, ended=STARTED, counters=Counters(), **fields)


def test_an_ordinary_end_is_reported_as_it_was() -> None:
    assert words(end()) == "exit of the program"
    journal = made(end())
    assert how_it_ended(journal, number_steps(journal)).how == "ended"
    assert "ENDED" not in closing_text(summarize(made(end())))


def test_an_exception_is_reported_with_its_message_and_exhausted_resources() -> None:
    machine = Machine(time_ns=1, open_files=64, open_files_limit=64)
    text = words(machine, end(failure="OSError", failure_message="Too many open files"))
    assert text == ("exit after OSError: Too many open files; out of file descriptors: 64 of 64 were open")
    assert words(end(failure="MemoryError")) == "exit after MemoryError"


def test_without_evidence_the_cause_is_unknown() -> None:
    assert words() == "killed after call 2, step 2; cause unknown"
    assert words(calls=0) == "killed before any call had ended; cause unknown"


def test_a_line_that_is_cut_short_may_be_of_a_file_that_could_not_grow() -> None:
    made()
    whole = Path("run.jsonl").read_bytes()
    Path("run.jsonl").write_bytes(whole[:-10])
    journal = read_journal("run.jsonl")
    text = ending_words(how_it_ended(journal, number_steps(journal)))
    assert text.startswith("killed after call 1, step 1; or its journal could not grow (full disk, quota, ")
    assert text.endswith("the run may have continued")


def test_the_open_call_is_the_innermost_that_has_no_row() -> None:
    reports = [
        OpenCall(2, time_ns=3 * SECOND, open_ns=SECOND),  # ended since
        OpenCall(3, time_ns=5 * SECOND, open_ns=2 * SECOND),
        OpenCall(3, time_ns=93 * SECOND, open_ns=90 * SECOND),
        OpenCall(4, time_ns=93 * SECOND, open_ns=30 * SECOND),
    ]
    text = words(*reports)
    assert text == "killed during call 4 (after step 2), which had been running for 30.0 s; cause unknown"
    assert words(*reports[:1]) == "killed after call 2, step 2; cause unknown"


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.98, "memory was at 98 % of its limit of 4.00 GB (likely out of memory)"),
        (0.88, "memory was at 88 % of its limit of 4.00 GB (possibly out of memory)"),
        (0.5, "cause unknown"),
    ],
)
def test_memory_is_a_cause_as_far_as_it_was_near_its_limit(share: float, expected: str) -> None:
    machine = Machine(time_ns=1, cgroup_memory_bytes=int(share * 4 * GB), cgroup_memory_limit_bytes=4 * GB)
    assert words(machine) == f"killed after call 2, step 2; {expected}"
    free = Machine(time_ns=1, available_bytes=int((1 - share) * 4 * GB))
    assert words(free, memory_bytes=4 * GB) == f"killed after call 2, step 2; {expected}"
    sampled = Call(3, lane=0, start_ns=3 * SECOND, wall_ns=1, rss_bytes=int(share * 4 * GB))
    assert words(sampled, cgroup_memory_bytes=4 * GB).endswith(expected)


def test_a_killed_sibling_is_reported_and_an_earlier_one_is_not() -> None:
    before, after = Machine(time_ns=1, oom_kills=1), Machine(time_ns=2, oom_kills=3)
    assert "because memory ran out during the run: 2" in words(before, after)
    assert words(before, before).endswith("cause unknown")


def test_a_full_disk_is_a_possible_cause() -> None:
    assert "3.00 MB left (possibly full)" in words(Machine(time_ns=1, disk_free_bytes=3_000_000))
    assert words(Machine(time_ns=1, disk_free_bytes=30 * GB)).endswith("cause unknown")


def test_the_time_limit_is_a_cause_if_the_last_record_is_near_it() -> None:
    assert "1.00 s before the batch system's time limit (likely ended by it)" in words(
        job_ends="2026-01-01T00:00:04+00:00"
    )
    assert "after the batch system's time limit" in words(job_ends="2026-01-01T00:00:01+00:00")
    assert words(job_ends="2026-01-01T01:00:00+00:00").endswith("cause unknown")
    assert words(job_ends="tomorrow").endswith("cause unknown")


def test_a_step_of_the_clock_is_reported() -> None:
    text = words(Machine(time_ns=1, clock_step_ns=3 * 3600 * SECOND))
    assert "the wall clock differs from the run's clock by 3 h 0 min" in text


def test_likely_causes_come_first() -> None:
    machine = Machine(
        time_ns=1, disk_free_bytes=1, cgroup_memory_bytes=4 * GB, cgroup_memory_limit_bytes=4 * GB
    )
    text = words(machine)
    assert text.index("out of memory") < text.index("possibly full")


def test_a_run_that_continues_or_may_continue_is_not_called_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "writer_is_alive", lambda _: True)
    assert words(OpenCall(3, time_ns=5, open_ns=2 * SECOND)).startswith("still running during call 3")
    monkeypatch.setattr(reader, "writer_is_alive", lambda _: None)
    assert words().startswith("killed, or still running elsewhere")


@pytest.mark.parametrize("proc", ["/proc", "/no/such/folder"])
def test_whether_the_writer_is_alive_is_known_on_its_own_machine_only(monkeypatch, proc) -> None:
    monkeypatch.setattr(process_alive, "PROC", Path(proc))
    here = RunStart(SCHEMA, "r", "2100-01-01T00:00:00+00:00", pid=os.getpid(), version="0")
    assert process_alive.writer_is_alive(None) is None
    assert process_alive.writer_is_alive(here) is None
    here.environment = Environment(host=process_alive.socket.gethostname())
    assert process_alive.writer_is_alive(here) is True
    here.started = "2000-01-01T00:00:00+00:00"  # before this process began: the number was given again
    assert process_alive.writer_is_alive(here) is False
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        os.waitid(
            os.P_PID, child.pid, os.WEXITED | os.WNOWAIT
        )  # it has ended, but its number is not free yet
        here.started, here.pid = "2100-01-01T00:00:00+00:00", child.pid
        assert process_alive.writer_is_alive(here) is False
    assert process_alive.writer_is_alive(here) is False
    here.environment = Environment(host="another")
    assert process_alive.writer_is_alive(here) is None


def test_every_form_of_the_report_says_how_it_ended() -> None:
    machine = Machine(time_ns=1, cgroup_memory_bytes=98 * GB, cgroup_memory_limit_bytes=100 * GB)
    summary = summarize(made(machine))
    expected = "killed after call 2, step 2; memory was at 98 % of its limit"
    assert expected in render_text(build_report([ReadRun(summary)]))
    assert expected in " ".join(closing_text(summary).split())
    assert '"how": "killed"' in render_json([ReadRun(summary)])
    assert expected in render_json([ReadRun(summary)])


def test_a_stall_shows_its_stack() -> None:
    stall = Notice(
        "stall",
        "call 2 has been open for 61 s: a stall",
        details={"stack": ['  File "m.py", line 7, in wait\n    lock.acquire()']},
    )
    text = render_text(build_report([ReadRun(summarize(made(stall, end())))]))
    section = text.partition("Stalled calls")[2]
    assert "call 2 has been open for 61 s" in section
    assert "lock.acquire()" in section


def test_a_slice_without_steps_and_rows_is_not_a_fault() -> None:
    part = Slice(
        start_ns=0,
        end_ns=5,
        calls=1,
        nested=0,
        failed=0,
        unchanged=0,
        wall_ns=5,
        gap_ns=0,
        min_ns=5,
        max_ns=5,
        squares_ns2=25.0,
        atom_calls=0,
        histogram=[(5, 1)],
    )
    assert words(part, calls=0) == "killed before any call had ended; cause unknown"
