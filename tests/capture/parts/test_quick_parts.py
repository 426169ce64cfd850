"""Parts that run often and briefly: their time counts to what is around them, from the first row on."""

import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.mixing import SumCalculator
from tests.support import read_records

from instrumented_calc.capture.parts.call_tree import CallTree
from instrumented_calc.capture.parts.quick_parts import FELT, MANY, QUICK_NS, TIMING_NS, quick_parts, without
from instrumented_calc.capture.wrapping.twin import lane_of, twin
from instrumented_calc.integration import Part

RUNS = 10 * MANY


def tree_of(exact_clock, runs, run_ns, call_ns):
    tree = CallTree(exact_clock)
    for _ in range(runs):
        tree.enter("moments")
        exact_clock.advance(run_ns)
        tree.leave()
    exact_clock.advance(call_ns - runs * run_ns)
    tree.charge()
    return tree


FEW = int(RUNS * TIMING_NS / FELT)  # a call long enough for so many runs to be timed


@pytest.mark.parametrize(
    ("runs", "run_ns", "call_ns", "expected"),
    [
        (RUNS, QUICK_NS - 1, FEW - 1, {"moments": RUNS}),
        (RUNS, QUICK_NS, FEW - 1, {}),
        (RUNS, QUICK_NS - 1, FEW, {}),
        (MANY, 1, 2 * MANY, {}),
    ],
    ids=["many and brief", "not brief", "in a long call", "few"],
)
def test_which_are_not_timed(exact_clock, runs, run_ns, call_ns, expected):
    assert quick_parts(tree_of(exact_clock, runs, run_ns, call_ns)) == expected


def test_their_time_counts_to_what_is_around_them():
    parents = {"expansion": "", "gaussians": "expansion", "moments": "gaussians", "sum": ""}
    times = {"expansion": 1, "gaussians": 20, "moments": 300, "sum": 4000}
    assert without(times, {"moments"}, parents) == {"expansion": 1, "gaussians": 320, "sum": 4000}
    assert without(times, {"moments", "gaussians"}, parents) == {"expansion": 321, "sum": 4000}
    assert without(times, {"sum"}, parents) == {"expansion": 1, "gaussians": 20, "moments": 300}
    inside = {"A": 5, "A / expansion": 1, "A / moments": 300}
    parents |= {"expansion": "A", "moments": "A"}
    assert without(inside, {"moments"}, parents) == {"A": 305, "A / expansion": 1}


class Expansion(Calculator):
    """Has a part that runs a thousand times inside another one."""

    implemented_properties = ("energy",)

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Let time pass on the clock; the processor's time is real."""
        super().calculate(atoms, properties, system_changes)
        self.expand()
        self.results = {"energy": 1.0}

    def expand(self):
        for _ in range(1000):
            self.moment()
        self.clock.advance(7)

    def moment(self):
        self.clock.advance(1)


@pytest.mark.parametrize("term", ["", "Expansion"])
def test_a_run_shows_them_nowhere_and_states_why(term, exact_clock, make_recorder, monkeypatch):
    monkeypatch.setattr(
        "instrumented_calc.capture.calls.lane.ask",
        lambda _, what, calc, __: (
            [Part("expansion", calc, "expand"), Part("moments", calc, "moment")]
            if what == "parts" and isinstance(calc, Expansion)
            else None
        ),
    )
    bare = Expansion(exact_clock)
    calc = twin(SumCalculator([bare]) if term else bare, make_recorder(clock=exact_clock))
    atoms = Atoms("Ar")
    for _ in range(6):
        atoms.positions += 0.1
        calc.get_potential_energy(atoms)
    lane_of(calc).recorder.end("closed")
    records = read_records()
    name = f"{term} / expansion" if term else "expansion"
    assert [row["components"][name] for row in records.calls] == [1007] * 6
    assert {key for row in records.calls for key in row["components"]} <= {name, term}
    assert records.of("lane")[-1]["parts_absent"] == [
        "moments ran 1,000 times in a call, too briefly to be timed"
    ]
    assert "moment" not in vars(bare)
