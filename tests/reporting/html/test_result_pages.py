"""Pages of experiments: the whole report, one file that loads nothing, times only of comparable runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.experiments.study.test_study import cells, judged
from tests.reporting.html.pages import Page
from tests.reporting.test_trial import LOST, UNSURE, WINNER, WRONG, result

from instrumented_calc.analysis.study.checks import problem
from instrumented_calc.journal import records
from instrumented_calc.reporting.compare_all import build_models, figures_of_models
from instrumented_calc.reporting.document import Document, Facts, Paragraph, Section, Table
from instrumented_calc.reporting.figure import Figure, Point
from instrumented_calc.reporting.html.masking import Mask
from instrumented_calc.reporting.html.result_page import ResultPage, render_result
from instrumented_calc.reporting.html.result_pages import study_page, trial_page
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
    made = ResultPage(document(text), tuple(figures(text)), json.dumps({"name": text}), "good", text)
    return render_result(made)


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
    planted = [each for file in ("one.xyz", "two.xyz") for each in cells(1, (1e-3, 2e-3, 3e-3), file=file)]
    problems = [problem("hardware-unequal", "two.xyz", "another processor")] if refused else []
    study = judged(planted, differing=problems)
    settings = {"workload": "einsum"}
    made = study_page(build_study(study, settings), study, render_study_json(study, settings, ()))
    shown = Page(render_result(made))
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
    shown = Page(render_result(ResultPage(made, tuple(found), json.dumps(rows)))).words
    assert "2 of 3 models measured: copper, 4 atoms" in shown
    assert "not installed" in shown


def test_a_trial_shows_what_helps_first_and_draws_what_was_measured():
    shown = Page(render_result(trial_page(result(WINNER, LOST, WRONG))))
    assert "threads-1: estimated at most 1.18x, measured 1.11x [1.07, 1.15]" in shown.words
    assert "Helps" in shown.words
    assert shown.values("class").count("bucket") == 1
    assert "gc-freeze no gain" in shown.words
    nothing = Page(render_result(trial_page(result(LOST))))
    assert "Nothing helps: 1 remedy tried Nothing helps" in nothing.words
    assert nothing.values("class").count("bucket") == 0
    assert "Not sure" in Page(render_result(trial_page(result(LOST, UNSURE)))).words


def test_users_hosts_and_folders_are_hidden_in_texts_figures_and_numbers():
    environment = records.Environment(host="login7.cluster.example", scheduler={"user": "lovelace"})
    start = records.RunStart(
        records.SCHEMA,
        "r",
        "2026-01-01T00:00:00Z",
        1,
        "0.1.0",
        directory="/data/ada",
        environment=environment,
    )
    hide = Mask([(Path("/home/ada/x/run.jsonl"), start), (Path("/scratch/lost.jsonl"), None)])
    text = "ada on login7 wrote /data/ada/out/run.jsonl for lovelace"
    made = ResultPage(document(text), tuple(figures(text)), json.dumps({"name": text}))
    secret = re.compile("ada|login7|cluster|/data|lovelace")
    assert secret.search(render_result(made))
    hidden = render_result(made, hide)
    assert secret.findall(hidden) == []
    assert "user on host wrote out/run.jsonl for user" in Page(hidden).words
