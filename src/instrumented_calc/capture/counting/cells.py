"""The passive cells that a thread counts into: contractions, conversions, executions of JAX programs.

A cell is written by one thread and read by the journal's thread; `news` returns the additions since it was
last called.
"""

from __future__ import annotations

import itertools
import random
import sys
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.counting.jaxprs import Contracted, contractions_of
from instrumented_calc.journal.records import Contraction, Conversion, Operands
from instrumented_calc.journal.vocabulary import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable

REVIEW_AFTER = 1000
ONE_IN = 16
# Inspecting operands takes 0.4 us, reading the clock 0.2 us: if either is more than 1 %, it is done less
# often.
QUICK_NS = 20_000
LOOKED_AT_NS = 50_000

_generator = random.Random(16)  # noqa: S311 - not for secrets; random, so as not to match the period of a loop
distance: Callable[[], int] = itertools.cycle(
    [_generator.randint(1, 2 * ONE_IN - 1) for _ in range(1009)]
).__next__


class Seen:
    """Inspected calls with the same operands: their number, their time and its squares."""

    __slots__ = ("line", "ns", "operands", "seen", "squares", "written")

    def __init__(self, operands: list[str], line: str) -> None:
        self.operands = operands
        self.line = line
        self.seen = self.ns = self.squares = 0
        self.written = (0, 0, 0)

    def add(self, elapsed: int) -> None:
        """Add one call."""
        self.seen += 1
        self.ns += elapsed
        self.squares += elapsed * elapsed

    def news(self, *, sampled: bool) -> Operands | None:
        """Return the counts since the last call, if there are any.

        Args:
            sampled: Whether the inspected calls are a sample of more calls.
        """
        now = self.seen, self.ns, self.squares
        before, self.written = self.written, now
        if now == before:
            return None
        seen, ns, squares = (new - old for new, old in zip(now, before, strict=True))
        return Operands(self.operands, seen, ns, float(squares), self.line, sampled)


class Cell:
    """One equation's calls in one thread and component.

    Attributes:
        left: Calls until the next inspected one, inclusive; 0: all are timed.
        peek: Timed calls until the next inspected one, inclusive; 0: all are inspected.
        timed: Calls timed but not inspected, including those until `peek`.
        ns: Time of these calls.
        skipped: Calls only counted, including those until `left`.
        by_operands: Inspected calls by operands.
    """

    __slots__ = (
        "_label", "_looked_at_all", "_optimize", "_written", "by_operands", "left", "ns", "peek", "skipped",
        "timed",
    )  # fmt: skip

    def __init__(self, label: str, *, optimize: bool = False) -> None:
        self._label = label
        self._optimize = optimize
        self.left = self.peek = self.timed = self.ns = self.skipped = 0
        self.by_operands: dict[Any, Seen] = {}
        self._looked_at_all: dict[Any, Seen] | None = None  # complete inspections from before sampling began
        self._written = (0, 0, 0)

    def sampled(self) -> None:
        """Note an inspected call, where most are only counted, and draw the next one."""
        self.left = distance()
        self.skipped += self.left - 1

    def peeked(self) -> None:
        """Note an inspected call, where most are only timed, and draw the next one."""
        self.peek = distance()
        self.timed += self.peek - 1

    @property
    def optimize(self) -> bool:
        """Whether `optimize` was passed to numpy."""
        return self._optimize

    @property
    def equation(self) -> str:
        """The equation, as in records."""
        return self._label

    def counts(self) -> tuple[int, int, int]:
        """Return the number of calls only counted, the number only timed, and the time of the latter."""
        return self.skipped - max(self.left - 1, 0), self.timed - max(self.peek - 1, 0), self.ns

    def estimate(self) -> tuple[int, float, list[str]]:
        """Return the number of calls, their estimated time in ns, and the operands that most of it is for."""
        skipped, timed, ns = self.counts()
        looks = [*self.by_operands.values(), *(self._looked_at_all or {}).values()]
        looked, looked_ns = sum(each.seen for each in looks), sum(each.ns for each in looks)
        mean = looked_ns / looked if looked else 0.0
        longest = max(looks, key=lambda each: each.ns, default=None)
        total = looked_ns + ns + skipped * mean
        return looked + timed + skipped, total, [] if longest is None else longest.operands

    def reconsider(self) -> None:
        """Decide how many calls to inspect from here on, from their durations so far."""
        if self.left:
            return
        looks = [*self.by_operands.values()]
        timed = self.counts()[1] + sum(each.seen for each in looks)
        if timed <= REVIEW_AFTER:
            return
        mean = (self.ns + sum(each.ns for each in looks)) / timed
        if mean >= LOOKED_AT_NS:
            return
        if self._looked_at_all is None:
            self._looked_at_all, self.by_operands = self.by_operands, {}
        if mean < QUICK_NS:
            self.left = 1
        else:
            self.peek = self.peek or 1

    def news(self, library: str, component: str) -> Contraction | None:
        """Return the counts since the last call, if there are any."""
        now = self.counts()
        before, self._written = self._written, now
        every, some = self._looked_at_all, self.by_operands
        if every is None:
            every, some = some, {}
        news = [each.news(sampled=False) for each in [*every.values()]]
        news += [each.news(sampled=True) for each in [*some.values()]]
        operands = [each for each in news if each is not None]
        if now == before and not operands:
            return None
        skipped, timed, ns = (new - old for new, old in zip(now, before, strict=True))
        return Contraction(
            equation=self._label,
            library=library,
            component=component,
            optimize=self._optimize,
            calls=skipped + timed + sum(each.seen for each in operands),
            operands=operands,
            timed=timed,
            ns=ns,
        )


class Converted:
    """Conversions of one kind, from one dtype and device to another, in one thread and component."""

    __slots__ = ("_words", "_written", "bytes", "calls", "ns")

    def __init__(self, kind: str, source: str, target: str) -> None:
        self._words = kind, source, target
        self.calls = self.ns = self.bytes = 0
        self._written = (0, 0, 0)

    def news(self, component: str) -> Conversion | None:
        """Return the counts since the last call, if there are any."""
        now = self.calls, self.ns, self.bytes
        before, self._written = self._written, now
        calls, ns, size = (new - old for new, old in zip(now, before, strict=True))
        if not calls:
            return None
        kind, source, target = self._words
        return Conversion(
            kind=kind, source=source, target=target, calls=calls, ns=ns, bytes=size, component=component
        )


class Program:
    """One program's executions in one thread and component.

    Args:
        function: The executed function.
        args: Arguments of its first execution, kept until its contractions are known.
        kwargs: Its keyword arguments.

    Attributes:
        executions: Number of executions.
    """

    __slots__ = ("_contracted", "_first", "_written", "executions", "function")

    def __init__(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.executions = self._written = 0
        self.function: Callable[[], Any] = _reference(function)
        self._first: tuple[Any, ...] = (function, args, kwargs)
        self._contracted: dict[Contracted, int] = {}

    @classmethod
    def of_others(cls) -> Program:
        """Return the sum of the executions of programs beyond the limit."""
        program = cls(None, (), {})
        program._first = ()
        program._contracted = {Contracted(OTHER, (OTHER,), "", "", uncertain=True): 1}
        return program

    def explain(self, has_room: Callable[[], bool]) -> None:
        """Determine the contractions of one execution.

        Args:
            has_room: Reserves room for one more signature, if there is any.
        """
        (function, args, kwargs), self._first = self._first, ()
        if _is_traced(args, kwargs):
            return
        contracted: dict[Contracted, int] = {}
        for each, times in contractions_of(function, args, kwargs).items():
            kept = each if has_room() else Contracted(OTHER, (OTHER,), "", "", uncertain=each.uncertain)
            contracted[kept] = contracted.get(kept, 0) + times
        self._contracted = contracted

    def news(self, component: str) -> list[Contraction]:
        """Return the counts since the last call; none before the contractions are known."""
        if self._first:
            return []
        now = self.executions
        before, self._written = self._written, now
        return [
            Contraction(
                equation=each.equation,
                library="jax",
                component=component,
                calls=(now - before) * times,
                operands=[Operands([*each.operands], (now - before) * times)],
                scope=each.scope,
                einsum=each.einsum,
                uncertain=each.uncertain,
            )
            for each, times in self._contracted.items()
            if now > before
        ]


def _reference(function: Any) -> Callable[[], Any]:
    function = getattr(function, "__func__", function)
    with suppress(TypeError):
        return weakref.ref(function)
    return lambda: function


def _is_traced(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether the function did not run itself, but became part of another program."""
    jax: Any = sys.modules.get("jax")
    if jax is None:
        return True
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree_util.tree_leaves((args, kwargs)))
