"""Figures of bundles show the values of one table, and only values that can be compared."""

from __future__ import annotations

import pytest

from instrumented_calc.intake.reading.measurements import LogLine, Measurement
from instrumented_calc.intake.reading.study_data import StudyData
from instrumented_calc.reporting.intake.figures import figures_of_intake

TABLE = "b.zip/timings.csv"


def runs(system="one.xyz", mode="numpy_only", species=1, table=TABLE, walls=(1.0, 1.1, 1.2), **other):
    return [
        Measurement(table, system, mode, rep, other.get("n_atoms", 10), species, wall, util=other.get("util"))
        for rep, wall in enumerate(walls, 1)
    ]


def drawn(*measurements, **other):
    found, notes = figures_of_intake(StudyData(measurements=[*measurements], **other))
    return {each.name: each for each in found}, notes


def test_wall_times_have_intervals_where_there_are_replicates():
    figures, notes = drawn(*runs(), *runs("two.xyz", walls=(2.0,)))
    several, single = figures["wall_time_by_system"].points
    assert several.value == pytest.approx(1100.0)
    assert several.low == pytest.approx(1100 - 4.3027 * 100 / 3**0.5, rel=1e-4)
    assert (single.low, single.high) == (None, None)
    assert notes == []


def test_species_scale_only_along_systems_of_one_size():
    sizes = {
        "one.xyz": (1, 10),
        "two.xyz": (2, 10),
        "big.xyz": (2, 20),
        "also.xyz": (3, 10),
        "again.xyz": (3, 10),
    }
    rows = [each for name, (species, n) in sizes.items() for each in runs(name, species=species, n_atoms=n)]
    points = drawn(*rows)[0]["scaling_species"].points
    assert [each.place for each in points] == [1.0, 2.0]
    assert points[0].value == pytest.approx(1.1 / 100 * 1e6)


def test_a_first_cold_run_is_set_aside():
    (point,) = drawn(*runs(walls=(9.0, 1.0, 1.2)))[0]["wall_time_by_system"].points
    assert point.value == pytest.approx(1100.0)


def test_a_label_that_nothing_shows_is_called_one():
    figures, _ = drawn(*runs(), *runs(mode="torch_full"))
    assert [each.series for each in figures["wall_time_by_system"].points] == [
        "numpy_only",
        "torch_full (label unverified)",
    ]


def test_modes_of_different_values_are_not_drawn_but_reported():
    lines = [
        LogLine("b.zip/x.out", "one.xyz", mode, {"value": value}) for mode, value in (("a", "1"), ("b", "2"))
    ]
    figures, notes = drawn(*runs(), lines=lines)
    assert figures == {}
    assert notes == [f"times of {TABLE} are not drawn: its modes compute different values"]


def test_several_tables_have_figures_of_their_own():
    figures, _ = drawn(*runs(), *runs(table="c.zip/t.csv"))
    assert set(figures) == {
        "wall_time_by_system-1-b.zip_timings.csv",
        "wall_time_by_system-2-c.zip_t.csv",
    }


def test_figures_with_too_many_points_are_reported():
    figures, notes = drawn(*(each for n in range(200) for each in runs(f"{n}.xyz", walls=(1.0,))))
    assert figures == {}
    assert notes == [f"wall_time_by_system of {TABLE} is not drawn: too many points for a figure"]


def test_shares_of_einsums_come_from_stored_studies_whatever_else_they_hold():
    share = {"mean": 0.4, "std": 0.1, "interval": {"value": 0.4, "low": 0.3, "high": 0.5}}
    rows = [{"file": "f", "mode": "numpy_only", "tag": "t", "einsum_share": share}, None, {"einsum_share": 3}]
    figures, _ = drawn(studies={"b.zip/study.json": {"rows": [*rows, {"einsum_share": {"mean": "x"}}]}})
    (point,) = figures["einsum_share"].points
    assert (point.series, point.place) == ("numpy_only t", "f")
    assert (point.value, point.low, point.high) == pytest.approx((40.0, 30.0, 50.0))
