"""A lane: one wrapped calculator as its run sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.driver import DriverWatch
from instrumented_calc.integration import describe_model
from instrumented_calc.journal import records

if TYPE_CHECKING:
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
        context: What the lane's calls have in common at present.
        watch: Follows the driver that asks for forces.
        described_in: The run's token, once the lane's record is written.
    """

    __slots__ = (
        "__weakref__",
        "asked",
        "cache_hits",
        "calculator",
        "calls",
        "context",
        "described_in",
        "failed",
        "not_implemented",
        "number",
        "recorder",
        "seen_by",
        "watch",
    )

    def __init__(
        self, recorder: Recorder, calculator: Any, seen_by: str, number: int | None = None
    ) -> None:
        self.recorder = recorder
        self.calculator = calculator
        self.seen_by = seen_by
        self.number = next(recorder.lane_numbers) if number is None else number
        self.begin()
        recorder.lanes[id(self)] = self

    def begin(self) -> None:
        """Count from zero and know of nothing: when it is made, and in a forked child."""
        self.calls = self.failed = 0
        self.asked = self.cache_hits = self.not_implemented = 0
        self.context: Context | None = None
        self.watch = DriverWatch()
        self.described_in: Any = None

    def __del__(self) -> None:
        """Tell the run that the calculator is gone."""
        self.recorder.let_go(self)

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
        model, troubles = describe_model(self.calculator)
        if model:
            record.model = model
        return record, troubles
