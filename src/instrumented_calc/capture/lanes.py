"""A lane: one wrapped calculator as its run sees it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.components import Components, parts_of_modules
from instrumented_calc.capture.driver import DriverWatch
from instrumented_calc.capture.probes.torch_cuda import device_times
from instrumented_calc.foreign import is_foreign
from instrumented_calc.integration import ask, describe_model, find_integration
from instrumented_calc.journal import records

if TYPE_CHECKING:
    from instrumented_calc.capture.active import Entry
    from instrumented_calc.capture.outbox import Context
    from instrumented_calc.capture.recorder import Recorder


class Lane:
    """Counts what one wrapped calculator does.

    Args:
        recorder: The run.
        calculator: The bare calculator.
        seen_by: How its calls are seen, see `journal.records.Lane`.
        number: The lane's number; a copy of a calculator keeps the number of its original.

    Attributes:
        calls: Real calculations that ended.
        failed: Those that raised.
        asked: Calls of `get_property`.
        cache_hits: Those that were answered without a calculation.
        not_implemented: Those that were answered with PropertyNotImplementedError.
        components: What is timed in each call; None if nothing is.
        context: What the lane's calls have in common at present.
        watch: Follows the driver that asks for forces.
        described_in: The run's token, once the lane's record is written.
    """

    __slots__ = (
        "__weakref__",
        "_evidence",
        "_groups",
        "_troubles",
        "asked",
        "cache_hits",
        "calculator",
        "calls",
        "components",
        "context",
        "described_in",
        "failed",
        "not_implemented",
        "number",
        "recorder",
        "seen_by",
        "watch",
    )

    def __init__(self, recorder: Recorder, calculator: Any, seen_by: str, number: int | None = None) -> None:
        self.recorder = recorder
        self.calculator = calculator
        self.seen_by = seen_by
        self.number = recorder.number_of(calculator) if number is None else number
        self.begin()
        recorder.lanes[id(self)] = self

    def begin(self) -> None:
        """Count from zero and know of nothing: when it is made, and in a forked child."""
        self.calls = self.failed = 0
        self.asked = self.cache_hits = self.not_implemented = 0
        self.context: Context | None = None
        self.watch = DriverWatch()
        self.components: Any = UNPREPARED
        self._evidence: dict[str, Any] = {}
        self._groups: dict[str, str] = {}
        self._troubles: list[str] = []
        self.described_in: Any = None

    def __del__(self) -> None:
        """Tell the run that the calculator is gone."""
        with suppress(Exception):  # while the interpreter shuts down, half of it is gone
            self.recorder.let_go(self)

    def prepare(self) -> Components | None:
        """Ask the integration what is timed and counted, before the first call."""
        calculator, troubles = self.calculator, self._troubles
        integration = find_integration(calculator, troubles)
        parts = ask(integration, "parts", calculator, troubles)
        if parts is None:
            parts = parts_of_modules(calculator)
        self._groups = {part.name: part.group for part in parts}
        self.recorder.time_neighbour_lists()
        self._evidence = describe_model(calculator, integration, troubles)
        counts = getattr(integration, "counts", None)
        device = device_times(str(self._evidence.get("device", ""))) if parts else None
        timed = Components(parts, counts=counts, device=device, on_fault=self.recorder.fault)
        self.components = timed if parts or counts else None
        return timed if parts or counts else None

    def describe(self, atoms: Any) -> tuple[records.Lane, list[str]]:
        """Return the lane's record, and what went wrong while it was made.

        Args:
            atoms: The atoms of the first call, or None.
        """
        cls = type(self.calculator)
        record = records.Lane(
            lane=self.number,
            calculator=f"{cls.__module__}.{cls.__qualname__}",
            seen_by=self.seen_by,
        )
        if atoms is not None:
            record.n_atoms = len(atoms)
            record.formula = atoms.get_chemical_formula()
        if self._evidence:
            record.model = self._evidence
        if self._groups:
            record.groups = self._groups
        return record, self._troubles


class Unprepared:
    """Stands in for the components of a lane that has not been called yet."""

    @staticmethod
    def put(lane: Lane, entry: Entry) -> Components | None:
        """Prepare the lane and start timing."""
        try:
            components = lane.prepare()
        except Exception as fault:
            if is_foreign(fault):
                raise
            lane.components = None
            lane.recorder.fault("preparation of a calculator", fault)
            return None
        return None if components is None else components.put(lane, entry)


UNPREPARED = Unprepared()
