"""The power spectrum in torch: all pairs in one batch, while AniSOAP processes them one by one.

Only the neighbour list is NumPy's; from there to the descriptors everything stays in tensors. The values are
those of `PowerSpectrum`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import InputError

from instrumented_calc_anisoap import power_spectrum, torch_tables
from instrumented_calc_anisoap.library import radial_basis
from instrumented_calc_anisoap.particles import QUATERNIONS, rotations, semiaxes

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

    from instrumented_calc_anisoap.hypers import Hypers


@dataclass
class Pairs:
    """All ordered pairs of neighbours, and their particles; arrays, then tensors.

    Attributes:
        vectors: From the centre to the neighbour, (pairs, 3), in A.
        neighbours: Row of the neighbour among all particles, (pairs,).
        places: Row of the centre times the number of species, plus the neighbour's species, (pairs,).
        turns: Orientations as matrices, (particles, 3, 3).
        axes: Half diameters, (particles, 3), in A.
        groups: Frame of each particle times the number of species, plus its species, (particles,).
        occupied: 1 for particles that have a neighbour, else 0, (particles,).
    """

    vectors: Any
    neighbours: Any
    places: Any
    turns: Any
    axes: Any
    groups: Any
    occupied: Any


class TorchPowerSpectrum:
    """Turns frames of ellipsoids into descriptors, in torch.

    Args:
        hypers: The settings.
        dtype: `float64` or `float32`.
        device: A `torch.device` or its name.
        compiled: Whether torch.compile compiles the whole of it (`reduce-overhead`).

    Attributes:
        radial_basis: AniSOAP's.
        frames: Number of frames of the last call.
        pairs: Number of neighbour pairs of the last call.
        into_ns: Accumulated time to convert arrays to tensors, ns.
        compiled: Whether it is compiled.
        run: Function from tensors to descriptors: `descriptors`, compiled or not.
        out_ns: Accumulated time to convert descriptors to an array, ns.

    Raises:
        ModelError: anisoap is not installed, or cannot use the settings.
    """

    def __init__(
        self, hypers: Hypers, *, dtype: str = "float64", device: Any = "cpu", compiled: bool = False
    ) -> None:
        torch = self._torch = import_module("torch")
        self.hypers = hypers
        self.radial_basis = radial_basis(hypers)
        self.frames = self.pairs = self.into_ns = self.out_ns = 0
        self._dtype, self._device = getattr(torch, dtype), torch.device(device)
        self._harmonics = [self._real(each) for each in torch_tables.to_monomials(hypers)]
        matrices = torch_tables.orthonormalisations(hypers, self.radial_basis)
        self._matrices = [self._real(each) for each in matrices]
        highest = max(ell + 2 * n - 2 for ell, n in enumerate(hypers.radial_functions))
        self._recursion = [
            (
                self._index(each.axis),
                self._index(each.below),
                self._real(each.factors),
                self._index(each.second),
            )
            for each in torch_tables.recursion(highest)
        ]
        self.compiled = compiled
        self.run = torch.compile(self.descriptors, mode="reduce-overhead") if compiled else self.descriptors

    def __call__(self, frames: list[Atoms]) -> NDArray[Any]:
        """Return one descriptor for each frame, as `PowerSpectrum` does.

        Args:
            frames: Atoms with the arrays of ellipsoids, all of the same species.

        Raises:
            InputError: The frames are of different species.
        """
        pairs, n_species = self._pairs(frames)
        self.frames, self.pairs = len(frames), len(pairs.vectors)
        tensors = self.into_torch(pairs)
        with self._torch.no_grad():
            result = self.run(tensors, len(frames), n_species)
        return self.out_of_torch(result)

    def into_torch(self, pairs: Pairs) -> Pairs:
        """Return the same as tensors."""
        start = perf_counter_ns()
        tensors = Pairs(
            vectors=self._real(pairs.vectors),
            neighbours=self._index(pairs.neighbours),
            places=self._index(pairs.places),
            turns=self._real(pairs.turns),
            axes=self._real(pairs.axes),
            groups=self._index(pairs.groups),
            occupied=self._real(pairs.occupied),
        )
        self.into_ns += perf_counter_ns() - start
        return tensors

    def out_of_torch(self, result: Any) -> NDArray[Any]:
        """Return descriptors as an array, after waiting for the device, which must finish here."""
        if self._device.type != "cpu":
            getattr(self._torch, self._device.type).synchronize()
        start = perf_counter_ns()
        array: NDArray[Any] = result.cpu().numpy()
        self.out_ns += perf_counter_ns() - start
        return array

    def descriptors(self, pairs: Pairs, n_frames: int, n_species: int) -> Any:
        """Return the descriptors of tensors."""
        covariances, centres, weights = self.gaussians(pairs)
        moments = self.moments(covariances, centres) * weights
        features = []
        for ell in range(self.hypers.max_angular + 1):
            by_pair = self.contracted(ell, moments)
            density = self.gathered(by_pair, pairs, n_species) @ self._matrices[ell]
            features.append(self.invariants(ell, density, pairs, n_frames * n_species))
        whole = self._torch.cat(features, dim=1)
        return whole.reshape(n_frames, -1)

    def gaussians(self, pairs: Pairs) -> tuple[Any, Any, Any]:
        """Return covariances (pairs, 3, 3), centres (pairs, 3) and weights (pairs,) of the Gaussians.

        They are those of the neighbours' own Gaussians times, for `gto`, that of the radial functions.
        """
        torch = self._torch
        turns, axes = pairs.turns[pairs.neighbours], pairs.axes[pairs.neighbours]
        precisions = (turns / axes[:, None, :] ** 2) @ turns.transpose(1, 2)
        vectors = pairs.vectors[:, :, None]
        centres, constants = pairs.vectors, torch.zeros_like(axes[:, 0])
        width = self.hypers.radial_gaussian_width
        total = precisions
        if width is not None:
            total = precisions + torch.eye(3, dtype=self._dtype, device=self._device) / width**2
        covariances = torch.linalg.inv(total)
        if width is not None:
            centres = (vectors - covariances @ vectors / width**2)[:, :, 0]
            pulled = covariances @ (precisions @ vectors)
            constants = (vectors * pulled).sum(dim=(1, 2)) / width**2
        # The integral of the product over that of the neighbour's own Gaussian.
        weights = torch.exp(-constants / 2) * torch.sqrt(torch.linalg.det(covariances)) / axes.prod(dim=1)
        return covariances, centres, weights

    def moments(self, covariances: Any, centres: Any) -> Any:
        """Return the moments of normalised Gaussians, (monomials, pairs), by degree."""
        towards, spread = centres.T, covariances.permute(1, 2, 0)
        levels = [self._torch.ones_like(towards[:1])]
        below_that = levels[0]
        for axis, below, factors, second in self._recursion:
            level = towards[axis] * levels[-1][below]
            if len(levels) > 1:
                for k in range(3):
                    level = level + spread[axis, k] * factors[k, :, None] * below_that[second[k]]
            below_that = levels[-1]
            levels.append(level)
        return self._torch.cat(levels)

    def contracted(self, ell: int, moments: Any) -> Any:
        """Return each pair's coefficients, (pairs, 2l+1, n)."""
        harmonics = self._harmonics[ell]
        return self._torch.einsum("mnk,kb->bmn", harmonics, moments[: harmonics.shape[-1]])

    def gathered(self, by_pair: Any, pairs: Pairs, n_species: int) -> Any:
        """Sum over each particle's neighbours of each species, (particles, species, 2l+1, n)."""
        shape = len(pairs.groups) * n_species, *by_pair.shape[1:]
        total = self._torch.zeros(shape, dtype=self._dtype, device=self._device)
        total = total.index_add(0, pairs.places, by_pair)
        return total.reshape(len(pairs.groups), n_species, *by_pair.shape[1:])

    def invariants(self, ell: int, density: Any, pairs: Pairs, n_groups: int) -> Any:
        """Return the density times itself, averaged over the particles of each frame and species.

        Returns:
            (frames * species, features of this l): n_a, species_a, n_b, species_b, the last fastest.
        """
        particles, n_species, components, n = density.shape
        columns = density.permute(0, 3, 1, 2).reshape(particles, n * n_species, components)
        sign = (-1) ** ell / np.sqrt(2 * ell + 1)
        squares = (sign * (columns @ columns.transpose(1, 2))).reshape(particles, -1)
        zeros = self._torch.zeros((n_groups, squares.shape[1]), dtype=self._dtype, device=self._device)
        sums = zeros.index_add(0, pairs.groups, squares)
        numbers = zeros[:, 0].index_add(0, pairs.groups, pairs.occupied)
        return sums / numbers.clamp(min=1)[:, None]

    def _pairs(self, frames: list[Atoms]) -> tuple[Pairs, int]:
        """Return the pairs as arrays, and the number of species."""
        kinds = {frozenset(atoms.numbers.tolist()) for atoms in frames}
        if len(kinds) != 1:
            message = "descriptors of different species have different lengths: compute each separately"
            raise InputError(message)
        species = np.array(sorted(kinds.pop()))
        hypers = self.hypers
        found = power_spectrum.neighbour_list(
            frames, hypers.cutoff_radius, not hypers.subtract_center_contribution
        )
        numbers = np.searchsorted(species, np.concatenate([atoms.numbers for atoms in frames]))
        offsets = np.cumsum([0, *(len(atoms) for atoms in frames[:-1])])
        blocks = found.blocks()
        # Empty arrays of the right shape first: there may be no blocks.
        samples = np.concatenate([np.zeros((0, 3), int), *(block.samples.values[:, :3] for block in blocks)])
        vectors = np.concatenate([np.zeros((0, 3)), *(block.values[:, :, 0] for block in blocks)])
        centres, neighbours = (offsets[samples[:, 0]] + samples[:, k] for k in (1, 2))
        occupied = np.zeros(len(numbers))
        occupied[centres] = 1
        frame_of = np.repeat(np.arange(len(frames)), [len(atoms) for atoms in frames])
        pairs = Pairs(
            vectors=vectors,
            neighbours=neighbours,
            places=centres * len(species) + numbers[neighbours],
            turns=rotations(np.concatenate([atoms.arrays[QUATERNIONS] for atoms in frames])),
            axes=semiaxes(frames),
            groups=frame_of * len(species) + numbers,
            occupied=occupied,
        )
        return pairs, len(species)

    def _real(self, values: NDArray[Any]) -> Any:
        tensor = self._torch.from_numpy(np.ascontiguousarray(values))
        return tensor.to(device=self._device, dtype=self._dtype)

    def _index(self, values: NDArray[Any]) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64)).to(self._device)
