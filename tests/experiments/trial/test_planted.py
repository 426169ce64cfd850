"""Programs with a planted cause: `try` finds the right remedy, and the line that keeps it brings the gain.

All of them take half an hour on an idle machine (`-m planted`); one is among the slow tests.
"""

from __future__ import annotations

import faulthandler
import json
import math
import shutil
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import pytest

from instrumented_calc.cli import main
from instrumented_calc.experiments.trial.processes import Processes
from instrumented_calc.experiments.trial.task import TriedProgram

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
    if name == "precision":
        pytest.importorskip("torch")
    if name == "neighbours":
        pytest.importorskip("matscipy")
    planted = PLANTED[name]
    result = tried(name, capsys)
    best = result["outcomes"][0]
    assert best["names"][0] in planted.remedies, result["headline"]
    assert best["verdict"] == "helps", result["headline"]
    keep(name, planted)
    assert_gain(best["gain"], speedup(name, result["calls"], tmp_path / "again"))


def test_two_causes_are_found_and_their_remedies_measured_together(capsys, tmp_path):
    name, causes = "two_causes", (PLANTED["tracing"], PLANTED["observers"])
    result = tried(name, capsys)
    together = result["together"]
    assert set(together["names"]) == {"tracemalloc-off", "observers-rarely"}, result["headline"]
    assert together["verdict"] == "helps", result["headline"]
    assert together["gain"]["low"] > max(each["gain"]["value"] for each in result["outcomes"] if each["gain"])
    keep(name, *causes)
    assert_gain(together["gain"], speedup(name, result["calls"], tmp_path / "again"))


def keep(name: str, *causes: Planted) -> None:
    """Write `changed.py`: the program with the lines that keep the remedies."""
    code = Path(f"{name}.py").read_text()
    for each in causes:
        assert code.count(each.line) == 1
        code = code.replace(each.line, each.changed)
    Path("changed.py").write_text(code)


def assert_gain(measured: dict[str, float], again: float) -> None:
    # Another set of rounds has scatter of its own.
    assert measured["low"] / 1.5 < again < measured["high"] * 1.5


def speedup(name: str, calls: int, output: Path) -> float:
    """Return the time of the program over that of `changed.py`, both as a user would run them."""
    output.mkdir()
    (output / "before").mkdir()
    (output / "after").mkdir()
    before = Processes(TriedProgram((f"{name}.py",)), output / "before")
    after = Processes(TriedProgram(("changed.py",)), output / "after")
    pairs = [(before.measure(calls).per_call_ns, after.measure(calls).per_call_ns) for _ in range(PAIRS)]
    return math.exp(fmean(math.log(one / other) for one, other in pairs))


@pytest.mark.parametrize("name", ["healthy_emt", "healthy_optimizer", "healthy_langevin"])
def test_nothing_helps_a_healthy_program(name, capsys):
    result = tried(name, capsys)
    assert not any(each["verdict"] == "helps" for each in result["outcomes"]), result["headline"]
