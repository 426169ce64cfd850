"""`instrumented-calc demo`: real dynamics with the core dependencies alone."""

import sys

import pytest
from tests.support import read_records

from instrumented_calc.cli import main
from instrumented_calc.experiments.systems import cells_for, copper


def test_it_runs_real_dynamics_and_names_the_journal(capsys):
    assert main(["demo", "--steps", "7", "--n-atoms", "4"]) == 0
    records = read_records()
    assert len(records.calls) == 8
    assert records.of("phase")[0]["driver"] == "VelocityVerlet"
    assert capsys.readouterr().out.strip().endswith("run.jsonl")


def test_on_a_terminal_the_path_is_only_in_the_summary(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["demo", "--steps", "2", "--n-atoms", "4"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("calc", ["emt", "lj", "morse", "ase.calculators.emt:EMT"])
def test_every_named_calculator_works(calc):
    assert main(["demo", "--calc", calc, "--steps", "2"]) == 0
    assert all("failure" not in row for row in read_records().calls)


def test_a_number_that_whole_cells_do_not_give_is_reported(capsys):
    assert main(["demo", "--steps", "1", "--n-atoms", "30"]) == 0
    first = capsys.readouterr().err.splitlines()[0]  # before the run
    assert first == "note: 30 atoms requested; whole copper cells give 32"
    assert read_records().calls[0]["n_atoms"] == 32


def test_an_unknown_calculator_is_one_line_with_the_nearest_name(capsys):
    assert main(["demo", "--calc", "emmt"]) == 5
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: unknown calculator 'emmt'; did you mean emt?")


@pytest.mark.parametrize(("wanted", "cells"), [(1, 1), (4, 1), (32, 8), (100, 25), (256, 64), (500, 125)])
def test_the_number_of_cells_is_the_nearest(wanted, cells):
    a, b, c = cells_for(wanted)
    assert a * b * c == cells


def test_the_same_seed_gives_the_same_velocities():
    assert (copper(32).get_momenta() == copper(32).get_momenta()).all()
    assert copper(32).get_temperature() == pytest.approx(300)
