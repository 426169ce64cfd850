"""Rows: one for each real calculation, with exact times, counters and carried fields."""

from __future__ import annotations

import copy
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError, all_changes
from ase.calculators.fd import FiniteDifferenceCalculator
from ase.calculators.mixing import SumCalculator
from hypothesis import given
from tests.capture import zoo
from tests.capture.conformance import spy
from tests.capture.zoo import copper
from tests.support import CARRIED, read_records

from instrumented_calc import ProfiledCalculator, profiled, recording, span
from instrumented_calc.capture.wrapping.twin import twin


class Timed(zoo.Spring):
    """A calculator whose parts take exactly known times."""

    def __init__(self, clock, parts=(), inner=None, **kwargs):
        self.clock = clock
        self.parts = parts
        self.inner = inner
        super().__init__(**kwargs)

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        """Let time pass as the parts say."""
        super().calculate(atoms, properties, system_changes)
        self.take(self.parts)

    def take(self, parts):
        """Take a time, enter a span, or have another calculator calculate."""
        for part in parts:
            if isinstance(part, int):
                self.clock.advance(part)
            elif part == "inner":
                self.inner.calculate(self.atoms, ["energy"], [])
            elif isinstance(part, BaseException):
                raise part
            else:
                name, inside = part
                with span(name):
                    self.take(inside)


@pytest.fixture
def timed(exact_clock, make_recorder):
    """Give a maker of wrapped calculators of one run on an exact clock, and the run."""
    recorder = make_recorder(clock=exact_clock)

    def make(*parts, inner=None):
        return twin(Timed(exact_clock, parts, inner), recorder)

    make.recorder = recorder
    return make


def rows_of(make):
    """End the run and return its rows by index."""
    make.recorder.end("closed")
    return sorted(read_records().calls, key=lambda row: row["index"])


class TestTimes:
    def test_a_row_says_when_how_long_and_after_which_gap(self, timed, exact_clock):
        calc = timed(135)
        exact_clock.advance(1000)
        calc.calculate(copper())
        exact_clock.advance(40)
        calc.calculate(copper())
        first, second = rows_of(timed)
        assert (first["start_ns"], first["wall_ns"]) == (0, 135)
        assert "gap_ns" not in first
        assert (second["start_ns"], second["wall_ns"], second["gap_ns"]) == (175, 135, 40)
        assert "components" not in first

    def test_spans_are_exclusive_and_sum_with_the_rest_to_the_call(self, timed):
        calc = timed(5, ("graph", (20, ("edges", (7,)), 4)), ("model", (100,)), ("graph", (1,)), 3)
        calc.calculate(copper())
        (row,) = rows_of(timed)
        assert row["components"] == {"edges": 7, "graph": 25, "model": 100}
        assert row["wall_ns"] == 140

    def test_a_call_inside_a_call_carries_its_parent_and_counts_once(self, timed, exact_clock):
        inner = timed(50, ("lists", (9,)))
        outer = timed(("correction", (10, "inner", 2)), 1, "inner", inner=inner)
        outer.calculate(copper())
        exact_clock.advance(6)
        outer.calculate(copper())
        rows = rows_of(timed)
        assert [row.get("parent") for row in rows] == [None, 0, 0, None, 3, 3]
        assert [row["wall_ns"] for row in rows] == [131, 59, 59] * 2
        assert [row.get("components") for row in rows[:3]] == [
            {"correction": 12},
            {"lists": 9},
            {"lists": 9},
        ]
        # only outermost calls have a gap
        assert [row.get("gap_ns") for row in rows] == [None, None, None, 6, None, None]
        assert timed.recorder.recording.maker.calculated_ns == 262

    def test_a_call_inside_one_of_another_run_has_no_parent_there(self, timed, exact_clock, make_recorder):
        other = make_recorder("other.jsonl", clock=exact_clock)
        inner = twin(Timed(exact_clock, (50,)), other)
        outer = timed(10, ("part", (5, "inner")), inner=inner)
        outer.calculate(copper())
        other.end("closed")
        (row,) = rows_of(timed)
        (their_row,) = read_records("other.jsonl").calls
        assert "parent" not in their_row
        assert row["components"] == {"part": 5}

    def test_components_of_a_failed_call_are_kept(self, timed):
        calc = timed(3, ("graph", (20, RuntimeError("no edges"))))
        with pytest.raises(RuntimeError, match="no edges"):
            calc.calculate(copper())
        calc.parts = (4,)
        calc.calculate(copper())
        failed, fine = rows_of(timed)
        assert failed["components"] == {"graph": 20}
        assert (failed["wall_ns"], failed["failure"]) == (23, "RuntimeError")
        assert "components" not in fine

    def test_a_span_that_is_never_left_does_not_reach_into_the_next_call(self, timed):
        calc = timed()
        real = calc.take
        calc.take = lambda _: (span("open").__enter__(), real((7,)))
        calc.calculate(copper())
        del calc.take
        calc.parts = (("graph", (2,)),)
        calc.calculate(copper())
        first, second = rows_of(timed)
        assert (first["wall_ns"], second["wall_ns"]) == (7, 2)
        assert second["components"] == {"graph": 2}
        assert "parent" not in second

    def test_a_span_outside_of_calls_does_nothing(self, timed, exact_clock):
        calc = timed(10)
        with span("setup"):
            exact_clock.advance(5)
            calc.calculate(copper())
        (row,) = rows_of(timed)
        assert "components" not in row
        assert "parent" not in row

    def test_a_span_in_a_bare_calculator_does_nothing(self, exact_clock):
        calc = Timed(exact_clock, (("graph", (2,)),))
        calc.calculate(copper())
        assert list(Path.cwd().iterdir()) == []

    trees = st.recursive(
        st.integers(0, 10**6),
        lambda parts: st.tuples(st.sampled_from(["graph", "model", "readout"]), st.lists(parts, max_size=4)),
        max_leaves=20,
    )

    @given(calls=st.lists(st.lists(trees, max_size=5), min_size=1, max_size=4))
    def test_components_sum_to_the_time_spent_in_them(self, calls):
        from tests.support import ExactClock  # noqa: PLC0415 - fixtures do not go with given()

        from instrumented_calc.capture.run.recorder import Recorder  # noqa: PLC0415
        from instrumented_calc.capture.settings import Settings  # noqa: PLC0415

        clock = ExactClock()
        recorder = Recorder(Settings(path=str(Path.cwd() / "run.jsonl"), own_run=True), clock=clock)
        calc = twin(Timed(clock), recorder)
        expected = []
        for parts in calls:
            calc.parts = parts
            calc.calculate(copper())
            spent = Counter()
            expected.append((_spend(parts, spent, None), dict(spent)))
        recorder.end("closed")
        rows = read_records(recorder.path).calls
        assert [(row["wall_ns"], row.get("components", {})) for row in rows] == expected


def _spend(parts, spent, name):
    """Sum the times of parts, exclusively by name, and return their total."""
    total = 0
    for part in parts:
        if isinstance(part, int):
            total += part
            if name is not None:
                spent[name] += part
        else:
            spent[part[0]] += 0
            total += _spend(part[1], spent, part[0])
    return total


class TestOneRowForEachCalculation:
    """Executions are counted by the calculator's own class, independently of the recorder."""

    ways = pytest.mark.parametrize(
        "work",
        [
            lambda calc, atoms: calc.calculate(atoms, ["energy"], ["positions"]),
            lambda calc, atoms: calc.calculate(atoms),
            lambda calc, atoms: calc.calculate(atoms=atoms, properties=["energy"]),
            lambda calc, atoms: calc.calculate(atoms, ["energy"], system_changes=[]),
            lambda calc, atoms: [calc.calculate(atoms), calc.calculate()],
            lambda calc, atoms: [calc.calculate(atoms), calc.do_work()],
            lambda calc, atoms: calc.get_potential_energy(atoms),
            lambda calc, atoms: calc.get_property("forces", atoms),
            lambda calc, atoms: calc.calculate_properties(atoms, ["energy", "forces"]),
            lambda calc, atoms: [calc.calculate(atoms), calc.get_atoms().get_forces()],
            lambda calc, atoms: [calc.calculate(atoms), calc.reset(), calc.get_forces(atoms)],
            lambda calc, atoms: FiniteDifferenceCalculator(calc, force_consistent=False).get_forces(atoms),
            lambda calc, atoms: SumCalculator([calc, calc]).get_forces(atoms),
            lambda calc, atoms: [calc.get_forces(atoms), calc.set(k=3), calc.get_forces(atoms)],
            lambda calc, atoms: [calc.get_forces(atoms) for _ in range(3)],
            lambda calc, atoms: [calc.get_forces(atoms), copy.copy(calc).get_forces(atoms)],
        ],
    )

    @ways
    @pytest.mark.parametrize("make", [zoo.Spring, zoo.SlottedSpring])
    def test_however_it_is_asked_for(self, work, make):
        calc = make()
        asked = spy(calc)
        wrapped = ProfiledCalculator(calc)
        work(wrapped, copper()[:3])
        recording(wrapped).close()
        rows = read_records().calls
        assert len(asked) > 0
        assert len(rows) == len(asked)
        assert [row["index"] for row in rows] == list(range(len(rows)))

    def test_a_call_that_is_not_as_ase_makes_them_is_described_all_the_same(self):
        wrapped = ProfiledCalculator(zoo.Spring())
        wrapped.calculate(system_changes=["cell"], atoms=copper())
        wrapped.calculate(copper(), ["energy"])
        wrapped.calculate()
        recording(wrapped).close()
        assert [(row["properties"], row["changes"]) for row in read_records().calls] == [
            (None, ["cell"]),
            (["energy"], None),
            (None, None),
        ]

    @pytest.mark.parametrize(
        ("properties", "expected"),
        [
            (None, None),
            ("energy", ["energy"]),
            (("energy", "forces"), ["energy", "forces"]),
            ({"energy"}, ["energy"]),
            (frozenset({"forces"}), ["forces"]),
            ([], []),
            ({"energy": 1}, ["energy"]),
            ([np.str_("energy")], ["energy"]),
        ],
    )
    def test_properties_of_any_type_are_reported(self, properties, expected):
        wrapped = ProfiledCalculator(zoo.Spring())
        for _ in range(2):
            wrapped.calculate(copper(), properties, list(all_changes))
        recording(wrapped).close()
        records = read_records()
        assert [row["properties"] for row in records.calls] == [expected, expected]
        assert records.counters["faults"] == 0

    def test_lists_that_are_changed_later_are_reported_as_they_were(self):
        wrapped = ProfiledCalculator(zoo.Spring())
        properties, changes = ["energy"], ["positions"]
        atoms = copper()
        wrapped.calculate(atoms, properties, changes)
        properties.append("forces")
        wrapped.calculate(atoms, properties, changes)
        changes.clear()
        wrapped.calculate(atoms, properties, changes)
        recording(wrapped).close()
        assert [(row["properties"], row["changes"]) for row in read_records().calls] == [
            (["energy"], ["positions"]),
            (["energy", "forces"], ["positions"]),
            (["energy", "forces"], []),
        ]


class TestAtoms:
    def test_they_are_counted_in_the_argument(self):
        wrapped = ProfiledCalculator(zoo.PureSlots())
        for count in (3, 8, 3):
            wrapped.calculate(copper()[:count])
        recording(wrapped).close()
        assert [row["n_atoms"] for row in read_records().calls] == [3, 8, 3]

    def test_or_else_in_the_calculator(self):
        wrapped = ProfiledCalculator(zoo.Spring())
        wrapped.calculate(copper()[:5])
        wrapped.calculate()
        recording(wrapped).close()
        assert [row["n_atoms"] for row in read_records().calls] == [5, 5]

    def test_or_are_unknown(self):
        class Constant:
            def calculate(self, atoms=None, properties=None, system_changes=None):
                return None

        wrapped = ProfiledCalculator(Constant())
        wrapped.calculate()
        recording(wrapped).close()
        records = read_records()
        assert [row["n_atoms"] for row in records.calls] == [None]
        assert "n_atoms" not in records.of("lane")[0]

    def test_a_lane_is_described_once_at_its_first_call(self):
        first, second = ProfiledCalculator(zoo.Spring()), ProfiledCalculator(zoo.SlottedSpring())
        second.calculate(copper()[:2])
        first.calculate(copper())
        second.calculate(copper())
        recording(first).close()
        assert [
            (lane["lane"], lane["calculator"], lane["seen_by"], lane["n_atoms"], lane["formula"])
            for lane in read_records().of("lane")
        ] == [
            (1, "tests.capture.zoo.SlottedSpring", "instance", 2, "Cu2"),
            (0, "tests.capture.zoo.Spring", "twin", 8, "Cu8"),
        ]


requests = st.tuples(
    st.integers(0, 2),
    st.integers(1, 3),
    st.lists(st.sampled_from(["energy", "forces", "stress"]), max_size=3),
    st.lists(st.sampled_from(all_changes), max_size=2),
)


@given(st.lists(requests, min_size=1, max_size=30))
def test_carried_fields_fill_up_to_the_request(asked):
    with profiled(zoo.PureSlots(), Path.cwd() / "carried.jsonl") as first:
        calcs = [first, copy.deepcopy(first), copy.copy(first)]
        for which, count, properties, changes in asked:
            calcs[which].calculate(copper()[:count], properties, changes)
        path = recording(first).run.path
    rows = read_records(path).calls
    assert [(row["n_atoms"], row["properties"], row["changes"]) for row in rows] == [
        (count, properties, changes) for _, count, properties, changes in asked
    ]


def test_carried_fields_are_written_when_they_change_and_only_then():
    calcs = [ProfiledCalculator(zoo.Spring()) for _ in range(2)]
    atoms = copper()
    for which in (0, 0, 1, 1, 0):
        calcs[which].calculate(atoms, ["energy"], ["positions"])
    recording(calcs[0]).close()
    rows = read_records().of("call")
    assert [set(row) & set(CARRIED) for row in rows] == [
        set(CARRIED),
        set(),
        {"lane"},
        set(),
        {"lane"},
    ]


class Unready(float):
    """Looks like a number on a device: reading it would wait for the device."""

    def __float__(self):
        raise AssertionError

    __index__ = __int__ = __array__ = __float__


class TestEnergy:
    @pytest.mark.parametrize(
        ("energy", "expected"),
        [
            (-1.25, -1.25),
            (3, 3.0),
            (np.float64(-0.5), -0.5),
            (np.float32(0.25), 0.25),
            (np.float16(0.5), 0.5),
            (np.longdouble(2), 2.0),
            (np.array(1.0), 1.0),
            (np.array([1.0]), 1.0),
            (float("nan"), None),
            (float("inf"), None),
            (np.float64("nan"), None),
        ],
    )
    def test_it_is_reported_where_it_is_a_number_on_the_host(self, energy, expected):
        assert self.row(energy)["energy_ev"] == expected

    @pytest.mark.parametrize(
        "energy",
        [
            Unready(1.0),
            np.array([1.0, 2.0]),
            np.ma.array([1.0], mask=[True]),
            np.array([1j]),
            None,
            "low",
            True,
            1j,
            [1.0],
            Decimal(1),
            10**400,
        ],
    )
    def test_and_nothing_else_is_touched(self, energy):
        assert "energy_ev" not in self.row(energy)

    def test_it_may_be_missing(self):
        assert "energy_ev" not in self.row(results={"forces": np.zeros(3)})
        assert "energy_ev" not in self.row(results={})
        assert "energy_ev" not in self.row(results=None)

    def row(self, energy=None, **kept):
        """Return the row of a calculation with such a result."""

        class Given(zoo.Spring):
            def calculate(self, atoms=None, properties=None, system_changes=all_changes):
                self.results = kept["results"] if kept else {"energy": energy}

        with profiled(Given(), "energy.jsonl") as wrapped:
            wrapped.calculate(copper())
            path = recording(wrapped).run.path
        records = read_records(path)
        assert records.counters["faults"] == records.counters["lost_rows"] == 0
        (row,) = records.calls
        return row


class TestFailures:
    failures = pytest.mark.parametrize(
        "failure",
        [
            RuntimeError("SCF did not converge"),
            KeyboardInterrupt(),
            SystemExit(3),
            GeneratorExit(),
            type("OutOfMemory", (Exception,), {})("GPU"),
            AttributeError("inner"),
            StopIteration(),
        ],
        ids=lambda failure: type(failure).__name__,
    )

    @failures
    @pytest.mark.parametrize("positional", [True, False])
    def test_it_comes_out_as_it_is_and_the_next_call_works(self, failure, positional):
        wrapped = ProfiledCalculator(zoo.FailingSpring())
        wrapped.failure = failure
        failure.__traceback__ = None
        positions = (copper(), ["energy"], []) if positional else ()
        names = {} if positional else {"atoms": copper()}
        with pytest.raises(type(failure)) as caught:
            wrapped.calculate(*positions, **names)
        assert caught.value is failure
        assert failure.__context__ is None
        assert failure.__cause__ is None
        assert not failure.__suppress_context__
        wrapped.failure = None
        wrapped.calculate(copper(), ["energy"], [])
        assert (recording(wrapped).calls, recording(wrapped).failed) == (2, 1)
        recording(wrapped).close()
        records = read_records()
        assert [row.get("failure") for row in records.calls] == [type(failure).__qualname__, None]
        assert "energy_ev" not in records.calls[0]
        assert records.counters["failed"] == 1

    def test_its_context_is_the_callers_own(self):
        wrapped = ProfiledCalculator(zoo.FailingSpring())
        wrapped.failure = failure = RuntimeError()
        before = ValueError("before")
        try:
            raise before
        except ValueError:
            with pytest.raises(RuntimeError):
                wrapped.calculate(copper())
        assert failure.__context__ is before

    def test_the_first_call_may_fail_too(self):
        wrapped = ProfiledCalculator(zoo.FailingSpring())
        wrapped.failure = MemoryError()
        with pytest.raises(MemoryError):
            wrapped.get_forces(copper())
        recording(wrapped).close()
        assert [row["failure"] for row in read_records().calls] == ["MemoryError"]

    def test_a_failure_inside_ends_each_call_around_it(self, timed):
        inner = timed(3, RuntimeError("inside"))
        outer = timed(4, "inner", inner=inner)
        with pytest.raises(RuntimeError):
            outer.calculate(copper())
        rows = rows_of(timed)
        assert [(row["wall_ns"], row["failure"], row.get("parent")) for row in rows] == [
            (7, "RuntimeError", None),
            (3, "RuntimeError", 0),
        ]

    def test_not_implemented_is_an_answer(self):
        wrapped = ProfiledCalculator(zoo.FailingSpring())
        wrapped.failure = PropertyNotImplementedError("stress")
        with pytest.raises(PropertyNotImplementedError):
            wrapped.calculate(copper())
        wrapped.failure = LackingError("stress")
        with pytest.raises(LackingError):
            wrapped.calculate(copper())
        assert recording(wrapped).failed == 0
        recording(wrapped).close()
        records = read_records()
        assert [row["failure"] for row in records.calls] == 2 * ["PropertyNotImplementedError"]
        assert records.counters["failed"] == 0

    def test_an_operation_that_is_not_implemented_is_a_failure(self):
        wrapped = ProfiledCalculator(zoo.FailingSpring())
        wrapped.failure = NotImplementedError("aten::_linalg_eigh is not available for MPS")
        with pytest.raises(NotImplementedError):
            wrapped.calculate(copper())
        assert recording(wrapped).failed == 1


class LackingError(PropertyNotImplementedError):
    """A calculator's own variant."""


class TestCounters:
    def test_hits_and_answers_without_a_calculation_are_counted(self):
        atoms = copper()
        atoms.calc = ProfiledCalculator(zoo.Spring())
        atoms.get_potential_energy()  # calculated
        atoms.get_forces()  # hit
        atoms.get_forces()  # hit
        for _ in range(2):
            with pytest.raises(PropertyNotImplementedError):
                atoms.get_stress()
        atoms.translate(0.1)
        assert atoms.calc.get_property("energy", atoms, allow_calculation=False) is None
        atoms.get_forces()  # calculated
        handle = recording(atoms.calc)
        assert (handle.calls, handle.cache_hits, handle.failed) == (2, 2, 0)
        handle.close()
        counters = read_records().counters
        assert {name: counters[name] for name in ("calls", "get_property", "cache_hits")} == {
            "calls": 2,
            "get_property": 7,
            "cache_hits": 2,
        }
        assert counters["not_implemented"] == 2
        assert counters["failed"] == counters["lost_rows"] == counters["faults"] == 0

    def test_nested_calls_are_counted_apart(self):
        parts = [ProfiledCalculator(zoo.Spring()) for _ in range(3)]
        atoms = copper()
        atoms.calc = ProfiledCalculator(SumCalculator(parts))
        atoms.get_forces()
        recording(atoms.calc).close()
        counters = read_records().counters
        assert (counters["calls"], counters["nested"]) == (4, 3)


class TestRuns:
    def test_all_calculators_of_a_process_share_one_journal(self):
        calcs = [ProfiledCalculator(zoo.Spring()) for _ in range(5)]
        for calc in calcs:
            calc.calculate(copper())
        recording(calcs[0]).close()
        records = read_records()
        assert [row["lane"] for row in records.calls] == [0, 1, 2, 3, 4]
        assert list(Path.cwd().iterdir()) == [Path.cwd() / "run.jsonl"]

    def test_a_journal_is_never_overwritten(self):
        Path("run.jsonl").write_text("precious")
        for number in (2, 3):
            wrapped = ProfiledCalculator(zoo.Spring())
            wrapped.calculate(copper())
            assert recording(wrapped).run.path == Path.cwd() / f"run-{number}.jsonl"
            recording(wrapped).close()
        assert Path("run.jsonl").read_text() == "precious"

    def test_a_closed_run_records_no_more_and_disturbs_nothing(self):
        wrapped = ProfiledCalculator(zoo.Spring())
        wrapped.calculate(copper())
        recording(wrapped).close()
        before = Path("run.jsonl").read_bytes()
        wrapped.calculate(copper())
        recording(wrapped).run.mark("late")
        recording(wrapped).close()
        assert Path("run.jsonl").read_bytes() == before
        assert recording(wrapped).calls == 1

    def test_the_journal_is_where_the_calculator_was_wrapped(self, monkeypatch, tmp_path):
        wrapped = ProfiledCalculator(zoo.Spring())
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        wrapped.calculate(copper())
        recording(wrapped).close()
        assert (tmp_path / "run.jsonl").exists()

    def test_a_row_is_on_disk_before_slow_calls_continue(self, timed, exact_clock):
        calc = timed(20_000_000)
        calc.calculate(copper())
        calc.calculate(copper())
        assert len(read_records().calls) == 2

    def test_marks_and_the_first_record_are_there(self):
        wrapped = ProfiledCalculator(zoo.Spring())
        wrapped.calculate(copper())
        recording(wrapped).run.mark("equilibrated")
        recording(wrapped).close()
        records = read_records()
        assert records.all[0]["event"] == "run_start"
        assert records.all[0]["schema"] == "instrumented-calc/1"
        assert records.all[1]["event"] == "fields"
        assert [n["text"] for n in records.of("notice") if n["kind"] == "mark"] == ["equilibrated"]
        assert records.end["reason"] == "closed"
        assert json.dumps(records.all)  # NaN has been kept out

    def test_the_atoms_stay_as_they_were(self):
        atoms = copper()
        before = atoms.copy()
        atoms.calc = ProfiledCalculator(zoo.Spring())
        atoms.get_forces()
        assert atoms == before
        assert (atoms.info, set(atoms.arrays)) == (before.info, set(before.arrays))
        assert isinstance(atoms, Atoms)
