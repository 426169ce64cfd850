"""The task of one process of a trial, passed as JSON on its command line."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from instrumented_calc.integration import RunFacts

MODULE = "instrumented_calc.cli.try_child"


@dataclass(frozen=True)
class TriedProgram:
    """What is run: a script with its arguments, or NVE dynamics of a system with a calculator.

    Attributes:
        words: The script and its arguments, or the module and its arguments; empty for dynamics.
        is_module: Whether `words` begins with a module.
        calc: The calculator's spec.
        system: The system's name.
        n_atoms: The number of atoms.
        seed: Seed of the system and its velocities.
    """

    words: tuple[str, ...] = ()
    is_module: bool = False
    calc: str = ""
    system: str = ""
    n_atoms: int = 0
    seed: int = 0


@dataclass(frozen=True)
class TrialTask:
    """The task of one process.

    Attributes:
        folder: Its working directory.
        result: File of the measured calls, `.npz`.
        calls: Calls after which it ends.
        seconds: Time after which it ends, s from the first call on; None: no limit.
        remedies: Names of the remedies.
        facts: File of the facts that the remedies are made from.
        journal: Journal of the run; empty: it is not recorded.
        notes: File for what a journal does not hold.
        words: As of `TriedProgram`, like all others.
        is_module: As above.
        calc: As above.
        system: As above.
        n_atoms: As above.
        seed: As above.
    """

    folder: str
    result: str
    calls: int
    seconds: float | None = None
    remedies: tuple[str, ...] = ()
    facts: str = ""
    journal: str = ""
    notes: str = ""
    words: list[str] = field(default_factory=list)
    is_module: bool = False
    calc: str = ""
    system: str = ""
    n_atoms: int = 0
    seed: int = 0

    @classmethod
    def read(cls, text: str) -> TrialTask:
        """Return the task of a command line."""
        return cls(**json.loads(text))

    def command(self) -> list[str]:
        """Return the command that runs the task."""
        return [sys.executable, "-m", MODULE, json.dumps(asdict(self))]


def write_facts(path: Path, facts: RunFacts) -> None:
    """Write facts for the processes of a trial."""
    path.write_bytes(msgspec.json.encode(facts))


def read_facts(path: str) -> RunFacts:
    """Read what `write_facts` wrote."""
    return msgspec.json.decode(Path(path).read_bytes(), type=RunFacts)
