"""How a run ended, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.quantities import bytes_of, count, duration, elapsed, percent

if TYPE_CHECKING:
    from instrumented_calc.analysis.post_mortem import Cause, Ending

REASONS = {"exit": "exit of the program", "collected": "its calculator was discarded", "closed": "closed"}
CAUSE_UNKNOWN = "cause unknown"
POSSIBLE_ENDS = "by a signal (SIGTERM, kill -9), os._exit or a crash in C code"


def ending_words(ending: Ending) -> str:
    """Return one line on how a run ended."""
    if ending.reason is not None:
        words = REASONS.get(ending.reason, ending.reason)
        if ending.failure is not None:
            message = f": {ending.message}" if ending.message else ""
            words = f"{ending.reason} after {ending.failure}{message}"
        return "; ".join([words, *map(_cause_words, ending.causes)])
    if ending.how == "running":
        return f"still running{_where(ending)}"
    if ending.how == "pool":
        return "with its process pool, which kills its workers"
    killed = "killed" if ending.how == "killed" else "killed, or still running elsewhere,"
    causes = [_cause_words(cause) for cause in ending.causes] or [CAUSE_UNKNOWN]
    return "; ".join([f"{killed}{_where(ending)}", *causes])


def end_of_run(ending: Ending) -> str:
    """Return how a run ended, for its closing summary; empty if it ended normally or still runs."""
    if ending.how == "ended" and ending.reason in REASONS:
        return ""
    if ending.reason is None:
        if ending.how == "running" and ending.open_ns is None:
            return ""
        return ending_words(ending).replace(CAUSE_UNKNOWN, POSSIBLE_ENDS)
    place = _last_place(ending)
    if ending.failure is None:
        return f"ended by {ending.reason}{place}"
    if ending.failure == "KeyboardInterrupt":
        return f"stopped by Ctrl-C (KeyboardInterrupt){place}"
    message = f": {ending.message.rstrip('.')}" if ending.message else ""
    how = "ended by" if ending.failure == "SystemExit" else "crashed with"
    return "; ".join([f"{how} {ending.failure}{message}{place}", *map(_cause_words, ending.causes)])


def _last_place(ending: Ending) -> str:
    if ending.step is not None:
        return f", at step {count(ending.step)}"
    return "" if ending.last_call is None else f", after call {count(ending.last_call)}"


def _where(ending: Ending) -> str:
    step = "" if ending.step is None else f", step {count(ending.step)}"
    if ending.call is not None and ending.open_ns is not None:
        after = "" if ending.step is None else f" (after step {count(ending.step)})"
        return (
            f" during call {count(ending.call)}{after}, which had been running for {elapsed(ending.open_ns)}"
        )
    if ending.last_call is not None:
        return f" after call {count(ending.last_call)}{step}"
    return " before any call had ended"


def _cause_words(cause: Cause) -> str:
    match cause.kind:
        case "memory":
            share = percent(cause.amount / (cause.limit or 1), 0)
            grade = "likely out of memory" if cause.likely else "possibly out of memory"
            words = f"memory was at {share} of its limit of {bytes_of(cause.limit)} ({grade})"
        case "oom kill":
            number = count(int(cause.amount))
            words = "processes of this job that the kernel killed because memory ran out during the run"
            words += f": {number}"
        case "descriptors":
            words = f"out of file descriptors: {cause.amount:.0f} of {cause.limit or 0:.0f} were open"
        case "disk":
            words = f"the journal's file system had {bytes_of(cause.amount)} left (possibly full)"
        case "cut short":
            words = "or its journal could not grow (full disk, quota, ulimit -f), because its last line is"
            words += " cut short: then the run may have continued"
        case "time limit":
            side = "before" if cause.amount >= 0 else "after"
            words = f"{duration(abs(cause.amount) * 1e9)} {side} the batch system's time limit"
            words += " (likely ended by it)"
        case "clock":
            words = f"the wall clock differs from the run's clock by {elapsed(abs(cause.amount) * 1e9)}:"
            words += " the machine was suspended, or its clock was set"
    return words
