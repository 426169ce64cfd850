"""Every planted fault is found, and no healthy twin is accused, in journals that the bench recorded.

`python -m tests.diagnosis` records and judges all cases anew; its figures depend on the machine.
"""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from typing import TYPE_CHECKING

import pytest
from tests.diagnosis.bench import run_case
from tests.diagnosis.case import CASES, all_cases
from tests.diagnosis.recorded import cases_recorded, unpack

from instrumented_calc.cli import main
from instrumented_calc.reporting.run.final_summary import closing_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.diagnosis.bench import Outcome

all_cases()
RECORDED = cases_recorded()
LIVE = CASES["leak-told-while-it-runs"]
BLOCKS = CASES["leak-of-blocks"]
GRAPH = CASES["graph-kept"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Outcome]:
    """Give the recorded run of a case."""
    return cache(lambda case, planted: unpack(case, tmp_path_factory.mktemp("bench"), planted=planted))


@pytest.mark.parametrize("case", [each for each in RECORDED if each.rule], ids=lambda each: each.name)
def test_a_planted_fault_is_the_first_or_second_finding(case, recorded):
    seen = recorded(case, planted=True)
    assert case.rule in [each.rule for each in seen.flagged[:2]]
    assert case.numbers.items() <= dict(seen.finding(case.rule).numbers).items()


@pytest.mark.parametrize("case", RECORDED, ids=lambda each: each.name)
def test_a_healthy_run_is_accused_of_nothing(case, recorded):
    seen = recorded(case, planted=False)
    assert [each.rule for each in seen.alarms] == []
    assert {each.rule for each in seen.journal.findings} == set()


@pytest.mark.parametrize("case", RECORDED, ids=lambda each: each.name)
def test_the_summary_begins_with_the_fault_or_a_sentence(case, recorded):
    for planted in case.variants:
        seen = recorded(case, planted=planted)
        lines = closing_text(seen.summary, seen.findings).splitlines()
        assert max(map(len, lines[:-1])) <= 80
        if any(each.severity != "info" for each in seen.flagged):
            assert lines[0].startswith(("BROKEN ", "PROBLEM ", "SLOW "))
        else:
            assert lines[0].endswith((" % of the time.", " % of the time; nothing is wrong."))
            assert len(lines) <= 8


def test_a_leak_is_reported_while_the_run_continues(recorded):
    seen = recorded(LIVE, planted=True)
    (finding,) = [each for each in seen.journal.findings if each.rule == "host-growth"]
    assert finding.numbers["kb_per_call"] == pytest.approx(2.1, rel=0.25)
    reported = seen.journal.calls.start_ns.searchsorted(finding.time_ns)
    assert reported < 2000
    # the notice during the run must not hide the leak from the rules applied to the whole run
    assert seen.rank == 1
    assert not recorded(LIVE, planted=False).journal.findings


def test_a_report_on_a_leak_fails_where_it_is_asked_to(recorded, capsys):
    path = str(recorded(BLOCKS, planted=True).path)
    assert main(["report", path, "--fail-on", "host-growth"]) == 1
    assert "failed on host-growth" in capsys.readouterr().err
    assert main(["report", path, "--fail-on", "non-finite", "--format", "json"]) == 0
    (journal,) = json.loads(capsys.readouterr().out)["journals"]
    (reported,) = [each for each in journal["findings"] if each["rule"] == "host-growth"]
    assert reported["verdict"] == "flagged"
    assert reported["numbers"]["kb_per_step"] == pytest.approx(2.1, rel=0.25)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("planted", [True, False])
def test_a_graph_that_is_kept_is_found(planted, tmp_path):
    seen = run_case(GRAPH, 1, tmp_path / "run", planted=planted)
    assert (seen.finding(GRAPH.rule).verdict == "flagged") == planted
