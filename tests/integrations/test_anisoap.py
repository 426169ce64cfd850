"""AniSOAP: the real library's parts, checked against sums that share no code with them."""

import copy
import pickle
import sys
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import InputError, PropertyNotImplementedError
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from ase.neighborlist import neighbor_list

with warnings.catch_warnings():
    # AniSOAP's docstrings have backslashes that Python calls invalid when it compiles them.
    warnings.simplefilter("ignore")
    anisoap = pytest.importorskip("anisoap.representations.ellipsoidal_density_projection")

from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.analysis.contractions.contractions import measure_contractions
from instrumented_calc.errors import ModelError
from instrumented_calc.journal.reader import read_journal
from instrumented_calc_anisoap import (
    AniSOAPCalculator,
    Hypers,
    Model,
    benzenes,
    default_model,
    ellipsoids,
    integration,
)
from instrumented_calc_anisoap.power_spectrum import PowerSpectrum

DIAMETERS = ("c_diameter[1]", "c_diameter[2]", "c_diameter[3]")
MADE_OF = "anisoap.representations.ellipsoidal_density_projection"


def cluster(symbols="X3", seed=0, size=3.0):
    """Return particles of random shapes and orientations in a box of that size, not periodic."""
    rng = np.random.default_rng(seed)
    atoms = Atoms(symbols)
    n = len(atoms)
    atoms.positions = rng.uniform(-size / 2, size / 2, (n, 3))
    atoms.set_array("c_q", Rotation.random(n, rng=rng).as_quat(scalar_first=True))
    for name in DIAMETERS:
        atoms.set_array(name, rng.uniform(1.4, 3.0, n))
    atoms.set_masses(np.full(n, 12.0))
    return atoms


def by_quadrature(atoms, hypers):
    """Return the descriptor of a cluster: integrals on a grid, then sums over centres.

    The coefficients are c_nlm = int rho_b(r) R_nl(|r|) Y_lm(r) d^3r over the normalised Gaussians rho_b of
    the neighbours of species b, R_nl Loewdin's orthonormalisation of r^(l+2n) exp(-r^2 / 2 w^2); Gauss and
    Legendre's points in r and cos(theta), equal steps in phi.
    """
    nodes, steps = np.polynomial.legendre.leggauss(60)
    radii, shells = 6 * (nodes + 1), 6 * steps * (6 * (nodes + 1)) ** 2
    cosines, bands = np.polynomial.legendre.leggauss(40)
    phis = np.arange(80) * np.pi / 40
    r, c, p = np.meshgrid(radii, cosines, phis, indexing="ij")
    s = np.sqrt(1 - c**2)
    points = np.stack([r * s * np.cos(p), r * s * np.sin(p), r * c], axis=-1)
    volumes = shells[:, None, None] * bands[:, None] * np.full(80, np.pi / 40)
    species = sorted(set(atoms.numbers))

    def density(centre, kind):
        total = np.zeros_like(r)
        for j in np.flatnonzero(atoms.numbers == kind):
            shift = atoms.positions[j] - atoms.positions[centre]
            if np.linalg.norm(shift) < hypers.cutoff_radius:
                axes = np.array([atoms.arrays[name][j] / 2 for name in DIAMETERS])
                turn = Rotation.from_quat(atoms.arrays["c_q"][j], scalar_first=True).as_matrix()
                exponent = (((points - shift) @ turn / axes) ** 2).sum(axis=-1) / 2
                total += np.exp(-exponent) / (axes.prod() * (2 * np.pi) ** 1.5)
        return total * volumes

    def radial(ell):
        powers = ell + 2 * np.arange(hypers.radial_functions[ell])
        functions = radii ** powers[:, None] * np.exp(-(radii**2) / 2 / hypers.radial_gaussian_width**2)
        functions /= np.sqrt((functions**2 * shells).sum(axis=1))[:, None]
        values, vectors = np.linalg.eigh(functions * shells @ functions.T)
        return vectors / np.sqrt(values) @ vectors.T @ functions

    def angular(ell):
        waves = [sph_harm_y(ell, m, np.arccos(c[0]), p[0]) for m in range(ell + 1)]
        real = [waves[0].real, *(np.sqrt(2) * part for y in waves[1:] for part in (y.real, y.imag))]
        return np.array(real)

    def invariants(centre, ell):
        coefficients = np.array(
            [np.einsum("nr,mcp,rcp->nm", radial(ell), angular(ell), density(centre, b)) for b in species]
        )
        by_n = coefficients.transpose(1, 0, 2).reshape(-1, 2 * ell + 1)
        return ((-1) ** ell / np.sqrt(2 * ell + 1) * by_n @ by_n.T).ravel()

    return np.concatenate(
        [
            np.mean([invariants(i, ell) for i in np.flatnonzero(atoms.numbers == a)], axis=0)
            for a in species
            for ell in range(hypers.max_angular + 1)
        ]
    )


@pytest.mark.parametrize("symbols", ["X3", "CHCH", "CHNCH"])
def test_descriptors_agree_with_integrals_on_a_grid_species_by_species(symbols):
    hypers = Hypers(max_angular=3, cutoff_radius=4.0, max_radial=(2, 1, 1, 0))
    atoms = cluster(symbols)
    (descriptor,) = PowerSpectrum(hypers)([atoms])
    expected = by_quadrature(atoms, hypers)
    assert descriptor.shape == (hypers.n_features(len(set(symbols) & set("XCHN"))),)
    assert np.abs(expected).max() > 1e-3
    assert np.allclose(descriptor, expected, rtol=0, atol=1e-12)


def test_species_that_do_not_meet_have_a_density_of_zero_round_each_other():
    hypers = Hypers(max_angular=2, cutoff_radius=4.0)
    atoms = cluster("CHC")
    atoms.positions[1] += 50
    (descriptor,) = PowerSpectrum(hypers)([atoms])
    assert np.allclose(descriptor, by_quadrature(atoms, hypers), rtol=0, atol=1e-12)


def test_frames_without_any_pair_have_a_descriptor_of_zero():
    hypers = Hypers(max_angular=2, subtract_center_contribution=True)
    assert not PowerSpectrum(hypers)([cluster("X"), cluster("X", seed=1)]).any()


@pytest.mark.parametrize(
    "hypers",
    [
        Hypers(),
        Hypers(max_angular=3, max_radial=3, subtract_center_contribution=True),
        Hypers(max_angular=4, radial_basis_name="monomial", radial_gaussian_width=None),
    ],
    ids=["default", "without-centre", "monomial"],
)
def test_one_species_gives_the_result_of_anisoap_itself(hypers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # its message names the order of quaternion components
        projection = anisoap.EllipsoidalDensityProjection(
            max_angular=hypers.max_angular,
            radial_basis_name=hypers.radial_basis_name,
            cutoff_radius=hypers.cutoff_radius,
            subtract_center_contribution=hypers.subtract_center_contribution,
            radial_gaussian_width=hypers.radial_gaussian_width,
            max_radial=hypers.max_radial,
            rotation_key="c_q",
            basis_rcond=hypers.basis_rcond,
            basis_tol=hypers.basis_tol,
        )
    frames = ellipsoids(3, 4)
    assert np.array_equal(PowerSpectrum(hypers)(frames), projection.power_spectrum(frames))


@pytest.mark.parametrize("species", [("X",), ("C", "H")])
@pytest.mark.parametrize("max_angular", [2, 6])
def test_einsum_is_called_as_often_as_the_formula_states(species, max_angular, monkeypatch):
    power_spectrum = PowerSpectrum(Hypers(max_angular=max_angular))
    calls, einsum = [], np.einsum
    with monkeypatch.context() as patch:
        patch.setattr(np, "einsum", lambda *given, **options: calls.append(1) or einsum(*given, **options))
        power_spectrum(ellipsoids(3, 4, species))
    pairs, s, n = power_spectrum.pairs, len(species), max_angular + 1
    assert pairs > 12
    assert len(calls) == pairs * n + s**2 * n + s * (n + n**2)


def test_pairs_are_counted_with_those_of_a_particle_and_itself():
    (atoms,) = benzenes(1, 12)
    calc = AniSOAPCalculator(Hypers(max_angular=1))
    calc.get_property("descriptor", atoms)
    found = len(neighbor_list("i", atoms, 7.0)) + len(atoms)
    assert integration.counts(calc) == {"frames": 1, "pairs": found}


def test_forces_and_torques_take_six_frames_of_each_particle():
    calc = AniSOAPCalculator(default_model())
    calc.calculate(cluster("X2"), ["forces", "torques"])
    assert integration.counts(calc) == {"frames": 1 + 12 + 12, "pairs": 4 * 25}


def test_forces_agree_with_finer_differences():
    atoms = cluster("CHC", size=4.0)
    atoms.calc = AniSOAPCalculator(default_model((1, 6)))
    forces = atoms.get_forces()
    finer = calculate_numerical_forces(atoms, 1e-5)
    assert np.abs(forces).max() > 0.01
    assert np.allclose(forces, finer, rtol=0, atol=1e-5 * np.abs(forces).max())


def test_the_cutoff_makes_no_enormous_force():
    atoms = cluster("X2")
    # Where AniSOAP's expansion ends; the differences move the particles by ten times more.
    atoms.positions = [[0, 0, 0], [0, 0, 7 - 1e-5]]
    atoms.calc = AniSOAPCalculator(default_model())
    at_cutoff = atoms.get_forces()
    atoms.positions[1, 2] = 6.99
    assert np.abs(at_cutoff).max() > 1e-6
    assert np.allclose(atoms.get_forces(), at_cutoff, rtol=0.1, atol=1e-8)


def test_variants_of_a_frame_have_its_neighbours_at_their_own_distances():
    power_spectrum = PowerSpectrum(Hypers(max_angular=2))
    (atoms,) = ellipsoids(1, 4, ("C", "H"))
    moved = atoms.copy()
    moved.rattle(1e-3, seed=0)
    together = power_spectrum([atoms, moved], variants=True)
    assert np.allclose(together, power_spectrum([atoms, moved]), rtol=1e-12, atol=1e-16)
    assert not np.array_equal(together[0], together[1])


def test_torques_agree_with_turning_a_particle_about_any_axis():
    atoms = cluster("X3")
    calc = AniSOAPCalculator(default_model())
    torques = calc.get_property("torques", atoms)
    axis, energies = np.array([2.0, -1.0, 2.0]) / 3, {}
    for steps in (-2, -1, 1, 2):
        turned = atoms.copy()
        turn = Rotation.from_rotvec(0.01 * steps * axis)
        orientation = turn * Rotation.from_quat(atoms.arrays["c_q"][1], scalar_first=True)
        turned.arrays["c_q"][1] = orientation.as_quat(scalar_first=True)
        energies[steps] = calc.get_property("energy", turned)
    # Five points, the fourth order in the angle.
    slope = (8 * (energies[1] - energies[-1]) - (energies[2] - energies[-2])) / 0.12
    assert abs(torques[1] @ axis) > 1e-3
    assert -slope == pytest.approx(torques[1] @ axis, rel=1e-5)


def test_forces_and_torques_turn_a_free_cluster_in_no_direction():
    atoms = cluster("X4")
    calc = AniSOAPCalculator(default_model())
    forces, torques = (calc.get_property(name, atoms) for name in ("forces", "torques"))
    lever = np.cross(atoms.positions, forces).sum(axis=0)
    assert np.abs(forces.sum(axis=0)).max() < 1e-8
    assert np.abs(lever).max() > 1e-2
    assert np.allclose(lever + torques.sum(axis=0), 0, atol=1e-6)


def test_moving_turning_and_renumbering_the_whole_changes_nothing():
    atoms = cluster("CHCH")
    calc = AniSOAPCalculator(Hypers(max_angular=4))
    turn = Rotation.from_rotvec([0.3, -1.1, 0.7])
    moved = atoms[[2, 3, 0, 1]]
    moved.positions = turn.apply(moved.positions) + np.array([1, 2, 3])
    orientations = turn * Rotation.from_quat(moved.arrays["c_q"], scalar_first=True)
    moved.arrays["c_q"] = orientations.as_quat(scalar_first=True)
    expected = calc.get_property("descriptor", atoms)
    assert np.allclose(calc.get_property("descriptor", moved), expected, rtol=1e-9, atol=1e-14)


def test_nve_conserves_energy():
    atoms = cluster("X4")
    atoms.calc = AniSOAPCalculator(default_model())
    dynamics = VelocityVerlet(atoms, 2 * units.fs)
    total, kinetic = [atoms.get_total_energy()], [0.0]
    for _ in dynamics.irun(20):
        total.append(atoms.get_total_energy())
        kinetic.append(atoms.get_kinetic_energy())
    # Verlet's own error at this timestep is 3e-4 of the energy that is exchanged, and a quarter of it at
    # half the timestep; forces that are wrong by 1 % would show as 1 %. All particles stay within the
    # cutoff, so the energy does not jump.
    assert max(kinetic) > 1
    assert np.ptp(total) < 1e-3 * max(kinetic)
    assert atoms.get_all_distances().max() < atoms.calc.power_spectrum.hypers.cutoff_radius


def test_live_langevin_md_is_recorded(tmp_path):
    (atoms,) = ellipsoids(1, 4)
    atoms.set_masses(np.full(4, 50.0))
    atoms.rattle(0.1, seed=1)
    atoms.calc = ProfiledCalculator(AniSOAPCalculator(default_model()), journal=tmp_path / "run.jsonl")
    start = atoms.positions.copy()
    options = {
        "temperature_K": 300,
        "friction": 0.01 / units.fs,
        "rng": np.random.RandomState(0),
        "fixcm": False,
    }
    Langevin(atoms, 2 * units.fs, **options).run(5)
    assert recording(atoms.calc).calls == 6
    assert not np.array_equal(atoms.positions, start)
    assert np.isfinite(atoms.get_potential_energy())
    recording(atoms.calc).close()


def test_settings_alone_give_descriptors_of_a_trajectory_and_no_energy():
    calc = AniSOAPCalculator(Hypers(max_angular=2))
    frames = benzenes(3, 12)
    for atoms in frames:
        atoms.calc = calc
    descriptors = [calc.get_property("descriptor", atoms) for atoms in frames]
    assert np.allclose(descriptors, calc.power_spectrum(frames), rtol=1e-12)
    with pytest.raises(PropertyNotImplementedError):
        frames[0].get_potential_energy()


def test_the_energy_is_linear_in_the_descriptor():
    model = Model(Hypers(max_angular=0), (0,), np.arange(1.0, 2.0), intercept=-3.0)
    atoms = cluster("X2")
    calc = AniSOAPCalculator(model)
    assert calc.get_property("energy", atoms) == calc.get_property("descriptor", atoms)[0] - 3
    assert calc.get_property("free_energy", atoms) == calc.get_property("energy", atoms)


@pytest.mark.parametrize("name", ["c_q", *DIAMETERS])
def test_a_change_of_orientation_or_shape_is_computed_anew(name):
    atoms = cluster("X3")
    atoms.calc = AniSOAPCalculator(default_model())
    before = atoms.get_potential_energy()
    values = atoms.arrays[name]
    values[1] = values[0]  # in place, as a rigid-body integrator would
    assert atoms.calc.check_state(atoms) == [name]
    changed = atoms.get_potential_energy()
    assert changed != before
    assert changed == AniSOAPCalculator(default_model()).get_property("energy", atoms)


def test_unchanged_atoms_are_computed_once():
    atoms = cluster("X2")
    atoms.calc = AniSOAPCalculator(default_model())
    atoms.get_forces()
    assert atoms.calc.check_state(atoms) == []
    atoms.get_potential_energy()
    assert integration.counts(atoms.calc)["frames"] == 13


def test_removed_orientations_are_noticed():
    atoms = cluster("X2")
    atoms.calc = AniSOAPCalculator(default_model())
    atoms.get_potential_energy()
    del atoms.arrays["c_q"]
    with pytest.raises(InputError, match="no array 'c_q'"):
        atoms.get_potential_energy()


def test_copies_and_pickles_compute_the_same():
    atoms = cluster("X2")
    calc = AniSOAPCalculator(default_model())
    forces = calc.get_forces(atoms)
    for twin in (copy.deepcopy(calc), pickle.loads(pickle.dumps(calc))):  # noqa: S301 - our own bytes
        assert twin.check_state(atoms) == []
        twin.reset()
        assert np.array_equal(twin.get_forces(atoms), forces)


def test_results_without_an_ase_name_are_omitted_from_its_properties():
    atoms = cluster("X2")
    atoms.calc = AniSOAPCalculator(default_model())
    assert atoms.get_properties(["energy", "forces"])["energy"] == atoms.get_potential_energy()


def set_array(name, values):
    return lambda atoms: atoms.arrays.update({name: np.array(values)})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda atoms: atoms.arrays.pop("c_q"),
            r"no array 'c_q': atoms.set_array\('c_q', values\), .*\(2, 4\)",
        ),
        (lambda atoms: atoms.arrays.pop(DIAMETERS[1]), r"no array 'c_diameter\[2\]'"),
        (set_array("c_q", np.ones((2, 3))), r"'c_q' has shape \(2, 3\): it must be \(2, 4\)"),
        (
            set_array(DIAMETERS[0], np.ones((2, 1))),
            r"'c_diameter\[1\]' has shape \(2, 1\): it must be \(2,\)",
        ),
        (set_array("c_q", [["w", "x", "y", "z"]] * 2), "'c_q' holds <U1: it must hold real numbers"),
        (set_array("c_q", [[1, 0, 0, 0], [2, 0, 0, 0]]), "'c_q' of atom 1 has length 2: quaternions"),
        (set_array("c_q", [[0, 0, 0, 0], [1, 0, 0, 0]]), "'c_q' of atom 0 has length 0: quaternions"),
        (set_array("c_q", [[np.nan, 0, 0, 0], [1, 0, 0, 0]]), "'c_q' of atom 0 has length nan"),
        (set_array(DIAMETERS[2], [1.0, 0.0]), r"'c_diameter\[3\]' of atom 1 is 0: diameters must be above 0"),
        (set_array(DIAMETERS[2], [-1.0, 1.0]), r"'c_diameter\[3\]' of atom 0 is -1: diameters must"),
        (set_array(DIAMETERS[2], [np.inf, 1.0]), r"'c_diameter\[3\]' of atom 0 is inf: diameters must"),
        (set_array("quaternion", np.ones((2, 4))), "an array 'quaternion', which AniSOAP refuses: rename"),
        (lambda atoms: atoms.set_chemical_symbols("CH"), r"atoms of H\+C, but the model is for X: fit one"),
    ],
)
def test_particles_that_cannot_be_used_are_refused_in_one_line(spoil, message):
    atoms = cluster("X2")
    spoil(atoms)
    with pytest.raises(InputError, match=message) as caught:
        AniSOAPCalculator(default_model()).get_property("energy", atoms)
    assert "\n" not in str(caught.value)


def test_orientations_of_whole_numbers_can_be_turned():
    atoms = cluster("X2")
    atoms.arrays["c_q"] = np.array([[1, 0, 0, 0], [0, 1, 0, 0]])
    torques = AniSOAPCalculator(default_model()).get_property("torques", atoms)
    assert np.abs(torques).max() > 1e-3


def test_no_particles_are_refused():
    with pytest.raises(InputError, match="no atoms"):
        AniSOAPCalculator(Hypers()).get_property("descriptor", Atoms())


def test_frames_of_different_species_are_refused_in_one_batch():
    with pytest.raises(InputError, match=r"different lengths \(\[0\] and \[6\]\): compute each separately"):
        PowerSpectrum(Hypers(max_angular=1))([cluster("X"), cluster("C")])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cutoff_radius": 7}, "cutoff_radius=7: AniSOAP needs a float, such as 7.0"),
        ({"cutoff_radius": -1.0}, "cutoff_radius=-1.0: must be above 0 A"),
        ({"radial_gaussian_width": 2}, "radial_gaussian_width=2: AniSOAP needs a float"),
        ({"radial_gaussian_width": None}, "radial_gaussian_width=None: gto needs a width"),
        ({"radial_basis_name": "monomial"}, "radial_gaussian_width=1.5: .* monomial takes None"),
        ({"radial_basis_name": "GTO"}, "radial_basis_name='GTO': use one of gto, monomial"),
        ({"max_angular": -1}, "max_angular=-1: use 0, 1, 2"),
        ({"max_radial": (1, 2)}, r"max_radial=\(1, 2\): use None, one number, or a tuple .*, 7 in all"),
        ({"max_radial": -1}, "max_radial=-1: use None"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_in_one_line(settings, message):
    with pytest.raises(ModelError, match=message) as caught:
        Hypers(**settings)
    assert "\n" not in str(caught.value)


def test_radial_functions_that_anisoap_would_fail_on_later_are_refused_immediately():
    with pytest.raises(ModelError, match=r"13 radial functions of l=\d are too alike .*: lower max_radial"):
        AniSOAPCalculator(Hypers(max_radial=12, basis_rcond=0.0))
    paper = Hypers(max_angular=9, max_radial=6, subtract_center_contribution=True)
    assert paper.n_features(1) == 10 * 7**2
    assert AniSOAPCalculator(paper).get_property("descriptor", cluster("X2")).shape == (490,)


@pytest.mark.parametrize(
    ("species", "weights", "message"),
    [
        ((1, 6), np.ones(44), r"weights of shape \(44,\) for a descriptor of 352 features: .* 2 species"),
        ((6, 1), np.ones(352), r"species=\(6, 1\): give each atomic number once, in ascending order"),
        ((0,), np.full(44, np.nan), "must be finite"),
    ],
)
def test_models_that_do_not_fit_together_are_refused(species, weights, message):
    with pytest.raises(ModelError, match=message):
        Model(Hypers(), species, weights)


@pytest.mark.parametrize("max_radial", [None, 2, (2, 1, 0)])
def test_a_saved_model_is_loaded_as_it_was(max_radial, tmp_path):
    hypers = Hypers(max_angular=2, max_radial=max_radial)
    weights = np.random.default_rng(0).normal(size=hypers.n_features(2))
    path = Model(hypers, (1, 6), weights, intercept=0.1).save(tmp_path / "model.npz")
    loaded = integration.build(f"anisoap:{path}").model
    assert (loaded.hypers, loaded.species, loaded.intercept) == (hypers, (1, 6), 0.1)
    assert np.array_equal(loaded.weights, weights)


def test_a_model_file_holds_no_pickles_and_ends_in_npz(tmp_path):
    with np.load(default_model().save(tmp_path / "model.npz"), allow_pickle=False) as file:
        assert {array.dtype.kind for array in file.values()} <= set("Uif")
    with pytest.raises(ModelError, match=r"name the model's file model.npz"):
        default_model().save(tmp_path / "model.txt")


def write_array(path):
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def write_other_format(path):
    with np.load(default_model().save(path.with_name("whole.npz"))) as file:
        np.savez(path, **(dict(file) | {"format": "elsewhere/2"}))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (Path.exists, r"no model at .*model.npz \(No such file"),
        (Path.mkdir, r"no model at .*model.npz \(Is a directory"),
        (lambda path: path.write_bytes(b""), "model.npz is not an AniSOAP model"),
        (lambda path: path.write_text("hello"), "model.npz is not an AniSOAP model"),
        (lambda path: path.write_bytes(b"PK\3\4 cut"), "model.npz is not an AniSOAP model"),
        (lambda path: np.savez(path, weights=np.ones(3)), "model.npz is not an AniSOAP model"),
        (write_array, "model.npz is not an AniSOAP model"),
        (write_other_format, "model.npz is of format elsewhere/2: this version reads"),
    ],
    ids=["absent", "directory", "empty", "text", "cut", "other-npz", "npy", "other-format"],
)
def test_anything_that_is_not_a_model_file_is_reported_in_one_line(write, message, tmp_path):
    path = tmp_path / "model.npz"
    write(path)
    with pytest.raises(ModelError, match=message) as caught:
        integration.build(f"anisoap:{path}")
    assert "\n" not in str(caught.value)


def test_the_plain_spec_builds_a_small_model_of_seeded_weights():
    first, second = (integration.build("anisoap").model for _ in range(2))
    assert np.array_equal(first.weights, second.weights)
    assert not np.array_equal(first.weights, default_model(seed=1).weights)
    assert integration.build("orb-v2") is None


def test_a_missing_anisoap_is_reported_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, MADE_OF, None)
    with pytest.raises(ModelError, match=r"pip install 'instrumented-calc\[anisoap\]'") as caught:
        integration.build("anisoap")
    assert "\n" not in str(caught.value)


def test_a_metatensor_that_anisoap_fails_with_is_reported(monkeypatch):
    monkeypatch.delattr(anisoap.TensorMap, "blocks_matching")
    with pytest.raises(ModelError, match=r"pip install 'metatensor-core<0\.2'"):
        integration.build("anisoap")


def test_the_calculator_is_described():
    calc = integration.build("anisoap")
    assert integration.knows(calc)
    assert not integration.knows(EMT())
    described = integration.describe(calc)
    assert described.pop("hypers")["max_angular"] == 4
    assert described == {
        "name": "AniSOAP L4 linear",
        "parameters": 20,
        "species": [0],
        "dtype": "float64",
        "device": "cpu",
        "library": f"anisoap {metadata.version('anisoap')}",
    }
    assert "parameters" not in integration.describe(AniSOAPCalculator(Hypers()))


@pytest.mark.parametrize("species", [("X",), ("C", "H")])
def test_a_recorded_call_counts_its_einsums_exactly_and_changes_no_bit(species):
    calc = AniSOAPCalculator(Hypers(max_angular=6))
    recorded = ProfiledCalculator(AniSOAPCalculator(Hypers(max_angular=6)), journal="e.jsonl", summary=False)
    frames = ellipsoids(3, 4, species)
    expected = 0
    for atoms in frames:
        bare = calc.get_property("descriptor", atoms)
        assert np.array_equal(recorded.get_property("descriptor", atoms), bare)
        pairs, s, n = calc.power_spectrum.pairs, len(species), 7
        expected += pairs * n + s**2 * n + s * (n + n**2)
    recording(recorded).close()
    found = measure_contractions(read_journal("e.jsonl"))
    assert found.calls == expected
    assert found.share > 0
    widest = found.rows[0]
    assert (widest.equation, widest.component) == ("mnpqr,pqr->mn", "pair expansion")
    assert widest.calls == sum(each.calls for each in widest.signatures)
    assert all(each.arithmetic and each.gflops > 0 for each in widest.signatures)
    assert widest.signatures[0].line.startswith(MADE_OF)


def test_each_part_is_entered_by_a_call(monkeypatch):
    calc = integration.build("anisoap")
    entered = []

    def standing_in(part):
        inner = getattr(part.owner, part.attribute)
        return lambda *given, **options: entered.append(part.name) or inner(*given, **options)

    parts = integration.parts(calc)
    with monkeypatch.context() as patch:
        for part in parts:
            patch.setattr(part.owner, part.attribute, standing_in(part))
        calc.get_property("energy", cluster("X2"))
    assert {name: entered.count(name) for name in entered} == {
        "neighbour list": 1,
        "pair expansion": 1,
        "Gaussian parameters": 4,
        "moments": 4,
        "contraction": 1,
        "orthonormalisation": 1,
        "Clebsch-Gordan": 1,
    }
    assert [part.name for part in parts if part.group == "neighbours"] == ["neighbour list"]


@pytest.mark.parametrize(("n_species", "unordered_pairs"), [(1, 576), (2, 432), (3, 384), (4, 360)])
@pytest.mark.parametrize("make", [ellipsoids, benzenes])
def test_made_up_frames_have_exactly_the_composition_that_is_asked_for(make, n_species, unordered_pairs):
    species = ("C", "H", "N", "O")[:n_species]
    first, second = make(2, 24, species, seed=3)
    counts = [(first.symbols == symbol).sum() for symbol in species]
    assert counts == [24 // n_species] * n_species
    assert sum(a * b for i, a in enumerate(counts) for b in counts[i:]) == unordered_pairs
    assert first != second
    assert first == make(1, 24, species, seed=3)[0] != make(1, 24, species, seed=4)[0]
    distances = first.get_all_distances(mic=True)
    assert distances[distances > 0].min() > 1


def test_benzenes_are_made_of_carbon_rings_in_hydrogen_rings_as_dense_as_the_published_frames():
    frames = benzenes(20, 24)
    assert str(frames[0].symbols) == "C6H6C6H6"
    distances = frames[0][:6].get_all_distances(mic=True)
    assert np.allclose(np.sort(distances)[:, [1, 2, 5]], [1.397, 1.397, 2.794])
    pairs = [len(neighbor_list("i", atoms, 7.0)) + 24 for atoms in frames]
    # 337,546 pairs were published for 200 frames of 24 atoms.
    assert np.mean(pairs) == pytest.approx(337_546 / 200, rel=0.05)


def test_shares_that_are_not_equal_give_the_first_species_the_remainder():
    (atoms,) = ellipsoids(1, 7, ("C", "H"))
    assert atoms.get_chemical_formula() == "C4H3"


@pytest.mark.parametrize(
    ("make", "n_atoms", "species", "message"),
    [
        (benzenes, 13, ("C", "H"), "13 particles: whole molecules need 12, 24, 36"),
        (benzenes, 12, tuple("BCNOF"), "5 species: give one to four"),
        (ellipsoids, 1, ("C", "H"), "2 species for 1 particles: give one to 1"),
    ],
)
def test_frames_that_cannot_be_made_are_refused(make, n_atoms, species, message):
    with pytest.raises(ValueError, match=message):
        make(1, n_atoms, species)
