"""AniSOAP's descriptors as workloads of a controlled experiment: NumPy, NumPy with torch's einsum, torch."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ModelError
from instrumented_calc.integration import Case, Workload
from instrumented_calc_anisoap.frames import benzenes, ellipsoids
from instrumented_calc_anisoap.hypers import Hypers
from instrumented_calc_anisoap.mixed_einsum import MixedEinsum, in_pair_expansion
from instrumented_calc_anisoap.power_spectrum import PowerSpectrum
from instrumented_calc_anisoap.torch_expansion import TorchPowerSpectrum

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms
    from numpy.typing import NDArray

    from instrumented_calc.integration import Setting

SPEC = "anisoap"
SPECIES = ("C", "H", "N", "O")
N_OF_SPECIES = 24
NAMES = ("one_species", "two_species", "three_species", "four_species")


class Descriptors:
    """Computes the descriptors of the same frames repeatedly; one call of `calculate` does them all.

    Args:
        frames: The frames.
        setting: The mode; receives the times.
        hypers: AniSOAP's settings.

    Attributes:
        power_spectrum: Computes them.
        model: None: there is no energy.
        results: `descriptor`, (frames, features).

    Raises:
        ModelError: anisoap is not installed, or the mode is unknown.
    """

    def __init__(self, frames: list[Atoms], setting: Setting, hypers: Hypers) -> None:
        self.model = None
        self.results: dict[str, NDArray[Any]] = {}
        self.power_spectrum: PowerSpectrum | TorchPowerSpectrum = PowerSpectrum(hypers)
        self._frames, self._setting = frames, setting
        self._einsum: MixedEinsum | None = None
        if setting.mode == "torch_full":
            self.power_spectrum = TorchPowerSpectrum(
                hypers, dtype=setting.dtype, device=setting.device, compiled=setting.compiled
            )
        elif setting.mode == "torch_mixed":
            self._einsum = MixedEinsum(setting.dtype, setting.device, compiled=setting.compiled)
        elif setting.mode != "numpy_only":
            message = f"AniSOAP has no mode {setting.mode!r}: use numpy_only, torch_mixed or torch_full"
            raise ModelError(message)

    def calculate(self, atoms: Any = None, properties: Any = ("descriptor",), changes: Any = ()) -> None:
        """Compute them; the arguments are ASE's and are ignored."""
        del atoms, properties, changes
        start = perf_counter_ns()
        into, out = self._conversions()
        if self._einsum is None:
            self.results["descriptor"] = self.power_spectrum(self._frames)
        else:
            with in_pair_expansion(self._einsum):
                self.results["descriptor"] = self.power_spectrum(self._frames)
        elapsed = perf_counter_ns() - start
        spent = [now - before for now, before in zip(self._conversions(), (into, out), strict=True)]
        self._setting.into_ns += spent[0]
        self._setting.out_ns += spent[1]
        self._setting.compute_ns += elapsed - sum(spent)

    def _conversions(self) -> tuple[int, int]:
        source = self._einsum or self.power_spectrum
        return getattr(source, "into_ns", 0), getattr(source, "out_ns", 0)


# No matrix inversion in half precision; AniSOAP itself supports only doubles.
NUMPY_DTYPES = ("float64",)
TORCH_DTYPES = ("float64", "float32")


def workload(spec: str) -> Workload | None:
    """Return the workload named on a command line, or None if it belongs to another integration.

    Args:
        spec: `anisoap:ellipsoids` (50 frames of two), `anisoap:benzene` (two frames of 24 particles) or
            `anisoap:species` (24 particles of one to four species).

    Raises:
        ModelError: There is no such workload of AniSOAP.
    """
    kind, _, what = spec.partition(":")
    if kind != SPEC:
        return None
    if what not in _CASES:
        message = f"unknown workload {spec!r}: use one of {', '.join(f'{SPEC}:{each}' for each in _CASES)}"
        raise ModelError(message)
    return Workload(spec, tuple(_CASES[what]()), NUMPY_DTYPES, TORCH_DTYPES)


def _case(file: str, frames: list[Atoms]) -> Case:
    symbols = tuple(frames[0].get_chemical_symbols())
    return Case(
        file=f"{file}.xyz",
        n_atoms=len(symbols),
        species=len(set(symbols)),
        symbols=symbols,
        build=lambda setting: Descriptors(frames, setting, Hypers()),
        pairs=lambda built: built.power_spectrum.pairs,
    )


def _of_species() -> list[Case]:
    return [_case(name, ellipsoids(1, N_OF_SPECIES, SPECIES[: n + 1])) for n, name in enumerate(NAMES)]


_CASES: dict[str, Callable[[], list[Case]]] = {
    "ellipsoids": lambda: [_case("ellipsoids", ellipsoids(50, 2))],
    "benzene": lambda: [_case("benzenes", benzenes(2, 24))],
    "species": _of_species,
}
