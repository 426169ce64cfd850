"""Pictures of a run in progress: they fit, say what matters, and show hostile text as text."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import pytest

from instrumented_calc.analysis.post_mortem import Cause, Ending
from instrumented_calc.analysis.timing.time_shares import Breakdown, Share
from instrumented_calc.analysis.watching.pace import Forecast, Pace
from instrumented_calc.analysis.watching.room import MemoryRoom
from instrumented_calc.analysis.watching.watch_state import LiveLatency, LivePhysics, WatchState
from instrumented_calc.journal.records import SCHEMA, Environment, Finding, Lane, Notice, Phase, RunStart
from instrumented_calc.reporting.watch.frame import View, draw
from instrumented_calc.reporting.watch.state_json import render_watch_json

MS = 1_000_000
HOSTILE = "\x1b[2J\x1b]0;title\x07 \u202e [red]x[/red] \r\n\u0000 \U0001f600"


def state(**fields: object) -> WatchState:
    start = RunStart(
        SCHEMA, "r", "2026-01-01T00:00:00+00:00", pid=7, version="0", command=["python", "md.py"]
    )
    start.environment = Environment(host="node01", memory_bytes=10**11)
    parts = (
        Share("message passing", "component", 59 * MS),
        Share("backward", "component", 17 * MS),
        Share("calculator", "calculator", 14 * MS),
        Share("integrator", "outside", 10 * MS),
    )
    known = {
        "path": "/data/run.jsonl",
        "life": "running",
        "at": "2026-01-01T12:00:00+00:00",
        "ending": Ending("running", last_call=41207, step=41207),
        "start": start,
        "elapsed_s": 1120.0,
        "silent_s": 0.1,
        "calls": 41208,
        "failed": 0,
        "step": 41207,
        "until_step": 100_000,
        "phase": Phase(2, "ase.md.verlet.VelocityVerlet", "md", 0, ensemble="NVE", timestep_fs=1.0),
        "phases": 2,
        "lanes": (Lane(0, "ase.EMT", "twin", n_atoms=216, formula="Si216"),),
        "pace": Pace(90.0, 89.0, 80.0, 95.0),
        "forecast": Forecast(653.0, 619.0, 735.0, 600.0, False, 95_207),
        "ns_per_day_now": 7.71,
        "ns_per_day_mean": 7.65,
        "physics": LivePhysics(298.0, 300.0, 0.02, drift_seen=True),
        "memory": MemoryRoom(10**9, 38 * 10**8, 4 * 10**9, 1e5, 2000.0, 10**9, 2 * 10**9, 10**10),
        "latency": LiveLatency(4000, 10.9 * MS, 120 * MS, 40112),
        "recent": Breakdown(100 * MS, parts, 1.0, estimated=False),
        "latency_line": (10.0 * MS, 11.0 * MS, None, 90.0 * MS),
        "memory_line": (1e9, 1.1e9, 1.2e9),
        "findings": (Finding("host-growth", "memory has grown steadily", 10**9, {}),),
        "notices": (Notice("mark", "equilibrated", time_ns=5 * 10**9),),
    }
    return WatchState(**{**known, **fields})


def text(shown: WatchState, **options: object) -> str:
    return "\n".join(line.plain for line in draw(shown, View(**options)))


def test_the_overview_says_what_matters():
    shown = text(state())
    for expected in (
        "RUNNING  run.jsonl on node01",
        "EMT on Si216 (216 atoms), VelocityVerlet NVE 1 fs",
        "step 41,207 of 100,000 (41 %)",
        "7.71 ns/day now, 7.65 mean",
        "in 10 min 53 s (10 min 19 s to 12 min 15 s)",
        "the job ends in 10 min 0 s, at about step 95,207: DOES NOT FIT",
        "298 K (target 300), energy drift +0.0200 meV per atom per ps",
        "1.00 GB, 3.80 GB of 4.00 GB in use, grows; FULL IN about 33 min 20 s",
        "# message passing 59 %  ",
        "10.9 ms per call, slowest of the last 4,000: 120 ms at step 40,112",
        "host-growth: memory has grown steadily",
    ):
        assert expected in shown


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (40, 10), (100, 30), (20, 5)])
def test_a_picture_fits_the_terminal(width, height):
    for panel, helping, ascii_only in product(range(4), (False, True), (False, True)):
        view = View(width, height, panel, help=helping, keys=True, ascii_only=ascii_only)
        rows = [line.plain for line in draw(state(), view)]
        assert len(rows) == max(height, 10)
        assert max(map(len, rows)) <= width
        assert not ascii_only or all(row.isascii() for row in rows)


def test_at_80_by_24_the_overview_and_the_findings_are_seen():
    shown = text(state(), width=80, height=24, keys=True)
    assert "host-growth" in shown
    assert "q quit" in shown.splitlines()[-1]


def test_tab_turns_the_panels():
    titles = ("Findings and notices", "Parts of the recent time", "About the run")
    for panel in range(4):
        shown = text(state(), width=80, height=50, panel=panel)
        assert min(titles, key=shown.index) == titles[panel % 3]


@pytest.mark.parametrize(
    ("life", "ending", "expected"),
    [
        ("starting", Ending("running"), ("STARTING", "no call has ended yet")),
        ("waiting", Ending("running"), ("WAITING", "no call for 1 min 30 s")),
        (
            "waiting",
            Ending("running", call=7, open_ns=64 * 10**9),
            ("WAITING", "call 7 has been open for 1 min 30 s"),
        ),
        ("silent", Ending("unknown"), ("SILENT", "whether it runs on node01 is not known")),
        ("over", Ending("ended", reason="exit"), ("ENDED", "exit of the program")),
        (
            "over",
            Ending("failed", reason="exit", failure="ValueError", message="no"),
            ("FAILED", "exit after ValueError: no"),
        ),
        (
            "over",
            Ending("killed", last_call=5, causes=(Cause("time limit", likely=True, amount=3.0),)),
            ("KILLED", "3.00 s before the batch system's time limit (likely ended by it)"),
        ),
        ("over", Ending("pool"), ("ENDED", "with its process pool")),
    ],
)
def test_each_state_of_life(life, ending, expected):
    shown = " ".join(text(state(life=life, ending=ending, silent_s=90.0, forecast=None)).split())
    assert all(part in shown for part in expected)


def test_what_is_not_finite_is_said_first_of_physics():
    physics = LivePhysics(298.0, broken=("forces",), broken_step=40)
    assert "BROKEN: forces not finite at step 40; the rest is void" in text(state(physics=physics))


def test_an_unknown_run_has_few_rows():
    bare = WatchState("x.jsonl", "starting", "2026-01-01T12:00:00+00:00", Ending("unknown"))
    assert len([row for row in text(bare).splitlines() if row]) <= 4
    assert json.loads(render_watch_json(bare))["life"] == "starting"


def hostile() -> WatchState:
    known = state()
    start = RunStart(SCHEMA, "r", HOSTILE, pid=7, version="0", command=[HOSTILE], directory=HOSTILE)
    start.environment = Environment(host=HOSTILE, cpu=HOSTILE, scheduler={HOSTILE: HOSTILE}, job_ends=HOSTILE)
    return replace(
        known,
        path=f"/{HOSTILE}/{HOSTILE}",
        life="over",
        ending=Ending("failed", reason=HOSTILE, failure=HOSTILE, message=HOSTILE),
        start=start,
        phase=Phase(1, HOSTILE, HOSTILE, 0, ensemble=HOSTILE),
        lanes=(Lane(0, HOSTILE, HOSTILE, formula=HOSTILE, model={"name": HOSTILE}),),
        physics=LivePhysics(broken=(HOSTILE,)),
        recent=Breakdown(10, (Share(HOSTILE, "component", 10),), 1.0, estimated=False),
        findings=(Finding(HOSTILE, HOSTILE, 1, {}),),
        notices=(Notice(HOSTILE, HOSTILE),),
    )


def test_hostile_text_is_shown_as_text():
    for line in draw(hostile(), View(100, 60)):
        assert line.plain.isprintable()
    shown = render_watch_json(hostile())
    assert all(each.isprintable() or each == "\n" for each in shown)
    assert json.loads(shown)["path"] == f"/{HOSTILE}/{HOSTILE}"


def test_the_state_as_json():
    shown = json.loads(render_watch_json(state()))
    assert shown["words"] == {"state": "running", "detail": ""}
    assert (shown["step"], shown["until_step"], shown["machine"]["host"]) == (41207, 100_000, "node01")
    assert shown["forecast"]["fits"] is False
    assert shown["latency_line"] == [10.0 * MS, 11.0 * MS, None, 90.0 * MS]
    endless = state(forecast=Forecast(1.0, 1.0, float("inf")))
    assert "latest" not in json.loads(render_watch_json(endless))["forecast"]
