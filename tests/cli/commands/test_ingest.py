"""`instrumented-calc ingest`, in process."""

from __future__ import annotations

import json
import sys

import pytest
from tests.intake.published import (
    TIMINGS,
    as_table,
    chtc_members,
    local_members,
    timings,
    write_tgz,
    write_zip,
)

from instrumented_calc.cli import main


@pytest.fixture
def bundles(tmp_path):
    write_tgz(tmp_path / "artifacts.tgz", chtc_members())
    write_zip(tmp_path / "local.zip", local_members())


@pytest.mark.slow
def test_a_study_is_taken_in_and_judged(bundles, tmp_path, capsys):
    assert main(["ingest", "--chtc", "artifacts.tgz", "--local", "local.zip", "--output", "out"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Intake of 2 bundles: 21 files in out")
    assert (
        text.index("Supported by the data") < text.index("Not supported by the data") < text.index("Checks")
    )
    assert "rss-too-small-for-torch" in text
    assert (tmp_path / "out/logs/chtc/cluster_123.log").exists()
    assert (tmp_path / "out/logs/local/run.log").exists()
    assert (tmp_path / "out/ingested/report.md").read_text().startswith("# Intake of 2 bundles")


@pytest.mark.slow
def test_json_and_markdown(bundles, tmp_path, capsys):
    assert main(["ingest", "artifacts.tgz", "local.zip", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "instrumented-calc-intake/1"
    assert {each["rule"] for each in found["checks"] if each["verdict"] == "flagged"} >= {"n-runs-1"}
    assert json.loads((tmp_path / "results/ingested/report.json").read_text()) == found
    assert main(["ingest", "local.zip", "--format", "markdown", "--no-figures"]) == 0
    assert capsys.readouterr().out.startswith("# Intake of 1 bundle")


def test_several_bundles_of_all_kinds(bundles, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/job.out").write_text("mode=torch\n")
    assert main(["ingest", "artifacts.tgz", "local.zip", "folder"]) == 0
    assert "Intake of 3 bundles" in capsys.readouterr().out
    assert (tmp_path / "results/logs/job.out").exists()


def test_control_characters_of_a_name_never_reach_the_terminal(tmp_path, capsys):
    write_tgz(
        tmp_path / "b.tgz",
        {"\x1b[31m../up\r\n.csv": b"x", "\x1b[31mred.csv": b"file,mode,wall\n\x1b,x,fast\n"},
    )
    main(["ingest", "b.tgz"])
    seen = capsys.readouterr().out
    assert "\x1b" not in seen
    assert "\r" not in seen
    assert "\x1b" not in (tmp_path / "results/ingested/report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "no bundle given"),
        (["none.tgz"], 5, "no such file or folder"),
        (["local.zip", "--output", "local.zip"], 5, "another --output"),
    ],
)
def test_errors_are_one_line_on_stderr(bundles, capsys, arguments, code, said):
    assert main(["ingest", *arguments]) == code
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith("error: ")
    assert said in seen.err
    assert seen.err.count("\n") == 1


def test_an_archive_without_anything_usable_ends_with_1(tmp_path, capsys):
    write_tgz(tmp_path / "b.tgz", {"../up.csv": b"x"})
    assert main(["ingest", "b.tgz"]) == 1
    assert "its name points outside the bundle" in capsys.readouterr().out


def same_size_bundle(tmp_path, **beside):
    """Write a table of three systems that differ in their species only, with utilisations."""
    rows = [
        row | {"N": 24, "species_unique": 1 + place // 9, "util": 0.9} for place, row in enumerate(timings())
    ]
    members = {"timings_local.csv": as_table(rows, [*TIMINGS, "util"]), **beside}
    write_zip(tmp_path / "same.zip", members)


DRAWN = {
    f"{each}.{form}"
    for each in ("scaling_species", "util_before_after", "wall_time_by_system")
    for form in ("png", "svg")
}


@pytest.mark.slow
def test_figures_are_drawn_only_if_the_data_supports_them(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    same_size_bundle(tmp_path)
    assert main(["ingest", "same.zip"]) == 0
    files = {each.name: each.read_bytes() for each in (tmp_path / "results/figures").iterdir()}
    assert set(files) == DRAWN
    assert files["scaling_species.png"].startswith(b"\x89PNG")
    assert "figures/util_before_after.svg" in capsys.readouterr().out
    assert main(["ingest", "same.zip"]) == 0
    assert {each.name: each.read_bytes() for each in (tmp_path / "results/figures").iterdir()} == files


@pytest.mark.slow
def test_a_figure_of_the_bundle_is_never_overwritten(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    same_size_bundle(tmp_path, **{"scaling_species.png": b"\x89PNG\r\n\x1a\ntheirs"})
    assert main(["ingest", "same.zip"]) == 0
    figures = tmp_path / "results/figures"
    assert (figures / "scaling_species.png").read_bytes().endswith(b"theirs")
    assert len([*figures.glob("scaling_species-*.png")]) == 1


def test_without_matplotlib_one_line_reports_how_to_install_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    same_size_bundle(tmp_path)
    assert main(["ingest", "same.zip"]) == 0
    assert capsys.readouterr().out.count("pip install 'matplotlib>=3.7'") == 1
    assert not (tmp_path / "results/figures").exists()
    assert main(["ingest", "same.zip", "--no-figures"]) == 0
    assert "matplotlib" not in capsys.readouterr().out


@pytest.mark.parametrize("odd", ["1e300", "1e-320", "0"])
def test_odd_names_and_numbers_in_bundles_harm_no_figure(tmp_path, capsys, odd):
    pytest.importorskip("matplotlib")
    lines = [f"$x_{{\x1b\u4e16{'w' * 300},torch$^,{rep},24,2,{odd}" for rep in (1, 2)]
    lines += [f"b,numpy,{rep},24,1,{odd}" for rep in (1, 2)]
    write_zip(
        tmp_path / "b.zip", {"$(t).csv": "\n".join(["file,mode,rep,N,species,wall_s", *lines]).encode()}
    )
    assert main(["ingest", "b.zip"]) == 0
    assert capsys.readouterr().err == ""
