"""The periodic work during a run: findings are reported once, and rare records are written rarely."""

from __future__ import annotations

import time

from ase.calculators.emt import EMT
from tests.capture.zoo import copper
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.environment.cgroups import cpu_throttling
from instrumented_calc.capture.probes.machine import MachineProbe
from instrumented_calc.capture.rows.row_maker import RowMaker
from instrumented_calc.capture.run import housekeeping
from instrumented_calc.capture.run.recorder import Recorder
from instrumented_calc.journal.records import Finding


def recorded(monkeypatch, judge, enough=None):
    """Return the records of a short run whose live findings are those of `judge`."""
    monkeypatch.setattr("instrumented_calc.api._judge_live", judge)
    monkeypatch.setattr(housekeeping, "FINDINGS_EVERY_NS", 10**8)
    monkeypatch.setattr(housekeeping, "FINDINGS_SHARE", 0)  # a busy machine makes looking slow, and so rare
    calc = ProfiledCalculator(EMT(), journal="r.jsonl", summary=False)
    atoms, begun = copper(), time.monotonic()
    enough = enough or (lambda: time.monotonic() > begun + 0.5)
    while not enough() and time.monotonic() < begun + 60:
        atoms.positions[0, 0] += 1e-4
        calc.get_property("energy", atoms)
        time.sleep(0.01)
    recording(calc).close()
    return read_records("r.jsonl")


def test_a_finding_is_reported_once_as_a_record_and_as_a_notice(monkeypatch):
    asked = []

    def judge(evidence, start):
        asked.append((len(evidence.samples), start.run_id))
        return [Finding("host-growth", "memory grows", 0, {"kb_per_call": 2.0})]

    records = recorded(monkeypatch, judge, enough=lambda: len(asked) > 1 and asked[-1][0] > 2)
    assert len(asked) > 1
    assert asked[-1][0] > 2
    (finding,) = records.of("finding")
    assert finding["rule"] == "host-growth"
    assert finding["time_ns"] > 0
    notices = [each for each in records.of("notice") if each["kind"] == "host-growth"]
    assert [each["text"] for each in notices] == ["memory grows"]
    assert notices[0]["level"] == "warning"


def test_the_first_round_is_not_held_against_the_sampling_budget(monkeypatch):
    exempt, makers = [], []

    def judge(_, __):
        (maker,) = makers
        exempt.append(maker._sampler._excused)
        until = time.thread_time_ns() + 30_000_000
        while time.thread_time_ns() < until:
            pass
        return []

    begin = RowMaker.begin
    monkeypatch.setattr(
        RowMaker, "begin", lambda maker, *what: (makers.append(maker), begin(maker, *what))[1]
    )
    recorded(monkeypatch, judge, enough=lambda: len(exempt) > 3)
    assert exempt[1] >= exempt[0] + 30_000_000
    assert exempt[3] == exempt[1]


def test_a_rule_that_fails_is_reported_once_and_the_run_continues(monkeypatch, capsys):
    failed = []

    def judge(_, __):
        failed.append(True)
        raise ZeroDivisionError

    records = recorded(monkeypatch, judge, enough=lambda: len(failed) > 1)
    assert records.of("finding") == []
    assert records.counters["calls"] == len(records.calls)
    assert capsys.readouterr().err.count("internal error in the journal's thread") == 1


def test_the_machine_and_the_state_are_written_periodically(monkeypatch):
    beats = []
    records = recorded(monkeypatch, lambda _, __: beats.append(1) or [], enough=lambda: beats)
    assert len(records.of("machine")) >= 1
    states = records.of("state")
    assert len(states) >= 1
    assert states[0]["volume_a3"] > 0


def test_a_worker_reads_the_memory_that_is_its_own():
    machine = MachineProbe(forked=True).read(5)
    assert machine.time_ns == 5
    assert 10**6 < machine.pss_bytes < 10**11


def test_throttling_is_that_of_the_tightest_group(tmp_path):
    group = tmp_path / "sys/fs/cgroup/job/step"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/job/step\n")
    (group / "cpu.stat").write_text("usage_usec 5\nnr_periods 100\nnr_throttled 3\n")
    (group.parent / "cpu.stat").write_text("usage_usec 5\nnr_periods 200\nnr_throttled 90\n")
    assert cpu_throttling(tmp_path) == (200, 90)


def test_without_a_quota_nothing_is_throttled(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    assert cpu_throttling(tmp_path) is None


def test_findings_are_searched_by_the_recorders_of_users_alone():
    assert Recorder.__init__.__kwdefaults__["judge"] is None
