"""Names of calculators that may do work on the atoms."""

from types import SimpleNamespace

import pytest

from instrumented_calc.analysis.soundness.driven import driven_by


def journal(calculator, components=()):
    lanes = {0: SimpleNamespace(calculator=calculator)}
    return SimpleNamespace(lanes=lanes, calls=SimpleNamespace(components=dict.fromkeys(components)))


@pytest.mark.parametrize(
    ("calculator", "components", "expected"),
    [
        ("ase.calculators.plumed.Plumed", (), "Plumed"),
        ("__main__.GrowingBias", (), "GrowingBias"),
        ("__main__.SteeredEMT", (), "SteeredEMT"),
        ("__main__.ElectricField", (), "ElectricField"),
        ("ase.calculators.mixing.SumCalculator", ("EMT", "UmbrellaSpring"), "UmbrellaSpring"),
        ("ase.calculators.emt.EMT", ("neighbours",), ""),
        ("openff.ForceField", (), ""),
        ("biased.Model", (), ""),
        ("__main__.MetaD", (), "MetaD"),
        ("__main__.EField", (), "EField"),
        ("__main__.MovingRestraint", (), "MovingRestraint"),
        ("__main__.FFField", (), ""),
        ("__main__.UnbiasedCalculator", (), ""),
        ("__main__.HarmonicOscillator", (), ""),
        ("__main__.TensorFieldNetwork", (), ""),
        ("__main__.DataDrivenPotential", (), ""),
        ("__main__.MetaDFT", (), ""),
        ("__main__.MeanField", (), ""),
        ("ase.calculators.mixing.SumCalculator", ("EMT", "self.bias", "remove_com_moving"), ""),
    ],
)
def test_only_telling_names_count(calculator, components, expected):
    assert driven_by(journal(calculator, components)) == expected
