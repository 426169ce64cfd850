"""Replicates are one row; what ran beside a cell is found from the times and hosts of all."""

from __future__ import annotations

import math

import pytest

from instrumented_calc.analysis.sweep_groups import group_cells, side_by_side
from instrumented_calc.analysis.sweep_soundness import soundness_of


def figures(key: str, host: str = "a", began: int = 0, ended: int = 10, **other: object) -> dict[str, object]:
    definition = {"calc": "emt", "system": "copper", "n_atoms": 4, "steps": 5, "threads": 1}
    times = {"started": f"2026-01-01T00:00:{began:02}", "ended": f"2026-01-01T00:00:{ended:02}"}
    rest = {"temperature_k": 300.0, "seed": 0, "broken": [], "not_judged": []}
    return {"key": key, "host": host, **definition, **rest, **times, **other}


def test_replicates_are_one_group_with_their_scatter():
    one, two = (
        figures("k1", median_ms=1.0, peak_mb=10.0),
        figures("k2", host="b", median_ms=4.0, peak_mb=30.0),
    )
    other = figures("k3", n_atoms=8, median_ms=5.0)
    first, second = group_cells([one, other, two])
    assert (first.runs, first.hosts, first.peak_mb) == (2, ("a", "b"), 30.0)
    assert first.median_ms == pytest.approx(2.0)
    assert first.us_per_atom == pytest.approx(500.0)
    assert first.scatter == pytest.approx(math.log(4) / math.sqrt(2))
    assert (second.runs, second.scatter) == (1, None)


def test_broken_replicates_are_counted_and_what_was_not_judged_of_the_others():
    void = figures("k1", broken=["NaN since step 3", "drift"], not_judged=["stale"])
    cells = [void, figures("k2", not_judged=["frozen"]), figures("k3", not_judged=["stale", "frozen"])]
    assert [each.broken for each in group_cells(cells)] == [1]
    found = soundness_of(cells)
    assert found.broken == {"k1": ["NaN since step 3", "drift"]}
    assert (found.others, found.not_judged) == (2, {"frozen": 2, "stale": 1})


def test_what_was_not_measured_is_absent():
    (group,) = group_cells([figures("k1"), figures("k2")])
    assert {group.median_ms, group.scatter, group.us_per_atom, group.steps_per_s, group.peak_mb} == {None}


def test_cells_beside_each_other_overlap_in_time_on_the_same_host():
    cells = [
        figures("k1", began=0, ended=10),
        figures("k2", began=5, ended=7),
        figures("k3", began=8, ended=20),
        figures("k4", began=10, ended=12),  # starts as k1 ends
        figures("k5", host="b", began=0, ended=59),
    ]
    assert side_by_side(cells) == {"k1": 1, "k2": 1, "k3": 1, "k4": 1, "k5": 0}


def test_of_two_workers_one_is_beside_the_other_however_many_cells_it_runs():
    cells = [figures(f"short{n}", began=5 * n, ended=5 * n + 4) for n in range(10)]
    assert set(side_by_side([figures("long", ended=59), *cells]).values()) == {1}
    together = [figures(f"k{n}", began=n, ended=20) for n in range(3)]
    assert side_by_side(together) == {"k0": 2, "k1": 2, "k2": 2}


def test_only_replicates_of_one_host_are_marked():
    same = group_cells([figures("k1"), figures("k2")])
    different = group_cells([figures("k1"), figures("k2", host="b")])
    assert (same[0].on_one_host, different[0].on_one_host) == (True, False)
    assert not group_cells([figures("k1")])[0].on_one_host
