"""What a viewer sees of a run, from journals written step by step."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from instrumented_calc.analysis.watching.watcher import Watcher
from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal import growing_file
from instrumented_calc.journal.records import (
    SCHEMA,
    Call,
    Counters,
    Environment,
    Finding,
    Lane,
    LastCalls,
    Machine,
    Notice,
    OpenCall,
    Phase,
    RunEnd,
    RunStart,
    Slice,
    State,
    Tally,
)

if TYPE_CHECKING:
    from pathlib import Path

S, MB, GB = 10**9, 10**6, 10**9
STARTED = "2026-01-01T00:00:00+00:00"
BEGAN = datetime.fromisoformat(STARTED).timestamp()


class Run:
    """A run whose journal grows as the test wants."""

    def __init__(self, path: Path, *, alive: bool | None = True, **environment: Any) -> None:
        self.path = path
        self.now = BEGAN
        self.alive = alive
        start = RunStart(SCHEMA, "r", STARTED, pid=1, version="0")
        start.environment = Environment(host="h", **environment)
        self.write(start, Lane(0, "ase.EMT", "twin", n_atoms=10, formula="Cu10"))
        self.watcher = Watcher(path, clock=lambda: self.now, is_alive=lambda _: self.alive)

    def write(self, *records: Any) -> None:
        with self.path.open("ab") as file:
            file.write(msgspec.json.Encoder().encode_lines(records))

    def phase(self, number: int = 1, index: int = 0, **fields: Any) -> None:
        named = {"kind": "md", "ensemble": "NVE", "timestep_fs": 2.0} | fields
        self.write(Phase(number, named.pop("driver", "ase.md.verlet.VelocityVerlet"), index=index, **named))

    def calls(self, first: int, last: int, *, start: int | None = None, step: int = 0, **fields: Any) -> None:
        """Write calls of one second each, half of it in the calculator."""
        for n in range(first, last):
            at = (n if start is None else start + n - first) * S
            self.write(Call(n, start_ns=at, wall_ns=S // 2, gap_ns=S // 2, step=step + n - first, **fields))
        self.now = BEGAN + at / S + 1

    def look(self, **options: Any) -> Any:
        return self.watcher.look(**options)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run.jsonl")


def test_a_run_that_goes_on(run):
    assert run.look().life == "starting"
    run.phase(until_step=1000)
    run.calls(0, 100, phase=1, components={"model": S // 4})
    state = run.look()
    assert (state.life, state.calls, state.step, state.until_step) == ("running", 100, 100, 1000)
    assert state.ns_per_day_now == pytest.approx(2e-6 * 86400)
    assert state.forecast.seconds == pytest.approx(900)
    assert {each.name: each.wall_ns / state.recent.wall_ns for each in state.recent.parts} == pytest.approx(
        {"model": 0.25, "calculator": 0.25, "integrator": 0.5}
    )
    assert (state.latency.median_ns, state.latency.slowest_ns) == (S // 2, S // 2)


def test_a_run_that_is_ramped_down_to_a_slower_pace(run):
    run.phase(until_step=1000)
    run.calls(0, 300, phase=1)
    fast = run.look()
    for n in range(60):
        at = (300 + 4 * n) * S
        run.write(Call(300 + n, start_ns=at, wall_ns=3 * S, gap_ns=S, step=300 + n))
        run.now = BEGAN + at / S + 4
    slow = run.look()
    assert slow.ns_per_day_now == pytest.approx(fast.ns_per_day_now / 4, rel=0.05)
    assert slow.ns_per_day_mean > 2 * slow.ns_per_day_now
    assert slow.forecast.earliest < slow.forecast.seconds <= slow.forecast.latest


def test_relax_then_md_are_two_drivers(run):
    run.phase(1, driver="BFGS", kind="optimizer", ensemble="NVE", until_step=50)
    run.calls(0, 30, phase=1)
    state = run.look()
    assert (state.step, state.until_step, state.forecast) == (29, 50, None)  # when it converges is not known
    run.phase(2, index=30, until_step=500)
    run.calls(30, 60, phase=2)
    state = run.look()
    assert (state.phase.phase, state.step, state.until_step, state.phases) == (2, 30, 500, 2)
    assert state.forecast.seconds == pytest.approx(470)


def test_no_call_for_long_and_then_an_open_one(run):
    run.calls(0, 20)
    run.now += 100
    state = run.look()
    assert state.life == "waiting"
    assert state.silent_s == pytest.approx(100.5)
    run.write(OpenCall(20, time_ns=100 * S, open_ns=64 * S))
    ending = run.look().ending
    assert (ending.how, ending.call, ending.open_ns) == ("running", 20, 64 * S)


def test_slow_steps_are_not_late(run):
    for n in range(5):
        run.write(Call(n, start_ns=100 * n * S, wall_ns=99 * S, step=n))
    run.now = BEGAN + 499 + 300
    assert run.look().life == "running"
    run.now += 300
    assert run.look().life == "waiting"


def test_a_killed_run_with_its_likely_cause(run):
    run.calls(0, 20)
    run.write(Machine(20 * S, cgroup_memory_bytes=990 * MB, cgroup_memory_limit_bytes=GB))
    run.alive = False
    state = run.look()
    assert (state.life, state.ending.how, state.ending.causes[0].kind) == ("over", "killed", "memory")
    assert state.elapsed_s == pytest.approx(20)


def test_a_run_that_ended_and_one_that_crashed(run):
    run.calls(0, 20)
    run.write(RunEnd("exit", 20 * S, STARTED, Counters(calls=20, failed=2), run_id="r"))
    state = run.look()
    assert (state.life, state.ending.how, state.calls, state.failed) == ("over", "ended", 20, 2)


def test_the_end_of_another_run_is_not_this_ones(run):
    run.write(RunEnd("exit", 20 * S, STARTED, Counters(), run_id="other"))
    assert run.look().life == "starting"


def test_on_another_machine_silence_is_only_reported(run):
    run.alive = None
    run.calls(0, 20)
    assert run.look().life == "running"
    run.now += 59
    assert run.look().life == "waiting"
    run.now += 10
    assert run.look().life == "silent"


def test_another_machines_clock_may_be_wrong(run):
    run.alive = None
    run.calls(0, 20)
    run.look()
    run.now += 3600  # this machine's clock is an hour ahead of the other's
    run.write(Call(20, start_ns=20 * S, wall_ns=S // 2))
    state = run.look()
    assert state.life == "running"
    assert state.silent_s < 1


def test_a_clock_that_is_behind_makes_no_negative_times(run):
    run.alive = None
    run.calls(0, 20)
    run.now = BEGAN - 3600
    state = run.look()
    assert state.silent_s >= 0
    assert state.elapsed_s >= 19


def test_memory_that_grows_until_it_is_full(run):
    for n in range(60):
        used = (500 + 5 * n) * MB
        run.write(Machine(5 * n * S, rss_bytes=used, cgroup_memory_bytes=used, cgroup_memory_limit_bytes=GB))
    memory = run.look().memory
    assert (memory.used, memory.limit) == (795 * MB, GB)
    assert memory.bytes_per_s == pytest.approx(MB)
    assert memory.full_in_s == pytest.approx(205)


@pytest.mark.parametrize("shape", [lambda _: 500, lambda n: 500 - 400 * 0.7**n, lambda n: 500 + (n % 2) * 50])
def test_memory_that_does_not_grow(run, shape):
    for n in range(60):
        used = int(shape(n) * MB)
        run.write(Machine(5 * n * S, rss_bytes=used, cgroup_memory_bytes=used, cgroup_memory_limit_bytes=GB))
    memory = run.look().memory
    assert (memory.bytes_per_s, memory.full_in_s) == (None, None)


def test_temperature_and_drift(run):
    run.phase()
    run.calls(0, 100, phase=1)
    for n in range(0, 100, 5):
        run.write(State(n, step=n, conserved_ev=-10 + 0.01 * n, temperature_k=300.0 + n, target_k=350.0))
    physics = run.look().physics
    assert (physics.temperature_k, physics.target_k) == (395.0, 350.0)
    assert physics.drift == pytest.approx(0.01 * 1000 / 10 / 0.002)
    assert physics.drift_seen


def test_a_fluctuating_energy_does_not_drift(run):
    run.phase()
    for n in range(0, 100, 5):
        run.write(State(n, step=n, conserved_ev=-10 + 0.01 * (-1) ** (n // 5)))
    assert not run.look().physics.drift_seen


def test_what_is_not_finite_comes_with_its_first_step(run):
    run.write(State(40, step=40, non_finite=["forces"]), State(48, step=48, non_finite=["forces", "energy"]))
    physics = run.look().physics
    assert (physics.broken, physics.broken_step) == (("forces",), 40)


def test_findings_notices_and_totals(run):
    run.write(Finding("host-growth", "memory grows", 5 * S, {}), Notice("mark", "here", time_ns=6 * S))
    run.write(Finding("host-growth", "memory grows", 9 * S, {}), Tally(9 * S, Counters(calls=70, failed=1)))
    state = run.look()
    assert [(each.rule, each.time_ns) for each in state.findings] == [("host-growth", 5 * S)]
    assert [each.text for each in state.notices] == ["here"]
    assert (state.calls, state.failed) == (70, 1)


def test_whether_it_fits_the_job(tmp_path):
    run = Run(tmp_path / "run.jsonl", job_ends="2026-01-01T00:10:00Z")
    run.phase(until_step=1000)
    run.calls(0, 100, phase=1)
    expected = run.look().forecast
    assert expected.job_left == pytest.approx(500)
    assert (expected.fits, expected.step_at_limit) == (False, 600)


def test_a_torn_line_and_wild_lines(run):
    run.calls(0, 20)
    with run.path.open("ab") as file:
        file.write(
            b'{"event":"call","index":20,"start\nnonsense\n\xff\xfe\n[1]\n{"event":"from the future"}\n'
        )
        file.write(b'{"event":"call","index":-3}\n{"event":"phase","phase":"x"}\n{"event":"call","ind')
    state = run.look()
    assert (state.calls, state.ending.causes) == (20, ())
    run.alive = False
    assert [cause.kind for cause in run.look().ending.causes] == ["cut short"]
    run.alive = True
    with run.path.open("ab") as file:
        file.write(b'ex":20,"start_ns":20000000000,"wall_ns":7}\n')
    assert run.look().calls == 21


def test_a_journal_that_is_replaced_is_a_new_run(run):
    run.calls(0, 20)
    assert run.look().calls == 20
    run.path.unlink()
    again = Run(run.path)
    again.calls(0, 5)
    state = run.look()
    assert state.calls == 5


def test_a_journal_that_vanishes_leaves_the_last_state(run):
    run.calls(0, 20)
    run.look()
    run.path.unlink()
    assert run.look().calls == 20
    assert run.watcher.is_gone


def thinned(run: Run) -> None:
    run.phase(until_step=100_000)
    run.calls(0, 20, phase=1)
    for n in range(20, 60):
        run.write(
            Slice(
                start_ns=n * S,
                end_ns=(n + 1) * S,
                calls=100,
                nested=0,
                failed=0,
                unchanged=0,
                wall_ns=S // 2,
                gap_ns=S // 2,
                min_ns=MB,
                max_ns=9 * MB,
                squares_ns2=0.0,
                atom_calls=1000,
                histogram=[],
                phase=1,
                first_step=20 + 100 * (n - 20),
                last_step=119 + 100 * (n - 20),
            )
        )
    run.now = BEGAN + 60


def test_a_thinned_journal_is_followed_by_its_sums(run):
    thinned(run)
    state = run.look()
    assert (state.life, state.step) == ("running", 4020)
    assert state.pace.now == pytest.approx(100, rel=0.05)


def test_a_thinned_journal_is_followed_by_its_black_box(run):
    thinned(run)
    rows = [Call(4020 + n, start_ns=60 * S + n * MB, wall_ns=MB, step=4020 + n) for n in range(500)]
    box = run.path.with_name("run.jsonl.last")
    box.write_bytes(msgspec.json.Encoder().encode_lines([LastCalls("r", 4020), *rows]))
    other = run.path.with_name("run.jsonl-2.last")
    other.write_bytes(msgspec.json.Encoder().encode_lines([LastCalls("other run", 9), Call(10**6)]))
    state = run.look()
    assert (state.step, state.calls) == (4520, 4520)
    box.write_bytes(b"")  # it is emptied when the files change places
    assert run.look().step == 4520


def test_the_driver_may_be_in_the_middle_of_a_large_journal(run, monkeypatch):
    for name, size in (("HEAD_BYTES", 2000), ("TAIL_BYTES", 2000), ("SPOT_BYTES", 200)):
        monkeypatch.setattr(growing_file, name, size)
    run.phase(1, driver="BFGS", kind="optimizer")
    run.calls(0, 200, phase=1)
    run.phase(2, index=200, until_step=2000)
    run.calls(200, 900, phase=2)
    first = run.look()
    assert (first.step, first.phase, first.calls) == (699, None, 900)
    assert first.unread > 0.5
    whole = run.look(catch_up_s=60)
    assert (whole.phase.phase, whole.until_step, whole.unread) == (2, 2000, 0.0)
    assert whole.ns_per_day_mean == pytest.approx(2e-6 * 86400, rel=0.05)


@pytest.mark.parametrize("content", [b"hello\n", b'{"a": 1}\n', b"\x1f\x8b\x08\0\0\n"])
def test_what_is_no_journal_is_refused(tmp_path, content):
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(JournalReadError, match="not a journal"):
        Watcher(tmp_path / "x.jsonl").look()


def test_a_journal_of_a_newer_version_is_refused(tmp_path):
    line = b'{"event":"run_start","schema":"instrumented-calc/9","run_id":"r","started":"","pid":1}'
    (tmp_path / "x.jsonl").write_bytes(line + b"\n")
    with pytest.raises(JournalReadError, match="newer instrumented-calc"):
        Watcher(tmp_path / "x.jsonl").look()


@pytest.mark.parametrize("content", [b"", b'{"event":"run_st'])
def test_an_empty_or_just_begun_journal_is_waited_for(tmp_path, content):
    (tmp_path / "x.jsonl").write_bytes(content)
    assert Watcher(tmp_path / "x.jsonl", is_alive=lambda _: True).look().life == "starting"
