"""Programs with a planted cause: `try` finds the right remedy, and the line that keeps it brings the gain.

All of them take half an hour on an idle machine (`-m planted`); one is among the slow tests.
"""

from __future__ import annotations

import faulthandler
import json
import math
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from instrumented_calc.analysis.comparison.sequential import interval_of
from instrumented_calc.cli import main
from instrumented_calc.experiments.trial.processes import Processes
from instrumented_calc.experiments.trial.task import TriedProgram

if TYPE_CHECKING:
    from instrumented_calc.analysis.statistics.student_t import Estimate

PROGRAMS = Path(__file__).parent / "programs"
PAIRS = 5

pytestmark = [pytest.mark.planted, pytest.mark.timeout(1200)]


class Planted(NamedTuple):
    """A program, the remedies that are right, and the line that keeps one."""

    remedies: tuple[str, ...]
    line: str
    changed: str


PLANTED = {
    "threads": Planted(("threads-1", "threads-2"), "NUMBER = 8 * (os.cpu_count() or 1)", "NUMBER = 1"),
    "neighbours": Planted(
        ("matscipy-neighbours", "vesin-neighbours"),
        "from pair_potential import PairPotential, argon, dynamics",
        "import pair_potential\nfrom matscipy.neighbours import neighbour_list\n"
        "pair_potential.neighbor_list = neighbour_list\n"
        "from pair_potential import PairPotential, argon, dynamics",
    ),
    "skin": Planted(("wider-skin",), "skin=0.0", "skin=0.6"),
    "contraction": Planted(
        ("einsum-rewritten",),
        'np.einsum("ijk,jl,km->ilm", density, left, right)',
        "(left.T @ density @ right)",
    ),
    "collector": Planted(("gc-freeze",), "atoms = copper(1)", "gc.freeze()\natoms = copper(1)"),
    "tracing": Planted(("tracemalloc-off",), "tracemalloc.start(10)", ""),
    "observers": Planted(("observers-rarely",), "interval=1)", "interval=10)"),
    "precision": Planted(("float32",), "torch.float64", "torch.float32"),
    "fusion": Planted(
        ("compile",),
        "calculator = Network()",
        "calculator = Network()\ncalculator.model.compile(dynamic=True)",
    ),
}


@pytest.fixture(autouse=True)
def programs(tmp_path):
    faulthandler.cancel_dump_traceback_later()  # a trial takes longer than any other test may
    for path in PROGRAMS.glob("*.py"):
        shutil.copy(path, tmp_path)


def tried(name: str, capsys) -> dict:
    assert main(["try", "--budget", "15m", "--format", "json", f"{name}.py"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.slow) if each == "tracing" else each for each in PLANTED]
)
def test_the_right_remedy_is_found_and_its_line_brings_what_was_measured(name, capsys, tmp_path):
    if name in ("precision", "fusion"):
        pytest.importorskip("torch")
    if name == "neighbours":
        pytest.importorskip("matscipy")
    planted = PLANTED[name]
    result = tried(name, capsys)
    best = result["outcomes"][0]
    assert best["names"][0] in planted.remedies, result["headline"]
    assert best["verdict"] == "helps", result["headline"]
    keep(name, planted)
    again = speedup(name, result["calls"], tmp_path / "again")
    sys.stdout.write(f"{name}: {result['headline']}; with the line changed {again}\n")  # shown by pytest -rP
    assert_won(best["gain"], again)


def test_two_causes_are_found_and_their_remedies_measured_together(capsys, tmp_path):
    name, causes = "two_causes", (PLANTED["tracing"], PLANTED["observers"])
    result = tried(name, capsys)
    together = result["together"]
    assert set(together["names"]) == {"tracemalloc-off", "observers-rarely"}, result["headline"]
    assert together["verdict"] == "helps", result["headline"]
    assert together["gain"]["low"] > max(each["gain"]["value"] for each in result["outcomes"] if each["gain"])
    keep(name, *causes)
    again = speedup(name, result["calls"], tmp_path / "again")
    sys.stdout.write(f"{name}: {result['headline']}; with the line changed {again}\n")  # shown by pytest -rP
    assert_won(together["gain"], again)


def keep(name: str, *causes: Planted) -> None:
    """Write `changed.py`: the program with the lines that keep the remedies."""
    code = Path(f"{name}.py").read_text()
    for each in causes:
        assert code.count(each.line) == 1
        code = code.replace(each.line, each.changed)
    Path("changed.py").write_text(code)


def assert_won(measured: dict[str, float], again: Estimate) -> None:
    """The changed program is surely faster, by what `try` said: both intervals hold the gain."""
    assert again.low > 1
    assert measured["low"] <= again.high
    assert again.low <= measured["high"]


def speedup(name: str, calls: int, output: Path) -> Estimate:
    """Return the time of the program over that of `changed.py`, both as a user would run them, at 95 %."""
    output.mkdir()
    (output / "before").mkdir()
    (output / "after").mkdir()
    before = Processes(TriedProgram((f"{name}.py",)), output / "before")
    after = Processes(TriedProgram(("changed.py",)), output / "after")
    pairs = [(before.measure(calls).per_call_ns, after.measure(calls).per_call_ns) for _ in range(PAIRS)]
    return interval_of([math.log(one / other) for one, other in pairs], alpha=0.05)


@pytest.mark.parametrize("name", ["healthy_emt", "healthy_optimizer", "healthy_langevin"])
def test_nothing_helps_a_healthy_program(name, capsys):
    result = tried(name, capsys)
    assert not any(each["verdict"] == "helps" for each in result["outcomes"]), result["headline"]
