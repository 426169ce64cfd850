"""The power spectrum, built from AniSOAP's own parts.

AniSOAP 0.1.1 computes a wrong one for two species or more: its contraction lays the features out by radial
function first and labels them by neighbour species first, so that the orthonormalisation mixes columns of
different species, and its `power_spectrum` then fails on the second block. Here the columns are labelled in
their actual order before they are orthonormalised, and the blocks of all centre species are concatenated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import InputError

from instrumented_calc_anisoap.library import library, radial_basis
from instrumented_calc_anisoap.particles import QUATERNIONS, rotations, semiaxes

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

    from instrumented_calc_anisoap.hypers import Hypers


class PowerSpectrum:
    """Turns frames of ellipsoids into descriptors.

    Args:
        hypers: The settings.

    Attributes:
        radial_basis: AniSOAP's, with the overlaps of its functions.
        frames: Number of frames of the last call.
        pairs: Number of neighbour pairs of the last call, including those of a particle with itself.

    Raises:
        ModelError: anisoap is not installed, or with an incompatible metatensor; or the radial functions are
            too many to be distinguished.
    """

    def __init__(self, hypers: Hypers) -> None:
        anisoap = library()
        self.hypers = hypers
        self.radial_basis = radial_basis(hypers)
        self.frames = 0
        self.pairs = 0
        self._to_cartesian = anisoap.spherical_to_cartesian(hypers.max_angular, hypers.radial_functions)
        self._clebsch_gordan = anisoap.ClebschGordanReal(hypers.max_angular)

    def __call__(self, frames: list[Atoms], *, variants: bool = False) -> NDArray[Any]:
        """Return one descriptor for each frame, averaged over the particles of each species.

        Particles without any neighbour, themselves included, are excluded from the average, as in AniSOAP.

        Args:
            frames: Atoms with the arrays of ellipsoids, all of the same species.
            variants: The frames are the first one with particles slightly displaced or rotated, and keep its
                neighbours: a pair that a finite difference moves across the cutoff, where the expansion
                jumps, would otherwise create an enormous force.

        Returns:
            Descriptors, (frames, n_features). A feature is sum_m (-1)^l c_a c_b / sqrt(2l+1), where c_a
            and c_b are expansion coefficients (n, neighbour species) of the density; the features run over
            the centre's species, l, n_a, species_a, n_b, species_b, the last fastest, species in order of
            their atomic numbers.

        Raises:
            InputError: The frames are of different species.
        """
        species = _common_species(frames)
        hypers = self.hypers
        neighbours = neighbour_list(
            frames[:1] if variants else frames, hypers.cutoff_radius, not hypers.subtract_center_contribution
        )
        if variants:
            neighbours = _carried_along(neighbours, frames)
        self.frames = len(frames)
        self.pairs = sum(len(block.samples) for block in neighbours.blocks())
        features = np.zeros((len(frames), len(species), hypers.n_features(len(species)) // len(species)))
        if self.pairs:
            squares = self._squares(self._coefficients(frames, species, neighbours))
            for key, block in squares.items():
                # Species without any neighbours are absent: their density is zero.
                centre = species.index(key["types_center"])
                features[block.samples["type"], centre] = block.values[:, 0]
        return features.reshape(len(frames), -1)

    def _coefficients(self, frames: list[Atoms], species: list[int], neighbours: Any) -> Any:
        """Expand the density round each particle, in orthonormal radial functions."""
        anisoap = library()
        by_pair = anisoap.pairwise_ellip_expansion(
            self.hypers.max_angular,
            neighbours,
            species,
            np.cumsum([0, *map(len, frames[:-1])]),
            rotations(np.concatenate([atoms.arrays[QUATERNIONS] for atoms in frames])),
            semiaxes(frames),
            self._to_cartesian,
            self.radial_basis,
        )
        by_centre = anisoap.contract_pairwise_feat(by_pair, species)
        return self.radial_basis.orthonormalize_basis(_labelled(by_centre, species))

    def _squares(self, coefficients: Any) -> Any:
        """Combine the coefficients with themselves to invariants, and average them over particles."""
        anisoap = library()
        equivariants = anisoap.standardize_keys(coefficients)
        invariants = anisoap.cg_combine(
            equivariants,
            equivariants,
            clebsch_gordan=self._clebsch_gordan,
            lcut=0,
            other_keys_match=["types_center"],
        )
        return anisoap.metatensor.mean_over_samples(invariants, sample_names="center")


def neighbour_list(frames: list[Atoms], cutoff: float, self_pairs: bool) -> Any:
    """Return all ordered pairs of particles within the cutoff, as featomic finds them.

    Args:
        frames: The frames.
        cutoff: In A.
        self_pairs: Whether a particle is a neighbour of itself.

    Returns:
        A TensorMap with a block for each pair of species that has pairs.
    """
    finder = library().NeighborList(cutoff=cutoff, full_neighbor_list=True, self_pairs=self_pairs)
    return finder.compute(frames)


def _carried_along(neighbours: Any, frames: list[Atoms]) -> Any:
    """Return the neighbours of the first frame for all frames, each with its own distances."""
    anisoap = library()
    moves = np.stack([atoms.positions for atoms in frames]) - frames[0].positions
    blocks = []
    for block in neighbours.blocks():
        first, second = block.samples["first_atom"], block.samples["second_atom"]
        vectors = block.values[..., 0] + moves[:, second] - moves[:, first]
        samples = np.tile(block.samples.values, (len(frames), 1))
        samples[:, 0] = np.repeat(np.arange(len(frames)), len(first))
        labels = anisoap.Labels(block.samples.names, samples)
        values = vectors.reshape(-1, 3, 1)
        blocks.append(anisoap.TensorBlock(values, labels, block.components, block.properties))
    return anisoap.TensorMap(neighbours.keys, blocks)


def _common_species(frames: list[Atoms]) -> list[int]:
    species = {frozenset(atoms.numbers.tolist()) for atoms in frames}
    if len(species) != 1:
        found = " and ".join(sorted(str(sorted(numbers)) for numbers in species)) or "no frames"
        message = (
            f"descriptors of different species have different lengths ({found}): compute each separately"
        )
        raise InputError(message)
    return sorted(species.pop())


def _labelled(features: Any, species: list[int]) -> Any:
    """Label features in their actual order, and give each block a column for every species.

    Args:
        features: The output of AniSOAP's contraction, with values (centres, 2l+1, n * neighbour species).
            Species that no centre of the block has among its neighbours are missing: zeros here.
        species: All species, in ascending order.
    """
    anisoap = library()
    blocks = []
    for block in features.blocks():
        present = np.searchsorted(species, np.unique(block.properties["neighbor_types"]))
        centres, components, columns = block.values.shape
        n = columns // len(present)
        values = np.zeros((centres, components, n, len(species)))
        values[..., present] = block.values.reshape(centres, components, n, len(present))
        labels = [(k, number) for k in range(n) for number in species]
        properties = anisoap.Labels(["n", "neighbor_types"], np.array(labels, dtype=np.int32))
        values = values.reshape(centres, components, -1)
        blocks.append(anisoap.TensorBlock(values, block.samples, block.components, properties))
    return anisoap.TensorMap(features.keys, blocks)
