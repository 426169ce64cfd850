"""The first calls of a calculator: its parts are found, and libraries that its calls load."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.dynamo import has_compiled
from instrumented_calc.capture.open_calls import SEPARATOR
from instrumented_calc.capture.parts import compiled_code
from instrumented_calc.capture.parts.call_tree import CallTree
from instrumented_calc.capture.parts.discovery import REPLAYED, find_inside
from instrumented_calc.capture.parts.holdings import holdings
from instrumented_calc.capture.parts.learning import Learning
from instrumented_calc.capture.parts.libraries import BACKWARD, groups
from instrumented_calc.capture.parts.quick_parts import quick_parts, without
from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.vocabulary import FORCES_AND_STRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.capture.interfaces import TimedLane
    from instrumented_calc.capture.open_calls import Entry
    from instrumented_calc.capture.parts.components import Components
    from instrumented_calc.capture.parts.discovery import Found
    from instrumented_calc.integration import Part

FIRST_CALLS = 3


class FirstCalls:
    """What is timed in the first calls of a lane. After them, the lane times only what was chosen.

    Args:
        lane: Held weakly: the end of a calculator's life must not wait for the garbage collector.
    """

    def __init__(self, lane: TimedLane) -> None:
        self._lane = weakref.ref(lane)
        self._left = FIRST_CALLS
        self._prepared = False
        self._parts: Sequence[Part] = ()
        self._fixed: Components | None = None
        self._quick: dict[str, int] | None = None  # parts too brief to be timed, once a call has shown them
        self._learning: Learning | None = None
        self._finds_modules = True
        self._seen: set[str] = set()  # names of parts
        self._counts: Callable[[Any], dict[str, int]] | None = None

    def put(self, entry: Entry) -> FirstCalls | None:
        """Start timing; the first time, ask the integration for its parts or find the modules."""
        lane = self._lane()
        if lane is None:
            return None
        if not self._guarded(lane, "preparation of a calculator", lambda: self._prepare(lane)):
            return None
        try:
            if self._fixed is not None:
                counts_runs = self._quick is None and self._learning is None
                self._fixed.put(entry, CallTree() if counts_runs else None)
            if self._learning is not None:
                self._learning.put(entry)
        except BaseException:
            self.take_back(entry)
            raise
        return self

    def _prepare(self, lane: TimedLane) -> None:
        if self._prepared and not self._searches_again():
            return
        held = [*holdings(lane.calculator)]
        if not self._prepared:
            parts, self._counts = lane.prepare(held)
            self._finds_modules = parts is None
            self._fix(lane, parts or ())
            self._prepared = True
        if self._finds_modules:
            self._find(lane, find_inside(held))

    def _searches_again(self) -> bool:
        """Return whether modules may have been made by a call so far."""
        return self._finds_modules and self._learning is None and "torch" in sys.modules

    def _find(self, lane: TimedLane, found: Found) -> None:
        for reason in found.reasons:
            lane.note_absent(reason)
        parts: list[Part] = [*found.terms]
        modules = found.parts
        for term in found.terms:
            named = lane.parts_of_term(term.owner)
            if named is not None:
                parts += named
                modules = [part for part in modules if not part.name.startswith(f"{term.path}.")]
        if parts:
            self._fix(lane, parts)
        if modules:
            self._learning = Learning(modules, on_fault=lane.recorder.fault, on_absent=absent_from(lane))

    def _fix(self, lane: TimedLane, parts: Sequence[Part]) -> None:
        """Set the parts that are timed in any case."""
        parts = [part for part in parts if part.name not in (self._quick or ())]
        self._parts = parts
        self._fixed = lane.timed(parts, self._counts) if parts or self._counts else None

    def take_back(self, entry: Entry) -> None:
        """Restore everything after the call. Calling it twice is harmless."""
        if self._fixed is not None:
            self._fixed.take_back(entry)
        if self._learning is not None:
            self._learning.take_back(entry)

    def collect(self, entry: Entry, calculator: Any) -> None:
        """Add what was found in a call that has ended; after the last of them, time what was chosen.

        Args:
            entry: The call's entry.
            calculator: The bare calculator.
        """
        if self._fixed is not None:
            self._fixed.collect(entry, calculator)
        lane = self._lane()
        if lane is not None:
            self._guarded(lane, "choice of parts", lambda: self._learn(lane, entry))

    def _leave_out_quick_parts(self, lane: TimedLane, entry: Entry) -> None:
        tree = entry.device
        known = self._quick is not None or self._learning is not None
        if known or self._fixed is None or type(tree) is not CallTree:
            return
        tree.charge()
        self._quick = quick = quick_parts(tree)
        if quick and entry.components is not UNSET:
            self._fixed.leave_out(quick)
            entry.components = without(entry.components, quick, tree.parents) or UNSET
            names = ", ".join(quick)
            lane.note_absent(f"{names} ran {sum(quick.values()):,} times in a call, too briefly to be timed")

    def _learn(self, lane: TimedLane, entry: Entry) -> None:
        self._leave_out_quick_parts(lane, entry)
        if self._learning is not None:
            self._learning.collect(entry)
            lane.regroup(self._groups(lane, entry))
        lane.recorder.time_libraries()
        self._left -= 1
        if self._left <= 0 and lane.components is self:
            lane.components = self._chosen(lane)
            if self._learning is not None:  # a CUDA graph may have been captured in these calls
                for reason in find_inside(holdings(lane.calculator)).reasons:
                    if REPLAYED in reason:
                        lane.note_absent(reason)

    def _groups(self, lane: TimedLane, entry: Entry) -> dict[str, str]:
        """Return the groups of the parts so far.

        If the backward pass is timed apart, the rest of the model is, too; else nothing is known.
        """
        self._seen.update(entry.components or ())
        chosen = {*self._learning.names.values()} if self._learning else set()
        bare = {name: name.rpartition(SEPARATOR)[2] for name in self._seen}
        named = {part.name: part.group for part in self._parts}
        if BACKWARD not in bare.values():
            known = {**dict.fromkeys(chosen, ""), **named}
            return {name: known[part] for name, part in bare.items() if part in known}
        results = lane.stored("results")
        has_stress = type(results) is dict and "stress" in results
        known = {**dict.fromkeys(chosen, "model"), **groups(), **named}
        if has_stress:
            known[BACKWARD] = FORCES_AND_STRESS
        return {name: known[part] for name, part in bare.items() if part in known}

    def _chosen(self, lane: TimedLane) -> Components | None:
        if self._learning is None:
            if self._finds_modules and has_compiled():
                lane.note_absent(compiled_code.REASON)
            return self._fixed
        parts = self._learning.chosen()
        return lane.timed([*self._parts, *parts], self._counts) if parts else self._fixed

    @staticmethod
    def _guarded(lane: TimedLane, where: str, action: Callable[[], object]) -> bool:
        try:
            action()
        except Exception as fault:
            if is_foreign(fault):
                raise
            lane.components = None
            lane.recorder.fault(where, fault)
            return False
        return True


def absent_from(lane: TimedLane) -> Callable[[str], None]:
    """Return a function that notes why parts of a lane are not timed, and does not keep the lane alive."""
    reference = weakref.ref(lane)

    def note(reason: str) -> None:
        there = reference()
        if there is not None:
            there.note_absent(reason)

    return note
