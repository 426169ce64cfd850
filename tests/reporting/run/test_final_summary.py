"""The summary at the end of a run: what is wrong first, in words that need no glossary, in 80 columns."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.soundness.check import Check, Since, Soundness
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.final_summary import closing_summary, closing_text
from instrumented_calc.reporting.run.report import build_report
from instrumented_calc.reporting.run.soundness import broken_line
from instrumented_calc.reporting.run.summary_colours import coloured

MS = 1_000_000
GOLDEN = Path(__file__).parents[2] / "journal" / "golden" / "v1.jsonl"
# Terms of the report that a summary does without.
TECHNICAL = (
    "UNKNOWN",
    "FLAGGED",
    "verdict",
    "rules",
    "CV",
    "p95",
    "p99",
    "shown separately",
    "no cause",
    "profiler",
)


def run_of(
    calls: int = 2000, phases: tuple[str, ...] = ("VelocityVerlet",), leak: int = 0, **parts: int
) -> list[records.Record]:
    """Return the records of molecular dynamics with 4 ms of calculation in 5 ms per step."""
    lane = records.Lane(
        lane=0, calculator="ase.calculators.emt.EMT", seen_by="twin", n_atoms=32, formula="Cu32"
    )
    made: list[records.Record] = [lane]
    made += [
        records.Phase(phase=n, driver=f"m.{name}", kind="md", index=0, ensemble="NVE", timestep_fs=5.0)
        for n, name in enumerate(phases)
    ]
    for n in range(calls):
        call = records.Call(
            index=n, start_ns=5 * MS * n, wall_ns=4 * MS, gap_ns=MS, step=n, n_atoms=32, energy_ev=-1.0
        )
        call.lane, call.phase = 0, n * len(phases) // calls
        call.properties, call.changes = ["energy", "forces"], ["positions"]
        if parts:
            call.components = dict(parts)
        if n % 10 == 0:
            call.rss_bytes = 10**8 + leak * n
        made.append(call)
    return made


def ended(counters: dict[str, int] | None = None, **fields: Any) -> records.RunEnd:
    counted = records.Counters(**(counters or {}))
    return records.RunEnd(reason="exit", time_ns=1, ended="2026-01-01T00:00:00Z", counters=counted, **fields)


def rows(text: str) -> dict[str, str]:
    """Return the text of each row by its label, joined over its lines; "": the first sentence."""
    found: dict[str, str] = {}
    label = ""
    for number, line in enumerate(text.splitlines()):
        words = line
        if number or re.match(r"[A-Z ]{4,8}  |[a-z]+  ", line):
            label, words = line[:9].strip() or label, line[9:]
        found[label] = f"{found[label]} {words}" if label in found else words
    return found


def test_a_sound_run_takes_eight_lines_and_begins_with_a_sentence(journal):
    made = run_of(neighbours=MS)
    made[1000].wall_ns = 5 * MS
    lines = closing_summary(journal(*made, ended({"unchecked": 0}))).splitlines()
    assert lines == [
        "The potential takes 80 % of the time; nothing is wrong.",
        "run      EMT on Cu32, VelocityVerlet NVE 5 fs, 2,000 steps in 10.0 s",
        "speed    86.4 ns/day, 5.00 ms/step, slowest call 5.00 ms at step 999",
        f"time     {'#' * 14}{'=' * 43}{'+' * 14}",
        "         # neighbours 20 %  = rest of EMT 60 %  + integrator and observers 20 %",
        "memory   100 MB at most, steady",
        "next     instrumented-calc report run.jsonl",
    ]


@pytest.mark.parametrize(("before_s", "told"), [(30, True), (4, False), (0, False)])
def test_the_time_before_the_first_calculation_is_stated_if_it_is_long(journal, before_s, told):
    text = closing_summary(journal(*run_of(neighbours=MS), ended(), before_ns=before_s * 1000 * MS))
    if told:
        assert rows(text)["before"] == "30.0 s before the first calculation, 75 % of the program's time"
    else:
        assert "before" not in rows(text)


def test_a_sound_run_that_waited_for_processors_states_how_long(journal):
    readings = [records.Machine(time_ns=n * 1000 * MS, processor_wait_ns=n * 370 * MS) for n in range(11)]
    text = closing_summary(journal(*run_of(), *readings, ended({"unchecked": 0})))
    assert rows(text)["waited"] == "37 % of the time for a processor: other programs had them"
    assert len(text.splitlines()) <= 8
    assert "waited" not in closing_summary(journal(*run_of(), *readings[:1], ended({"unchecked": 0})))


@pytest.mark.parametrize(
    "made",
    [
        run_of(),
        run_of(leak=4000),
        run_of(phases=("Langevin", "NoseHooverChainNVT", "VelocityVerlet", "MTKNPT", "BFGS")),
        run_of(20, **{f"a long name of part {n}": MS // 20 for n in range(9)}),
        [*run_of(30), ended(failure="RuntimeError", failure_message="word " * 100)],
        [*run_of(30), *(records.Notice(kind="k", text=f"t{n}\n" * 50, level="warning") for n in range(40))],
    ],
)
def test_a_summary_fits_eighty_columns_and_needs_no_glossary(journal, made):
    text = closing_summary(journal(*made))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert len(text.splitlines()) <= 18
    assert [word for word in TECHNICAL if word in text] == []
    assert "node07" not in text


def test_a_folder_that_was_deleted_is_no_obstacle(tmp_path, monkeypatch, journal):
    (tmp_path / "gone").mkdir()
    summary = summarize(read_journal(journal()))
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert str(summary.journal.path) in closing_text(summary)


def test_phases_are_a_chain(journal):
    path = journal(*run_of(phases=("Langevin", "VelocityVerlet")), ended())
    found = rows(closing_summary(path))
    assert found["run"] == "EMT on Cu32, Langevin NVE 5 fs -> VelocityVerlet NVE 5 fs"
    assert found["speed"].startswith("86.4 ns/day, 5.00 ms/step, 2,000 steps in ")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (
            {"failure": "RuntimeError", "failure_message": "disk full."},
            "crashed with RuntimeError: disk full, at step 30",
        ),
        ({"failure": "MemoryError"}, "crashed with MemoryError, at step 30"),
        ({"failure": "SystemExit", "failure_message": "3"}, "ended by SystemExit: 3, at step 30"),
        ({"failure": "KeyboardInterrupt"}, "stopped by Ctrl-C (KeyboardInterrupt), at step 30"),
    ],
)
def test_how_a_run_was_ended_comes_first(journal, end, words):
    lines = closing_summary(journal(*run_of(30), ended(**end))).splitlines()
    assert lines[0] == f"ENDED    {words}"
    assert lines[1].startswith("run  ")


def test_a_killed_run_and_one_that_a_signal_has_ended(journal):
    assert rows(closing_summary(journal(*run_of(30))))["ENDED"].endswith(
        "after call 29, step 30; by a signal (SIGTERM, kill -9), os._exit or a crash in C code"
    )
    end = ended()
    end.reason = "SIGTERM"  # by version 0.1.0
    assert rows(closing_summary(journal(*run_of(30), end)))["ENDED"] == "ended by SIGTERM, at step 30"


def test_a_run_that_is_open_says_so_and_is_not_called_partial(journal):
    path = journal(*run_of(30), own=True)
    assert closing_summary(path).splitlines()[0] == (
        "The potential takes 81 % of the time so far (the run is open)."
    )
    shown = render_text(build_report([ReadRun(summarize(read_journal(path)))]))
    assert "open: its run has not ended" in shown
    assert "partial" not in shown
    assert "no run_end" not in shown
    leaking = closing_summary(journal(*run_of(leak=4000), own=True))
    assert rows(leaking)["open"] == "the run has not ended; 2,000 calculations so far"


def test_an_exit_out_of_the_last_call_ended_the_run(journal):
    made = run_of(30)
    made[-1].failure = "SystemExit"
    found = rows(closing_summary(journal(*made, ended())))
    assert found["ENDED"] == "ended by SystemExit, at step 30"
    assert "failed" not in found
    made[-1].failure = "ValueError"  # which the program may have caught
    assert "ENDED" not in rows(closing_summary(journal(*made, ended())))


def test_a_finding_comes_before_the_end(journal):
    path = journal(*run_of(leak=4000), ended(failure="MemoryError"))
    found = rows(closing_summary(path))
    assert list(found)[:3] == ["PROBLEM", "ENDED", "run"]
    assert found["PROBLEM"].startswith("memory grows by 4.00 kB/step")


def test_a_finding_is_told_once(journal):
    told = records.Notice(kind="host-growth", text="memory has grown steadily so far", level="warning")
    other = records.Notice(kind="stall", text="call 7 took 61 s", level="warning")
    found = rows(closing_summary(journal(*run_of(leak=4000), told, other, ended())))
    assert found["notice"] == "call 7 took 61 s"


def test_a_long_headline_does_not_cut_what_to_do(journal):
    summary = summarize(read_journal(journal(*run_of(), ended())))
    (finding, *_) = (each for each in judge(summary) if each.rule == "host-growth")
    long = replace(
        finding,
        verdict="flagged",
        headline="word " * 200,
        remedy="Keep fewer frames.",
        saving_share=0.31,
        saving_kind="about",
    )
    found = rows(closing_text(summary, [long]))["PROBLEM"]
    assert found.endswith("word ... Keep fewer frames. Saves about 31 % of the time.")
    coded = replace(long, code=("a = b @ c",), remedy="Write this:")
    assert "The report has the code" in rows(closing_text(summary, [coded]))["PROBLEM"]
    assert "1 other finding in the report" in closing_text(summary, [long] * 3)


@pytest.mark.parametrize(
    ("calls", "counters", "sentence"),
    [
        (2000, {"unchecked": 0}, "The potential takes 80 % of the time; nothing is wrong."),
        (2000, {}, "The potential takes 80 % of the time."),  # whether results were finite was not looked at
        (2, {"unchecked": 0}, "The potential takes 89 % of the time."),  # too few calls
    ],
)
def test_nothing_is_wrong_only_if_it_was_looked_at(journal, calls, counters, sentence):
    text = closing_summary(journal(*run_of(calls), ended(counters)))
    assert text.splitlines()[0] == sentence


@pytest.mark.parametrize(
    ("observers", "sentence"),
    [
        (0, "The integrator takes 60 % of the time."),
        (5 * MS, "Your observers take 50 % of the time."),
    ],
)
def test_who_takes_the_time_is_named(journal, observers, sentence):
    made = run_of(100)
    for call in made:
        if isinstance(call, records.Call):
            call.start_ns, call.wall_ns, call.observers_ns = 10 * MS * call.index, 4 * MS, observers
    summary = summarize(read_journal(journal(*made, ended())))
    assert closing_text(summary).splitlines()[0] == sentence


def test_the_shares_of_the_legend_add_up(journal):
    parts = {f"part {n}": 300_000 + n for n in range(9)}
    found = rows(closing_summary(journal(*run_of(50, **parts), ended())))
    legend = found["time"]
    assert sum(int(share) for share in re.findall(r"(\d+) %", legend)) == 100
    bar = legend.split()[0]
    assert len(bar) == 71
    assert set(bar) == set(re.findall(r"(?:^| )(\S) [^%]+ %", legend.partition(" ")[2]))


@pytest.mark.parametrize(
    ("per_sample", "words"),
    [(0.0, "energy drift under "), (1e-3, "energy drift +0.125 meV per atom per ps")],
)
def test_physics_is_a_drift_or_its_limit_and_a_temperature(journal, per_sample, words):
    made = run_of()
    for n in range(40):
        conserved = per_sample * n + 1e-4 * (7 * n % 5)
        state = records.State(index=50 * n, step=50 * n, conserved_ev=conserved, kinetic_ev=1.2)
        state.potential_ev, state.temperature_k = conserved - 1.2, 300.0
        made.append(state)
    physics = rows(closing_summary(journal(*made, ended())))["physics"]
    assert physics.startswith(words)
    assert physics.endswith(" meV per atom per ps, temperature 300 +- 0 K")


def test_many_structures_are_not_named_after_the_first(journal):
    lane = records.Lane(lane=0, calculator="a.EMT", seen_by="twin", n_atoms=4, formula="Pt4")
    calls = [
        records.Call(index=n, lane=0, start_ns=2 * MS * n, wall_ns=MS, n_atoms=4 + n % 3, changes=["numbers"])
        for n in range(30)
    ]
    found = rows(closing_summary(journal(lane, *calls, ended())))
    assert found["run"] == "EMT on structures of 4 to 6 atoms, 30 calculations in 59.0 ms"


def test_failed_calls_and_lost_rows_are_told(journal):
    made = run_of(30)
    made[5].failure = made[6].failure = "RuntimeError"
    end = ended()
    end.counters.lost_rows = 3
    lines = closing_summary(journal(*made, end)).splitlines()
    assert "nothing is wrong" not in lines[0]
    assert lines[1:3] == ["failed   2 calls: 2 x RuntimeError", "lost     3 calls not written"]


def test_a_journal_of_an_older_version_is_summarized(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = rows(closing_summary(GOLDEN))
    assert found["run"] == "EMT 25.2M on Cu4, VelocityVerlet NVE 2 fs, 4 steps in 3.00 us"
    assert found["next"] == f"instrumented-calc report {GOLDEN}"


def test_without_calls_there_is_nothing_to_show(journal):
    assert rows(closing_summary(journal(ended()))) == {
        "": "No calls were recorded.",
        "next": "instrumented-calc report run.jsonl",
    }


def test_the_next_command_can_be_pasted(journal):
    path = journal(ended(), name="my run.jsonl")
    assert closing_summary(path).endswith("next     instrumented-calc report 'my run.jsonl'")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_only(journal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = closing_summary(journal(*run_of(leak=4000), ended()))
    assert coloured(text, io.StringIO()) == coloured(text, object()) == text
    shown = coloured(text, Terminal())
    assert shown.startswith("\x1b[1;31mPROBLEM\x1b[0m  ")
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == text
    assert shown.count("\x1b[34m#") == 2  # in the bar and in its legend
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured(text, Terminal()) == text
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert coloured(text, Terminal()) == text


@pytest.mark.parametrize(("last", "words"), [("Cu4", "Cu4"), ("Ag4", "structures of 4 atoms")])
def test_a_calculator_per_structure_is_counted_and_no_structure_stands_for_all(journal, last, words):
    made: list[records.Record] = []
    for n, formula in enumerate(("Cu4", "Cu4", last)):
        made.append(records.Lane(lane=n, calculator="m.EMT", seen_by="twin", n_atoms=4, formula=formula))
        call = records.Call(index=n, start_ns=5 * MS * n, wall_ns=4 * MS, gap_ns=MS, lane=n, n_atoms=4)
        call.changes = ["numbers", "positions"]
        made.append(call)
    assert rows(closing_summary(journal(*made, ended())))["run"].startswith(f"3 EMT calculators on {words}, ")


@pytest.mark.parametrize(("atoms", "words"), [(1, "EMT on Cu (1 atom), "), (2, "EMT on Cu (2 atoms), ")])
def test_one_atom_is_singular(journal, atoms, words):
    lane = records.Lane(lane=0, calculator="m.EMT", seen_by="twin", n_atoms=atoms, formula="Cu")
    made = [lane, records.Call(index=0, start_ns=0, wall_ns=4 * MS, lane=0, n_atoms=atoms)]
    assert rows(closing_summary(journal(*made, ended())))["run"].startswith(words)


def test_what_else_is_broken_is_named_in_words():
    found = [
        Check("stale", "flagged", "The energy no longer follows the atoms", since=Since(4)),
        Check("non-finite", "flagged", "The forces are not numbers since step 3 (call 3)", since=Since(3)),
    ]
    line = broken_line(Soundness(tuple(found)))
    assert line == "The forces are not numbers since step 3 (call 3). Also: stale results."
