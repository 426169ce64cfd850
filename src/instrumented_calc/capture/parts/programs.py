"""External programs: the parts of a calculator that runs one, and what its processes used.

ASE's calculators for external programs write an input file, run the program and read its output, or send
positions to a program that keeps running and wait for its answer. Such a calculation takes long enough for
reading the use of child processes; other calls never do it.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.attribute_lookup import (
    dictionary_of,
    found_on,
    has_ordinary_access,
    is_plain_function,
    stored,
)
from instrumented_calc.capture.open_calls import active, call_of, extras_of
from instrumented_calc.capture.parts.stand_ins import StandIn
from instrumented_calc.capture.probes.children import executions, running_child
from instrumented_calc.foreign import own_faults_dropped
from instrumented_calc.integration import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.capture.open_calls import Entry
    from instrumented_calc.capture.probes.children import ChildUse

WRITE, EXECUTE, READ, WAIT = "write input", "execute", "read results", "wait for the client"
# Methods of a calculator that write the input, run the program and read the results.
BY_FILES = {
    "ase.calculators.calculator.FileIOCalculator": ("write_input", "execute", "read_results"),
    "ase.calculators.vasp.vasp.Vasp": ("write_input", "_run", "read_results"),
}
GENERIC = "ase.calculators.genericfileio.GenericFileIOCalculator"
BY_SOCKET = "ase.calculators.socketio.SocketIOCalculator"
# How ASE words the exit status of a program whose exception does not carry it.
STATUS = re.compile(r"(?:error code|returned an error:) (-?\d+)")
LAUNCHERS = frozenset(
    {"aprun", "env", "ibrun", "jsrun", "mpiexec", "mpirun", "nice", "numactl", "orterun", "prun", "srun"}
    | {"taskset", "time", "timeout"}
)
INTERPRETERS = re.compile(r"(?:python[\d.]*|bash|dash|perl|sh)")


@dataclass(frozen=True)
class Execution(Part):
    """The method that runs an external program."""


@dataclass(frozen=True)
class ClientWait(Part):
    """The wait for a program that keeps running.

    Attributes:
        calculator: The calculator that holds the program's process, if it has started it.
    """

    calculator: Any = None


def program_parts(calculator: Any) -> Sequence[Part] | None:
    """Return the parts of a calculator that runs an external program; None for any other.

    Args:
        calculator: Any calculator.
    """
    kind = type(calculator)
    classes = {f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__}
    if BY_SOCKET in classes:
        server = getattr(sys.modules["ase.calculators.socketio"], "SocketServer", None)
        return [ClientWait(WAIT, server, "calculate", calculator=calculator)] if server else None
    if GENERIC in classes:
        template = stored(calculator, "template")
        owners = (calculator, template, template)
        return _parts(owners, ("write_inputfiles", "execute", "read_results"))
    for name, methods in BY_FILES.items():
        if name in classes:
            return _parts((calculator,) * 3, methods)
    return None


def _parts(owners: Sequence[Any], methods: Sequence[str]) -> Sequence[Part] | None:
    for owner, method in zip(owners, methods, strict=True):
        if dictionary_of(owner) is None or not has_ordinary_access(type(owner)):
            return None
        if not is_plain_function(found_on(type(owner), method)):
            return None
    (to_write, to_run, to_read) = zip(owners, methods, strict=True)
    return [Part(WRITE, *to_write), Execution(EXECUTE, *to_run), Part(READ, *to_read)]


class ExecutionStandIn(StandIn):
    """Run an external program, and add what its processes used to the call."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, timed inside recorded calls."""
        stack = active.stack
        if not stack:
            return self.real(*args, **kwargs)
        call = call_of(stack[-1])
        ended = executions()
        ended.begin()
        try:
            return super().__call__(*args, **kwargs)
        except Exception as failure:
            with own_faults_dropped():
                status = exit_status(failure)
                if status is not None:
                    extras_of(call)["child_exit_status"] = status
            raise
        finally:
            with own_faults_dropped():
                note_use(call, ended.end())


class ClientWaitStandIn(StandIn):
    """Wait for a program that keeps running."""

    __slots__ = ("_calculator",)

    def __init__(self, part: ClientWait, label: str | None = None) -> None:
        super().__init__(part, label)
        self._calculator = part.calculator

    def note_client(self, call: Entry) -> None:
        """Add what the program has used to a call that has ended, if a reading is due."""
        process = client_of(self._calculator)
        if process is not None and process.returncode is None:
            with own_faults_dropped():
                note_use(call, running_child(process).read(process.pid))


def client_of(calculator: Any) -> Any:
    """Return the process that a socket calculator has started, or None."""
    return stored(stored(calculator, "server"), "proc")


def note_use(call: Entry, use: ChildUse | None) -> None:
    """Add the use of child processes to an open call's row."""
    if use is None:
        return
    extras = extras_of(call)
    extras["child_cpu_ns"] = extras.get("child_cpu_ns", 0) + use.cpu_ns
    if use.peak_bytes is not None:
        extras["child_peak_bytes"] = max(use.peak_bytes, extras.get("child_peak_bytes", 0))


def exit_status(failure: BaseException) -> int | None:
    """Return the exit status with which a program failed, as far as ASE's exception tells it.

    Args:
        failure: What the execution raised: `subprocess.CalledProcessError`, or an exception of ASE that is
            raised from it or has the status in its text.
    """
    for error in (failure, failure.__cause__):
        status = getattr(error, "returncode", None) if _is_of_subprocess(error) else None
        if type(status) is int:
            return status
    text = failure.args[0] if failure.args else None
    found = STATUS.search(text) if type(text) is str else None
    return int(found[1]) if found else None


def _is_of_subprocess(error: BaseException | None) -> bool:
    return type(error).__module__ == "subprocess"


def program_of(calculator: Any) -> str | None:
    """Return the file name of the external program that a calculator runs, or None.

    Args:
        calculator: Any calculator.
    """
    if program_parts(calculator) is None:
        return None
    command = stored(stored(calculator, "profile"), "command") or stored(calculator, "command")
    if command is None:
        command = stored(client_of(calculator), "args")
    if type(command) is str:
        words = shlex.split(command)
    elif type(command) in (list, tuple):
        words = [str(word) for word in command if type(word) is str]
    else:
        return None
    return _program_in(words)


def _program_in(words: Sequence[str]) -> str | None:
    """Return the program of a command line, without launchers such as mpirun and their options."""
    words = [word for word in words if not word.partition("=")[0].isidentifier() or "=" not in word]
    if not words:
        return None
    name, rest = PurePath(words[0]).name, words[1:]
    if name in LAUNCHERS:
        for place, word in enumerate(rest):
            if not word.startswith("-") and not word.isdigit() and shutil.which(word):
                return _program_in(rest[place:])
    elif INTERPRETERS.fullmatch(name) and "-c" not in rest[:1]:
        script = next((word for word in rest if not word.startswith("-")), name)
        return PurePath(script).name
    return name
