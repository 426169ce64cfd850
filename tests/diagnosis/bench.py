"""Runs cases in fresh processes, and applies all rules to their journals."""

from __future__ import annotations

import os
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
from instrumented_calc.reporting.run.ending import ending_words
from instrumented_calc.reporting.run.places import place_name
from instrumented_calc.reporting.run.programs import program_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.diagnosis.case import Case

    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.journal.reader import Journal

PATIENCE_S = 900  # other programs may take the processors
ENDED_BY_FAULT = 3  # exit status of a case that its fault ended
LARGE = 0.1  # share of the wall time of a place that must be named
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
    def summary(self) -> Summary:
        """The run in numbers."""
        return summarize(self.journal)

    @cached_property
    def findings(self) -> list[RuleFinding]:
        """All findings, in their order."""
        return judge(self.summary)

    @property
    def flagged(self) -> list[RuleFinding]:
        """The flagged findings, in order."""
        return [each for each in self.findings if each.verdict == "flagged"]

    @property
    def alarms(self) -> list[RuleFinding]:
        """Findings a user would act on: wrong results, runs that will fail, and worthwhile savings."""
        return [
            each
            for each in self.flagged
            if each.severity == "wrong"
            or (each.severity == "cost" and (each.saving_share or 0.0) >= WORTH_SHARE)
        ]

    @property
    def rank(self) -> int | None:
        """The rank of the planted fault, from 1; None if it was missed.

        Rules rank among the flagged ones. A place ranks after the findings that a user would act on, by its
        share of the time; how a run ended, and what its programs did, is read before any finding.
        """
        names = [each.rule for each in self.flagged]
        ranks = [names.index(each) + 1 for each in self.case.answers if each in names]
        ranks += [1 for each in self.case.places if each in self._told_first]
        ranks += [
            len(self.alarms) + number
            for places in (self.large_places, self.large_functions)
            for number, place in enumerate(places, 1)
            if any(word in place for word in self.case.places)
        ]
        return min(ranks, default=None)

    @property
    def _told_first(self) -> str:
        programs = self.summary.programs
        words = "" if self.summary.ending.how == "ended" else ending_words(self.summary.ending)
        return f"{words} {program_words(programs) if programs else ''}"

    @cached_property
    def large_places(self) -> list[str]:
        """Components, and places in the code, that take more than a tenth of the time, largest first."""
        breakdown, places = self.summary.breakdown, self.summary.places
        found: list[tuple[float, str]] = []
        if breakdown is not None and breakdown.wall_ns:
            found += [
                (part.wall_ns / breakdown.wall_ns, part.name)
                for part in breakdown.parts
                if part.kind == "component"
            ]
        if places is not None:
            found += [
                (place.estimate.share, place_name(place)) for part in places.parts for place in part.places
            ]
        return [name for share, name in sorted(found, reverse=True) if share > LARGE]

    @property
    def large_functions(self) -> list[str]:
        """The user's functions that take, with all they call, more than a tenth of the time, largest first.

        In each call, or in each step that was profiled where the report has those (Python 3.12).
        """
        places, steps = self.summary.places, self.summary.step_functions
        found = [(each.estimate.share, each.function) for each in places.own] if places else []
        if steps is not None:
            found += [(each.share, each.function) for each in steps.functions if not each.package]
        return [name for share, name in sorted(found, reverse=True) if share > LARGE]

    @property
    def said_share(self) -> float | None:
        """The share of the time that the right finding says can be saved; None if it states no estimate."""
        found = next((each for each in self.flagged if each.rule in self.case.answers), None)
        return found.saving_share if found is not None and found.saving_kind == "about" else None

    @property
    def ms_per_step(self) -> float:
        """Wall time of a step, ms, by the script's own clock."""
        return float((self.path.parent / "ms_per_step").read_text())

    def finding(self, rule: str) -> RuleFinding:
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
    command = ["-m", "tests.diagnosis.child", case.name, "planted" if planted else "healthy", str(seed)]
    command += ["virtual"] if virtual else []
    done = subprocess.run(
        [sys.executable, *command],
        cwd=directory,
        env=environment_of(case.environment, profiled=profiled),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode not in {0, ENDED_BY_FAULT}:
        message = f"{case.name} (seed {seed}) failed:\n{done.stderr}"
        raise RuntimeError(message)
    return Outcome(case, planted, directory / "run.jsonl")


def environment_of(more: Mapping[str, str], *, profiled: bool = True) -> dict[str, str]:
    """Return the environment of a process that runs cases."""
    source = str(Path(instrumented_calc.__file__).parents[1])
    places = [str(REPOSITORY), source, os.environ.get("PYTHONPATH", "")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INSTRUMENTED_CALC")}
    kept["INSTRUMENTED_CALC"] = "on" if profiled else "off"
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return {**kept, **threads, **more, "PYTHONPATH": os.pathsep.join(places)}
