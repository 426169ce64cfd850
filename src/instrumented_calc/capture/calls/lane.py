"""A lane: one wrapped calculator within its run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.attribute_lookup import ABSENT, found_on, stored
from instrumented_calc.capture.calls.driver import DriverWatch
from instrumented_calc.capture.calls.first_calls import FirstCalls, absent_from
from instrumented_calc.capture.calls.streak import Streak
from instrumented_calc.capture.identity.identity import identify, settle_compiled, settle_training
from instrumented_calc.capture.parts.components import Components
from instrumented_calc.capture.parts.holdings import holdings
from instrumented_calc.capture.parts.programs import program_of, program_parts
from instrumented_calc.capture.probes.force_work import ForceWork
from instrumented_calc.capture.probes.state import LastPositions
from instrumented_calc.capture.probes.torch_device import device_times
from instrumented_calc.foreign import own_faults_dropped
from instrumented_calc.integration import ask, find_integration
from instrumented_calc.journal import records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.capture.calls.context import Context
    from instrumented_calc.capture.interfaces import RecordedRun
    from instrumented_calc.capture.parts.holdings import Held
    from instrumented_calc.integration import Part


class LiveLane:
    """Counters and state of one wrapped calculator.

    Args:
        recorder: The run.
        calculator: The bare calculator.
        seen_by: How its calls are recorded, see `journal.records.Lane`.
        number: The lane's number; a copy of a calculator keeps the number of its original.

    Attributes:
        calls: Real calculations that ended.
        failed: Those that raised anything but PropertyNotImplementedError.
        asked: Calls of `get_property`.
        cache_hits: Requests answered without a calculation.
        not_implemented: Requests answered with PropertyNotImplementedError.
        components: Parts timed in each call; None if there are none.
        context: The current carried fields of the lane's calls.
        system: Number of the last structure's composition; None if unknown.
        watch: Follows the driver that requests forces.
        described_in: The run's token, once the lane's record is written.
        cache_hits_known: Whether cached answers can be distinguished from calculations.
        has_drivers_atoms: Whether it has calculated the atoms that its driver moves.
        held: The dictionary shared by a twin and its calculator; None for a proxy.
        fingerprints: Calls whose geometry was compared with those of other calls.
        look_after: When forces and positions are checked again, in ns of the clock.
        look_at: Number of calls after which to look closer in any case.
        state_at: Number of calls after which the state is read in any case.
        unseen: The last call, if its forces were not inspected.
        last_call: The last call with results.
        last_energy: Its energy, eV; UNSET if unknown.
        last_positions: Positions at the last state.
        force_work: Compares the work of the forces with the change of the energy.
        force_limit: Sum of the squared forces, (eV/A)^2, above which the state is read.
        growths: How often it was raised.
        unchecked: Calls whose forces were not checked.
        not_finite: Calls with a non-finite result or position.
        zero_forces: Calls whose forces were all 0.
        same_energy: Calls with the energy of the previous one although the atoms had moved.
        verlet: The phase whose driver is plain velocity Verlet: its momenta are known in advance.
        next_step: The step at whose call `next_momentum` is due.
        next_momentum: Momentum of the first atom along x that follows from the last such call.
        momentum_rounding: How far it may be from that.
        velocity_changes: Steps in which something else changed this momentum.
    """

    __slots__ = (
        "__weakref__",
        "_absent",
        "_evidence",
        "_groups",
        "_record",
        "_troubles",
        "asked",
        "cache_hits",
        "cache_hits_known",
        "calculator",
        "calls",
        "components",
        "context",
        "described_in",
        "failed",
        "fingerprints",
        "force_limit",
        "force_work",
        "growths",
        "has_drivers_atoms",
        "held",
        "last_call",
        "last_energy",
        "last_positions",
        "look_after",
        "look_at",
        "momentum_rounding",
        "next_momentum",
        "next_step",
        "not_finite",
        "not_implemented",
        "number",
        "recorder",
        "same_energy",
        "seen_by",
        "state_at",
        "system",
        "unchecked",
        "unseen",
        "velocity_changes",
        "verlet",
        "watch",
        "zero_forces",
    )

    def __init__(
        self, recorder: RecordedRun, calculator: Any, seen_by: str, number: int | None = None
    ) -> None:
        self.recorder = recorder
        self.calculator = calculator
        self.seen_by = seen_by
        self.held: dict[str, Any] | None = None
        self.cache_hits_known = True
        self.number = recorder.number_of(calculator) if number is None else number
        self.begin()
        recorder.lanes[id(self)] = self

    def begin(self) -> None:
        """Reset counters and cached state (on creation and in a forked child)."""
        self.calls = self.failed = 0
        self.asked = self.cache_hits = self.not_implemented = 0
        self.context: Context | None = None
        self.system: int | None = None
        self.watch = DriverWatch()
        self.components: Components | FirstCalls | None = FirstCalls(self)
        self._evidence: dict[str, Any] = {}
        self._groups: dict[str, str] = {}
        self._absent: list[str] = []
        self._record: records.Lane | None = None
        self._troubles: list[str] = []
        self.described_in: Any = None
        self.look_after = self.look_at = self.state_at = 0
        self.unseen: int | None = None
        self.last_call = 0
        self.last_energy: Any = None
        self.last_positions = LastPositions()
        self.force_work = ForceWork()
        self.force_limit = -1.0
        self.growths = 0
        self.has_drivers_atoms = False
        self.verlet = -1  # no phase
        self.next_step = -1  # none
        self.next_momentum = self.momentum_rounding = 0.0
        self.velocity_changes = 0
        self.unchecked = self.not_finite = 0
        self.zero_forces = Streak()
        self.same_energy = Streak(first=2)
        self.fingerprints = 0

    def __del__(self) -> None:
        """Notify the run that the calculator was collected."""
        with suppress(Exception):  # during interpreter shutdown, modules may be missing
            self.recorder.let_go(self)

    @property
    def requests_seen(self) -> bool:
        """Whether requests for properties are seen; those of ASE 4 are answered outside the calculator."""
        return self.seen_by == "get_property" or found_on(type(self.calculator), "get_property") is not ABSENT

    def stored(self, name: str) -> Any:
        """Return an attribute stored in the calculator, or None, without running code of the calculator."""
        return stored(self.calculator, name)

    def results(self, found: Any, properties: Any, returned: Any) -> dict[str, Any] | None:
        """Return the results of a call that are not in a plain dictionary, if they can be read.

        A mapping class of the user may calculate when read, so it is not touched.

        Args:
            found: The calculator's results attribute, or None.
            properties: The requested properties.
            returned: The return value of the call.
        """
        if issubclass(type(found), dict):
            return dict([*dict.items(found)])  # the stored values, bypassing its class
        if found is not None or returned is None:
            return None
        if self.seen_by == "get_property":
            return {properties[0]: returned}
        if type(returned).__module__.startswith("ase."):  # evaluate() of ASE 4 returns its results
            return dict(getattr(returned, "properties", ()))
        return None

    def prepare(
        self, held: Sequence[Held]
    ) -> tuple[Sequence[Part] | None, Callable[[Any], dict[str, int]] | None]:
        """Identify the calculator and ask its integration, before the first call.

        Args:
            held: All that the calculator holds.

        Returns:
            The timed parts, or None if no integration names them and no external program runs; and the
            integration's counts of a call, if it has any.
        """
        calculator, troubles = self.calculator, self._troubles
        integration = find_integration(calculator, troubles)
        parts: Sequence[Part] | None = ask(integration, "parts", calculator, troubles)
        if parts is None:
            parts = program_parts(calculator)
        self.recorder.time_libraries()
        self._evidence = identify(calculator, held, integration, troubles)
        self._groups = {part.name: part.group for part in parts or ()}
        return parts, getattr(integration, "counts", None)

    def parts_of_term(self, calculator: Any) -> Sequence[Part] | None:
        """Return the parts of a calculator inside this one, if they are known without measuring, or None."""
        integration = find_integration(calculator, self._troubles)
        parts: Sequence[Part] | None = ask(integration, "parts", calculator, self._troubles)
        return program_parts(calculator) if parts is None else parts

    def timed(self, parts: Sequence[Part], counts: Callable[[Any], dict[str, int]] | None) -> Components:
        """Return the components of a calculator's calls, on its device.

        Args:
            parts: The timed parts.
            counts: The integration's counts of a call, if it has any.
        """
        device = device_times(str(self._evidence.get("device", ""))) if parts else None
        return Components(
            parts, counts=counts, device=device, on_fault=self.recorder.fault, on_absent=absent_from(self)
        )

    def regroup(self, groups: dict[str, str]) -> None:
        """Set the groups of parts that were chosen in the first calls."""
        if groups != self._groups:
            self._groups = groups
            self._write_again()

    def note_absent(self, reason: str) -> None:
        """Note why parts of the calculator are not timed, for its record and as a notice."""
        if reason not in self._absent:
            self._absent.append(reason)
            self._write_again()

    def _write_again(self) -> None:
        """Write the lane's record again, if it has been written; readers use the last one."""
        record, maker = self._record, self.recorder.maker
        if record is not None and maker is not None:
            self._complete(record)
            maker.append(record)

    def _complete(self, record: records.Lane) -> None:
        if self._groups:
            record.groups = self._groups
        if self._absent:
            record.parts_absent = self._absent

    def describe(self, atoms: Any) -> tuple[records.Lane, list[str]]:
        """Return the lane's record, and any error while it was made.

        Args:
            atoms: The atoms of the first call, or None.
        """
        cls = type(self.calculator)
        record = records.Lane(
            lane=self.number,
            calculator=f"{cls.__module__}.{cls.__qualname__}",
            seen_by=self.seen_by,
        )
        if self.seen_by == "get_property":
            record.cache_hits_known = self.cache_hits_known
        if not self.requests_seen:
            record.requests_seen = False
        if atoms is not None:
            with own_faults_dropped():  # any value is possible
                record.n_atoms = len(atoms)
                record.formula = atoms.get_chemical_formula()
        with own_faults_dropped():  # a command that no shell understands
            program = program_of(self.calculator)
            if program is not None:
                record.program = program
        settle_compiled(self._evidence)
        if "training" in self._evidence:
            with own_faults_dropped():
                settle_training(self._evidence, holdings(self.calculator))
        if self._evidence:
            record.model = self._evidence
        self._complete(record)
        self._record = record
        return record, self._troubles
