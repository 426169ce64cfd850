"""Findings as text and as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import msgspec
import pytest

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import NAMES, judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.cli import main
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.final_summary import closing_summary
from instrumented_calc.reporting.run.findings import findings_section, saving_words
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report

MS = 1_000_000


@pytest.fixture
def leaking(tmp_path):
    return written(tmp_path / "leak.jsonl", 4000)


@pytest.fixture
def healthy(tmp_path):
    return written(tmp_path / "run.jsonl", 0)


def written(path, leak):
    start = records.RunStart(
        schema=records.SCHEMA,
        run_id="r",
        started="2026-01-01T00:00:00Z",
        pid=1,
        version="0.1.0",
        environment=records.Environment(python="CPython 3.12", memory_bytes=10**9),
    )
    phase = records.Phase(phase=0, driver="m.Driver", kind="md", index=0)
    calls = [
        records.Call(index=n, start_ns=6 * MS * n, wall_ns=4 * MS, gap_ns=2 * MS, step=n) for n in range(2000)
    ]
    calls[0].lane, calls[0].phase, calls[0].n_atoms = 0, 0, 4
    for call in calls[::10]:
        call.rss_bytes = 10**8 + leak * call.index
    made = [start, phase, *calls]
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in made))
    return path


def judged(path):
    summary = summarize(read_journal(path))
    return summary, judge(summary)


def test_a_report_states_problem_and_remedy(leaking):
    summary, findings = judged(leaking)
    text = render_text(build_report([ReadRun(summary, findings)]))
    section = text.partition("Findings\n")[2]
    assert "WRONG OR WILL DIE  host-growth: host memory grows by +4.00 kB/step" in section
    assert "--ignore host-growth" in section
    for name in ("what to do", "to confirm", "to silence", "based on"):
        assert name in section
    assert all(rule in section for rule in NAMES)


def test_a_healthy_run_is_reported_in_two_lines(healthy):
    _, findings = judged(healthy)
    section = findings_section([each for each in findings if each.verdict != "flagged"])
    assert section.blocks[0].lines == ("No findings.",)
    clear, missing = section.blocks[1].lines
    assert "host-growth" in clear
    assert "density-driven, lost-edges need an integration that reports the number of edges" in missing
    assert "overhead-bound needs instrumented-calc scale" in missing
    assert findings_section([]) is None


def test_all_shows_each_rule_with_its_reason(healthy, capsys):
    assert main(["report", str(healthy), "--all"]) == 0
    section = capsys.readouterr().out.partition("Findings\n")[2]
    assert "edges are not counted" in section
    assert "no growth" in section
    assert all(rule in section for rule in NAMES)
    assert main(["report", str(healthy)]) == 0
    assert "edges are not counted" not in capsys.readouterr().out


def test_a_saving_is_reported_with_its_ceiling(healthy):
    _, findings = judged(healthy)
    outside = next(each for each in findings if each.rule == "time-outside")
    assert outside.saving_share == pytest.approx(
        1.9 / 6, rel=0.01
    )  # all but what an integrator needs at least
    (_, facts, _) = (*findings_section([outside]).blocks, None)
    text = dict(facts.pairs)["could save"]
    assert "at most 31.6 % of the wall time, 1.90 ms per step: up to 1.46 times as fast" in text


def test_a_saving_of_nothing_is_left_out(healthy):
    outside = next(each for each in judged(healthy)[1] if each.rule == "time-outside")
    assert saving_words(replace(outside, saving_share=0.0, saving_ms=0.0, ceiling=1.0)) == ""


def test_without_steps_a_saving_is_per_call(healthy):
    first = records.Call(index=0, start_ns=0, wall_ns=400 * MS, lane=0, n_atoms=4)
    calls = [
        records.Call(index=n, start_ns=(400 + 5 * n) * MS, wall_ns=4 * MS, gap_ns=MS) for n in range(1, 500)
    ]
    start = healthy.read_bytes().splitlines(keepends=True)[0]
    healthy.write_bytes(start + b"".join(msgspec.json.encode(each) + b"\n" for each in (first, *calls)))
    slow = next(each for each in judged(healthy)[1] if each.rule == "warm-up")
    assert re.fullmatch(r"at most .* ms per call: up to .* times as fast", saving_words(slow))


def test_the_summary_begins_with_the_leak_and_its_horizon(leaking, healthy):
    text = closing_summary(leaking)
    assert " ".join(text.split()).startswith(
        "PROBLEM memory grows by 4.00 kB/step: 4,000 MB per million steps; the limit is 223,010 steps away."
        " Look for objects kept from step to step"
    )
    assert "memory   108 MB at most, growing by 4.00 kB per step" in text.splitlines()
    assert "memory   100 MB at most, steady" in closing_summary(healthy).splitlines()


def test_json_carries_every_finding_with_its_evidence(leaking):
    summary, findings = judged(leaking)
    (found,) = json.loads(render_json([ReadRun(summary, findings)]))["journals"]
    first = found["findings"][0]
    assert (first["rule"], first["verdict"], first["severity"]) == ("host-growth", "flagged", "wrong")
    assert first["numbers"]["kb_per_step"] == pytest.approx(4.0)
    assert {each["rule"] for each in found["findings"]} == set(NAMES)


def test_fail_on_makes_a_gate_for_ci(leaking, healthy, capsys):
    assert main(["report", str(leaking), "--fail-on", "host-growth,lost-edges"]) == 1
    assert "failed on host-growth" in capsys.readouterr().err
    assert main(["report", str(healthy), "--fail-on", "host-growth"]) == 0
    assert main(["report", str(leaking), "--fail-on", "host-growth", "--ignore", "host-growth"]) == 0
    capsys.readouterr()
    assert main(["report", str(leaking), "--fail-on", "host-grwth"]) == 2
    assert "host-growth" in capsys.readouterr().err
