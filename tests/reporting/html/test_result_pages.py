"""Pages of experiments: the whole report, one file that loads nothing, times only of comparable runs."""

from __future__ import annotations

import json

import pytest
from tests.experiments.study.test_study import cells, judged
from tests.reporting.html.pages import Page

from instrumented_calc.analysis.study.checks import problem
from instrumented_calc.reporting.compare_all import build_models, figures_of_models
from instrumented_calc.reporting.document import Document, Facts, Paragraph, Section, Table
from instrumented_calc.reporting.figure import Figure, Point
from instrumented_calc.reporting.html.result_page import render_result
from instrumented_calc.reporting.html.result_pages import study_page
from instrumented_calc.reporting.study.report import build_study, render_study_json

MARKUP = "</script><script>alert(1)</script><!-- <b onclick=x> ' \" & \u2028 ]]> {{ 7*7 }}"


def document(text: str) -> Document:
    blocks = (Paragraph((text,)), Facts(((text, text),)), Table((text, "n"), ((text, "1"),)))
    return Document(text, (Section("Verdict", (Paragraph((text, "because")),)), Section(text, blocks)))


def figures(text: str) -> list[Figure]:
    bars = (Point(text, "place", 1.0, 0.5, 1.5), Point("other", "place", 2.0), Point(text, text, 3.0))
    lines = tuple(Point(text, float(n), n) for n in (1, 2, 3))
    return [Figure("bars", text, text, text, bars), Figure("lines", text, text, text, lines, lines=True)]


def page(text: str) -> str:
    return render_result(
        document(text), figures(text), json.dumps({"name": text}), badge="good", verdict=text
    )


def test_it_shows_the_whole_report_and_loads_nothing():
    shown = Page(page("Fine"))
    assert "Fine because" in shown.words.replace("Fine Fine", "Fine")
    assert {"img", "iframe", "object", "embed", "base", "form"} & shown.tags == set()
    assert shown.values("src") == shown.values("style") == []
    policy = next(value for value in shown.values("content") if "default-src" in value)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert shown.values("class").count("bucket") == 3 + 3  # bars, points
    assert page("Fine") == page("Fine")


def test_markup_in_any_text_stays_text():
    hostile, usual = Page(page(MARKUP)), Page(page("plain"))
    assert hostile.tags == usual.tags
    assert {name for _, name, _ in hostile.attributes} == {name for _, name, _ in usual.attributes}
    assert "{{ 7*7 }}" in hostile.words


@pytest.mark.parametrize("refused", [False, True])
def test_a_study_draws_inputs_that_have_a_verdict(refused):
    made = [each for file in ("one.xyz", "two.xyz") for each in cells(1, (1e-3, 2e-3, 3e-3), file=file)]
    problems = [problem("hardware-unequal", "two.xyz", "another processor")] if refused else []
    study = judged(made, differing=problems)
    settings = {"workload": "einsum"}
    source = study_page(build_study(study, settings), study, render_study_json(study, settings, ()))
    shown = Page(source)
    groups = {" ".join(each.split()) for each in shown.texts["th"]}
    assert "one.xyz" in groups
    assert ("two.xyz" in groups) is not refused
    assert ("Refused" in shown.words) is refused
    assert "two.xyz numpy_only" in shown.words  # in the tables it is there in any case


def test_models_side_by_side():
    rows = [
        {"calc": name, "median_ms": 2.0 * n, "p95_ms": 3.0, "us_per_atom": 1.0, "steps_per_s": None}
        | {"ns_per_day": None, "first_call_ms": 9.0, "peak_mb": 200.0}
        for n, name in enumerate(("emt", "lj"), start=1)
    ]
    rows.append({"calc": "orb-v2", "failure": "not installed"})
    made = build_models("copper, 4 atoms", rows, "skipped", [])
    found = figures_of_models(rows)
    assert [each.points[1].value for each in found] == [4.0, 200.0]
    assert figures_of_models(rows[1:]) == []  # one model alone is no comparison
    shown = Page(render_result(made, found, json.dumps(rows))).words
    assert "2 of 3 models measured: copper, 4 atoms" in shown
    assert "not installed" in shown
