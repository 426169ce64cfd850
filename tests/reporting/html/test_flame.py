"""The drawing of the wall time: pieces within pieces, whose widths are their shares."""

from __future__ import annotations

import pytest
from tests.journal.specimens import MS, call, encoded, opening, whole

from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal import records as r
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.html.flame import draw_flames


@pytest.fixture
def flames(tmp_path):
    def of(content: bytes):
        path = tmp_path / "run.jsonl"
        path.write_bytes(content)
        return draw_flames(summarize(read_journal(path)), "Net")

    return of


def test_each_piece_is_within_the_one_around_it_beside_the_others(flames):
    (drawing,) = flames(whole())
    pieces = drawing.rectangles
    assert [(each.name, each.left, each.width) for each in pieces[:1]] == [
        ("wall time", "0.0000", "100.0000")
    ]
    for each in pieces[1:]:
        around = pieces[each.parent]
        assert each.depth == around.depth + 1
        assert float(each.left) >= float(around.left) - 1e-3
        assert float(each.left) + float(each.width) <= float(around.left) + float(around.width) + 1e-3
    for parent in {each.parent for each in pieces}:
        inside = [each for each in pieces if each.parent == parent]
        ends = [float(each.left) + float(each.width) for each in inside]
        assert [float(each.left) for each in inside[1:]] == pytest.approx(ends[:-1], abs=1e-3)


def test_the_levels_are_calculator_parts_functions_and_what_is_outside(flames):
    (drawing,) = flames(whole())
    named = {each.name: each for each in drawing.rectangles}
    assert (named["Net"].depth, named["Net"].kind) == (1, "calculator")
    assert (named["graph"].depth, named["graph"].kind) == (2, "component")
    assert float(named["graph"].width) == pytest.approx(20, abs=1)  # 0.4 of 2 ms a step
    assert "of the wall time" in named["graph"].words
    place = next(each for each in drawing.rectangles if each.kind == "place")
    assert place.name.startswith("net.py:43 ")
    assert place.words.startswith("about ")
    assert "estimated from 2 samples" in place.words
    assert [each.kind for each in drawing.rectangles if each.depth == 1] == ["calculator", "outside"]


def test_several_phases_have_a_drawing_of_their_own(flames):
    second = r.Phase(phase=1, driver="Langevin", kind="md", index=50, timestep_fs=1.0)
    made = [call(0, lane=0, phase=0, n_atoms=32), *(call(index) for index in range(1, 100))]
    made[50].phase = 1
    made[60].wall_ns = 2 * MS - 1
    whole_run, by_phase = flames(encoded(*opening(), second, *made))
    assert whole_run.title == "whole run"
    assert [each.name for each in by_phase.rectangles if each.depth == 1] == [
        "Verlet NVE 1 fs",
        "Langevin 1 fs",
    ]
    assert {each.name for each in by_phase.rectangles if each.depth == 2} >= {
        "Net",
        "integrator and observers",
    }


def test_without_a_time_nothing_is_drawn(flames):
    assert flames(encoded(*opening())) == []
