"""Text from a journal cannot control a terminal, hide or reverse the text next to it, or be live markup."""

from __future__ import annotations

import re
import unicodedata

import pytest
from tests.journal.specimens import whole

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.plain_text import LONGEST_PATH, plain, shown_path
from instrumented_calc.reporting.document import LONGEST_CELL, Document, Facts, Paragraph, Section, Table
from instrumented_calc.reporting.forms.call_table import render_csv
from instrumented_calc.reporting.forms.chrome import render_chrome
from instrumented_calc.reporting.forms.markdown import render_markdown
from instrumented_calc.reporting.forms.openmetrics import render_openmetrics
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.html.page import render_page
from instrumented_calc.reporting.run.final_summary import closing_text
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report

NASTY = "\x1b[31m\x1b]0;title\x07\x9b2J\u202egnp.exe\u2028\u2029\u200b\u200f\ufeff\x7f"
LIVE = "![x](http://e.example/p.png) [y](javascript:z) <b>a</b> | `c` www.e.example &#x202e; $x$"
FIELDS = (
    b'"library":"numpy"',
    b'"component":"graph"',
    b'"formula":"Si32"',
    b'"name":"Net"',
    b'"host":"node1"',
)


@pytest.fixture
def forms(tmp_path):
    def of(text: str, name: str = "run.jsonl") -> dict[str, str]:
        content = whole(60)
        escaped = text.encode("unicode_escape").replace(b"\\x", b"\\u00").replace(b'"', b'\\"')
        for field in FIELDS:
            content = content.replace(field, field.partition(b":")[0] + b':"' + escaped + b'"')
        path = tmp_path / name
        path.write_bytes(content)
        summary = summarize(read_journal(path))
        findings = judge(summary)
        document = build_report([ReadRun(summary, findings)])
        return {
            "text": render_text(document),
            "markdown": render_markdown(document),
            "closing": closing_text(summary, findings),
            "json": render_json([ReadRun(summary, findings)]),
            "chrome": render_chrome([summary.journal]),
            "csv": render_csv([summary.journal]),
            "openmetrics": render_openmetrics([ReadRun(summary, findings)]),
            "html": render_page([ReadRun(summary, findings)]),
        }

    return of


def controls(text: str) -> set[str]:
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {each for each in text if unicodedata.category(each) in kinds and each != "\n"}


@pytest.mark.parametrize(
    "form", ["text", "markdown", "closing", "json", "chrome", "csv", "openmetrics", "html"]
)
def test_no_control_reaches_a_report(forms, form):
    assert controls(forms(NASTY)[form]) == set()


def test_no_control_in_a_file_name_reaches_a_report(forms):
    shown = forms("x", f"{NASTY.replace('/', '')}.jsonl")
    assert {name: controls(shown[name]) for name in ("text", "markdown", "closing")} == {
        "text": set(),
        "markdown": set(),
        "closing": set(),
    }


def test_a_file_name_that_is_not_utf8_is_in_every_form(forms):
    for shown in forms("x", "run-\udcff.jsonl").values():
        assert shown.encode()


def test_markup_in_markdown_is_not_live(forms):
    shown = forms(LIVE)["markdown"]
    assert "e.example" in shown
    for live in ("[x]", "[y]", "<b>", "://e.example", "www.e", "&#x", "`c`", "$x"):
        assert not re.search(rf"(?<!\\){re.escape(live)}", shown), live


def test_a_document_cannot_hold_text_that_is_not_safe():
    parts = (Paragraph((NASTY,)), Facts(((NASTY, NASTY),)), Table((NASTY,), ((NASTY,),)))
    document = Document(NASTY, (Section(NASTY, parts),))
    assert controls(repr(document)) == set()
    assert controls(render_text(document) + render_markdown(document)) == set()


def test_long_text_is_shortened():
    (row,) = Table(("x",), (("y" * 10**6,),)).rows
    assert row == ("y" * (LONGEST_CELL - 3) + "...",)
    assert len(plain("\x1b" * 10**6, 50)) == 50
    assert len(shown_path("z" * 5000 + "/run.jsonl")) == LONGEST_PATH
    assert shown_path("z" * 5000 + "/run.jsonl").endswith("/run.jsonl")
