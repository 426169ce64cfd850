"""AniSOAP in torch: all pairs in one batch have the values that AniSOAP gives one by one."""

from __future__ import annotations

import statistics
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from ase.calculators.calculator import InputError

with warnings.catch_warnings():
    # AniSOAP's docstrings have backslashes that Python calls invalid when it compiles them.
    warnings.simplefilter("ignore")
    pytest.importorskip("anisoap.representations.ellipsoidal_density_projection")
    torch = pytest.importorskip("torch")

from instrumented_calc.analysis.contractions.contractions import measure_contractions
from instrumented_calc.api import profiled
from instrumented_calc.errors import ModelError
from instrumented_calc.journal.reader import read_journal
from instrumented_calc_anisoap import Hypers, benzenes, ellipsoids, integration
from instrumented_calc_anisoap.mixed_einsum import MixedEinsum, in_pair_expansion
from instrumented_calc_anisoap.power_spectrum import PowerSpectrum, library
from instrumented_calc_anisoap.torch_expansion import TorchPowerSpectrum

pytestmark = pytest.mark.usefixtures("one_torch_thread")
MONOMIAL = {"radial_basis_name": "monomial", "radial_gaussian_width": None}
SETTINGS = {
    "default": Hypers(),
    "without centre": Hypers(max_angular=3, max_radial=3, subtract_center_contribution=True),
    "one degree": Hypers(max_angular=0, max_radial=0),
    "by channel": Hypers(max_angular=3, max_radial=(2, 1, 1, 0)),
    "monomial": Hypers(max_angular=4, **MONOMIAL),
}
FRAMES = {
    "one species": lambda: ellipsoids(5, 4),
    "one particle": lambda: ellipsoids(2, 1),
    "three species": lambda: ellipsoids(3, 6, ("C", "H", "N")),
    "benzene": lambda: benzenes(1, 12),
}


def setting(mode, **changes):
    options = {
        "dtype": "float64",
        "device": "cpu",
        "compiled": False,
        "into_ns": 0,
        "compute_ns": 0,
        "out_ns": 0,
    }
    return SimpleNamespace(mode=mode, **(options | changes))


@pytest.mark.parametrize("hypers", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
def test_a_batch_in_torch_has_the_values_of_numpy(hypers, frames):
    expected = PowerSpectrum(hypers)(frames())
    found = TorchPowerSpectrum(hypers)(frames())
    assert np.abs(found - expected).max() <= 1e-10 * max(np.abs(expected).max(), 1e-30)


def test_no_pairs_at_all_have_descriptors_of_zero():
    frames = ellipsoids(1, 1)
    frames[0].set_cell([50, 50, 50])
    hypers = Hypers(max_angular=2, subtract_center_contribution=True)
    found = TorchPowerSpectrum(hypers)(frames)
    assert found.shape == (1, hypers.n_features(1))
    assert not found.any()


def test_single_precision_is_near():
    expected = PowerSpectrum(Hypers())(ellipsoids(3, 4))
    found = TorchPowerSpectrum(Hypers(), dtype="float32")(ellipsoids(3, 4))
    assert 0 < np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_frames_of_different_species_are_refused():
    with pytest.raises(InputError, match="compute each separately"):
        TorchPowerSpectrum(Hypers())([*ellipsoids(1, 2), *ellipsoids(1, 2, ("C",))])


def test_the_batch_is_much_faster_on_fifty_frames_of_ellipsoids():
    frames = ellipsoids(50, 2)
    ways = PowerSpectrum(Hypers()), TorchPowerSpectrum(Hypers())
    times = [[], []]
    for _ in range(3):
        for way, taken in zip(ways, times, strict=True):
            start = time.perf_counter()
            way(frames)
            taken.append(time.perf_counter() - start)
    assert statistics.median(times[0]) > 2.5 * statistics.median(times[1])


def test_only_the_pair_expansion_contracts_in_torch_and_only_meanwhile():
    frames, power_spectrum, numpy = ellipsoids(3, 4), PowerSpectrum(Hypers()), library().np
    expected = power_spectrum(frames)
    einsum = MixedEinsum()
    with in_pair_expansion(einsum):
        found = power_spectrum(frames)
        assert library().np.einsum is einsum
        assert np.einsum is not einsum
    assert library().np is numpy
    assert np.abs(found - expected).max() <= 1e-12 * np.abs(expected).max()
    assert min(einsum.into_ns, einsum.compute_ns, einsum.out_ns) > 0


@pytest.mark.parametrize(
    ("mode", "library_name", "equation"),
    [
        ("numpy_only", "numpy", "mnpqr,pqr->mn"),
        ("torch_mixed", "torch", "mnpqr,pqr->mn"),
        ("torch_full", "torch", "mnk,kb->bmn"),
    ],
)
def test_the_journal_reports_who_contracted(mode, library_name, equation, tmp_path):
    (case,) = integration.study("anisoap:ellipsoids").cases
    given = setting(mode)
    built = case.build(given)
    with profiled(built, tmp_path / "run.jsonl") as calc:
        calc.calculate()
    journal = read_journal(tmp_path / "run.jsonl")
    first = measure_contractions(journal).rows[0]
    batched = mode == "torch_full"
    assert (first.library, first.equation) == (library_name, equation)
    assert first.calls == 7 * (1 if batched else case.pairs(built))
    parts = {"neighbour list", "pair expansion", "Clebsch-Gordan"} | ({"moments"} if batched else set())
    assert parts <= set(journal.calls.components)
    assert (given.into_ns > 0) == (mode != "numpy_only")
    assert given.compute_ns > 0


def test_frames_of_one_to_four_species_differ_in_nothing_but_species():
    cases = integration.study("anisoap:species").cases
    assert [case.species for case in cases] == [1, 2, 3, 4]
    assert {case.n_atoms for case in cases} == {24}
    pairs = set()
    for case in cases:
        built = case.build(setting("torch_full"))
        built.calculate()
        pairs.add(case.pairs(built))
    assert len(pairs) == 1


def test_anything_that_is_not_a_workload_or_mode_is_refused_in_one_line():
    assert integration.study("orb-v2") is None
    with pytest.raises(ModelError, match="use one of anisoap:ellipsoids, anisoap:benzene, anisoap:species"):
        integration.study("anisoap:benzine")
    (case,) = integration.study("anisoap:benzene").cases
    with pytest.raises(ModelError, match="no mode 'jax'"):
        case.build(setting("jax"))
