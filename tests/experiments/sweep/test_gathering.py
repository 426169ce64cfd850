"""Gathering brings each cell together once, whatever the files are called and wherever they lie."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from tests.experiments.sweep.cells import cell, files, manifest_of, write_journal

from instrumented_calc.cli import main
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.sweep.gathering import gather_sweep
from instrumented_calc.experiments.sweep.manifest import write_manifest
from instrumented_calc.experiments.sweep.results import ResultFolder
from instrumented_calc.experiments.sweep.status import status_of

ONE, TWO, THREE = cell(), cell(replicate=2), cell(replicate=3)
SWEEP = manifest_of(ONE, TWO, THREE)


@pytest.fixture
def results():
    return ResultFolder(Path("out"))


def keys(gathered) -> list[str]:
    return [each["key"] for each in gathered.figures]


def test_journals_are_found_by_their_content_and_copied_once(results):
    write_journal(ONE, results.journal(ONE.key))
    write_journal(TWO, Path("node-7/slot/renamed.jsonl"))
    shutil.copy("node-7/slot/renamed.jsonl", "node-7/again.jsonl")
    gathered = gather_sweep(SWEEP, results, [Path("node-7")])
    assert keys(gathered) == [ONE.key, TWO.key]
    assert [each.key for each in gathered.missing] == [THREE.key]
    assert gathered.twice == []  # two copies of one run
    assert gathered.foreign == []
    assert files(results) == {f"{key}.{kind}" for key in (ONE.key, TWO.key) for kind in ("json", "jsonl")}
    assert Path("node-7/slot/renamed.jsonl").exists()
    assert gather_sweep(SWEEP, results, [Path("node-7")]).figures == gathered.figures


def test_a_cell_that_two_runs_finished_counts_once(results):
    first = write_journal(ONE, results.journal(ONE.key))
    write_journal(ONE, Path("other/x.jsonl"))
    write_journal(TWO, results.new_attempt(TWO.key))
    write_journal(TWO, results.new_attempt(TWO.key))
    content = first.read_bytes()
    gathered = gather_sweep(SWEEP, results, [Path("other")])
    assert keys(gathered) == [ONE.key, TWO.key]
    assert gathered.twice == [ONE.key, TWO.key]
    assert first.read_bytes() == content
    assert any(ONE.key in note and "more than one run" in note for note in gathered.notes())


def test_torn_failed_and_foreign_files_are_accounted_for(results):
    torn = write_journal(ONE, results.journal(ONE.key))
    torn.write_bytes(torn.read_bytes()[:-20])
    write_journal(TWO, results.new_attempt(TWO.key), breaks=True)
    write_journal(cell(seed=9), Path("out/of-another-sweep.jsonl"))
    Path("out/notes.jsonl").write_text("{}\n", encoding="utf-8")
    gathered = gather_sweep(SWEEP, results)
    assert gathered.figures == []
    words = {each.key: each.words for each in gathered.missing}
    assert words[ONE.key].startswith("running or killed on ")
    assert words[TWO.key].endswith(": ZeroDivisionError: division by zero")
    assert words[THREE.key] == "not started"
    assert {path.name for path in gathered.foreign} == {"of-another-sweep.jsonl", "notes.jsonl"}
    assert any(note.startswith("ignored: 2 files of no cell") for note in gathered.notes())


def test_figures_of_another_run_are_made_anew(results):
    write_journal(ONE, results.journal(ONE.key))
    (good,) = gather_sweep(SWEEP, results).figures
    few = json.dumps({"key": ONE.key, "run_id": good["run_id"]})
    for bad in ("", "{}", few, json.dumps({**good, "run_id": "other", "median_ms": 1e9})):
        results.figures(ONE.key).write_text(bad, encoding="utf-8")
        assert gather_sweep(SWEEP, results).figures == [good]


def test_a_journal_that_cannot_be_read_is_counted_and_stops_no_other_cell(results, capsys):
    two = manifest_of(ONE, TWO)
    write_manifest(two, Path("s.json"))
    for each in (ONE, TWO):
        write_journal(each, results.journal(each.key))
    newer = results.journal(ONE.key)
    content = newer.read_bytes()
    start, _, rest = content.partition(b"\n")
    newer.write_bytes(re.sub(rb'"schema":"([a-z-]*)/\d+"', rb'"schema":"\1/99"', start) + b"\n" + rest)
    assert newer.read_bytes() != content
    assert main(["sweep", "gather", "s.json", "-o", "out"]) == 1
    shown = capsys.readouterr().out
    assert "1 of 2 cells done" in shown
    assert "complete" not in shown
    assert f"unreadable journal of {ONE.key}: " in shown
    assert main(["sweep", "status", "s.json", "-o", "out"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("1 of 2 cells done, 1 done but unreadable, 0 running")
    assert shown[1].startswith(f"unreadable journal of {ONE.key}: ")
    results.figures(TWO.key).unlink()
    assert main(["sweep", "run", "s.json", "-o", "out"]) == 1
    said = capsys.readouterr()
    assert f"failed: {ONE.key}: " in said.err
    assert "1 of 2 cells done" in said.out
    assert results.figures(TWO.key).exists()


def test_rows_show_the_settings_in_which_they_differ(results, capsys):
    for cells, columns in (((ONE, cell(steps=7, temperature_k=10.0)), {"steps", "K"}), ((ONE, TWO), set())):
        write_manifest(manifest_of(*cells), Path("s.json"))
        for each in cells:
            write_journal(each, results.journal(each.key))
        assert main(["sweep", "gather", "s.json", "-o", "out"]) == 0
        headings = next(line for line in capsys.readouterr().out.splitlines() if "calculator" in line)
        assert set(headings.split()) & {"steps", "K", "seed"} == columns


def test_a_journal_of_another_size_is_a_problem_of_its_cell(results):
    other = cell(n_atoms=32)
    write_journal(other, results.journal(other.key))  # of 4 atoms, and without a driver
    gathered = gather_sweep(manifest_of(other), results)
    assert "4 atoms instead of 32" in gathered.figures[0]["problems"]
    assert f"{other.key}: 4 atoms instead of 32" in gathered.notes()


def test_a_broken_simulation_is_named_with_its_step_and_complete_is_not_sound(results, capsys):
    write_manifest(manifest_of(ONE, TWO), Path("s.json"))
    words = ["sweep", "gather", "s.json", "--output", "out"]
    for each in (ONE, TWO):
        write_journal(each, results.journal(each.key))
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "no fault seen in 2 simulations; not judged for lack of evidence: " in shown
    path = results.journal(TWO.key)
    before, third, after = path.read_bytes().partition(b'{"event":"call","index":3')
    path.write_bytes(before + third + re.sub(rb'"energy_ev":[-0-9.e]+', b'"energy_ev":null', after))
    results.figures(TWO.key).unlink()
    assert main(words) == 4
    shown = capsys.readouterr().out
    assert "2 of 2 cells done: complete" in shown
    assert "BROKEN: 1 of 2 simulations" in shown
    assert f"{TWO.key}: The energy is not a number" in shown
    assert "call 3" in shown
    assert "no fault seen in the others" in shown
    assert main([*words, "--format", "json"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert [*found["broken"]] == [TWO.key]
    assert [(each["runs"], each["broken"]) for each in found["groups"]] == [(2, 1)]
    write_manifest(manifest_of(ONE, TWO, THREE), Path("s.json"))
    assert main(words) == 1  # there is something to run


def test_the_status_needs_no_folder_and_changes_nothing(results):
    assert [each.words for each in status_of(SWEEP, results).missing] == ["not started"] * 3
    assert not results.folder.exists()


def test_a_folder_that_is_not_there_is_an_error(results):
    with pytest.raises(ExperimentError, match="no-such: no such folder"):
        gather_sweep(SWEEP, results, [Path("no-such")])


def test_the_commands_print_tables_and_set_exit_codes(results, capsys):
    write_manifest(SWEEP, Path("s.json"))
    write_journal(ONE, results.journal(ONE.key))
    write_journal(TWO, results.new_attempt(TWO.key), breaks=True)
    words = ["s.json", "--output", "out"]
    assert main(["sweep", "status", *words]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "1 of 3 cells done, 1 running, failed or killed, 1 not started"
    assert "ZeroDivisionError: division by zero" in shown[1]
    assert main(["sweep", "gather", *words]) == 1
    shown = capsys.readouterr().out
    assert "1 of 3 cells done" in shown
    assert f"{THREE.key}: not started" in shown
    write_journal(TWO, results.journal(TWO.key))
    write_journal(THREE, results.journal(THREE.key))
    assert main(["sweep", "gather", *words]) == 0
    assert "3 of 3 cells done: complete" in capsys.readouterr().out
    assert main(["sweep", "gather", *words, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["key"] for each in found["cells"]] == [*SWEEP.cells]
    assert [group["runs"] for group in found["groups"]] == [3]
    assert found["missing"] == {}
    assert main(["sweep", "status", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "done": [*SWEEP.cells],
        "unreadable": {},
        "missing": {},
    }
