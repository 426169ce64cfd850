"""Evidence about an AniSOAP calculator, and its timed parts."""

from __future__ import annotations

from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

from instrumented_calc.integration import Part, Workload
from instrumented_calc_anisoap import power_spectrum
from instrumented_calc_anisoap.calculator import AniSOAPCalculator
from instrumented_calc_anisoap.library import library
from instrumented_calc_anisoap.model import Model, default_model
from instrumented_calc_anisoap.study import Descriptors, workload
from instrumented_calc_anisoap.torch_expansion import TorchPowerSpectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

SPEC = "anisoap"
SPECS = (SPEC,)
FORMS = (SPEC, f"{SPEC}:FILE")
STUDIES = ("anisoap:ellipsoids", "anisoap:benzene", "anisoap:species")


def knows(calc: Any) -> bool:
    """Return whether a calculator is this package's.

    Args:
        calc: Any calculator.
    """
    # Not isinstance(): ABCMeta fails for a class whose metaclass has no hash.
    return any(cls is AniSOAPCalculator or cls is Descriptors for cls in type(calc).__mro__)


def describe(calc: Any) -> dict[str, Any]:
    """Return the evidence about a calculator's descriptor and model.

    Args:
        calc: A calculator that `knows` recognises.

    Returns:
        `name`, `dtype`, `device`, `library` and `hypers`; with a model also `parameters` (a number) and
        `species` (atomic numbers).
    """
    hypers = calc.power_spectrum.hypers
    evidence = {
        "name": f"AniSOAP L{hypers.max_angular} {'descriptor' if calc.model is None else 'linear'}",
        "dtype": "float64",
        "device": "cpu",
        "library": f"anisoap {metadata.version('anisoap')}",
        "hypers": asdict(hypers),
    }
    if calc.model is None:
        return evidence
    return evidence | {"parameters": calc.model.weights.size + 1, "species": list(calc.model.species)}


def parts(calc: Any) -> Sequence[Part]:
    """Return AniSOAP's stages.

    The pair expansion contains the Gaussian parameters and the moments; the rest of it is its access to
    metatensor's blocks and most of the einsums. These are not a part: there are tens of thousands of them,
    counted by equation and operands in numpy like every einsum.

    Args:
        calc: A calculator that `knows` recognises.
    """
    anisoap, basis = library(), calc.power_spectrum.radial_basis
    if isinstance(calc.power_spectrum, TorchPowerSpectrum):
        return _parts_in_torch(calc.power_spectrum)
    return [
        Part("neighbour list", power_spectrum, "neighbour_list", "neighbours"),
        Part("pair expansion", anisoap, "pairwise_ellip_expansion"),
        Part("Gaussian parameters", basis, "compute_gaussian_parameters"),
        Part("moments", anisoap, "compute_moments"),
        Part("contraction", anisoap, "contract_pairwise_feat"),
        Part("orthonormalisation", basis, "orthonormalize_basis"),
        Part("Clebsch-Gordan", anisoap, "cg_combine"),
    ]


def _parts_in_torch(batched: TorchPowerSpectrum) -> list[Part]:
    """Return the same stages by the same names, where the batch has them.

    A compiled batch is one part: torch.compile must not trace the stand-ins of those inside.
    """
    found = [
        Part("neighbour list", power_spectrum, "neighbour_list", "neighbours"),
        Part("conversion in", batched, "into_torch"),
        Part("conversion out", batched, "out_of_torch"),
    ]
    if batched.compiled:
        return [*found, Part("compiled", batched, "run")]
    return [
        *found,
        Part("Gaussian parameters", batched, "gaussians"),
        Part("moments", batched, "moments"),
        Part("pair expansion", batched, "contracted"),
        Part("contraction", batched, "gathered"),
        Part("Clebsch-Gordan", batched, "invariants"),
    ]


def counts(calc: Any) -> dict[str, int]:
    """Return the size of the last call's work.

    Args:
        calc: A calculator that `knows` recognises.

    Returns:
        `frames`, those of the finite differences included, and `pairs` of neighbours in all of them,
        including those of a particle with itself.
    """
    return {"frames": calc.power_spectrum.frames, "pairs": calc.power_spectrum.pairs}


def build(spec: str) -> AniSOAPCalculator | None:
    """Return the calculator named on a command line.

    Args:
        spec: `anisoap`, a small model of random weights for particles X, or `anisoap:MODEL.npz`.

    Raises:
        ModelError: anisoap is not installed, or the file is not a model.
    """
    kind, _, path = spec.partition(":")
    if kind != SPEC:
        return None
    return AniSOAPCalculator(Model.load(path) if path else default_model())


def study(spec: str) -> Workload | None:
    """Return the workload named on a command line.

    Args:
        spec: `anisoap:ellipsoids`, `anisoap:benzene` or `anisoap:species`.

    Raises:
        ModelError: It belongs to AniSOAP, but does not exist.
    """
    return workload(spec)
