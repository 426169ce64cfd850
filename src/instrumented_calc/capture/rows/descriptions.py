"""Describes the lanes of a run when they first calculate, and the fields that consecutive calls share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.calls.context import Context
from instrumented_calc.capture.rows.compositions import Compositions
from instrumented_calc.capture.rows.phases import DESCRIBED_LIMIT
from instrumented_calc.capture.rows.request_text import plain_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.calls.lane import LiveLane
    from instrumented_calc.capture.notices import Notices


class Descriptions:
    """The descriptions of one run.

    Args:
        append: Adds a record to the outbox.
        notices: The run's notices.
        on_new_lane: Called before a lane is described.

    Attributes:
        written: The `lane` and `phase` records so far.
    """

    __slots__ = ("_append", "_compositions", "_lanes", "_notices", "_on_new_lane", "written")

    def __init__(
        self, append: Callable[[Any], object], notices: Notices, on_new_lane: Callable[[], None]
    ) -> None:
        self.written: list[Any] = []
        self._append = append
        self._notices = notices
        self._on_new_lane = on_new_lane
        self._lanes: set[int] = set()
        self._compositions = Compositions(self.write)

    def new_context(
        self, lane: LiveLane, atoms: Any, n_atoms: int | None, properties: Any, changes: Any
    ) -> Context:
        """Return the shared fields of a call that differ from those of the lane's previous call.

        Args:
            lane: The calculator's lane; described if it is new.
            atoms: The calculated atoms, or None.
            n_atoms: Their number, or None.
            properties: The requested properties, or None.
            changes: The call's `system_changes`, or None.
        """
        if lane.described_in is not self._lanes:
            self._describe_lane(lane, atoms)
        names = plain_names(changes)
        renewed = type(names) is list and "numbers" in names
        if renewed or (lane.system is None and names is not None):
            lane.system = self._compositions.number_of(atoms)
        context = Context(lane.number, lane.watch.phase, n_atoms, plain_names(properties), names, lane.system)
        # The next call may be for yet another composition with the same list of changes.
        lane.context = None if renewed else context
        return context

    def _describe_lane(self, lane: LiveLane, atoms: Any) -> None:
        lane.described_in = self._lanes
        lane.system = None
        if lane.number in self._lanes or len(self._lanes) >= DESCRIBED_LIMIT:
            return
        self._lanes.add(lane.number)
        self._on_new_lane()
        record, troubles = lane.describe(atoms)
        self.write(record)
        for trouble in troubles:
            self._notices.warn("integration-failed", trouble)

    def write(self, record: Any) -> None:
        """Write a description; a journal that continues elsewhere begins with all of them."""
        self.written.append(record)
        self._append(record)
