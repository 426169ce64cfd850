"""Orb in a sum with a correction, as orb-models has it from 0.6 on."""

import warnings

import numpy as np
import pytest
from ase.build import bulk

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    # orb-models uses TorchScript as it is imported, which torch calls deprecated.
    warnings.simplefilter("ignore", FutureWarning)
    d3_model = pytest.importorskip("orb_models.forcefield.inference.d3_model")

from tests.integrations.orb_models_built import CONSERVATIVE, DIRECT, built  # noqa: E402 - after the possible skip
from tests.support import read_records  # noqa: E402 - after importorskip

from instrumented_calc import ProfiledCalculator, recording  # noqa: E402 - after importorskip
from instrumented_calc_orb import OrbCalculator, integration  # noqa: E402 - after importorskip


def test_the_parts_of_the_model_and_the_dispersion_are_timed():
    model, adapter = built(kind=CONSERVATIVE)
    correction, _ = built(kind=DIRECT)  # orb-models has direct models of D3 as well
    calc = OrbCalculator((d3_model.D3SumModel(model, correction), adapter), device="cpu")
    assert integration.knows(calc)
    assert integration.describe(calc)["name"] == "Orb-v3-conservative"
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=1)
    calc.get_forces(atoms)  # TorchScript's first call computes otherwise
    calc.reset()
    forces = calc.get_forces(atoms)
    calc.reset()
    atoms.calc = ProfiledCalculator(calc)
    assert np.array_equal(atoms.get_forces(), forces)
    recording(atoms.calc).close()
    (row,) = read_records().calls
    assert row["components"].keys() >= {"graph", "message passing", "dispersion", "backward (forces, stress)"}
