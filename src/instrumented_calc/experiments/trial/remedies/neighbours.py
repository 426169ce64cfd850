"""Neighbour lists of ASE, built by compiled libraries (vesin, matscipy) or less often, with a wider skin."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from numbers import Real
from typing import TYPE_CHECKING, Any

from instrumented_calc.integration import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from instrumented_calc.integration import RunFacts

WORTH_SHARE = 0.05  # of the wall time; below, the gain is hardly measurable
FAMILY = "neighbour list"
# Rebuilding in fewer updates than this hardly costs.
OFTEN_REBUILT = 0.05
# Angstrom per atom; ASE has 0.3 by default. With a cutoff of 6 A, the pairs are then a third more.
SKIN_A = 0.6


def remedies(facts: RunFacts) -> Iterator[Remedy]:
    """Yield a wider skin, and each library that builds the lists of ASE's function.

    Args:
        facts: What is known of the run as it is.
    """
    wanted = "other-neighbour-list" in facts.trials or (facts.list_share or 0.0) >= WORTH_SHARE
    if wanted and (facts.skin_rebuilt or 0.0) >= OFTEN_REBUILT:
        yield Remedy(
            "wider-skin",
            f"NeighborList(..., skin={SKIN_A}): the calculator must leave out pairs beyond its cutoff",
            at_import={"ase.neighborlist": widen_skin},
            seek=r"skin|NeighborList\(",
        )
    if not wanted or not facts.ase_lists:
        return
    for library, build in BUILDERS.items():
        installed = find_spec(library) is not None
        yield Remedy(
            f"{library}-neighbours",
            KEEP[library],
            family=FAMILY,
            trials=("other-neighbour-list",),
            at_import={"ase.neighborlist": functools.partial(replace_list, build)},
            seek=r"neighbor_?list",
            obstacle="" if installed else f"{library} is not installed: pip install {library}",
        )


def replace_list(build: Callable[..., Any], module: Any) -> None:
    """Replace ASE's function by one that leaves to ASE what the library does not build.

    Args:
        build: Builds a list with one cutoff.
        module: `ase.neighborlist`.
    """
    real = module.primitive_neighbor_list

    @functools.wraps(real)
    def primitive_neighbor_list(
        quantities: str, pbc: Any, cell: Any, positions: Any, cutoff: Any, *args: Any, **kwargs: Any
    ) -> Any:
        plain = isinstance(cutoff, Real) and not args
        plain = plain and not any(kwargs.get(name) for name in ("self_interaction", "use_scaled_positions"))
        if not plain:
            return real(quantities, pbc, cell, positions, cutoff, *args, **kwargs)
        return build(quantities, pbc, cell, positions, float(cutoff))

    module.primitive_neighbor_list = primitive_neighbor_list


def widen_skin(module: Any) -> None:
    """Make ASE's `NeighborList` reach further, so that it is built anew less often.

    Args:
        module: `ase.neighborlist`.
    """
    real = module.NeighborList.__init__

    @functools.wraps(real)
    def initialise(self: Any, cutoffs: Any, skin: float = 0.3, *args: Any, **kwargs: Any) -> None:
        real(self, cutoffs, max(skin, SKIN_A), *args, **kwargs)

    module.NeighborList.__init__ = initialise


def _by_matscipy(quantities: str, pbc: Any, cell: Any, positions: Any, cutoff: float) -> Any:
    from matscipy.neighbours import neighbour_list

    return neighbour_list(quantities, cutoff=cutoff, positions=positions, cell=cell, pbc=pbc)


def _by_vesin(quantities: str, pbc: Any, cell: Any, positions: Any, cutoff: float) -> Any:
    from ase import Atoms
    from vesin import ase_neighbor_list

    atoms = Atoms(positions=positions, cell=cell, pbc=pbc, numbers=[0] * len(positions))
    return ase_neighbor_list(quantities, atoms, cutoff)


BUILDERS: dict[str, Callable[..., Any]] = {"matscipy": _by_matscipy, "vesin": _by_vesin}
KEEP = {
    "matscipy": "from matscipy.neighbours import neighbour_list as neighbor_list, not from ase.neighborlist",
    "vesin": "from vesin import ase_neighbor_list as neighbor_list, not from ase.neighborlist",
}
