"""One measured run of a program: its time per force call, and its values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Calls at the start that load libraries, compile and fill caches.
WARM_UP = 0.2


@dataclass(frozen=True)
class MeteredRun:
    """One run.

    Attributes:
        starts_ns: Start of each call, and of the one that ended the run if there was one, ns.
        energies_ev: Energy of each call, eV; NaN if it was not computed.
        sizes: Atoms of each call.
        forces: Forces of some calls by number, eV/A, each (atoms, 3).
        first_positions: Fingerprint of the first geometry.
    """

    starts_ns: NDArray[np.int64]
    energies_ev: Floats
    sizes: NDArray[np.int64]
    forces: Mapping[int, Floats] = field(default_factory=dict)
    first_positions: str = ""

    @property
    def calls(self) -> int:
        """Number of calls."""
        return len(self.energies_ev)

    @property
    def per_call_ns(self) -> float:
        """Mean wall time from start to start after the warm-up, with all that happens between calls, ns.

        The mean, not the median: collections of garbage and observers come at some calls only.
        """
        first = int(len(self.starts_ns) * WARM_UP)
        later = self.starts_ns[first:]
        return float(later[-1] - later[0]) / (len(later) - 1)
