"""`instrumented-calc profile` and `compare-all`: typical command lines and their output."""

import io
import json
import re
import sys
from pathlib import Path

import pytest
from ase.io import write
from tests.reporting.html.pages import Page
from tests.support import read_records

from instrumented_calc.cli import main
from instrumented_calc.cli.progress import _plain, show_progress
from instrumented_calc.experiments.compare_all import known_specs
from instrumented_calc.experiments.systems import build_system


def test_it_profiles_dynamics_and_ends_with_the_next_command(capsys):
    assert main(["profile", "--calc", "emt", "--system", "copper", "--n-atoms", "13", "--steps", "12"]) == 0
    said = capsys.readouterr()
    assert said.out.strip().endswith("run.jsonl")
    assert said.err.startswith("energy    total energy conserved")
    assert said.err.splitlines()[-1].startswith("next     instrumented-calc report")
    calls = read_records().calls
    dynamics = next(line for line in said.err.splitlines() if line.startswith("dynamics  "))
    assert re.search(r" ns/day, \S+ \S+/step, 12 steps in .*, without the equilibration$", dynamics)
    assert len(calls) == 25
    assert calls[0]["n_atoms"] == 13


@pytest.mark.parametrize("ensemble", ["langevin", "npt"])
def test_other_ensembles_and_settings(ensemble, capsys):
    options = [
        "--timestep",
        "1",
        "--temperature",
        "100",
        "--equilibrate",
        "0",
        "--seed",
        "3",
        "--n-atoms",
        "8",
    ]
    assert main(["profile", "--ensemble", ensemble, "--steps", "3", "--output", "mine.jsonl", *options]) == 0
    (phase,) = read_records("mine.jsonl").of("phase")
    assert (phase["ensemble"], phase["timestep_fs"]) == ("NVT" if ensemble == "langevin" else "NPT", 1.0)
    assert capsys.readouterr().out.strip().endswith("mine.jsonl")


def test_a_size_that_a_system_lacks_is_reported(capsys):
    assert main(["profile", "--calc", "lj", "--system", "silicon", "--n-atoms", "7", "--steps", "1"]) == 0
    assert "note: 7 atoms requested; silicon has 8" in capsys.readouterr().err
    assert read_records().calls[0]["n_atoms"] == 8


def test_frames_of_a_file_are_replayed(capsys):
    frames = [build_system("copper", 8).atoms for _ in range(5)]
    for number, frame in enumerate(frames):
        frame.rattle(0.01, seed=number)
    write("frames.extxyz", frames)
    assert main(["profile", "--frames", "frames.extxyz"]) == 0
    assert len(read_records().calls) == 5
    assert main(["profile", "--frames", "frames.extxyz", "--steps", "2", "--output", "two.jsonl"]) == 0
    assert len(read_records("two.jsonl").calls) == 2
    assert "next     instrumented-calc report" in capsys.readouterr().err


def test_a_factory_of_the_users_own(working_directory):
    (working_directory / "mine.py").write_text(
        "from ase.calculators.emt import EMT\ndef make(): return EMT()\n", encoding="utf-8"
    )
    assert main(["profile", "--calc", "mine:make", "--n-atoms", "4", "--steps", "2"]) == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--calc", "emmt"], "unknown calculator 'emmt'; did you mean emt?"),
        (["--system", "coper"], "unknown system 'coper'; did you mean copper?"),
        (["--ensemble", "nvt"], "unknown ensemble 'nvt'; known: nve, langevin, npt"),
        (["--frames", "none.xyz"], "none.xyz: no such file"),
        (["--frames", "empty.extxyz"], "empty.extxyz"),
        (["--frames", "garbage.xyz"], "garbage.xyz: ASE cannot read it"),
        (["--system", "silicon", "--steps", "2"], "EMT failed for Si64: NotImplementedError"),
        (
            ["--trace", "sometimes"],
            "--trace must be auto, off or a number of calls of at least 1, not 'sometimes'",
        ),
        (["--output", "no/such/run.jsonl", "--steps", "1"], "no/such"),
        (["--timestep", "-1"], "--timestep must be a number from 0.001 to 1,000, not -1"),
    ],
)
def test_bad_input_is_one_line(words, expected, capsys, working_directory):
    (working_directory / "empty.extxyz").write_text("", encoding="utf-8")
    (working_directory / "garbage.xyz").write_text("no\nframes\n", encoding="utf-8")
    assert main(["profile", *words]) == (2 if "--trace" in words else 5)
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert expected in errors[0]


def test_progress_in_a_file_is_a_plain_line_periodically(capsys):
    times = iter([0.0, 0.0, 10.0, 40.0, 45.0, 100.0])
    update = _plain(lambda: next(times))
    for done in range(5):
        update("NVE", done, 10)
    assert capsys.readouterr().err.splitlines() == [
        "NVE: 2 of 10, about 160 s left",
        "NVE: 4 of 10, about 150 s left",
    ]


def test_a_bar_on_a_terminal_leaves_nothing_below_the_summary(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    with show_progress() as update:
        update("NVE", 1, 2)
        sys.stderr.write("the summary\n")
        update("NVE", 2, 2)
    text = shown.getvalue()
    assert "the summary" in text
    assert "NVE" in text
    # The last bar is erased: the cursor goes up to its line, and that line is cleared.
    assert "NVE" not in text.rpartition("\x1b[2K")[2]
    assert text.rstrip().endswith("\x1b[2K")


class TestCompareAll:
    @pytest.mark.slow
    def test_models_are_one_table_and_failures_are_named(self, capsys):
        models = ["--calc", "emt", "--calc", "lj", "--calc", "nosuch"]
        assert main(["compare-all", "--system", "silicon", "--n-atoms", "8", "--steps", "3", *models]) == 0
        title, heading, emt, lj, nosuch = capsys.readouterr().out.splitlines()
        assert title == "silicon, 8 atoms, NVE, 3 steps"
        assert heading.split()[0] == "model"
        assert "failed: " in emt
        assert "No EMT-potential for Si" in emt
        assert len(lj.split()) == 8
        assert "failed: unknown calculator 'nosuch'" in nosuch

    @pytest.mark.slow
    def test_json_has_the_same(self, capsys):
        models = ["--calc", "emt", "--json", "--output", "kept"]
        assert main(["compare-all", "--system", "copper", "--n-atoms", "4", "--steps", "3", *models]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        assert (row["calc"], row["n_atoms"]) == ("emt", 4)
        assert len(read_records(row["journal"]).of("phase")) == 2
        assert main(["compare-all", "--system", "copper", "--n-atoms", "4", "--steps", "3", *models]) == 0
        again = capsys.readouterr()
        assert "1 finished cells reused" in again.err
        assert json.loads(again.out) == [row]
        assert main(["compare-all", "--system", "copper", "--n-atoms", "4", "--steps", "4", *models]) == 0
        assert json.loads(capsys.readouterr().out)[0]["journal"] != row["journal"]

    @pytest.mark.slow
    def test_a_page_has_bars_of_models_that_ran_on_the_same_machine(self, capsys):
        models = ["--calc", "emt", "--calc", "lj", "--calc", "nosuch"]
        words = ["--system", "copper", "--n-atoms", "4", "--steps", "3", *models, "--output", "kept"]
        assert main(["compare-all", *words, "--html", "kept/r.html"]) == 0
        shown = capsys.readouterr()
        assert (shown.out, shown.err.splitlines()[-1]) == ("", "wrote kept/r.html")
        page = Page(Path("kept/r.html").read_text(encoding="utf-8"))
        assert "2 of 3 models measured" in page.words
        assert "unknown calculator 'nosuch'" in page.words
        assert page.values("class").count("bucket") == 2 + 2  # time, memory

    def test_by_default_it_takes_what_the_integrations_offer(self):
        assert {"emt", "orb-v2", "ani-2x", "anisoap"} == set(known_specs())

    @pytest.mark.slow
    def test_without_options_a_model_that_cannot_be_built_is_skipped_in_one_line(self, capsys):
        """As in the README: ASE's potential runs, and no model that is not installed is a failure."""
        assert main(["compare-all", "--n-atoms", "4", "--steps", "2"]) == 0
        _, _, *rows = capsys.readouterr().out.splitlines()
        found = {row.split()[0]: row for row in rows}
        assert {*found} == {*known_specs()}
        assert len(found["emt"].split()) == 8
        assert all(len(row.split()) == 8 or " skipped: " in row for row in rows)

    def test_nothing_but_failures_is_exit_code_1(self, capsys):
        assert main(["compare-all", "--calc", "nosuch", "--steps", "1"]) == 1
        assert "failed: unknown calculator" in capsys.readouterr().out

    def test_an_unknown_system_is_reported_before_anything_starts(self, capsys):
        assert main(["compare-all", "--system", "watr"]) == 5
        assert "did you mean water?" in capsys.readouterr().err
