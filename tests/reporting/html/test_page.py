"""The page: one file that loads nothing, shows the numbers of the text report and is the same each time."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import msgspec
import pytest
from tests.browser.journals import ten_million
from tests.journal.specimens import specimens, thinned, whole
from tests.reporting.html.pages import Page

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import NAMES, judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.analysis.targets import check_target, parse_target
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.document import Facts, Paragraph
from instrumented_calc.reporting.html.evidence import EVIDENCE, evidence_of
from instrumented_calc.reporting.html.page import MOST_RUNS, render_first_screen, render_page
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report

MARKUP = "</script><script>alert(1)</script><!-- <b onclick=x> ' \" & \u2028 ]]> {{ 7*7 }}"


def read(content: bytes, path, *targets: str) -> ReadRun:
    path.write_bytes(content)
    summary = summarize(read_journal(path))
    return ReadRun(summary, judge(summary), [check_target(parse_target(each), summary) for each in targets])


@pytest.fixture
def run(tmp_path):
    return read(whole(), tmp_path / "run.jsonl")


@pytest.fixture
def source(run):
    return render_page([run])


def embedded(source: str, name: str):
    return json.loads(source.partition(f'id="{name}">')[2].partition("</script>")[0])


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_nothing_is_loaded_and_only_the_pages_own_script_and_style_may_run(source):
    page = Page(source)
    assert {"img", "iframe", "object", "embed", "base", "form"} & page.tags == set()
    assert page.values("src") == page.values("style") == []
    assert {value for value in page.values("href") if not value.startswith("#")} == {"data:,"}
    policy = next(value for value in page.values("content") if "default-src" in value)
    assert policy.startswith("default-src 'none'; ")
    style, script = "".join(page.texts["style"]), source.rpartition("<script>")[2].partition("</script>")[0]
    assert f"style-src 'sha256-{digest(style)}'" in policy
    assert f"script-src 'sha256-{digest(script)}'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|url\((?!#)|@import", style + script)


def test_the_same_journal_gives_the_same_bytes(tmp_path, source):
    assert render_page([read(whole(), tmp_path / "run.jsonl")]) == source


def test_each_word_and_number_of_the_text_report_is_there_without_the_script(run, source):
    shown = Page(source).words
    for section in build_report([run], everything=True).sections[:-1]:
        for block in section.blocks:
            if isinstance(block, Paragraph):
                cells = block.lines
            elif isinstance(block, Facts):
                cells = [cell for pair in block.pairs for cell in pair]
            else:
                cells = [cell for row in (block.headings, *block.rows) for cell in row]
            for cell in cells:
                assert " ".join(cell.split()) in shown, (section.title, cell)


def test_each_number_of_the_plots_is_in_a_table(source):
    page = Page(source)
    data = embedded(source, "plots")["run1"]
    assert len(data["bins"]["calls"]) > 100
    assert sum(data["bins"]["calls"]) == 150 - 1 - 4  # without failed and traced ones
    cells = {" ".join(text.split()) for text in page.texts["td"]}
    for first, median in zip(data["bins"]["first"], data["bins"]["median"], strict=True):
        assert str(first) in cells
        assert f"{median / 1e6:.2f}" in cells
    for each in data["memory"]:
        assert {f"{value / 1e6:,.1f}" for value in each["middle"]} <= cells


def test_all_numbers_can_be_saved(run, source):
    assert embedded(source, "numbers") == json.loads(render_json([run]))


def test_links_arrive_and_no_name_is_there_twice(source):
    page = Page(source)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in page.values("href") if value.startswith("#")} <= set(ids)


def test_a_rule_has_a_place_with_its_evidence():
    assert set(EVIDENCE) <= set(NAMES)
    assert evidence_of("host-growth", {"memory", "time"}) == "memory"
    assert evidence_of("host-growth", {"memory-and-cpu"}) == "memory-and-cpu"
    assert evidence_of("host-growth", set()) == "findings"


@pytest.mark.parametrize("content", [*specimens(), whole(0), whole(1), thinned(0)])
def test_every_journal_gives_a_page(tmp_path, content):
    page = Page(render_page([read(content, tmp_path / "run.jsonl")]))
    assert "Environment" in page.words
    assert page.values("id").count("run1") == 1


def test_a_journal_without_calls_says_so(tmp_path):
    start = msgspec.json.encode(records.RunStart(records.SCHEMA, "r", "2026-01-01T00:00:00Z", 7, "0.1.0"))
    page = Page(render_page([read(start + b"\n", tmp_path / "run.jsonl")]))
    assert "No calls are recorded" in page.words
    assert "wall time" in page.words


def test_markup_in_any_text_of_a_journal_stays_text(tmp_path):
    content, plain = whole(60), whole(60)
    escaped = json.dumps(MARKUP)
    for name in (
        "formula",
        "name",
        "host",
        "component",
        "equation",
        "text",
        "function",
        "command",
        "operation",
    ):
        content = re.sub(
            rb'"%s":"[^"]*"' % name.encode(), lambda _, n=name: f'"{n}":{escaped}'.encode(), content
        )
    hostile = Page(render_page([read(content, tmp_path / "<b>run&.jsonl")]))
    usual = Page(render_page([read(plain, tmp_path / "run.jsonl")]))
    assert hostile.tags == usual.tags
    assert {name for _, name, _ in hostile.attributes} == {name for _, name, _ in usual.attributes}
    assert "<script>alert(1)</script>" in hostile.words
    assert "{{ 7*7 }}" in hostile.words


def test_the_size_does_not_grow_with_the_calls(tmp_path):
    def slices(calls: int) -> int:
        content = thinned(150).replace(b'"calls":100', b'"calls":%d' % calls)
        return len(render_page([read(content, tmp_path / f"{calls}.jsonl")]))

    assert slices(20_000) < 1.02 * slices(100) < 400_000  # 3 million calls


def test_several_journals_are_on_one_page_with_their_targets(tmp_path, run):
    others = [read(whole(20), tmp_path / f"{number}.jsonl", "failed==0") for number in range(MOST_RUNS + 1)]
    page = Page(render_page([run, *others]))
    assert "2 more journals are not shown" in page.words
    assert "0 of 13 targets met" in page.words or "13 of 13 targets met" in page.words
    assert page.values("id").count(f"run{MOST_RUNS}") == 1
    assert len(page.values("id")) == len(set(page.values("id")))


def test_the_first_screen_is_markup_without_script_or_names(run):
    page = Page(render_first_screen([run, run]))
    assert "script" not in page.tags
    assert page.values("id") == page.values("href") == []
    assert "Where the time goes" in page.words


def test_names_of_users_hosts_and_folders_are_hidden(tmp_path):
    content = whole(60)
    for old, new in (
        (b'"host":"node1"', b'"host":"login7.cluster.example"'),
        (
            b'"command":["python","md.py"]',
            b'"command":["/home/ada/venv/bin/python","/scratch/x y/ada/md.py"]',
        ),
        (b'"pid":7', b'"pid":7,"directory":"/scratch/x y/ada"'),
        (b'"file":"net.py"', b'"file":"/scratch/x y/ada/net.py"'),
        (b'"text":"equilibrated"', b'"text":"ada wrote /data/group/ada/out.traj on login7"'),
    ):
        assert old in content
        content = content.replace(old, new)
    folder = tmp_path / "lovelace"
    folder.mkdir()
    run = read(content, folder / "run.jsonl")
    shown, hidden = render_page([run]), render_page([run], mask=True)
    secret = re.compile(r"\bada\b|login7|lovelace|scratch|cluster\.example|/data|/home|venv")
    assert len(set(secret.findall(shown))) >= 4
    assert secret.findall(hidden) == []
    assert "net.py:43" in hidden
    assert "out.traj on host" in Page(hidden).words


def test_a_run_whose_steady_calls_are_kept_as_sums_only_has_a_page(tmp_path):
    path = tmp_path / "long.jsonl"
    ten_million(path)
    source = render_page([read(path.read_bytes(), path)])
    assert sum(embedded(source, "plots")["run1"]["distribution"]["calls"]) == 10_000_000
    assert len(source) < 400_000
