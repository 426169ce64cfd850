"""A bounded table of sampled stacks, and the record made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from instrumented_calc.journal.encoding import valid_text
from instrumented_calc.journal.records import CodeLine, Places, SampledStack
from instrumented_calc.journal.vocabulary import OTHER

if TYPE_CHECKING:
    from instrumented_calc.capture.places.reduced_stack import CodePlace

MOST_STACKS = 600
MOST_COMPONENTS = 100  # whose rarest stacks are summed; those of further components together
LONGEST_TEXT = 200
STACK_BYTES, FRAME_BYTES, PLACE_BYTES = 90, 5, 60  # of the JSON, without the texts


class StackKey(NamedTuple):
    """What samples of the table have in common; without places: not seen, or beyond the limit."""

    component: str
    part: str
    places: tuple[CodePlace, ...] = ()
    inside: int = 0


class SampleTable:
    """Sums of samples by stack.

    Attributes:
        samples: All samples.
        ns: The time that they stand for.
        squares_ns2: Sum of the squares of these times.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.ns = 0
        self.squares_ns2 = 0.0
        self._sums: dict[StackKey, tuple[int, int]] = {}

    def add(self, key: StackKey, ns: int) -> None:
        """Add a sample that stands for a time in ns."""
        self._sum_up(key, 1, ns)
        self.samples += 1
        self.ns += ns
        self.squares_ns2 += float(ns) * ns

    def take(self, other: SampleTable) -> None:
        """Add all samples of another table, and empty that."""
        for key, (samples, ns) in other._sums.items():
            self._sum_up(key, samples, ns)
        self.samples += other.samples
        self.ns += other.ns
        self.squares_ns2 += other.squares_ns2
        other.__init__()  # type: ignore[misc]

    def _sum_up(self, key: StackKey, samples: int, ns: int) -> None:
        if key not in self._sums and len(self._sums) >= MOST_STACKS:
            self._sum_rare_ones()
        before = self._sums.get(key, (0, 0))
        self._sums[key] = before[0] + samples, before[1] + ns

    def _sum_rare_ones(self) -> None:
        """Sum the half of the stacks with the least time by component."""
        ranked = sorted(self._sums.items(), key=lambda item: -item[1][1])
        self._sums = dict(ranked[: MOST_STACKS // 2])
        for key, (samples, ns) in ranked[MOST_STACKS // 2 :]:
            rest = self._rest_of(key)
            before = self._sums.get(rest, (0, 0))
            self._sums[rest] = before[0] + samples, before[1] + ns

    def _rest_of(self, key: StackKey) -> StackKey:
        rest = StackKey(key.component, key.part)
        if rest in self._sums or sum(1 for each in self._sums if not each.places) < MOST_COMPONENTS:
            return rest
        return StackKey(OTHER, key.part)

    def record(self, time_ns: int, most_bytes: int) -> Places:
        """Return the table as a record of limited size: stacks with little time are summed by component.

        Args:
            time_ns: Time on the run's clock, in ns.
            most_bytes: Size of the line, roughly.
        """
        ranked = sorted(self._sums.items(), key=lambda item: -item[1][1])
        numbers: dict[CodePlace, int] = {}
        sums: dict[tuple[str, str, tuple[int, ...], int], tuple[int, int]] = {}
        room = most_bytes
        for key, (samples, ns) in ranked:
            new = [place for place in key.places if place not in numbers]
            room -= STACK_BYTES + FRAME_BYTES * len(key.places) + sum(map(_size, new))
            places = key.places if room > 0 else ()
            for place in places:
                numbers.setdefault(place, len(numbers))
            row = (
                key.part,
                key.component,
                tuple(numbers[place] for place in places),
                key.inside if places else 0,
            )
            before = sums.get(row, (0, 0))
            sums[row] = before[0] + samples, before[1] + ns
        return Places(
            time_ns=time_ns,
            samples=self.samples,
            ns=self.ns,
            squares_ns2=self.squares_ns2,
            lines=[_line(place) for place in numbers],
            stacks=[
                SampledStack(part, samples, ns, component, list(places), inside)
                for (part, component, places, inside), (samples, ns) in sums.items()
            ],
        )


def _size(place: CodePlace) -> int:
    function, package, file, _ = place
    return PLACE_BYTES + min(len(function), LONGEST_TEXT) + len(package) + len(file)


def _line(place: CodePlace) -> CodeLine:
    function, package, file, line = place
    return CodeLine(valid_text(function[:LONGEST_TEXT]), valid_text(package), valid_text(file), line)
