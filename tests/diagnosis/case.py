"""A case of the bench: a small real script with one fault, and the same script without it."""

from __future__ import annotations

import importlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # Given where all randomness comes from, and whether the fault is there.
    Script = Callable[[random.Random, bool], None]

MODULES = (
    "memory_cases",
    "time_cases",
    "usage_cases",
    "contraction_cases",
    "result_cases",
    "torch_cases",
    "healthy_cases",
    "live.torch_faults",
    "live.python_faults",
    "live.contraction_faults",
    "live.driver_faults",
    "live.program_faults",
    "live.memory_faults",
    "live.machine_faults",
    "live.healthy_runs",
    "live.healthy_usage",
    "live.step_habits",
    "live.sound_and_unsound",
    "live.units_and_methods",
)


@dataclass(frozen=True, eq=False)
class Case:
    """One script.

    Attributes:
        name: Its name.
        rule: The rule that should flag the fault; empty if another answer is right, or no fault is planted.
        script: Runs it; the journal is `run.jsonl` in the working directory.
        numbers: Expected figures of the finding, by name.
        saving: Whether the twin shows the saving of removing the fault.
        library: The library that must be installed.
        stored: Whether its journals are kept for the default tests.
        busy: Whether it computes; otherwise it mostly sleeps, and many can run side by side.
        environment: Environment variables that it needs.
        also: Other rules that are right answers as well.
        places: Words of a function, part or ending that are right answers where a report names it.
        twin: Whether the script also runs without its fault.
        true_costs: Rules whose findings on the healthy run are right: it is sound, but not quick.
    """

    name: str
    rule: str
    script: Script
    numbers: Mapping[str, Any] = field(default_factory=dict)
    saving: bool = False
    library: str = ""
    stored: bool = True
    busy: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    twin: bool = True
    true_costs: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """The rules that are right answers."""
        return ((self.rule,) if self.rule else ()) + self.also

    @property
    def variants(self) -> tuple[bool, ...]:
        """Whether the fault is there, for each run of the case."""
        if not (self.rule or self.places):
            return (False,)
        return (True, False) if self.twin else (True,)

    def run(self, seed: int, *, planted: bool) -> None:
        """Run the script in this process.

        Args:
            seed: Seed of the sizes and times of both twins.
            planted: Whether the fault is there.
        """
        self.script(random.Random(f"{seed} {self.name}"), planted)  # noqa: S311 - no secret


CASES: dict[str, Case] = {}


def case(name: str, rule: str = "", **options: Any) -> Callable[[Script], Script]:
    """Enter a script into the bench."""

    def enter(script: Script) -> Script:
        CASES[name] = Case(name, rule, script, **options)
        return script

    return enter


def all_cases() -> list[Case]:
    """Return all cases, in the order of the modules."""
    for module in MODULES:
        importlib.import_module(f"tests.diagnosis.{module}")
    return list(CASES.values())
