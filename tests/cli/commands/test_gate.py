"""`instrumented-calc gate`, in process, on real commands that write made journals and on real dynamics."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from instrumented_calc.cli import main
from instrumented_calc.journal import records

CALLS = 40


def journal(level: float, *, seed: int, energy: float, started: str) -> bytes:
    start = records.RunStart(
        schema=records.SCHEMA,
        run_id="r",
        started=started,
        pid=1,
        version="0.1.0",
        environment=records.Environment(libraries=[records.Library("ase", "3.26.0")]),
    )
    lane = records.Lane(0, "EMT", "twin", n_atoms=4, formula="Cu4")
    noise = np.exp(0.02 * np.random.default_rng(seed).normal(size=CALLS))
    calls = [
        records.Call(
            index=n,
            lane=0,
            n_atoms=4,
            start_ns=n * 10**8,
            wall_ns=int(10**7 * level * scatter),
            energy_ev=energy,
        )
        for n, scatter in enumerate(noise)
    ]
    return b"".join(msgspec.json.encode(each) + b"\n" for each in (start, lane, *calls))


@pytest.fixture
def side(tmp_path, monkeypatch):
    """Return a command that takes the next of the journals of these levels each time it is run."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)

    def of(name: str, *levels: float, energy: float = 1.0) -> str:
        folder = tmp_path / "made" / name
        folder.mkdir(parents=True)
        for number, level in enumerate(levels):
            content = journal(level, seed=number, energy=energy, started=f"2026-01-01T00:{number:02d}:00Z")
            (folder / f"{number:03d}").write_bytes(content)
        quoted = shlex.quote(str(folder))
        return f'mv "$(ls {quoted}/* | head -n 1)" "$INSTRUMENTED_CALC_JOURNALS/run.jsonl"'

    return of


def arguments(before: str, after: str, *more: str) -> list[str]:
    return ["gate", "--before", before, "--after", after, *more]


STEADY = (1.0, 1.001, 0.999, 1.0, 1.001, 0.999)


def test_an_equal_change_is_within_the_limit_after_three_pairs(side, capsys):
    assert main(arguments(side("a", *STEADY), side("b", *STEADY[::-1]))) == 0
    shown = capsys.readouterr()
    assert "WITHIN THE LIMIT: --max-slowdown 5%: 3 pairs of runs" in shown.out
    assert "equal in 40 common frames" in shown.out
    assert shown.err.count("per call") == 6
    assert len(list(Path("gate").glob("*/run.jsonl"))) == 6


def test_a_slower_change_is_confirmed_once_more_before_it_fails(side, capsys):
    slower = [1.3 * each for each in STEADY]
    assert main(arguments(side("a", *STEADY), side("b", *slower), "--format", "json")) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["outcome"] == "slower"
    assert (found["judgement"]["pairs"], found["judgement"]["first"]["pairs"]) == (3, 3)
    assert found["judgement"]["interval"]["value"] == pytest.approx(1.3, rel=0.01)
    assert len(found["comparison"]["before"]) == 6


def test_a_red_that_does_not_repeat_is_not_sure(side, capsys):
    after = [1.3 * each for each in STEADY[:3]] + [*STEADY[3:]]
    command = arguments(side("a", *STEADY), side("b", *after))
    assert main(command) == 3
    assert "but not confirmed by 3 pairs" in capsys.readouterr().out


def test_other_values_end_the_gate_after_one_pair(side, capsys):
    assert main(arguments(side("a", *STEADY), side("b", *STEADY, energy=2.0))) == 4
    shown = capsys.readouterr()
    assert "NOT COMPARABLE: --max-slowdown 5%: energies differ" in shown.out
    assert shown.err.count("per call") == 2


def test_a_required_speed_up_is_a_limit_too(side, capsys):
    faster = [0.4 * each for each in STEADY]
    assert main(arguments(side("a", *STEADY), side("b", *faster), "--require-speedup", "2x")) == 0
    assert "WITHIN THE LIMIT: --require-speedup 2x" in capsys.readouterr().out


@pytest.mark.parametrize(("unsure", "code"), [("tell", 3), ("fail", 1), ("ignore", 0)])
def test_when_the_time_is_up_it_is_not_sure(side, capsys, unsure, code):
    command = arguments(side("a", *STEADY), side("b", *STEADY), "--budget", "0s", "--unsure", unsure)
    assert main(command) == code
    text = capsys.readouterr().out
    assert "NOT SURE: --max-slowdown 5%: 1 pair of runs; the time is up, see --budget" in text


def test_github_gets_an_annotation_and_a_step_summary(side, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "summary.md").write_text("of an earlier step\n")
    assert main(arguments(side("a", *STEADY), side("b", *STEADY), "--markdown", "gate.md")) == 0
    slower = [2 * each for each in STEADY]
    assert main(arguments(side("c", *STEADY), side("d", *slower))) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::")]
    assert [line.partition(" ")[0] for line in lines] == ["::notice", "::error"]
    assert "--max-slowdown 5%25" in lines[1]
    written = (tmp_path / "gate.md").read_text()
    assert written.startswith("# Gate --max-slowdown 5%\n")
    assert (tmp_path / "summary.md").read_text().startswith(f"of an earlier step\n{written}# Gate")
    assert {each.name for each in tmp_path.glob("gate*")} == {"gate", "gate-2", "gate.md"}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo no licence >&2; exit 7", "exit code 7: no licence"),
        ("true", "recorded no calculation; try --before and --after"),
        ("kill -9 $$", "ended by SIGKILL"),
    ],
)
def test_a_command_that_fails_is_one_line(side, capsys, command, words):
    assert main(arguments(command, command)) == 5
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert words in lines[0]
    assert side


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--budget", "soon"], "cannot read --budget"),
        (["--max-slowdown", "5%", "--require-speedup", "2x"], "not both"),
        (["--allow", "moon"], "--allow moon: unknown key"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line(side, capsys, option, words):
    assert main(arguments(side("a", *STEADY), side("b", *STEADY), *option)) == 2
    assert words in capsys.readouterr().err


def test_a_history_shows_since_when_it_is_slower(side, capsys):
    command = [arguments(side(f"a{n}", *STEADY), side(f"b{n}", *STEADY), "--history", "past") for n in "12"]
    assert main(command[0]) == 0
    assert "1 gate of equal machine, model and system" in capsys.readouterr().out
    (path,) = Path("past").iterdir()
    newest = json.loads(path.read_text())
    fast = newest["median_ns"] / 1.2
    faster = [
        {**newest, "started": f"2025-01-{n:02d}", "median_ns": fast * (1 + n % 3 / 500)} for n in range(1, 12)
    ]
    update = {"libraries": {"ase": "3.27.0"}}
    slower = [{**newest, **update, "started": f"2025-02-{n:02d}"} for n in range(1, 6)]
    path.write_text("".join(json.dumps(each) + "\n" for each in (*faster, *slower, newest)))
    assert main(command[1]) == 0
    text = capsys.readouterr().out
    assert "18 gates of equal machine, model and system" in text
    assert "the time per call changed by +20 % with the gate of 2025-02-01 (number 12;" in text
    assert "libraries that changed with it: ase 3.26.0 -> 3.27.0" in text


SCRIPT = """
import sys
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from instrumented_calc import ProfiledCalculator

atoms = bulk("Cu", cubic=True)
atoms.rattle(0.02, seed=1)
atoms.calc = ProfiledCalculator(EMT(), sys.argv[1])
VelocityVerlet(atoms, 5 * units.fs).run(60)
"""


@pytest.mark.slow
def test_a_gate_of_unchanged_dynamics_is_not_red(side, capsys, tmp_path):
    (tmp_path / "md.py").write_text(SCRIPT)
    (tmp_path / "folder").mkdir()
    commands = [f"{shlex.quote(sys.executable)} md.py {journal}" for journal in ("here.jsonl", "folder/")]
    assert main(arguments(*commands, "--max-pairs", "4", "--max-slowdown", "20%")) in {0, 3}
    text = capsys.readouterr().out
    assert "largest difference 0 eV/A" in text
    assert {each.name for each in tmp_path.glob("gate/*/*.jsonl")} == {"here.jsonl", "run.jsonl"}
    assert not [*tmp_path.glob("*.jsonl"), *tmp_path.glob("folder/*")]
    assert side


# Most of a call is a wait, which a busy machine prolongs by far less than the planted slow-down.
BUILD = """
import sys, time
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from instrumented_calc import ProfiledCalculator

class Potential(EMT):
    def calculate(self, *args, **options):
        super().calculate(*args, **options)
        time.sleep(float(sys.argv[1]))

atoms = bulk("Cu", cubic=True)
atoms.rattle(0.02, seed=1)
atoms.calc = ProfiledCalculator(Potential(), summary=False)
VelocityVerlet(atoms, 5 * units.fs).run(15)
"""


def gate_of_builds(before_s: float, after_s: float, *more: str) -> int:
    """Run the gate on real dynamics with EMT of two builds that wait so long in each call."""
    Path("build.py").write_text(BUILD)
    commands = [f"{shlex.quote(sys.executable)} build.py {seconds}" for seconds in (before_s, after_s)]
    return main(arguments(*commands, *more))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("side")
def test_a_build_that_is_three_times_slower_is_red_and_confirmed(capsys):
    assert gate_of_builds(0.1, 0.3, "--max-slowdown", "5%", "--format", "json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["outcome"] == "slower"
    assert found["judgement"]["interval"]["low"] > 1.05
    assert found["judgement"]["first"]["pairs"] >= 3  # and as many again confirmed it


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("side")
def test_an_equal_build_is_green_within_a_wide_limit(capsys):
    assert gate_of_builds(0.1, 0.1, "--max-slowdown", "3x") == 0
    text = capsys.readouterr().out
    assert "WITHIN THE LIMIT" in text
    assert "largest difference 0 eV/A" in text
