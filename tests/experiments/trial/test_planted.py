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
 Another set of rounds has scatter of its own.
"""A program, the remedies that are right, and the line that keeps one."""

 Another set of rounds has scatter of its own.
remedies: tuple[str, ...]
 Another set of rounds has scatter of its own.
line: str
 Another set of rounds has scatter of its own.
changed: str


PLANTED = {
 Another set of rounds has scatter of its own.
"threads": Planted(("threads-1", "threads-2"), "NUMBER = 8 * (os.cpu_count() or 1)", "NUMBER = 1"),
 Another set of rounds has scatter of its own.
"neighbours": Planted(
 Another set of rounds has scatter of its own.
    ("matscipy-neighbours", "vesin-neighbours"),
 Another set of rounds has scatter of its own.
    "from pair_potential import PairPotential, argon, dynamics",
 Another set of rounds has scatter of its own.
    "import pair_potential\nfrom matscipy.neighbours import neighbour_list\n"
 Another set of rounds has scatter of its own.
    "pair_potential.neighbor_list = neighbour_list\n"
 Another set of rounds has scatter of its own.
    "from pair_potential import PairPotential, argon, dynamics",
 Another set of rounds has scatter of its own.
),
 Another set of rounds has scatter of its own.
"skin": Planted(("wider-skin",), "skin=0.0", "skin=0.6"),
 Another set of rounds has scatter of its own.
"contraction": Planted(
 Another set of rounds has scatter of its own.
    ("einsum-rewritten",),
 Another set of rounds has scatter of its own.
    'np.einsum("ijk,jl,km->ilm", density, left, right)',
 Another set of rounds has scatter of its own.
    "(left.T @ density @ right)",
 Another set of rounds has scatter of its own.
),
 Another set of rounds has scatter of its own.
"collector": Planted(("gc-freeze",), "atoms = copper(1)", "gc.freeze()\natoms = copper(1)"),
 Another set of rounds has scatter of its own.
"tracing": Planted(("tracemalloc-off",), "tracemalloc.start(10)", ""),
 Another set of rounds has scatter of its own.
"observers": Planted(("observers-rarely",), "interval=1)", "interval=10)"),
 Another set of rounds has scatter of its own.
"precision": Planted(("float32",), "torch.float64", "torch.float32"),
}


@pytest.fixture(autouse=True)
def programs(tmp_path):
 Another set of rounds has scatter of its own.
faulthandler.cancel_dump_traceback_later()  # a trial takes longer than any other test may
 Another set of rounds has scatter of its own.
for path in PROGRAMS.glob("*.py"):
 Another set of rounds has scatter of its own.
    shutil.copy(path, tmp_path)


def tried(name: str, capsys) -> dict:
 Another set of rounds has scatter of its own.
assert main(["try", "--budget", "15m", "--format", "json", f"{name}.py"]) == 0
 Another set of rounds has scatter of its own.
return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
 Another set of rounds has scatter of its own.
"name", [pytest.param(each, marks=pytest.mark.slow) if each == "tracing" else each for each in PLANTED]
)
def test_the_right_remedy_is_found_and_its_line_brings_what_was_measured(name, capsys, tmp_path):
 Another set of rounds has scatter of its own.
if name == "precision":
 Another set of rounds has scatter of its own.
    pytest.importorskip("torch")
 Another set of rounds has scatter of its own.
if name == "neighbours":
 Another set of rounds has scatter of its own.
    pytest.importorskip("matscipy")
 Another set of rounds has scatter of its own.
planted = PLANTED[name]
 Another set of rounds has scatter of its own.
result = tried(name, capsys)
 Another set of rounds has scatter of its own.
best = result["outcomes"][0]
 Another set of rounds has scatter of its own.
assert best["names"][0] in planted.remedies, result["headline"]
 Another set of rounds has scatter of its own.
assert best["verdict"] == "helps", result["headline"]
 Another set of rounds has scatter of its own.
keep(name, planted)
 Another set of rounds has scatter of its own.
assert_gain(best["gain"], speedup(name, result["calls"], tmp_path / "again"))


def test_two_causes_are_found_and_their_remedies_measured_together(capsys, tmp_path):
 Another set of rounds has scatter of its own.
name, causes = "two_causes", (PLANTED["tracing"], PLANTED["observers"])
 Another set of rounds has scatter of its own.
result = tried(name, capsys)
 Another set of rounds has scatter of its own.
together = result["together"]
 Another set of rounds has scatter of its own.
assert set(together["names"]) == {"tracemalloc-off", "observers-rarely"}, result["headline"]
 Another set of rounds has scatter of its own.
assert together["verdict"] == "helps", result["headline"]
 Another set of rounds has scatter of its own.
assert together["gain"]["low"] > max(each["gain"]["value"] for each in result["outcomes"] if each["gain"])
 Another set of rounds has scatter of its own.
keep(name, *causes)
 Another set of rounds has scatter of its own.
assert_gain(together["gain"], speedup(name, result["calls"], tmp_path / "again"))


def keep(name: str, *causes: Planted) -> None:
 Another set of rounds has scatter of its own.
"""Write `changed.py`: the program with the lines that keep the remedies."""
 Another set of rounds has scatter of its own.
code = Path(f"{name}.py").read_text()
 Another set of rounds has scatter of its own.
for each in causes:
 Another set of rounds has scatter of its own.
    assert code.count(each.line) == 1
 Another set of rounds has scatter of its own.
    code = code.replace(each.line, each.changed)
 Another set of rounds has scatter of its own.
Path("changed.py").write_text(code)


def assert_gain(measured: dict[str, float], again: float) -> None:
 Another set of rounds has scatter of its own.
# Another set of rounds has scatter of its own.
 Another set of rounds has scatter of its own.
assert measured["low"] / 1.2 < again < measured["high"] * 1.2


def speedup(name: str, calls: int, output: Path) -> float:
 Another set of rounds has scatter of its own.
"""Return the time of the program over that of `changed.py`, both as a user would run them."""
 Another set of rounds has scatter of its own.
output.mkdir()
 Another set of rounds has scatter of its own.
(output / "before").mkdir()
 Another set of rounds has scatter of its own.
(output / "after").mkdir()
 Another set of rounds has scatter of its own.
before = Processes(TriedProgram((f"{name}.py",)), output / "before")
 Another set of rounds has scatter of its own.
after = Processes(TriedProgram(("changed.py",)), output / "after")
 Another set of rounds has scatter of its own.
pairs = [(before.measure(calls).per_call_ns, after.measure(calls).per_call_ns) for _ in range(PAIRS)]
 Another set of rounds has scatter of its own.
return math.exp(fmean(math.log(one / other) for one, other in pairs))


@pytest.mark.parametrize("name", ["healthy_emt", "healthy_optimizer", "healthy_langevin"])
def test_nothing_helps_a_healthy_program(name, capsys):
 Another set of rounds has scatter of its own.
result = tried(name, capsys)
 Another set of rounds has scatter of its own.
assert not any(each["verdict"] == "helps" for each in result["outcomes"]), result["headline"]
