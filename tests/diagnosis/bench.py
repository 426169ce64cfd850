"""Runs cases in fresh processes, and applies all rules to their journals."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import instrumented_calc
from instrumented_calc.analysis.rules.catalogue import WORTH_SHARE, judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal.reader import read_journal

if TYPE_CHECKING:
    from tests.diagnosis.case import Case

    from instrumented_calc.analysis.rules.finding import Finding
    from instrumented_calc.journal.reader import Journal

PATIENCE_S = 900  # other programs may take the processors
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """The recording of one run.

    Attributes:
        case: The script.
        planted: Whether the fault was there.
        path: The journal.
    """

    case: Case
    planted: bool
    path: Path

    @cached_property
    def journal(self) -> Journal:
        """The summary of the journal."""
        return read_journal(self.path)

    @cached_property
    def findings(self) -> list[Finding]:
        """All findings, in their order."""
        return judge(summarize(self.journal))

    @property
    def flagged(self) -> list[Finding]:
        """The flagged findings, in order."""
        return [each for each in self.findings if each.verdict == "flagged"]

    @property
    def alarms(self) -> list[Finding]:
        """Findings a user would act on: wrong results, runs that will fail, and worthwhile savings."""
        return [
            each
            for each in self.flagged
            if each.severity == "wrong"
            or (each.severity == "cost" and (each.saving_share or 0.0) >= WORTH_SHARE)
        ]

    @property
    def rank(self) -> int | None:
        """The rank of the planted fault among the flagged rules, from 1; None if it was missed."""
        names = [each.rule for each in self.flagged]
        return names.index(self.case.rule) + 1 if self.case.rule in names else None

    @property
    def ms_per_step(self) -> float:
        """Wall time of a step, ms, by the script's own clock."""
        return float((self.path.parent / "ms_per_step").read_text())

    def finding(self, rule: str) -> Finding:
        """Return the finding of one rule."""
        return next(each for each in self.findings if each.rule == rule)


def run_case(  # noqa: PLR0913 - all inputs of a case
    case: Case, seed: int, directory: Path, *, planted: bool, profiled: bool = True, virtual: bool = False
) -> Outcome:
    """Run a case in a separate process.

    Args:
        case: The script.
        seed: Seed of its sizes and times.
        directory: An empty directory, which is made.
        planted: Whether the fault is there.
        profiled: Whether the run is recorded.
        virtual: Whether time is that of `virtual_time` instead of the machine's.
    """
    directory.mkdir(parents=True)
    source = str(Path(instrumented_calc.__file__).parents[1])
    places = [str(REPOSITORY), source, os.environ.get("PYTHONPATH", "")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INSTRUMENTED_CALC")}
    kept["INSTRUMENTED_CALC"] = "on" if profiled else "off"
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = ["-m", "tests.diagnosis.child", case.name, "planted" if planted else "healthy", str(seed)]
    command += ["virtual"] if virtual else []
    done = subprocess.run(
        [sys.executable, *command],
        cwd=directory,
        env={**kept, **threads, **case.environment, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode:
        message = f"{case.name} (seed {seed}) failed:\n{done.stderr}"
        raise RuntimeError(message)
    return Outcome(case, planted, directory / "run.jsonl")


@dataclass(frozen=True)
class Saving:
    """The estimated and the real saving of removing a fault, measured alternately several times.

    Attributes:
        estimated_ms: The finding's saving, ms per step, of each recorded run.
        real_ms: Step with the fault minus step without, ms, of two runs that are not recorded.
    """

    estimated_ms: tuple[float, ...] = ()
    real_ms: tuple[float, ...] = ()

    @property
    def errors(self) -> list[float]:
        """How far each estimate is off, as a share of the real saving."""
        pairs = zip(self.estimated_ms, self.real_ms, strict=True)
        return [estimate / real - 1 for estimate, real in pairs]

    @property
    def error(self) -> float:
        """The median of those."""
        return statistics.median(self.errors)

    def once_more(self, case: Case, seed: int, directory: Path) -> Saving:
        """Return this with another measurement: three runs, one after the other."""
        recorded = run_case(case, seed, directory / "recorded", planted=True)
        with_fault, without = (
            run_case(case, seed, directory / str(planted), planted=planted, profiled=False).ms_per_step
            for planted in (True, False)
        )
        estimate = recorded.finding(case.rule).saving_ms or 0.0
        return Saving((*self.estimated_ms, estimate), (*self.real_ms, with_fault - without))
