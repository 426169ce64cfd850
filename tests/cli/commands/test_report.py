"""The command line, in process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import instrumented_calc
from instrumented_calc.cli import main

GOLDEN = Path(__file__).parents[2] / "journal" / "golden" / "v1.jsonl"
# For child processes: the package under test, wherever they run.
SOURCE = {**os.environ, "PYTHONPATH": str(Path(instrumented_calc.__file__).parents[1])}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.jsonl"
    shutil.copy(GOLDEN, path)
    return path


def test_report_prints_one_screen_and_with_all_every_section(run, capsys):
    assert main(["report", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "Where the time goes" in shown
    assert "Slowest calls" not in shown
    assert max(map(len, shown.splitlines()[:-1])) <= 80
    assert main(["report", str(run), "--all"]) == 0
    assert "Slowest calls" in capsys.readouterr().out


@pytest.mark.parametrize(("columns", "width"), [(20, 60), (72, 72), (300, 100)])
def test_a_report_is_wrapped_to_the_terminal(run, capsys, monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["report", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()[:-1]  # the last has the path of the journal
    assert width - 20 < max(map(len, lines)) <= width


def test_a_report_on_a_terminal_has_colours(run, capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["report", str(run)]) == 0
    plain = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["report", str(run)]) == 0
    assert len(capsys.readouterr().out) > len(plain)


def test_progress_over_several_journals_is_for_terminals_only(run, capsys, monkeypatch):
    other = run.with_name("other.jsonl")
    shutil.copy(GOLDEN, other)
    assert main(["report", str(run), str(other)]) == 0
    piped = capsys.readouterr()
    assert piped.err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["report", str(run), str(other)]) == 0
    seen = capsys.readouterr()
    assert "reading journals" in seen.err
    assert seen.out == piped.out


def test_report_without_a_path_takes_the_newest_and_says_which(run, capsys):
    newer = run.with_name("run-2.jsonl")
    shutil.copy(GOLDEN, newer)
    os.utime(run, (1, 1))
    assert main(["report"]) == 0
    seen = capsys.readouterr()
    assert "run-2.jsonl" in seen.err
    assert seen.out.startswith("Report on run-2.jsonl")


def test_report_on_an_old_journal_mentions_the_newer_one(run, capsys):
    shutil.copy(GOLDEN, run.with_name("run-2.jsonl"))
    os.utime(run, (1, 1))
    assert main(["report", "run.jsonl"]) == 0
    assert "run-2.jsonl is newer than run.jsonl" in capsys.readouterr().err


def test_of_a_file_that_is_no_journal_only_that_is_said(run, capsys):
    script = run.with_name("md.py")
    script.write_text("import ase\n")
    os.utime(script, (1, 1))
    assert main(["report", "md.py"]) == 5
    assert capsys.readouterr().err.startswith("error: md.py:1: not a journal")


def test_among_several_files_those_that_are_no_journal_are_left_out_and_named(run, capsys):
    run.with_name("md.jsonl").write_text("import ase\n")
    shutil.copy(GOLDEN, run.with_name("other.jsonl"))
    assert main(["report", "*.jsonl"]) == 0
    seen = capsys.readouterr()
    assert seen.err.startswith("left out: md.jsonl:1: not a journal")
    assert seen.out.startswith("Report on other.jsonl, run.jsonl")


def test_a_target_needs_all_files(run, capsys):
    run.with_name("md.jsonl").write_text("import ase\n")
    assert main(["report", "*.jsonl", "--require", "median < 1 s"]) == 5
    assert capsys.readouterr().err.startswith("error: md.jsonl:1: not a journal")


def test_on_a_terminal_sentences_are_folded_to_its_width(run, capsys, monkeypatch):
    assert main(["report", "run.jsonl", "--all"]) == 0
    piped = capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["report", "run.jsonl", "--all"]) == 0
    seen = capsys.readouterr().out
    assert seen.split() == piped.split()
    assert max(map(len, piped.splitlines())) > 120
    assert all(len(line) <= 80 or line.startswith("  instrumented-calc ") for line in seen.splitlines())


def test_report_without_any_journal_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 5
    assert capsys.readouterr().err.startswith("error: no journal (*.jsonl) in ")


def test_the_newest_journal_is_found_whatever_its_name(run, capsys):
    for name, time in (("nvt.jsonl", 2), ("rows.jsonl", 3), (".n4-r1.partial.jsonl", 4)):
        shutil.copy(GOLDEN, run.with_name(name))
        os.utime(run.with_name(name), (time, time))
    run.with_name("rows.jsonl").write_text('{"step":1}\n')  # no journal
    os.utime(run, (1, 1))
    assert main(["report"]) == 0
    assert capsys.readouterr().out.startswith("Report on nvt.jsonl")
    assert main(["report", "run.jsonl"]) == 0
    assert "nvt.jsonl is newer than run.jsonl" in capsys.readouterr().err


def test_a_file_given_twice_is_counted_once(run, tmp_path, capsys):
    (tmp_path / "link.jsonl").symlink_to(run)
    (tmp_path / "hard.jsonl").hardlink_to(run)
    names = ["run.jsonl", str(run), "./run.jsonl", "link.jsonl", "hard.jsonl", "r*.jsonl"]
    assert main(["report", *names, "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["journals"]) == 1


@pytest.mark.parametrize("pattern", ["*.jsonl", "run.jsonl,a/1.jsonl", "**/*.jsonl", "[r]un.jsonl,?/*"])
def test_quoted_patterns_are_expanded(run, tmp_path, capsys, pattern):
    (tmp_path / "a").mkdir()
    shutil.copy(GOLDEN, tmp_path / ("b.jsonl" if pattern == "*.jsonl" else "a/1.jsonl"))
    assert main(["report", pattern, "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["journals"]) == 2
    assert main(["validate", pattern]) == 0
    assert capsys.readouterr().out.count("valid") == 2
    assert main(["report", "x*.jsonl"]) == 5
    assert "no file matches x*.jsonl" in capsys.readouterr().err


def _damaged(journal: bytes) -> bytes:
    return b"\x00\x01" + journal[9:]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("other.jsonl", lambda journal: journal),
        ("no-ending", lambda journal: journal),
        ("other.jsonl", _damaged),
        ("spaces.txt", lambda journal: journal.replace(b'":', b'": ')),
        ("mark.txt", lambda journal: b"\xef\xbb\xbf" + journal),
        ("run.jsonl.last", lambda journal: journal.split(b"\n", 3)[-1]),
    ],
)
def test_a_report_overwrites_no_journal(run, capsys, name, content):
    other = run.with_name(name)
    other.write_bytes(content(GOLDEN.read_bytes()))
    before = other.read_bytes()
    assert main(["report", "run.jsonl", "--output", name]) == 5
    assert "is not overwritten" in capsys.readouterr().err
    assert other.read_bytes() == before


def test_a_report_does_not_overwrite_the_damaged_journal_that_it_reads(run, capsys):
    odd = run.with_name("odd.txt")
    odd.write_bytes(b"\n\n" + _damaged(GOLDEN.read_bytes()))
    before = odd.read_bytes()
    assert main(["report", "odd.txt", "--output", "odd.txt"]) == 5
    assert odd.read_bytes() == before


def test_missed_targets_are_named_on_stderr(run, capsys):
    words = ["--require", "p95/mean<0.1", "--require", "max < 1 ns", "--require", "failed==2"]
    assert main(["report", str(run), *words, "--output", "r.md"]) == 1
    missed = [line for line in capsys.readouterr().err.splitlines() if line.startswith("missed: ")]
    assert len(missed) == 2
    assert missed[0].startswith("missed: p95/mean<0.1, measured ")
    assert missed[1].startswith("missed: max < 1 ns, measured ")


def test_report_as_json_and_markdown(run, capsys):
    assert main(["report", str(run), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["journals"][0]["speed"]["steps"] == 4
    assert main(["report", str(run), "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("# Report on run.jsonl")


def test_report_writes_a_file(run, tmp_path, capsys):
    assert main(["report", str(run), "--output", "report.txt"]) == 0
    assert (tmp_path / "report.txt").read_text().startswith("Report on")
    assert capsys.readouterr().out == ""
    assert main(["report", str(run), "--output", "no/such/report.txt"]) == 5


@pytest.mark.parametrize(
    ("target", "code"), [("p95/mean<2", 0), ("max<1ns", 1), ("failed==2", 0), ("ns_per_day<0", 1)]
)
def test_a_target_decides_the_exit_code(run, capsys, target, code):
    assert main(["report", str(run), "--require", target]) == code
    assert target in capsys.readouterr().out


def test_a_target_without_evidence_is_not_met(run, capsys):
    run.write_bytes(b"".join(GOLDEN.read_bytes().splitlines(keepends=True)[:2]))
    assert main(["report", str(run), "--require", "us_per_atom<10"]) == 1
    assert "not enough evidence" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["report", "none.jsonl"], 5),
        (["report", "."], 5),
        (["report", "run.jsonl", "--require", "speed>1"], 2),
        (["report", "run.jsonl", "--format", "pdf"], 2),
        (["report", "run.jsonl", "--nonsense"], 2),
        (["repot"], 2),
        (["validate"], 2),
    ],
)
def test_errors_are_one_line_on_stderr(run, capsys, arguments, code):
    assert main(arguments) == code
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith("error: ")
    assert seen.err.count("\n") == 1


def test_validate_distinguishes_valid_from_invalid(run, capsys):
    assert main(["validate", str(run)]) == 0
    assert capsys.readouterr().out == f"{run}: valid, 14 records\n"
    run.write_bytes(GOLDEN.read_bytes()[:-9])
    assert main(["validate", str(run)]) == 0
    assert "valid, partial" in capsys.readouterr().out
    run.write_bytes(GOLDEN.read_bytes() + b"junk\n")
    assert main(["validate", str(run)]) == 1
    assert f"{run}:15: " in capsys.readouterr().err


def test_schema_is_json(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "instrumented-calc/1"


def test_help_and_version(capsys):
    assert main(["--help"]) == 0
    assert "report" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("instrumented-calc ")


def test_help_loads_no_heavy_library():
    code = (
        "import sys; from instrumented_calc.cli import main; main(['--help']);"
        "print([m for m in ('numpy', 'ase', 'structlog', 'msgspec', 'rich') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=SOURCE)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_closed_pipe_is_not_an_error(run):
    command = [sys.executable, "-m", "instrumented_calc", "report", str(run)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=SOURCE) as process:
        process.stdout.close()
        reported = process.stderr.read()
    assert reported == b""
    assert process.returncode == 141


POOL = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from ase.build import bulk
from ase.calculators.emt import EMT
from instrumented_calc import ProfiledCalculator

def relax(atoms):
    return atoms.get_potential_energy()

if __name__ == "__main__":
    structures = []
    for symbol in ("Cu", "Pt", "Au"):
        atoms = bulk(symbol)
        atoms.calc = ProfiledCalculator(EMT())
        structures.append(atoms)
    structures[0].get_potential_energy()
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        print(sum(pool.map(relax, structures[1:])))
"""
RANK = """
from ase.build import bulk
from ase.calculators.emt import EMT
from instrumented_calc import ProfiledCalculator
atoms = bulk("Cu")
atoms.calc = ProfiledCalculator(EMT())
atoms.get_potential_energy()
"""


def script(text, **variables):
    """Run a script that leaves its journals here."""
    Path("script.py").write_text(text, encoding="utf-8")
    subprocess.run(
        [sys.executable, "script.py"], check=True, env={**SOURCE, **variables}, capture_output=True
    )


@pytest.mark.slow
def test_a_pool_is_reported_from_its_parent_and_from_each_worker(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    script(POOL)
    journals = sorted(each.name for each in Path().glob("*.jsonl"))
    workers = len(journals) - 1
    assert workers in {1, 2}  # one may be quick enough for all
    for name in journals:
        assert main(["report", name]) == 0
        shown = capsys.readouterr()
        assert f"{workers + 1} journals, {workers} of workers" in shown.out
        assert all(each in shown.out for each in journals)
        assert f"with {workers} journal" in shown.err
        assert "is newer" not in shown.err
    assert main(["report", "run.jsonl", "--alone"]) == 0
    assert capsys.readouterr().out.startswith("Report on run.jsonl\n")


@pytest.mark.slow
def test_ranks_are_reported_from_any_of_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for rank in ("0", "1"):
        script(RANK, OMPI_COMM_WORLD_RANK=rank, OMPI_COMM_WORLD_SIZE="2")
    for name in ("run.jsonl", "run.rank1.jsonl"):
        assert main(["report", name]) == 0
        assert "2 journals, 2 MPI ranks" in capsys.readouterr().out


@pytest.mark.slow
def test_requeued_parts_are_reported_from_any_of_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        script(RANK, INSTRUMENTED_CALC_SERIES="copper")
    for name in ("run.jsonl", "run-2.jsonl"):
        assert main(["report", name]) == 0
        assert "series copper, 2 journals" in capsys.readouterr().out


def test_a_page_is_written_instead_of_the_screen(run, capsys):
    assert main(["report", str(run), "--html", "r.html"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err.splitlines()[-1]) == ("", "wrote r.html")
    assert Path("r.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_and_a_file_in_another_format_are_written_together(run):
    assert main(["report", str(run), "--html", "r.html", "--format", "json", "-o", "r.json"]) == 0
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))
    assert Path("r.html").exists()


def test_a_page_does_not_replace_a_journal_and_mask_is_for_pages(run, capsys):
    assert main(["report", str(run), "--html", str(run)]) == 5
    assert "give another --html" in capsys.readouterr().err
    assert main(["report", str(run), "--mask"]) == 2
    assert "--html" in capsys.readouterr().err
