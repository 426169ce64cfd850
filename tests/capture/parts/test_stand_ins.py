"""The parts of a calculator: exclusive, exact, and timed only while a wrapped calculator calculates."""

from __future__ import annotations

import copy
import pickle
import threading
from types import ModuleType, SimpleNamespace

import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording, span
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.capture.calls.lane import LiveLane
from instrumented_calc.capture.parts.components import Components
from instrumented_calc.capture.parts.stand_ins import StandIn, StandInGroup, remove_now
from instrumented_calc.capture.wrapping.twin import lane_of, twin
from instrumented_calc.integration import Part
from instrumented_calc.journal.reader import read_journal

ARGON = Atoms("Ar")


class Network:
    """A model with two layers, the second inside the first, that takes known times."""

    def __init__(self, clock=lambda: None, weight=1.0):
        self.clock = clock
        self.weight = weight

    def outer(self, x):
        """Take 30 ns plus the time of the inner function."""
        self.clock(30)
        return self.inner(x) + 1

    def inner(self, x):
        """Take 500 ns."""
        self.clock(500)
        if x < 0:
            message = "negative"
            raise ValueError(message)
        return x * self.weight


class Model(Calculator):
    """A calculator with a network, and 7 ns of its own."""

    implemented_properties = ("energy",)

    def __init__(self, network, x=2.0):
        super().__init__()
        self.network = network
        self.x = x

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Run the network."""
        super().calculate(atoms, properties, system_changes)
        self.network.clock(7)
        self.results = {"energy": self.network.outer(self.x)}


class Ticking:
    """Advances the exact clock from inside a model; its copy is the same object."""

    def __init__(self, clock):
        self.tick = clock

    def __call__(self, ns):
        """Let time pass."""
        self.tick.advance(ns)

    def __deepcopy__(self, memo):
        return self


def parts_of(network, **options):
    """Name both layers."""
    return [
        Part("layer", network, "outer", "model", **options),
        Part("inside", network, "inner", "energy"),
    ]


@pytest.fixture
def model(exact_clock, make_recorder, monkeypatch):
    """Give a wrapped model on an exact clock whose two layers are its parts."""
    monkeypatch.setattr(
        "instrumented_calc.capture.calls.lane.ask",
        lambda _, what, calc, __: parts_of(calc.network) if what == "parts" else None,
    )
    network = Network(Ticking(exact_clock))
    return twin(Model(network), make_recorder(clock=exact_clock))


def rows_of(calc):
    """End the run of a calculator and return its rows."""
    lane_of(calc).recorder.end("closed")
    return read_records().calls


def test_parts_are_exclusive_and_sum_with_the_rest_to_the_wall_time(model):
    model.get_potential_energy(ARGON)
    (row,) = rows_of(model)
    assert row["components"] == {"layer": 30, "inside": 500}
    assert row["wall_ns"] == 537


def test_a_split_is_the_same_whichever_property_is_asked_first(model):
    model.get_property("energy", ARGON)
    model.reset()
    model.calculate(ARGON)
    shares = [row["components"]["inside"] / row["wall_ns"] for row in rows_of(model)]
    assert shares == [500 / 537] * 2


def test_the_lane_reports_the_group_of_each_part(model):
    model.get_potential_energy(ARGON)
    rows_of(model)
    (lane,) = read_records().of("lane")
    assert lane["groups"] == {"layer": "model", "inside": "energy"}


def test_a_users_span_inside_a_part_is_exclusive_too(model, exact_clock):
    network = model.network
    real = network.inner

    def with_span(x):
        with span("mine"):
            exact_clock.advance(11)
        return real(x)

    network.inner = with_span
    model.get_potential_energy(ARGON)
    (row,) = rows_of(model)
    assert row["components"] == {"mine": 11, "layer": 30, "inside": 500}
    assert network.inner is with_span


def test_between_calls_nothing_is_in_place(model):
    network = model.network
    before = dict(vars(network))
    model.get_potential_energy(ARGON)
    assert vars(network) == before


def test_a_failure_inside_a_part_passes_and_leaves_nothing(model):
    model.x = -1.0
    with pytest.raises(ValueError, match="negative"):
        model.calculate(ARGON)
    assert set(vars(model.network)) == {"clock", "weight"}
    (row,) = rows_of(model)
    assert (row["failure"], row["components"]) == ("ValueError", {"layer": 30, "inside": 500})


def test_the_bare_calculator_beside_is_not_recorded(model):
    model.get_potential_energy(ARGON)
    bare = Model(model.network)
    bare.get_potential_energy(ARGON)
    assert len(rows_of(model)) == 1


def test_a_thread_that_uses_the_shared_network_bare_is_not_charged(model):
    network = model.network
    inside, go_on = threading.Event(), threading.Event()
    real = network.inner

    def waiting(x):
        inside.set()
        assert go_on.wait(10)
        return real(x)

    network.inner = waiting
    thread = threading.Thread(target=model.calculate, args=(ARGON,))
    thread.start()
    assert inside.wait(10)
    assert isinstance(vars(network)["outer"], StandIn)
    network.inner = real  # the bare user does not wait
    network.outer(1.0)
    go_on.set()
    thread.join(10)
    (row,) = rows_of(model)
    # the bare use took time on the clock while the call waited, and no part but the open one has it
    assert row["components"]["layer"] == 30
    assert sum(row["components"].values()) == row["wall_ns"] - 7


def test_concurrent_calls_share_the_stand_ins(exact_clock):
    network = Network(Ticking(exact_clock))
    first, second = Components(parts_of(network)), Components(parts_of(network))
    first.put()
    second.put()
    first.take_back()
    assert isinstance(vars(network)["inner"], StandIn)
    second.take_back()
    assert "inner" not in vars(network)


def test_who_comes_back_while_another_shares_the_stand_ins_leaves_nothing_at_the_end(exact_clock):
    network = Network(Ticking(exact_clock))
    first, second = Components(parts_of(network)), Components(parts_of(network))
    first.put()
    second.put()
    shared = vars(network)["inner"]
    first.take_back()
    first.put()
    assert vars(network)["inner"] is shared
    second.take_back()
    assert vars(network)["inner"] is shared
    first.take_back()
    assert set(vars(network)) == {"clock", "weight"}
    second.put()
    second.take_back()
    assert set(vars(network)) == {"clock", "weight"}


def test_stand_ins_that_were_removed_while_shared_are_placed_and_restored_as_ever():
    network = Network(lambda _: None)
    first, second = (StandInGroup([StandIn(part) for part in parts_of(network)]) for _ in range(2))
    first.put(1)
    second.put(2)
    remove_now(second.stand_ins)
    assert set(vars(network)) == {"clock", "weight"}
    first.take_back(1)
    second.take_back(2)
    for group in (first, second):
        group.put(3)
        assert vars(network)["outer"] is group.stand_ins[0]
        group.take_back(3)
        assert set(vars(network)) == {"clock", "weight"}


def test_what_the_user_stores_in_the_place_of_a_part_during_a_call_stays():
    network = Network(lambda _: None)
    group = StandInGroup([StandIn(part) for part in parts_of(network)])
    group.put(1)
    network.inner = mine = lambda x: 3.0 * x
    group.take_back(1)
    assert set(vars(network)) == {"clock", "weight", "inner"}
    group.put(1)
    assert network.outer(2.0) == 7.0
    group.take_back(1)
    assert vars(network)["inner"] is mine


def test_what_the_program_wraps_during_a_call_runs_as_wrapped_ever_after(model):
    network = model.network

    class Wrapping(Model):
        def calculate(self, *args):
            if "outer" not in self.__dict__:
                self.outer = self.network.outer
                self.network.outer = lambda x: 2.0 * self.outer(x)
            super().calculate(*args)

    calc = Wrapping(network)
    wrapped = twin(calc, lane_of(model).recorder)
    for _ in range(5):
        wrapped.reset()
        assert wrapped.get_potential_energy(ARGON) == 6.0
    assert network.outer(2.0) == 6.0


def test_a_part_that_was_patched_between_calls_runs_as_patched(model, monkeypatch):
    def energy():
        model.reset()
        return model.get_potential_energy(ARGON)

    assert energy() == 3.0
    monkeypatch.setattr(Network, "inner", lambda self, x: 10.0 * self.weight * x)
    assert energy() == 21.0
    monkeypatch.setattr(model.network, "inner", lambda x: 100.0 * x)
    assert energy() == 201.0
    monkeypatch.undo()
    assert energy() == 3.0


def test_an_inherited_method_of_a_class_is_inherited_again():
    class Deeper(Network):
        pass

    group = StandInGroup([StandIn(Part("layer", Deeper, "outer"))])
    group.put(1)
    assert isinstance(vars(Deeper)["outer"], StandIn)
    assert Deeper(lambda _: None).outer(2.0) == 3.0
    group.take_back(1)
    assert "outer" not in vars(Deeper)


def test_attributes_of_the_function_are_those_of_the_stand_in_too():
    def real(x):
        return x + 1

    real.note, real.name, real.label = "kept", "theirs", "theirs"
    owner = SimpleNamespace(real=real)
    group = StandInGroup([StandIn(Part("part", owner, "real"))])
    group.put(1)
    assert (owner.real.__name__, owner.real.note, owner.real(1)) == ("real", "kept", 2)
    assert (owner.real.name, owner.real.label) == ("part", "part")
    group.take_back(1)
    assert owner.real is real


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])  # noqa: S301 - our own
def test_a_copy_made_inside_a_call_computes_with_its_own_weights(duplicate):
    network = Network(weight=2.0)
    network.clock = None
    components = Components(parts_of(network))
    components.put()
    twin_network = duplicate(network)
    components.take_back()
    twin_network.weight = 5.0
    twin_network.clock = network.clock = lambda _: None
    assert twin_network.outer(1.0) == 6.0
    assert network.outer(1.0) == 3.0


def test_a_function_of_a_module_and_a_method_of_a_class_can_be_parts(exact_clock, make_recorder, monkeypatch):
    module = ModuleType("consumer")
    module.build = lambda: exact_clock.advance(40)

    class Neighbours:
        def update(self, ns):
            exact_clock.advance(ns)
            return self

    parts = [Part("graph", module, "build"), Part("list", Neighbours, "update", "neighbours")]
    monkeypatch.setattr("instrumented_calc.capture.calls.lane.ask", lambda *_: parts)
    plain = Neighbours.update

    class Reader(Calculator):
        implemented_properties = ("energy",)

        def calculate(self, *_, **__):
            module.build()
            neighbours = Neighbours()
            assert neighbours.update(60) is neighbours
            self.results = {"energy": 0.0}

    calc = twin(Reader(), make_recorder(clock=exact_clock))
    calc.calculate(ARGON, ["energy"], [])
    (row,) = rows_of(calc)
    assert row["components"] == {"graph": 40, "list": 60}
    assert Neighbours.update is plain


def test_return_values_of_parts_can_be_counted(exact_clock, make_recorder, monkeypatch):
    network = Network(Ticking(exact_clock))
    part = Part("layer", network, "outer", counts=lambda value: {"edges": int(value)})
    monkeypatch.setattr("instrumented_calc.capture.calls.lane.ask", lambda *_: [part])
    calc = twin(Model(network, x=6.0), make_recorder(clock=exact_clock))
    calc.get_potential_energy(ARGON)
    (row,) = rows_of(calc)
    assert row["counts"] == {"edges": 7}


def test_a_part_that_does_not_exist_is_a_fault_reported_once_and_md_continues(
    make_recorder, monkeypatch, capsys
):
    monkeypatch.setattr(
        "instrumented_calc.capture.calls.lane.ask", lambda *_: [Part("none", ARGON, "no_such_thing")]
    )
    calc = twin(Model(Network(lambda _: None)), make_recorder())
    assert calc.get_potential_energy(ARGON) == 3.0
    recorder = lane_of(calc).recorder
    recorder.end("closed")
    assert recorder.counters.faults == 1
    assert "no_such_thing" in capsys.readouterr().err


def test_the_neighbour_list_of_ase_is_a_part_of_emt_without_any_integration():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.01, seed=1)
    atoms.calc = ProfiledCalculator(EMT())
    atoms.get_forces()
    recording(atoms.calc).close()
    (row,) = read_records().calls
    assert set(row["components"]) == {"neighbour list"}
    assert 0 < row["components"]["neighbour list"] <= row["wall_ns"]


def test_a_lane_that_was_never_called_asks_no_integration(make_recorder, monkeypatch):
    asked = []
    monkeypatch.setattr(LiveLane, "prepare", lambda _: asked.append(1))
    twin(Model(Network(lambda _: None)), make_recorder())
    assert not asked


class TwoParts(Calculator):
    """Spends 1 ms on the graph and 9 ms on the model, and returns energy and forces together."""

    implemented_properties = ("energy", "forces")

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def graph(self):
        """Take a tenth."""
        self.clock.advance(1_000_000)

    def model(self):
        """Take the rest."""
        self.clock.advance(9_000_000)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Do both."""
        super().calculate(atoms, properties, system_changes)
        self.graph()
        self.model()
        self.results = {"energy": 0.0, "forces": atoms.positions * 0.0}


@pytest.mark.parametrize("order", [("energy", "forces"), ("forces", "energy")])
def test_a_known_split_is_reported_whichever_property_is_asked_first(
    order, exact_clock, make_recorder, monkeypatch
):
    monkeypatch.setattr(
        "instrumented_calc.capture.calls.lane.ask",
        lambda _, what, calc, __: (
            [Part("graph", calc, "graph"), Part("model", calc, "model")] if what == "parts" else None
        ),
    )
    calc = twin(TwoParts(exact_clock), make_recorder(clock=exact_clock))
    for step in range(40):
        atoms = Atoms("Ar", positions=[(step, 0, 0)])
        for name in order:
            calc.get_property(name, atoms)
    path = lane_of(calc).recorder.path
    lane_of(calc).recorder.end("closed")
    breakdown = summarize(read_journal(path)).breakdown
    shares = {part.name: part.wall_ns / breakdown.wall_ns for part in breakdown.parts}
    assert shares["graph"] == pytest.approx(0.10, abs=0.02)
    assert shares["model"] == pytest.approx(0.90, abs=0.02)
