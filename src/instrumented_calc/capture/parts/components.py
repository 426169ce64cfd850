"""The timed parts of one calculator, in place only while it calculates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.counting.jax_programs import explain
from instrumented_calc.capture.dynamo import has_compiled
from instrumented_calc.capture.open_calls import SEPARATOR, extras_of
from instrumented_calc.capture.parts import compiled_code
from instrumented_calc.capture.parts.programs import (
    ClientWait,
    ClientWaitStandIn,
    Execution,
    ExecutionStandIn,
)
from instrumented_calc.capture.parts.stand_ins import (
    StandIn,
    StandInGroup,
    note_counts,
    remove_now,
)
from instrumented_calc.capture.parts.terms import Term, TermStandIn
from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from instrumented_calc.capture.open_calls import Entry
    from instrumented_calc.capture.parts.call_tree import CallTree
    from instrumented_calc.capture.probes.torch_device import DeviceTimes
    from instrumented_calc.integration import Part


class Components:
    """The stand-ins of one calculator, installed for each of its calls.

    torch.compile must not see a stand-in: where it starts to compile, or has compiled code before, those
    inside torch modules are removed for good.

    Args:
        parts: The timed parts.
        label: Name of all parts for tracers and counters; each part's own if None.
        counts: Given the calculator, returns the integration's counts of the call that has just ended.
        device: Also times the parts on the model's device.
        on_fault: Called with the place and the exception of an error that costs a measurement.
        on_absent: Called with the reason if parts are not timed any more.

    Attributes:
        interrupted: Whether parts were removed in the middle of the last call; its times are incomplete.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, all but the parts optional
        self,
        parts: Iterable[Part],
        *,
        label: str | None = None,
        counts: Callable[[Any], dict[str, int]] | None = None,
        device: DeviceTimes | None = None,
        on_fault: Callable[[str, BaseException], None] | None = None,
        on_absent: Callable[[str], None] | None = None,
    ) -> None:
        parts = [*parts]
        stand_ins = [_stand_in(part, label) for part in parts]
        self._group = StandInGroup(stand_ins)
        self._clients = [each for each in stand_ins if isinstance(each, ClientWaitStandIn)]
        self._exposed = [
            stand_in
            for stand_in, part in zip(stand_ins, parts, strict=True)
            if compiled_code.is_exposed(part)
        ]
        self._gives_way = False
        self._watch = compiled_code.CompileWatch(self._give_way, self._step_aside)
        self.interrupted = False
        self._counts = counts
        self._device = device
        self._on_fault = on_fault
        self._on_absent = on_absent
        self._runs_programs = any(part.shapes is not None for part in parts)

    def put(self, entry: Entry | None = None, marks: CallTree | None = None) -> Components | None:
        """Start timing at the beginning of a call.

        Args:
            entry: The call's entry; None if the callables are timed until `take_back()`. The call continues
                untimed if a callable cannot be replaced.
            marks: Receives the parts' names in the order in which they run, instead of the device's times.

        Returns:
            These components, or None if nothing is timed.
        """
        self.interrupted = False
        try:
            if self._exposed:
                self._look_out_for_compilation()
            self._group.put(id(self if entry is None else entry))
        except BaseException as fault:
            self._watch.end()
            if is_foreign(fault):
                raise
            self._drop(self._group.stand_ins)
            if self._on_fault is not None:
                self._on_fault("timing of parts", fault)
            return None
        if entry is not None:
            entry.device = self._device_if_due() if marks is None else marks
        return self

    def _device_if_due(self) -> DeviceTimes | None:
        device = self._device
        return device if device is not None and device.is_due() else None

    def _look_out_for_compilation(self) -> None:
        if not (self._gives_way or has_compiled()) and self._watch.begin():
            return
        self._drop(self._exposed)
        if self._on_absent is not None:
            self._on_absent(compiled_code.REASON)

    def _drop(self, stand_ins: Sequence[StandIn]) -> None:
        """Do not time these any more, nor any that Dynamo could see."""
        self._group.drop(stand_ins)
        self._exposed = []

    def leave_out(self, names: Collection[str]) -> None:
        """Do not time these parts from now on."""
        self._group.drop([each for each in self._group.stand_ins if each.name in names])
        self._exposed = [each for each in self._exposed if each.name not in names]

    def _give_way(self) -> None:
        self._gives_way = True
        self._step_aside()

    def _step_aside(self) -> None:
        """Remove the stand-ins that Dynamo could see until the next call."""
        self.interrupted = True
        remove_now(self._exposed)

    def relabel(self, labels: dict[str, str]) -> None:
        """Change the names of parts for tracers and counters.

        Args:
            labels: The new names, by the parts' own.
        """
        for stand_in in self._group.stand_ins:
            stand_in.label = labels.get(stand_in.name, stand_in.label)

    def collect(self, entry: Entry, calculator: Any) -> None:
        """Add counts and device times to a call that has ended; errors of an integration are dropped.

        Args:
            entry: The call's entry.
            calculator: The bare calculator.
        """
        if self.interrupted:
            drop_times(entry, {each.name for each in self._exposed})
        if self._counts is not None:
            note_counts(entry, self._counts, calculator)
        for client in self._clients:
            client.note_client(entry)
        if self._device is not None:
            times = self._device.read()
            if times:
                extras_of(entry)["device_ns"] = times
        if self._runs_programs and entry.maker.signatures.unexplained:
            try:
                explain(entry.maker.signatures)
            except Exception as fault:
                if is_foreign(fault):
                    raise
                if self._on_fault is not None:
                    self._on_fault("contractions of JAX programs", fault)

    def take_back(self, entry: Entry | None = None) -> None:
        """Restore everything after the call. Calling it twice is harmless.

        Args:
            entry: The argument of `put`.
        """
        self._group.take_back(id(self if entry is None else entry))
        if self._exposed:
            self._watch.end()


def drop_times(entry: Entry, names: Collection[str]) -> None:
    """Drop the times of some parts of a call, whichever calculators inside the calculator they are in."""
    if entry.components is not UNSET:
        kept = {n: time for n, time in entry.components.items() if n.rpartition(SEPARATOR)[2] not in names}
        entry.components = kept or UNSET


def _stand_in(part: Part, label: str | None) -> StandIn:
    if isinstance(part, Term):
        return TermStandIn(part)
    if isinstance(part, Execution):
        return ExecutionStandIn(part, label)
    if isinstance(part, ClientWait):
        return ClientWaitStandIn(part, label)
    return StandIn(part, label)
