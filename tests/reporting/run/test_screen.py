"""The report on one screen: what is wrong, what to change and where the time goes, on about 50 lines."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.analysis.test_places import sampled, write  # noqa: F401 - a fixture
from tests.diagnosis.case import CASES, all_cases
from tests.diagnosis.recorded import unpack
from tests.reporting.run.test_final_summary import ended, run_of

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.analysis.targets import check_target, parse_target
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.run.final_summary import closing_text
from instrumented_calc.reporting.run.report_object import Report
from instrumented_calc.reporting.run.screen.screen import render_screen

MS = 1_000_000
all_cases()


def judged(path, *targets):
    summary = summarize(read_journal(path))
    outcomes = [check_target(parse_target(each), summary) for each in targets]
    return ReadRun(summary, judge(summary), outcomes)


def screen(*paths, width=80):
    return render_screen([judged(path) for path in paths], width)


def line(text, start):
    return next(each for each in text.splitlines() if each.startswith(start))


def words(text):
    return " ".join(text.split())


def test_a_sound_run_is_a_sentence_figures_bars_and_the_next_command(journal):
    path = journal(*run_of(neighbours=MS), ended({"unchecked": 0}))
    text = screen(path)
    assert text.splitlines() == [
        "Report on run.jsonl",
        "",
        "The potential takes 80 % of the time; nothing is wrong.",
        "",
        "run      EMT on Cu32, VelocityVerlet NVE 5 fs, 2,000 steps in 10.0 s",
        "speed    86.4 ns/day, 5.00 ms/step, slowest call 4.00 ms at step 1",
        "sound    no sign of NaN, failing calls; not judged: an explosion, standing",
        "         still, stale results, forces that contradict the energy, energy drift,",
        "         a wrong temperature, a volume change, momentum drift",
        "",
        "Where the time goes         ms/step      %",
        f"EMT                            4.00   80.0  {'#' * 29}",
        f"  neighbours                   1.00   20.0  {'#' * 7}",
        f"  other                        3.00   60.0  {'#' * 22}",
        f"integrator and observers       1.00   20.0  {'#' * 7}",
        "all                            5.00  100.0",
        "",
        "memory   100 MB at most, steady",
        "",
        f"next     instrumented-calc report {path} --all",
    ]


@pytest.mark.parametrize(
    "name", ["leak-of-blocks", "list-that-is-searched", "too-many-threads", "energy-is-no-number"]
)
@pytest.mark.parametrize("width", [60, 80, 100])
def test_recorded_runs_fit_one_screen(tmp_path, name, width):
    text = screen(unpack(CASES[name], tmp_path, planted=True).path, width=width)
    lines = text.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines[:-1])) <= width
    assert re.search("^(BROKEN|PROBLEM|SLOW) ", text, re.MULTILINE)


def test_a_finding_says_what_what_to_change_and_what_that_saves(journal):
    run = judged(journal(*run_of(leak=4000), ended()))
    saving = replace(run.findings[0], saving_share=0.31, saving_kind="about", code=("a = b @ c",))
    text = render_screen([replace(run, findings=[saving])])
    assert "found: 1 problem." in text
    assert line(text, "PROBLEM").startswith("PROBLEM  host-growth: memory grows by 4.00 kB/step")
    assert line(text, "  change").startswith("  change Look for objects kept from step to step")
    assert line(text, "  write") == "  write  a = b @ c"
    assert line(text, "  saves").startswith("  saves  about 31.0 % of the wall time")


def test_what_follows_from_a_finding_is_named_and_no_saving_of_nothing(journal):
    run = judged(journal(*run_of(leak=4000), ended()))
    cause = replace(run.findings[0], saving_share=0.0, saving_kind="at most")
    effect = replace(cause, rule="gc-pauses", follows_from=cause.rule)
    text = render_screen([replace(run, findings=[cause, effect])])
    assert line(text, "  causes") == "  causes gc-pauses"
    assert "saves" not in text


def test_many_findings_are_shortened_and_counted(journal):
    run = judged(journal(*run_of(leak=4000), ended()))
    many = [replace(run.findings[0], rule=f"rule-{n}", headline="word " * 60) for n in range(40)]
    text = render_screen([replace(run, findings=many)])
    assert text.count("PROBLEM  rule-") < 40
    assert re.search(r"^ +and [0-9]+ other findings: see --all$", text, re.MULTILINE)
    assert len(text.splitlines()) <= 50


def test_a_ruined_run_is_broken_and_since_when(tmp_path):
    text = screen(unpack(CASES["energy-is-no-number"], tmp_path, planted=True).path)
    first = text.splitlines()[2]
    assert first.startswith("BROKEN   ")
    assert "ns/day" not in text
    assert "sound" not in text


def test_the_message_of_the_exception_that_ended_a_run_is_shown(journal):
    end = ended(failure="RuntimeError", failure_message="SCF not converged")
    text = screen(journal(*run_of(30), end))
    assert "ENDED    crashed with RuntimeError: SCF not converged, at step 30" in text.splitlines()
    assert "nothing is wrong" not in text


@pytest.mark.parametrize("first", [0, 1])
def test_phases_have_a_row_each(first, journal):
    made = run_of(phases=("Langevin", "VelocityVerlet"))
    for each in made:
        if isinstance(each, (records.Phase, records.Call)):
            each.phase += first
    text = screen(journal(*made, ended()))
    rows = [each.split() for each in text.splitlines() if re.match(r"[12]\. ", each)]
    assert [row[1] for row in rows] == ["Langevin", "VelocityVerlet"]
    assert [row[-1] for row in rows] == ["86.4", "86.4"]
    assert "Where the time goes               s" in text  # a time per step of two drivers would be a mean


def structures(formulas, shared):
    """Return calls for structures in turn, by one calculator or by one for each."""
    made = [
        records.Lane(lane=n, calculator="a.EMT", seen_by="twin", n_atoms=len(name), formula=name)
        for n, name in enumerate(formulas)
        if not shared or not n
    ]
    for n in range(30):
        which = n % len(formulas)
        call = records.Call(index=n, start_ns=2 * MS * n, wall_ns=MS, changes=["numbers", "positions"])
        call.lane, call.n_atoms = 0 if shared else which, len(formulas[which])
        if not shared and n >= len(formulas):
            call.changes = ["positions"]
        made.append(call)
    return made


def test_a_screening_loop_has_a_table_by_size_and_formula(journal):
    text = screen(journal(*structures(("Cu4", "CuAu4", "Pt4"), shared=False), ended()))
    table = text.partition("Systems")[2].partition("\n\n")[0].splitlines()[1:]
    assert [row.split()[:3] for row in table] == [
        ["Cu4", "3", "10"],
        ["Pt4", "3", "10"],
        ["CuAu4", "5", "10"],
    ]
    assert table[0].split()[-1] == "333"  # us per atom


def test_structures_of_a_shared_calculator_are_not_named_after_the_first(journal):
    text = screen(journal(*structures(("Cu4", "CuAu4", "Pt4"), shared=True), ended()))
    table = text.partition("Systems")[2].partition("\n\n")[0].splitlines()[1:]
    assert [row.split()[:3] for row in table] == [["various", "3", "20"], ["various", "5", "10"]]


def test_one_system_needs_no_table(journal):
    assert "Systems" not in screen(journal(*run_of(30), ended()))


def test_many_systems_are_the_largest_and_the_others(journal):
    text = screen(journal(*structures([f"Cu{n}" * n for n in range(1, 21)], shared=False), ended()))
    table = text.partition("Systems")[2].partition("\n\n")[0].splitlines()[1:]
    assert len(table) == 8
    assert table[-1].startswith("13 others")


def test_functions_and_observers_are_named_in_the_tree(write):  # noqa: F811 - a fixture
    stacks = [
        ("calculator", "", [0, 1, 2], 3, 60),
        ("calculator", "graph", [5, 4], 2, 30),
        ("observers", "", [6], 1, 40),
    ]
    text = screen(write(sampled(stacks)).path, width=100)
    tree = text.partition("Where the time goes")[2].partition("\n\n")[0].splitlines()
    assert any(each.startswith("  other") for each in tree)
    assert any(each.startswith("    my_calc.py:43 ") for each in tree)
    assert any(each.startswith("  observer md.py:7 <module>") for each in tree)
    assert tree[-1] == "~ estimated from samples of the stack"


def test_observers_that_were_measured_are_named_with_exact_times(write):  # noqa: F811 - a fixture
    found = write(
        records.Observers(
            time_ns=9,
            drivers=1,
            observers=[
                records.ObserverTime("write_frame", 50, 60 * MS, "", "/home/me/md.py", 12),
                records.ObserverTime("MDLogger", 100, 20 * MS, "ase"),
                records.ObserverTime("quick", 100, MS, "", "/home/me/md.py", 30),
            ],
        ),
        records.Call(index=100, start_ns=1000 * MS, wall_ns=8 * MS, step=100, observers_ns=81 * MS),
    )
    text = screen(found.path)
    tree = text.partition("Where the time goes")[2].partition("\n\n")[0].splitlines()
    rows = [each.split()[:-2] for each in tree if each.split()[0] in {"your", "md.py:12", "MDLogger"}]
    assert [each[:-1] for each in rows] == [["your", "observers"], ["md.py:12", "write_frame"], ["MDLogger"]]
    assert line(text, "integrator ").split()[0] == "integrator"
    assert "~" not in text
    summary = summarize(found)
    assert sum(each.share for each in summary.observers) == pytest.approx(81 / 1008)
    (row,) = [each for each in closing_text(summary).splitlines() if each.startswith("observer ")]
    assert row == "observer write_frame 6.0 %, MDLogger 2.0 %"
    full = Report([ReadRun(summary)]).full_text
    table = full.partition("\nObservers\n")[2].partition("\n\n")[0].splitlines()
    assert table[1].split() == ["write_frame", "md.py:12", "50", "60.0", "ms", "1.20", "ms", "6.0"]
    assert len(table) == 4


def test_without_observers_the_integrator_has_the_time_alone(write):  # noqa: F811 - a fixture
    assert "integrator and observers" in screen(write().path)
    text = screen(write(records.Observers(time_ns=9, drivers=1, observers=[])).path)
    assert "and observers" not in text
    assert line(text, "integrator ")
    assert "integrator and observers" in screen(
        write(records.Observers(time_ns=9, drivers=0, observers=[])).path
    )


def test_several_journals_share_one_screen(journal):
    paths = [
        journal(*run_of(200), ended(), name="run.jsonl"),
        journal(*run_of(leak=4000), ended(), name="run-2.jsonl"),
        journal(*run_of(30), ended(failure="ValueError"), name="run-3.jsonl"),
    ]
    text = screen(*paths)
    lines = text.splitlines()
    assert lines[0] == "Report on run.jsonl, run-2.jsonl, run-3.jsonl"
    assert words(text).count("host-growth") == 1
    assert line(text, "  in ") == "  in     run-2.jsonl"
    assert line(text, "run-3.jsonl").endswith("ValueError")
    assert line(text, "next").endswith(" --all")
    assert len(lines) <= 50


def test_a_pool_of_many_workers_fits_one_screen(journal):
    paths = []
    for n in range(14):
        path = journal(*run_of(20), ended(), name=f"run.pid{n}.jsonl")
        path.write_bytes(
            path.read_bytes().replace(b'"run_id":"r"', b'"run_id":"w%d","parent_run_id":"r"' % n)
        )
        paths.append(path)
    text = screen(*paths)
    assert "14 journals, 14 of workers; 280 calculations" in text
    assert "together run r, 14 journals" in text
    assert line(text, "3 others").split()[2] == "60"
    assert len(text.splitlines()) <= 50


def test_targets_have_a_line_each(journal):
    run = judged(journal(*run_of(), ended()), "p95/mean<2", "max<1ns")
    text = render_screen([run])
    assert line(text, "target   p95/mean<2").startswith("target   p95/mean<2: passed, measured 1.00")
    assert "missed, measured 4.00 ms" in line(text, "target   max<1ns")


def test_an_empty_journal_says_so(journal):
    text = screen(journal(ended()))
    assert "No calls were recorded." in text
    assert line(text, "next").startswith("next     instrumented-calc validate ")
