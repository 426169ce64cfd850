"""A linear model on the descriptor, and its file."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import InputError
from ase.data import chemical_symbols

from instrumented_calc.errors import ModelError
from instrumented_calc_anisoap.hypers import Hypers

if TYPE_CHECKING:
    import os

    from ase import Atoms
    from numpy.typing import NDArray

FORMAT = "instrumented-calc anisoap/1"
WEIGHT = 100.0  # eV: random weights of this size give forces of some 0.1 eV/A
ENTRIES = ("format", "hypers", "species", "weights", "intercept")


@dataclass(frozen=True, eq=False)
class Model:
    """Energy = descriptor @ weights + intercept.

    The descriptor is an average over particles, so the energy is the fitted quantity: usually an energy per
    particle or of frames of one size.

    Attributes:
        hypers: Settings of the descriptor.
        species: Atomic numbers, in ascending order. Frames must have exactly these.
        weights: In eV, one per feature of the descriptor.
        intercept: In eV.

    Raises:
        ModelError: The number of weights differs from the number of features, or they are not finite.
    """

    hypers: Hypers
    species: tuple[int, ...]
    weights: NDArray[Any]
    intercept: float = 0.0

    def __post_init__(self) -> None:
        """Check the consistency of the fields."""
        expected = self.hypers.n_features(len(self.species))
        if list(self.species) != sorted(set(self.species)):
            message = f"species={self.species}: give each atomic number once, in ascending order"
            raise ModelError(message)
        if self.weights.shape != (expected,):
            message = (
                f"weights of shape {self.weights.shape} for a descriptor of {expected} features: these "
                f"settings give {len(self.species)} species as many"
            )
            raise ModelError(message)
        if not np.isfinite([*self.weights, self.intercept]).all():
            message = "weights and intercept must be finite numbers"
            raise ModelError(message)

    def energies(self, descriptors: NDArray[Any]) -> NDArray[Any]:
        """Return energies in eV, (frames,).

        Args:
            descriptors: Of shape (frames, features).
        """
        energies: NDArray[Any] = descriptors @ self.weights + self.intercept
        return energies

    def check_species(self, atoms: Atoms) -> None:
        """Check that atoms have the model's species.

        Args:
            atoms: Atoms of any kind.

        Raises:
            InputError: A species is missing or too many, so that the descriptor would differ.
        """
        found = sorted(set(atoms.numbers.tolist()))
        if found != list(self.species):
            known = _symbols(self.species)
            message = f"atoms of {_symbols(found)}, but the model is for {known}: fit one for these atoms"
            raise InputError(message)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model as an `.npz` of plain arrays.

        Args:
            path: File to write; it must end in `.npz`.

        Returns:
            The path.

        Raises:
            ModelError: The name has another suffix.
        """
        path = Path(path)
        if path.suffix != ".npz":
            message = f"{path}: name the model's file {path.stem}.npz"
            raise ModelError(message)
        np.savez(
            path,
            format=FORMAT,
            hypers=json.dumps(asdict(self.hypers)),
            species=np.array(self.species),
            weights=self.weights,
            intercept=self.intercept,
        )
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Read a model.

        Args:
            path: A file written by `save`.

        Raises:
            ModelError: The file does not exist, or is not a model of this kind.
        """
        try:
            with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                entries = {name: file[name] for name in ENTRIES}
        except OSError as error:
            message = f"no model at {path} ({error.strerror or error}): Model.save writes one"
            raise ModelError(message) from error
        except (AttributeError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            message = f"{path} is not an AniSOAP model: Model.save writes one"
            raise ModelError(message) from error
        if entries["format"] != FORMAT:
            message = f"{path} is of format {entries['format']!s}: this version reads {FORMAT}"
            raise ModelError(message)
        settings = json.loads(str(entries["hypers"]))
        if isinstance(settings["max_radial"], list):
            settings["max_radial"] = tuple(settings["max_radial"])
        return cls(
            hypers=Hypers(**settings),
            species=tuple(entries["species"].tolist()),
            weights=entries["weights"],
            intercept=float(entries["intercept"]),
        )


def default_model(species: tuple[int, ...] = (0,), seed: int = 0) -> Model:
    """Return a small model with random weights: the real cost, meaningless energies.

    Args:
        species: Atomic numbers; 0 is ASE's X.
        seed: Seed of the weights.
    """
    hypers = Hypers(max_angular=4)
    n_features = hypers.n_features(len(species))
    weights = np.random.default_rng(seed).normal(scale=WEIGHT, size=n_features)
    return Model(hypers, tuple(sorted(species)), weights)


def _symbols(numbers: tuple[int, ...] | list[int]) -> str:
    return "+".join(chemical_symbols[number] for number in numbers)
