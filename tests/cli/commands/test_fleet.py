"""`report` of many journals, in process."""

import json
import math

import pytest
from tests.fleets import Made, write_fleet, write_run

from instrumented_calc.cli import fleet_reading, main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fleet(folder):
    write_fleet(folder, runs=100, nodes=19, torn=5, foreign=6, slow_runs=5, slower=0.2)
    return folder


def counted(numbers):
    """Return how many files are runs by state, and are none."""
    states = [each["state"] for each in numbers["runs"]]
    return {each: states.count(each) for each in set(states)} | {"no runs": len(numbers["not_runs"])}


def test_a_pattern_gives_a_table_that_accounts_for_every_file_and_names_the_node(fleet, capsys):
    assert main(["report", "*.jsonl"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Fleet of 100 runs")
    assert "node slow is slow: its 5 runs took" in shown
    assert "106 files: 95 runs ended, 5 have no end (killed, or still running), 6 are not journals" in shown
    assert "other-1.jsonl  not a journal, compressed with gzip: run gunzip on it first" in shown
    assert "(30 of 100)" in shown


def test_all_runs_are_listed_with_all(fleet, capsys):
    assert main(["report", "*.jsonl", "--all"]) == 0
    shown = capsys.readouterr().out
    assert all(f"run-{number}.jsonl" in shown for number in range(100))


def test_json_has_every_file(fleet, capsys):
    assert main(["report", "*.jsonl", "--fleet", "--format", "json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["files"] == 106
    assert counted(numbers) == {"ended": 95, "no end": 5, "no runs": 6}
    assert [each["host"] for each in numbers["nodes"] if each["slow"]] == ["slow"]
    assert len(numbers["groups"]) == 1
    assert sum("slow node" in each["marks"] for each in numbers["runs"]) == 5


def test_a_page_has_a_figure_and_a_row_of_every_run_without_a_script(fleet, capsys):
    assert main(["report", "*.jsonl", "--html", "r.html"]) == 0
    page = (fleet / "r.html").read_text(encoding="utf-8")
    assert "1 slow node" in page
    assert "Group 1: Cu32 (32 atoms), EMT, a processor" in page
    assert all(f"<td>run-{number}.jsonl" in page for number in range(100))
    assert '<p class="filter" hidden>' in page


def test_broken_runs_come_first_and_what_was_not_judged_is_said_in_every_form(folder, capsys):
    for number in range(13):
        counters = (("not_finite", 7),) if number == 5 else ()
        write_run(folder / f"r{number}.jsonl", Made(counters=counters))
    said = "soundness of the simulations was not judged beyond"
    for form in ("text", "markdown"):
        assert main(["report", "*.jsonl", "--format", form]) == 0
        shown = capsys.readouterr().out
        assert "BROKEN r5.jsonl: NaN or infinity in 7 calls" in shown
        assert said in shown
    assert main(["report", "*.jsonl", "--fleet", "--format", "json"]) == 0
    assert said in json.loads(capsys.readouterr().out)["soundness"]
    assert main(["report", "*.jsonl", "--html", "r.html"]) == 0
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert "1 broken run" in page
    assert said in page


def test_broken_runs_fail_a_fleet_and_its_single_reports_alike_if_asked_to(folder, capsys):
    for number in range(13):
        write_run(folder / f"r{number}.jsonl", Made(energy_ev=math.nan if number == 5 else -3.5))
    assert main(["report", "*.jsonl", "--fleet"]) == 0
    capsys.readouterr()
    assert main(["report", "*.jsonl", "--fleet", "--fail-on", "broken"]) == 1
    assert capsys.readouterr().err == "failed on broken: 1 run\n"
    assert main(["report", "r5.jsonl"]) == 0
    assert main(["report", "*.jsonl", "--fail-on", "broken"]) == 1  # each, with every call
    said = capsys.readouterr()
    assert "Fleet of" not in said.out
    assert "failed on non-finite in r5.jsonl: " in said.err
    (folder / "r5.jsonl").unlink()
    for words in (["--fleet"], ["--each"]):
        assert main(["report", "*.jsonl", *words, "--fail-on", "broken"]) == 0
    assert main(["report", "*.jsonl", "--fleet", "--fail-on", "non-finite"]) == 2


def test_up_to_twelve_journals_have_a_report_each_unless_a_fleet_is_asked_for(folder, capsys):
    for number in range(12):
        write_run(folder / f"r{number}.jsonl", Made())
    assert main(["report", "*.jsonl"]) == 0
    assert "Fleet of" not in capsys.readouterr().out
    assert main(["report", "*.jsonl", "--fleet"]) == 0
    assert "Fleet of 12 runs" in capsys.readouterr().out
    write_run(folder / "r12.jsonl", Made())
    assert main(["report", "*.jsonl", "--each"]) == 0
    assert "Fleet of" not in capsys.readouterr().out
    assert main(["report", "*.jsonl", "--require", "p95/mean<9"]) == 0  # which is checked for each
    assert "Fleet of" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--require", "p95/mean<2"], "--each"),
        (["--format", "chrome"], "text, markdown, json, csv, parquet"),
        (["--format", "parquet"], "runs.parquet"),
        (["--html", "run-1.jsonl"], "is not overwritten"),
    ],
)
def test_what_a_fleet_has_not_is_refused_in_a_line(fleet, capsys, options, said):
    assert main(["report", "*.jsonl", "--fleet", *options]) != 0
    assert said in capsys.readouterr().err


def test_files_of_which_none_is_a_journal_are_an_error(folder, capsys):
    (folder / "a.jsonl").write_bytes(b"")
    (folder / "b.jsonl").write_bytes(b"x,y\n")
    assert main(["report", "*.jsonl", "--fleet"]) == 5
    assert (
        "none of 2 files is a journal, a.jsonl: not a journal, the file is empty" in capsys.readouterr().err
    )


def test_hosts_with_markup_and_control_characters_change_nothing(folder, capsys):
    for number in range(13):
        write_run(folder / f"r{number}.jsonl", Made(host="<b>\x1b[31m\u202e"))
    assert main(["report", "*.jsonl", "--html", "r.html"]) == 0
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert main(["report", "*.jsonl"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in page + shown
    assert "\u202e" not in page + shown


def test_several_processes_read_the_same_as_one(fleet, monkeypatch, capsys):
    assert main(["report", "*.jsonl", "--fleet", "--format", "json"]) == 0
    alone = capsys.readouterr().out
    monkeypatch.setattr(fleet_reading, "FEWEST_FOR_POOL", 10)
    monkeypatch.setattr(fleet_reading, "BATCH", 7)
    assert main(["report", "*.jsonl", "--fleet", "--format", "json"]) == 0
    assert capsys.readouterr().out == alone


def test_a_scheduler_for_a_report_on_each_is_refused(fleet, capsys):
    assert main(["report", "run-1.jsonl", "--scheduler-address", "tcp://head:8786"]) == 2
    assert "does nothing without one table of all runs; add --fleet" in capsys.readouterr().err


@pytest.mark.slow
def test_a_fleet_of_2000_runs_is_accounted_for(folder, capsys):
    write_fleet(folder, runs=2_000, nodes=39, torn=100, foreign=20, slow_runs=50, slower=0.2, scatter=0.05)
    assert main(["report", "*.jsonl", "--fleet", "--format", "json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["files"] == 2_020
    assert counted(numbers) == {"ended": 1_900, "no end": 100, "no runs": 20}
    assert [(each["host"], each["runs"]) for each in numbers["nodes"] if each["slow"]] == [("slow", 50)]
    assert sum("slow node" in each["marks"] for each in numbers["runs"]) == 50
