"""A time step without its unit."""

import pytest
from ase import units

RULE = "time-step-unit"


@pytest.mark.parametrize("typed", [1.0, 0.5, 2.0, 0.25])
def test_a_round_number_in_ases_unit_is_pointed_out(make, found, typed):
    run = make(40)
    run.phase.timestep_fs = typed / units.fs
    finding = found(run, RULE)
    assert (finding.verdict, finding.severity) == ("flagged", "info")
    assert "units.fs left out?" in finding.headline


@pytest.mark.parametrize("fs", [0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 4.2, 1.0 / 3])
def test_a_time_step_in_femtoseconds_is_clear(make, found, fs):
    run = make(40)
    run.phase.timestep_fs = fs * units.fs / units.fs
    assert found(run, RULE).verdict == "clear"


def test_an_unknown_time_step_is_not_judged(make, found):
    assert found(make(40), RULE).verdict == "not enough evidence"


def test_an_optimizer_has_none(make, found):
    assert found(make(40, kind="optimizer"), RULE).verdict == "clear"
