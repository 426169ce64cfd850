"""What a time breakdown consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """One row of a breakdown.

    Attributes:
        name: Name of the part.
        kind: `component`, `calculator` (the rest of it), `observers`, `outside` or `profiler`.
        wall_ns: Time, ns.
        group: Group that a component belongs to (`energy`, `neighbours`, ...), or None if unknown.
    """

    name: str
    kind: str
    wall_ns: int
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The wall time of a run or a phase, from the start of its first call to the end of its last.

    Attributes:
        wall_ns: The wall time; exactly the sum of the parts.
        parts: Components by time, the rest of the calculator, then the parts outside it.
        concurrency: Mean number of concurrent calls while any ran; 1 if they never overlapped.
        estimated: Whether overlapping calls were thinned, so that the time in which any ran is estimated.
        one_pass: Whether components have groups, but none belongs only to the energy or the forces.
    """

    wall_ns: int
    parts: tuple[Share, ...]
    concurrency: float
    estimated: bool
    one_pass: bool = False

    @property
    def groups(self) -> dict[str, int]:
        """Time of the components of each group in ns, longest first."""
        sums: dict[str, int] = {}
        for part in self.parts:
            if part.group:
                sums[part.group] = sums.get(part.group, 0) + part.wall_ns
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    def of_kind(self, kind: str) -> int:
        """Return the time of all parts of a kind, ns."""
        return sum(part.wall_ns for part in self.parts if part.kind == kind)
