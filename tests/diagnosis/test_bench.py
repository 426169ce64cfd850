"""Every planted fault is found, and no healthy twin is accused; `python -m tests.diagnosis` runs all."""

from __future__ import annotations

import importlib.util
import json
import secrets
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import TYPE_CHECKING

import pytest
from tests.diagnosis.bench import Saving, run_case
from tests.diagnosis.case import CASES, all_cases

from instrumented_calc.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.diagnosis.bench import Outcome
    from tests.diagnosis.case import Case

all_cases()
QUICK = [each for each in CASES.values() if each.quick]
LIVE = CASES["leak-told-while-it-runs"]
GRAPH = CASES["graph-kept"]
SIDE_BY_SIDE = 4
MOST_TIMES = 3
CLOSE = 0.25
NOISY = 0.6  # where single measurements differ by more than is asked for

Runs = dict[tuple[str, bool], Future["Outcome"]]


@pytest.fixture(scope="module")
def seed() -> int:
    found = secrets.randbelow(2**32)
    print(f"seed {found}")  # noqa: T201 - shown with a failure, to repeat it
    return found


@pytest.fixture(scope="module")
def runs(seed: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Start what sleeps most of the time, all at once: the tests wait for their own."""
    directory = tmp_path_factory.mktemp("bench")
    asleep = [LIVE, *(each for each in QUICK if not each.busy and not each.saving)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {
            (case.name, planted): pool.submit(
                run_case, case, seed, directory / f"{case.name}-{planted}", planted=planted
            )
            for case in asleep
            for planted in ((True, False) if case.rule else (False,))
        }


@pytest.fixture(scope="module")
def outcome(runs: Runs, seed: int, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Outcome]:
    """Give what was recorded of a case, which is run once."""

    @cache
    def run(case: Case, *, planted: bool) -> Outcome:
        known = runs.get((case.name, planted))
        if known is None:
            wait(runs.values())  # what computes is not to be disturbed
        place = tmp_path_factory.mktemp("alone") / case.name
        return known.result() if known else run_case(case, seed, place, planted=planted)

    return run


@pytest.mark.parametrize("case", [each for each in QUICK if each.rule], ids=lambda each: each.name)
def test_a_planted_fault_is_the_first_or_second_finding(case, outcome):
    seen = outcome(case, planted=True)
    assert case.rule in [each.rule for each in seen.flagged[:2]]
    assert case.numbers.items() <= dict(seen.finding(case.rule).numbers).items()


@pytest.mark.parametrize("case", QUICK, ids=lambda each: each.name)
def test_a_healthy_run_is_accused_of_nothing(case, outcome):
    seen = outcome(case, planted=False)
    assert [each.rule for each in seen.alarms] == []
    assert {each.rule for each in seen.journal.findings} == set()


@pytest.mark.parametrize("case", [each for each in QUICK if each.saving], ids=lambda each: each.name)
def test_what_a_fix_is_said_to_save_is_what_it_saves(case, seed, tmp_path):
    saving = Saving().once_more(case, seed, tmp_path / "0")
    # Other work on the machine slows some runs: what is off is measured again.
    while abs(saving.error) > CLOSE and len(saving.errors) < MOST_TIMES:
        saving = saving.once_more(case, seed, tmp_path / str(len(saving.errors)))
    too_noisy = max(saving.errors) - min(saving.errors) > CLOSE
    assert abs(saving.error) <= (NOISY if too_noisy else CLOSE), saving


def test_a_leak_is_told_while_the_run_goes_on(runs):
    journal = runs[LIVE.name, True].result().journal
    (finding,) = [each for each in journal.findings if each.rule == "host-growth"]
    assert finding.numbers["kb_per_call"] == pytest.approx(2.1, rel=0.25)
    told = journal.calls.start_ns.searchsorted(finding.time_ns)
    assert told < 2000
    # that it was told must not hide the leak from those who judge the whole run
    assert runs[LIVE.name, True].result().rank == 1
    assert not runs[LIVE.name, False].result().journal.findings


def test_a_report_on_a_leak_fails_where_it_is_asked_to(runs, capsys):
    path = str(runs["leak-of-blocks", True].result().path)
    assert main(["report", path, "--fail-on", "host-growth"]) == 1
    assert "failed on host-growth" in capsys.readouterr().err
    assert main(["report", path, "--fail-on", "non-finite", "--format", "json"]) == 0
    (journal,) = json.loads(capsys.readouterr().out)["journals"]
    (told,) = [each for each in journal["findings"] if each["rule"] == "host-growth"]
    assert told["verdict"] == "flagged"
    assert told["numbers"]["kb_per_step"] == pytest.approx(2.1, rel=0.25)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("planted", [True, False])
def test_a_graph_that_is_kept_is_found(planted, outcome):
    seen = outcome(GRAPH, planted=planted)
    if planted:
        assert "graph-retained" in [each.rule for each in seen.flagged[:2]]
    else:
        assert seen.alarms == []
