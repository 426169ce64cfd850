"""A run over its course, from rows and thinned intervals whose sums are known."""

from __future__ import annotations

import pytest
from tests.journal.specimens import MS, call, encoded, opening, thinned, whole

from instrumented_calc.analysis.course.axis import find_axis
from instrumented_calc.analysis.course.course import follow
from instrumented_calc.analysis.course.latency_bins import part_names
from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal import records as r
from instrumented_calc.journal.reader import read_journal


@pytest.fixture
def course(tmp_path):
    def of(content: bytes, most_bins: int = 400):
        path = tmp_path / "run.jsonl"
        path.write_bytes(content)
        summary = summarize(read_journal(path))
        return follow(summary, judge(summary), most_bins)

    return of


def rows(number: int, **fields):
    first = call(0, lane=0, phase=0, n_atoms=32, **fields)
    return [first, *(call(index, **fields) for index in range(1, number))]


def test_bins_have_the_fastest_median_and_slowest_call(course):
    made = rows(1000)
    made[500].wall_ns = 50 * MS
    found = course(encoded(*opening(), *made), most_bins=10)
    assert [each.first for each in found.bins] == list(range(1, 1001, 100))  # steps count from 1
    assert [each.last for each in found.bins] == list(range(100, 1001, 100))
    assert sum(each.wall_ns for each in found.bins) == sum(each.wall_ns for each in made)
    assert {each.calls for each in found.bins} == {100}
    assert [each.max_ns == 50 * MS for each in found.bins] == [place == 5 for place in range(10)]
    assert {each.min_ns for each in found.bins} == {MS}
    assert all(MS <= each.median_ns <= MS + 6 for each in found.bins)
    (slow,) = found.slow
    assert (slow.at, slow.index, slow.wall_ns) == (501, 500, 50 * MS)


def test_thinned_calls_count_in_the_bins_of_their_steps(course):
    found = course(thinned(25), most_bins=13)
    assert found.axis == "step"
    assert found.high == 40 + 2500
    # 40 rows without a failed one are before the slices, which have 99 good calls each
    assert (
        sum(each.calls for each in found.bins) == 40 - 1 + 25 * 99
        or sum(each.calls for each in found.bins) == 40 + 25 * 99
    )
    middle = found.bins[len(found.bins) // 2]
    assert middle.median_ns == pytest.approx(MS, rel=0.016)
    assert (middle.min_ns, middle.max_ns) == (MS - 100, MS + 5000)
    assert middle.parts["graph"] / middle.calls == pytest.approx(40 * MS / 99)


def test_parts_add_up_to_the_calls(course):
    found = course(whole())
    assert part_names(found.bins) == ["graph", "head", "other in the calculator"]
    assert all(sum(each.parts.values()) == each.wall_ns for each in found.bins)


def test_calls_are_the_axis_where_no_single_driver_counts_steps(tmp_path):
    second = r.Phase(phase=1, driver="Langevin", kind="md", index=50, timestep_fs=1.0)
    made = rows(100)
    for row in made[50:]:
        row.step -= 50
    made[50].phase = 1
    path = tmp_path / "run.jsonl"
    path.write_bytes(encoded(*opening(), second, *made))
    summary = summarize(read_journal(path))
    axis = find_axis(summary.journal)
    assert (axis.name, axis.low, axis.high) == ("call", 0, 99)
    phases = [(each.at, each.name) for each in follow(summary, ()).pins if each.kind == "phase"]
    assert phases == [(0, "Verlet"), (50, "Langevin")]


def test_what_slowed_the_run_is_a_span(course):
    kinds = {each.kind: each for each in course(whole()).spans}
    window = kinds["trace window"]
    assert (window.first, window.last) == (61, 64)
    assert kinds["compilation"].name == "forward"
    assert kinds["GC"].ns == 200_000


def test_very_many_spans_are_shown_together(course):
    made = rows(900)
    for row in made[::2]:
        row.compile_ns = {"forward": 1000}
    found = [each for each in course(encoded(*opening(), *made)).spans if each.kind == "compilation"]
    assert len(found) == 90
    assert (found[0].first, found[-1].last) == (1, 899)
    assert sum(each.ns for each in found) == 450_000
    assert found[0].name == "5 times"


def test_waiting_for_a_processor_is_a_span_with_its_share(course):
    readings = [
        r.Machine(time_ns=each * 20 * MS, processor_wait_ns=max(each - 3, 0) * 5 * MS) for each in range(6)
    ]
    (span,) = [
        each for each in course(encoded(*opening(), *rows(60), *readings)).spans if each.kind == "waiting"
    ]
    assert (span.first, span.last) == (31, 51)
    assert span.share == pytest.approx(0.25)
    assert span.ns == 10 * MS


def test_findings_are_pinned_to_the_step_at_which_they_began(course):
    made = rows(200)
    states = [
        r.State(
            index=each,
            step=each,
            potential_ev=float("nan") if each > 120 else -1.0,
            non_finite=["forces"] if each > 120 else [],
        )
        for each in range(0, 200, 10)
    ]
    found = course(encoded(*opening(), *made, *states))
    pinned = {each.name: each.at for each in found.pins}
    assert 120 < pinned["non-finite"] <= 131


def test_many_readings_become_few_points_with_their_extremes(course):
    states = [r.State(index=each, step=each, temperature_k=300.0 + each % 7) for each in range(1000)]
    found = course(encoded(*opening(), *rows(1000), *states), most_bins=20)
    (heat,) = found.state
    assert (len(heat.at), heat.samples, heat.unit) == (20, 1000, "K")
    assert set(heat.low) == {300.0}
    assert set(heat.high) == {306.0}


def test_the_distribution_has_every_steady_call(course):
    found = course(whole()).distribution
    assert sum(found.calls) == pytest.approx(120, abs=15)
    assert list(found.edges_ns) == sorted(found.edges_ns)


def test_a_run_without_calls_has_no_course(course):
    assert course(encoded(*opening())) is None


def test_a_number_beyond_any_run_leaves_the_bins_in_order(course):
    made = rows(40, rss_bytes=10**8)
    made[-1].index = made[-1].step = 2**62 - 1  # as damage makes it
    found = course(encoded(*opening(), *made))
    (memory,) = [each for each in found.memory if each.field == "rss_bytes"]
    assert memory.samples == 40
    assert list(memory.at) == sorted(memory.at)
    assert sum(each.calls for each in found.bins) == 40
