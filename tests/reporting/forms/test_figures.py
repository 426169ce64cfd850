"""Figures are real PNG and SVG files, the same every time, whatever the names in them."""

from __future__ import annotations

import sys

import pytest

from instrumented_calc.analysis.study.cells import StudyCell
from instrumented_calc.analysis.study.judgement import judge_study
from instrumented_calc.errors import ExperimentError
from instrumented_calc.reporting.figure import Figure, Point
from instrumented_calc.reporting.forms.figures import render_figure
from instrumented_calc.reporting.study.figures import figures_of


def rows():
    cells = [
        StudyCell(f"{species}_species.xyz", mode, rep, 24, species, wall_s=species * (1 + rep / 10), util=0.9)
        for species in (1, 2, 3)
        for mode in ("numpy_only", "torch_full")
        for rep in (1, 2, 3)
    ]
    return judge_study(cells)


def test_a_study_with_species_draws_what_the_earlier_one_drew():
    figures = {each.name: each for each in figures_of(rows())}
    assert set(figures) == {"wall_time_by_system", "scaling_species", "util_before_after"}
    points = [each for each in figures["scaling_species"].points if each.series == "numpy_only"]
    assert [each.place for each in points] == [1, 2, 3]
    assert points[0].value == pytest.approx(1.2 / 576 * 1e6)
    assert points[0].low < points[0].value < points[0].high


def test_figures_are_png_and_svg_and_the_same_every_time():
    pytest.importorskip("matplotlib")
    _, bars, lines = sorted(figures_of(rows()), key=lambda each: each.lines)
    assert lines.lines
    for figure in (bars, lines):
        files = render_figure(figure)
        assert set(files) == {f"{figure.name}.png", f"{figure.name}.svg"}
        assert files[f"{figure.name}.png"].startswith(b"\x89PNG")
        assert b"<svg" in files[f"{figure.name}.svg"]
    assert render_figure(lines) == files


def test_names_of_files_are_not_formulas():
    pytest.importorskip("matplotlib")
    points = (Point("$(rm -rf)$", "a$b", 1.0), Point("_hidden", "$x_$y$", 2.0, 1.5, 2.5))
    assert render_figure(Figure("odd", "t", "x", "y", points))


def test_without_matplotlib_one_line_reports_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ExperimentError, match=r"pip install 'matplotlib>=3.7'"):
        render_figure(Figure("f", "t", "x", "y", (Point("s", "p", 1.0),)))
