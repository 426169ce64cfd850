"""Periodic work of the journal thread. Each task has its own interval; no call waits for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from instrumented_calc.capture.probes import Latecomer
from instrumented_calc.capture.probes.machine import MachineProbe
from instrumented_calc.capture.run.stalls import SHORTEST_STALL_NS, Watchdog
from instrumented_calc.capture.run.touch_requests import Requests
from instrumented_calc.capture.run.unfinished_calls import StillOpen
from instrumented_calc.journal.records import Call, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from instrumented_calc.capture.notices import Notices
    from instrumented_calc.capture.probes import Listener
    from instrumented_calc.capture.rows.live_evidence import LiveEvidence
    from instrumented_calc.capture.rows.outbox import Outbox
    from instrumented_calc.capture.rows.row_maker import RowMaker
    from instrumented_calc.capture.tracing.windows import Windows
    from instrumented_calc.journal.records import RunStart

CONTRACTIONS_EVERY_NS = 1_000_000_000
MACHINE_EVERY_NS = 5_000_000_000
MEMORY_EVERY_NS = 500_000_000
FINDINGS_EVERY_NS = 1_000_000_000
RAREST_FINDINGS_NS = 30_000_000_000  # a finding is reported within a minute
FINDINGS_SHARE = 500  # divisor: the search for findings takes at most this part of the time


class Rounds:
    """The regular work of one run.

    Args:
        maker: Makes the run's rows.
        outbox: Passes them to the journal.
        windows: The run's trace windows.
        listeners: Listeners to the process; some wait for a library to be loaded.
        notices: The run's notices.
        start: The run's first record.
        origin: The clock at the start of the run, in ns.
        journal: Returns the journal's path, which may change.
        judge: Given the evidence so far, returns findings to report during the run.
    """

    def __init__(  # noqa: PLR0913 - the parts of a run
        self,
        *,
        maker: RowMaker,
        outbox: Outbox,
        windows: Windows,
        listeners: list[Listener],
        notices: Notices,
        start: RunStart,
        origin: int,
        journal: Callable[[], Path | None],
        judge: Callable[[LiveEvidence, RunStart], Sequence[Finding]] | None,
    ) -> None:
        self._maker = maker
        self._outbox = outbox
        self._windows = windows
        self._listeners = listeners
        self._notices = notices
        self._start = start
        self._origin = origin
        self._judge = judge
        self._machine = MachineProbe(forked=isinstance(start.parent_run_id, str), journal=journal)
        self._watchdog = Watchdog()
        self._still_open = StillOpen(maker, origin)
        self._requests = Requests(maker, outbox, journal, notices)
        # The first search for findings imports its modules: later that would be a jump in memory.
        self._next_contractions = self._next_machine = self._next_findings = origin
        self._next_memory = origin
        self._reported: set[str] = set()
        self._loaded = False

    def go(self, now: int) -> None:
        """Run the tasks that are due.

        Args:
            now: The run's clock, in ns.
        """
        began = time.thread_time_ns()
        self._run_due_tasks(now)
        if not self._loaded:  # the first round imports modules and opens files: a cost of the start
            self._loaded = True
            self._maker.excuse(time.thread_time_ns() - began)

    def _run_due_tasks(self, now: int) -> None:
        for listener in self._listeners:
            if isinstance(listener, Latecomer):
                listener.look()
        self._maker.signatures.reconsider()
        self._windows.beat(now)
        self._watch(now)
        for report in self._still_open.look(now):
            self._maker.append(report)
        self._requests.look(now)
        if now >= self._next_contractions:
            self.write_contractions(now)
        if now >= self._next_machine or self._memory_is_filling(now):
            self._next_machine = now + MACHINE_EVERY_NS
            self._maker.append(self._machine.read(now - self._origin))
        if now >= self._next_findings and self._judge is not None:
            self._look_for_findings(now, self._judge)

    def write_contractions(self, now: int, *, last: bool = False) -> None:
        """Write the contractions: every second at first, less often as the run and its journal grow."""
        elapsed = now - self._origin
        self._next_contractions = now + max(CONTRACTIONS_EVERY_NS, elapsed // 100)
        if not (last or self._outbox.takes_sums()):
            return
        signatures = self._maker.signatures
        for news in (signatures.news(elapsed), signatures.news_of_conversions(elapsed)):
            if news is not None:
                self._maker.append(news)

    def _memory_is_filling(self, now: int) -> bool:
        if now < self._next_memory:
            return False
        self._next_memory = now + MEMORY_EVERY_NS
        return self._machine.memory_is_filling()

    def _watch(self, now: int) -> None:
        """Search for a call that does not end, if none has ended for long."""
        self._watchdog.saw(row.wall_ns for row in self._outbox.rows[-1:] if type(row) is Call)
        if now - max(self._maker.last_end, self._origin) < SHORTEST_STALL_NS:
            return
        stall = self._watchdog.look(self._maker, now)
        if stall is None:
            return
        usual = "" if stall.median_ns is None else f", where {stall.median_ns / 1e9:.3g} s is normal"
        text = f"call {stall.index} has been open for {stall.open_ns / 1e9:.0f} s{usual}: a stall"
        self._notices.warn("stall", text, stack=stall.stack)
        numbers = {"call": stall.index, "open_ns": stall.open_ns, "median_ns": stall.median_ns}
        self._maker.append(Finding("stall", text, now - self._origin, numbers))
        self._reported.add("stall")

    def _look_for_findings(
        self, now: int, judge: Callable[[LiveEvidence, RunStart], Sequence[Finding]]
    ) -> None:
        began = time.thread_time_ns()
        usual = min(max((now - self._origin) // 10, FINDINGS_EVERY_NS), RAREST_FINDINGS_NS)
        self._next_findings = now + usual
        for finding in judge(self._maker.live, self._start):
            if finding.rule not in self._reported:
                self._reported.add(finding.rule)
                finding.time_ns = now - self._origin
                self._maker.append(finding)
                self._notices.warn(finding.rule, finding.text)
        spent = time.thread_time_ns() - began
        self._next_findings = now + max(usual, FINDINGS_SHARE * spent)

    def close(self) -> None:
        """Release open resources."""
        self._machine.close()
