"""A run: composes capture, analysis and reporting. The public names are defined here.

Capture never imports the reading side; it receives `_print_summary` for a run's end.
"""

from __future__ import annotations

import html
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from instrumented_calc.capture.environment.environment import mpi_rank
from instrumented_calc.capture.notices import warn
from instrumented_calc.capture.open_calls import span
from instrumented_calc.capture.run.journal_path import wanted_journal
from instrumented_calc.capture.run.observers import attach
from instrumented_calc.capture.run.recorder import ENDED, Recorder
from instrumented_calc.capture.settings import (
    DEFAULT_BUDGET,
    DEFAULT_MAX_JOURNAL,
    SWITCH,
    Settings,
    checked_settings,
)
from instrumented_calc.capture.settings import is_switched_off as asks_for_off
from instrumented_calc.capture.stderr import stream_for_people, write_for_people
from instrumented_calc.capture.trace_settings import AUTO, Trace
from instrumented_calc.capture.value_text import shown
from instrumented_calc.capture.wrapping import proxy as proxies
from instrumented_calc.capture.wrapping import twin as twins
from instrumented_calc.capture.wrapping.atoms_setter import wrap_assigned
from instrumented_calc.errors import (
    AlreadyProfiledError,
    JournalReadError,
    NotACalculatorError,
    NotADriverError,
    SettingsError,
)
from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.notebook import CellRuns
from instrumented_calc.quantities import count, elapsed, figures, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from instrumented_calc.capture.calls.lane import LiveLane
    from instrumented_calc.capture.rows.live_evidence import LiveEvidence
    from instrumented_calc.journal.records import Finding, RunStart
    from instrumented_calc.reporting.run.report_object import Report

__all__ = ["Handle", "ProfiledCalculator", "Run", "Trace", "profiled", "recording", "report", "span"]

AnyCalculator = TypeVar("AnyCalculator")  # what is wrapped keeps its type

SUMMARY_BYTES = 60_000_000  # about the amount that can be read and analysed in a second

_shared: list[Recorder] = []  # the process's run, if one is open
_has_own_run = threading.Event()  # set once a calculator has been given a journal of its own
_odd_switches: set[str] = set()  # values of the environment variable already warned about
# Molecular dynamics loops that call no ASE calculator, by the module loaded with them.
FOREIGN_LOOPS = {"torch_sim": "torch-sim", "nvalchemi": "nvalchemi"}


class _Profiled(type):
    def __instancecheck__(cls, candidate: object) -> bool:
        return _lane_of(candidate) is not None


class ProfiledCalculator(metaclass=_Profiled):
    """Wraps a calculator so that every real `calculate()` of it is recorded.

    The returned object behaves in every respect like the calculator that was passed, which itself is not
    instrumented. Wrapping is free: the journal is created at the first call. Wrap last, assign last.

    ```python
    atoms.calc = ProfiledCalculator(EMT())
    ```

    Args:
        calc: Any ASE calculator.
        journal: Journal of a separate run: a file, or a folder in which `run.jsonl` is created. Without it
            the calculator joins the process's run, whose journal is `run.jsonl` in the working directory. If
            the name is taken, a number is added; files are never overwritten.
        trace: When calls are traced in full detail, operation by operation, if they run torch or JAX:
            `"auto"` periodically, within the overhead budget; `"off"`; or a `Trace`. Touching
            `<journal>.trace` opens a window at the next call in any case.
        overhead_budget: Share of the wall time, 0 to 1, that the recorder may use before it samples less.
        max_journal: Size in bytes, above 0, beyond which rows are replaced by exact sums per second.
        summary: Whether a summary is printed on stderr when the run ends. Default: yes, except for workers
            that were given a wrapped calculator, MPI ranks other than 0 and under pytest.
        places: Whether the stacks of the calculating threads are sampled ten times per second and a few
            steps profiled, to show in which functions and lines the time is spent.

    Raises:
        NotACalculatorError: `calc` has neither `calculate` nor `evaluate`.
        AlreadyProfiledError: `calc` is already profiled, and `journal` names another journal.
        JournalPathError: The journal's directory is missing or not writable.
        SettingsError: A setting has the wrong type or is out of range.
    """

    def __new__(  # type: ignore[misc]  # noqa: PLR0913 - the calculator's type; keyword-only settings
        cls,
        calc: AnyCalculator,
        journal: str | os.PathLike[str] | None = None,
        *,
        trace: str | Trace = AUTO,
        overhead_budget: float = DEFAULT_BUDGET,
        max_journal: int = DEFAULT_MAX_JOURNAL,
        summary: bool | None = None,
        places: bool = True,
    ) -> AnyCalculator:
        """Return the wrapped calculator; with `INSTRUMENTED_CALC=off` the calculator itself."""
        if is_switched_off():
            return calc
        _check_calculator(calc)
        lane = _lane_of(calc)
        if lane is not None:
            _already(lane, journal)
            return calc
        settings = checked_settings(
            path=wanted_journal(journal),
            own_run=journal is not None,
            overhead_budget=overhead_budget,
            max_journal=max_journal,
            summary=summary,
            trace=trace,
            places=places,
        )
        recorder = _recorder(settings)
        make = twins.twin if twins.can_be_twinned(calc) else proxies.proxy
        return cast("AnyCalculator", make(calc, recorder))


def is_switched_off() -> bool:
    """Return whether `INSTRUMENTED_CALC` disables profiling; warn once about an invalid value."""
    value = os.environ.get(SWITCH, "")
    try:
        return asks_for_off(value)
    except SettingsError as error:
        if value not in _odd_switches:
            _odd_switches.add(value)
            warn(f"{error}; this run is profiled")
        return False


@contextmanager
def profiled(  # noqa: PLR0913 - keyword-only settings
    calc: AnyCalculator,
    journal: str | os.PathLike[str] | None = None,
    *,
    trace: str | Trace = AUTO,
    overhead_budget: float = DEFAULT_BUDGET,
    max_journal: int = DEFAULT_MAX_JOURNAL,
    summary: bool | None = None,
    places: bool = True,
) -> Iterator[AnyCalculator]:
    """Profile a calculator in a `with` block and end its run there.

    ```python
    with profiled(EMT(), "run.jsonl") as atoms.calc:
        VelocityVerlet(atoms, 5 * units.fs).run(100)
    ```

    All arguments are those of `ProfiledCalculator`, as are the errors raised.

    Args:
        calc: Any ASE calculator.
        journal: Journal of the run.
        trace: When calls are traced in full detail: `"auto"`, `"off"` or a `Trace`.
        overhead_budget: Share of the wall time, 0 to 1, that the recorder may use.
        max_journal: Size in bytes beyond which rows are replaced by exact sums per second.
        summary: Whether a summary is printed when the run ends.
        places: Whether the stacks of the calculating threads are sampled.

    Yields:
        The wrapped calculator.
    """
    wrapped = ProfiledCalculator(
        calc,
        journal,
        trace=trace,
        overhead_budget=overhead_budget,
        max_journal=max_journal,
        summary=summary,
        places=places,
    )
    try:
        yield wrapped
    finally:
        recording(wrapped).close()


class Run:
    """A run as its user sees it; for a bare calculator it is inert."""

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder

    @property
    def path(self) -> Path | None:
        """The journal, or None before the first call."""
        return None if self._recorder is None else self._recorder.path

    def close(self) -> None:
        """End the run: later calls pass through without being recorded."""
        if self._recorder is not None:
            self._recorder.end("closed")

    def summary(self) -> str:
        """Return the run's summary so far, or an empty text before the first call."""
        path = self.flushed()
        return "" if path is None else _summary_or_reason(path)

    def flushed(self) -> Path | None:
        """Return the journal with all calls so far written to it, or None before the first call."""
        if self._recorder is not None:
            self._recorder.flush()
        return self.path

    def attach(self, dyn: Any) -> None:
        """Set the driver of the run: needed only if it is not one of ASE's, or has its own `call_observers`.

        The drivers of ASE are found without it, and each of their observers is timed.

        Args:
            dyn: An ASE MolecularDynamics or Optimizer, before its `run`, or a custom integrator that counts
                its steps in `nsteps`.

        Raises:
            NotADriverError: `dyn` is something else.
        """
        drives = any(callable(getattr(dyn, name, None)) for name in ("run", "irun", "step"))
        if isinstance(dyn, type) or not drives:
            message = f"attach({shown(dyn)}): not a driver; pass a MolecularDynamics or Optimizer object"
            raise NotADriverError(message)
        if self._recorder is not None:
            attach(self._recorder, dyn)

    def mark(self, text: str) -> None:
        """Write a user's note into the journal.

        Args:
            text: The note, cut after 10,000 characters; for other objects their repr. Notes made before the
                first call are kept and written with it.
        """
        if self._recorder is not None:
            self._recorder.mark(text if isinstance(text, str) else shown(text))

    def __repr__(self) -> str:
        """Return the journal, the number of calls, their rate and the run's state on one line."""
        return f"<Run {self._words()}>"

    def _repr_html_(self) -> str:
        path = self.flushed()
        try:
            if path is not None and path.stat().st_size <= SUMMARY_BYTES:
                return report(self)._repr_html_()
        except Exception as error:
            if is_foreign(error):
                raise
        return f"<pre>{html.escape(self.summary() or repr(self))}</pre>"

    def _words(self) -> str:
        recorder = self._recorder
        if recorder is None:
            return "not recorded: the calculator is not profiled"
        if recorder.path is None:
            return "ended before its first call" if recorder.state is ENDED else "waiting for its first call"
        calls, elapsed_ns = recorder.progress()
        words = [plural(calls, "call")]
        if elapsed_ns > 0:
            words[0] += f" in {elapsed(elapsed_ns)}"
            words.append(f"{figures(calls / elapsed_ns * 1e9)} calls/s")
        return f"{recorder.path}: {', '.join([*words, recorder.state])}"


class Handle:
    """Counters of a calculator's recording so far.

    Attributes:
        run: The calculator's run.
    """

    def __init__(self, lane: LiveLane | None) -> None:
        self._lane = lane
        self.run = Run(None if lane is None else cast("Recorder", lane.recorder))

    @property
    def calls(self) -> int | None:
        """Number of real calculations of this calculator; None if it is not profiled."""
        return None if self._lane is None else self._lane.calls

    @property
    def failed(self) -> int | None:
        """Number of calculations that raised, other than PropertyNotImplementedError; None as for `calls`."""
        return None if self._lane is None else self._lane.failed

    @property
    def cache_hits(self) -> int | None:
        """Number of property requests answered without a calculation; None if requests are not seen."""
        return self._lane.cache_hits if self._lane is not None and self._lane.requests_seen else None

    def close(self) -> None:
        """End the calculator's run."""
        self.run.close()

    def __repr__(self) -> str:
        """Return the calculator's counters and its run on one line."""
        lane = self._lane
        if lane is None:
            return "<Handle: the calculator is not profiled>"
        name = type(lane.calculator).__name__
        failed = f", {count(lane.failed)} failed" if lane.failed else ""
        return f"<Handle of {name}: {plural(lane.calls, 'call')}{failed}; {self.run!r}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def recording(calc: Any) -> Handle:
    """Return the handle of a calculator's recording.

    Args:
        calc: A profiled calculator; a bare one gets an inert handle.

    Raises:
        NotACalculatorError: `calc` is not a calculator.
    """
    _check_calculator(calc)
    return Handle(_lane_of(calc))


def report(*journals: str | os.PathLike[str] | Run | Handle) -> Report:
    """Read journals and judge them, as `instrumented-calc report` does.

    ```python
    print(report("run.jsonl").text)
    for finding in report("run.jsonl").findings:
        print(finding.rule, finding.headline)
    ```

    Args:
        journals: Journals, or runs and handles of this process: their calls so far are included.

    Raises:
        JournalReadError: No journal is given, a run has none yet, or a file cannot be read as one.
    """
    from instrumented_calc.reporting.run.report_object import report_on  # noqa: PLC0415 - numpy, once

    if not journals:
        message = "report(): no journal given; pass a path such as run.jsonl, or recording(calc)"
        raise JournalReadError(message)
    return report_on([_journal_of(each) for each in journals])


def _journal_of(source: str | os.PathLike[str] | Run | Handle) -> str | os.PathLike[str]:
    run = source.run if isinstance(source, Handle) else source
    if isinstance(run, (str, os.PathLike)):
        return run
    if not isinstance(run, Run):
        hint = "report(*journals)" if isinstance(run, (list, tuple)) else "a path such as run.jsonl"
        message = f"report(): {type(run).__name__} object is not a journal; pass {hint}"
        raise JournalReadError(message)
    path = run.flushed()
    if path is None:
        message = f"{run!r} has no journal yet; make a call first, or pass a path"
        raise JournalReadError(message)
    return path


def _lane_of(candidate: Any) -> LiveLane | None:
    lane = twins.lane_of(candidate)
    return proxies.lane_of(candidate) if lane is None else lane


def _check_calculator(calc: Any) -> None:
    if isinstance(calc, type):
        message = f"{calc.__name__} is a class; pass a calculator: ProfiledCalculator({calc.__name__}(...))"
        raise NotACalculatorError(message)
    if not twins.is_calculator(calc):
        kind = type(calc).__name__
        message = (
            f"{kind} object is not a calculator: it has neither calculate() nor evaluate() nor get_forces(); "
            "pass what you would assign to atoms.calc"
        )
        raise NotACalculatorError(message)


def _already(lane: LiveLane, journal: str | os.PathLike[str] | None) -> None:
    settings = lane.recorder.settings
    if journal is not None and wanted_journal(journal) != settings.path:
        message = (
            f"this calculator already records to {settings.path}; wrap the bare calculator to "
            f"record to {journal}"
        )
        raise AlreadyProfiledError(message)
    warn("a profiled calculator was wrapped again: it is left unchanged")


class Assigned:
    """The calculators that a program assigns to an `Atoms`, all profiled in the process's run.

    Args:
        journal: Journal of the run; `run.jsonl` by default.
        summary: Whether a summary is printed when the run ends; None: except in tests.

    Raises:
        JournalPathError: The journal's directory is missing or not writable.
        SettingsError: `journal` is not a path.
    """

    def __init__(self, journal: str | os.PathLike[str] | None = None, *, summary: bool | None = None) -> None:
        path = wanted_journal(journal)
        self._run = _recorder(Settings(path=path, path_option="--output", summary=summary))
        self._run.may_stay_unused = True  # `why_nothing_is_recorded` reports that
        self._wrapped = 0
        self.undo = wrap_assigned(self._wrap, lambda calc: _lane_of(calc) is not None)

    def _wrap(self, calc: Any) -> Any:
        self._wrapped += 1
        return ProfiledCalculator(calc)

    def close(self) -> None:
        """End the run: later calls pass through without being recorded."""
        self._run.end("closed")

    def why_nothing_is_recorded(self) -> str | None:
        """Return one line if no call has been recorded so far, None otherwise."""
        if self._run.path is not None or self._run.state is ENDED or _has_own_run.is_set():
            return None
        if self._run.answers:  # the run reports that itself when it ends
            return None
        if self._wrapped:
            return "nothing was recorded: a calculator was assigned to an Atoms, but was never called"
        for module, name in FOREIGN_LOOPS.items():
            if module in sys.modules:
                return (
                    f"nothing was recorded: {name} is loaded, but its loops call no ASE calculator; record"
                    " its model in the script, as docs/guide/loops.md shows"
                )
        return (
            "nothing was recorded: no calculator was assigned to an Atoms (atoms.calc = calc); one that is "
            "called directly has to be wrapped in the script: calc = ProfiledCalculator(calc)"
        )


def _recorder(settings: Settings) -> Recorder:
    shared = not settings.own_run
    _cell_runs.end_earlier(settings.path)
    if not shared:
        _has_own_run.set()
    if shared and _shared and _shared[0].state is not ENDED:
        recorder = _shared[0]
    else:
        recorder = Recorder(settings, on_end=_print_summary, judge=_judge_live)
    if shared:
        _shared[:] = [recorder]
    _cell_runs.add(recorder)
    return recorder


def _judge_live(evidence: LiveEvidence, start: RunStart) -> Sequence[Finding]:
    """Return the findings to report during a run."""
    from instrumented_calc.analysis.rules.live import judge_live  # noqa: PLC0415 - numpy, once

    return judge_live(evidence.samples, evidence.compiled, start.environment)


def _print_summary(recorder: Recorder) -> None:
    _cell_runs.seen(recorder)
    wanted = recorder.settings.summary
    if wanted is None:
        wanted = "pytest" not in sys.modules
    if not wanted or recorder.is_worker or mpi_rank() or recorder.path is None:
        return
    text = _summary_or_reason(recorder.path)
    with own_faults_dropped():  # stderr may be closed
        write_for_people(f"{_coloured(text)}\n", patience_s=1)


_cell_runs = CellRuns(_print_summary)


def _summary_or_reason(path: Path) -> str:
    """Return the summary of a journal, or one line explaining why it is missing."""
    try:
        return _summary_of(path)
    except Exception as error:
        if is_foreign(error):
            raise
        return f"instrumented-calc: no summary ({error}); try: instrumented-calc report {path}"


def _summary_of(path: Path) -> str:
    from instrumented_calc.reporting.run.final_summary import (  # noqa: PLC0415 - numpy, once
        closing_summary,
        next_line,
    )

    if path.stat().st_size > SUMMARY_BYTES:
        return f"The journal is too large to be summarized now.\n{next_line(path)}"
    return closing_summary(path)


def _coloured(text: str) -> str:
    """Return a summary with colours if stderr is a terminal."""
    from instrumented_calc.reporting.run.summary_colours import coloured  # noqa: PLC0415 - as above

    stream = stream_for_people()
    return text if stream is None else coloured(text, stream)
