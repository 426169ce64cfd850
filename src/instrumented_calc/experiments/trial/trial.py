"""Try remedies on a program: search, measure the best again, and all of them together."""

from __future__ import annotations

import math
import random
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.comparison.tolerances import tolerance_of
from instrumented_calc.analysis.trial.equal_values import check_values
from instrumented_calc.analysis.trial.gain import (
    LOOKS,
    MORE,
    NO_GAIN,
    NOT_SURE,
    SEARCH_LIMITS,
    judge_gain,
    mean_ratio,
    survives,
)
from instrumented_calc.analysis.trial.trial_result import (
    FAILED,
    LESS_GAIN,
    NOT_TRIED,
    OTHER_VALUES,
    UNCHECKED,
    RemedyOutcome,
    TrialResult,
)
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.trial.evidence import read_evidence
from instrumented_calc.experiments.trial.processes import FailedRunError, Processes
from instrumented_calc.experiments.trial.remedies.catalogue import remedies_for
from instrumented_calc.experiments.trial.task import write_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.analysis.trial.metered_run import MeteredRun
    from instrumented_calc.experiments.trial.evidence import TrialEvidence
    from instrumented_calc.experiments.trial.task import TriedProgram
    from instrumented_calc.integration import Remedy

# A run lasts about so long, or a few slow calls.
RUN_S = 3.0
MOST_CALLS = 20_000
MOST_PLACES = 3
AS_IS = "as it is"
SEARCH_SHARE = 0.4  # of the budget, after which the search ends: what was found is still to be measured
# Of the budget, for a run with a remedy. What takes more, such as torch.compile on a slow machine, could
# hardly be measured in the four rounds that a verdict takes, and would leave no time for the others.
RUN_SHARE = 0.25
LONGEST_LINE = 100


@dataclass(frozen=True)
class TrialSettings:
    """Settings of a trial.

    Attributes:
        program: The program.
        output: Folder of the results; exists and is empty.
        budget_s: Time after which no further round is started, s.
        calls: Force calls of each run; None: as many as take about three seconds, at least ten, or five if
            ten take more than five seconds.
        only: Names of the remedies to try; empty: all that can apply.
        seed: Seed of the order within rounds.
    """

    program: TriedProgram
    output: Path
    budget_s: float
    calls: int | None = None
    only: tuple[str, ...] = ()
    seed: int = 0


@dataclass
class _Candidate:
    """Remedies under trial, and what their runs have shown."""

    remedies: tuple[Remedy, ...]
    outcome: RemedyOutcome
    log_ratios: list[float]

    @property
    def is_out(self) -> bool:
        return self.outcome.verdict in {FAILED, OTHER_VALUES, UNCHECKED}


def run_trial(
    settings: TrialSettings,
    on_run: Callable[[str, float], None] = lambda *_: None,
    clock: Callable[[], float] = time.monotonic,
    processes: Processes | None = None,
) -> TrialResult:
    """Try all remedies that can apply to a program.

    Each runs in fresh processes, in rounds in random order, each round with a run as it is. Values come
    first: a remedy with other values is out. What seems to help in two rounds of search is measured again
    in new rounds; what helps then is measured together.

    Args:
        settings: The settings.
        on_run: Called after each run with its name and its time per call in ns.
        clock: Time in s.
        processes: Runs the program; by default in copies of the working directory.

    Raises:
        ExperimentError: The program fails, makes too few force calls, or no remedy has a wanted name.
    """
    trial = _Trial(settings, on_run, clock, processes or Processes(settings.program, settings.output))
    candidates = [trial.candidate(remedy) for remedy in trial.wanted_remedies()]
    found = trial.search([each for each in candidates if each.outcome.verdict != NOT_TRIED])
    trial.confirm(found)
    together = trial.together([each for each in found if each.outcome.helps])
    outcomes = sorted((each.outcome for each in candidates), key=_rank)
    times = [run.per_call_ns for run in trial.as_is[1:]]
    return TrialResult(
        program=" ".join(settings.program.words) or f"{settings.program.calc} on {settings.program.system}",
        calls=trial.calls,
        per_call_ns=float(np.median(times or [trial.as_is[0].per_call_ns])),
        scatter=float(np.std(np.log(times), ddof=1)) if len(times) > 1 else None,
        outcomes=tuple(outcomes),
        together=together,
        runs=trial.processes.runs,
        seconds=clock() - trial.began,
        out_of_time=trial.out_of_time,
    )


class _Trial:
    """Runs of one trial. The first run as it is is the recorded one: its values count, its time does not."""

    def __init__(
        self,
        settings: TrialSettings,
        on_run: Callable[[str, float], None],
        clock: Callable[[], float],
        processes: Processes,
    ) -> None:
        self._settings = settings
        self._on_run = on_run
        self._clock = clock
        self._order = random.Random(settings.seed)  # noqa: S311 - no secret
        self._seconds: dict[str, float] = {}  # of the last run of each name
        self.out_of_time = False
        self.began = clock()
        self.processes = processes
        limit = None if settings.calls else RUN_S
        try:
            run, journals, notes = self.processes.record(settings.calls or MOST_CALLS, limit)
        except FailedRunError as error:
            message = f"the program fails as it is: {error}; see {settings.output}"
            raise ExperimentError(message) from error
        self.as_is: list[MeteredRun] = [run]
        self.calls = run.calls
        self._evidence: TrialEvidence = read_evidence(journals, notes)
        self._facts = settings.output / "facts.json"
        write_facts(self._facts, self._evidence.facts)
        on_run("as it is, recorded", run.per_call_ns)
        self._recorded_s = clock() - self.began

    def wanted_remedies(self) -> list[Remedy]:
        """Return the remedies to try."""
        found = remedies_for(self._evidence.facts)
        unknown = set(self._settings.only) - {each.name for each in found}
        if unknown:
            known = ", ".join(each.name for each in found) or "none"
            message = f"--only {min(unknown)}: no remedy of this name applies; those that do: {known}"
            raise ExperimentError(message)
        return [each for each in found if not self._settings.only or each.name in self._settings.only]

    def candidate(self, *remedies: Remedy) -> _Candidate:
        """Return remedies under trial, without a run yet."""
        expected = [self._evidence.expected.get(trial) for each in remedies for trial in each.trials]
        obstacle = next((each.obstacle for each in remedies if each.obstacle), "")
        outcome = RemedyOutcome(
            tuple(each.name for each in remedies),
            NOT_TRIED if obstacle else NOT_SURE,
            expected=next((each for each in expected if each is not None), None)
            if len(remedies) == 1
            else None,
            keep=tuple(each.keep for each in remedies),
            places=tuple(place for each in remedies for place in self._places(each)),
            why=obstacle,
        )
        return _Candidate(remedies, outcome, [])

    def search(self, candidates: Sequence[_Candidate]) -> list[_Candidate]:
        """Return the candidates that seem to help; a single one is measured at once."""
        if len(candidates) == 1:
            return list(candidates)
        left = list(candidates)
        for number in range(len(SEARCH_LIMITS)):
            late = number > 0 and self._elapsed_s() > SEARCH_SHARE * self._settings.budget_s
            if late or not left or not self._round(left):
                break
            for each in left:
                if not each.is_out:
                    speedup = 1 / mean_ratio(each.log_ratios)
                    each.outcome = replace(each.outcome, searched=speedup, rounds=len(each.log_ratios))
            for each in left:
                if not each.is_out and not survives(each.log_ratios):
                    each.outcome = replace(each.outcome, verdict=NO_GAIN)
            left = [each for each in left if each.outcome.verdict == NOT_SURE]
        return self._affordable(_best_of_families(left)) if not self.out_of_time else []

    def _affordable(self, candidates: Sequence[_Candidate]) -> list[_Candidate]:
        """Return the best candidates that can be measured again in the time left, at least one."""
        ranked = sorted(candidates, key=lambda each: _rank(each.outcome))
        left_s = self._settings.budget_s - self._elapsed_s()
        needed_s = LOOKS[0] * self._seconds.get(AS_IS, 0.0)
        for number, each in enumerate(ranked):
            needed_s += LOOKS[0] * self._seconds.get(_name(each), 0.0)
            if number and needed_s > left_s:
                self.out_of_time = True
                return ranked[:number]
        return ranked

    def confirm(self, candidates: Sequence[_Candidate]) -> None:
        """Measure candidates again, in new rounds."""
        for each in candidates:
            each.log_ratios = []
        left = list(candidates)
        while left:
            ended = not self._round(left)
            for each in left:
                if each.is_out or not each.log_ratios:
                    continue
                verdict, gain = judge_gain(each.log_ratios, len(candidates), ended=ended)
                rounds = len(each.log_ratios)
                verdict = NOT_SURE if verdict == MORE and (ended or rounds >= LOOKS[-1]) else verdict
                each.outcome = replace(each.outcome, verdict=verdict, gain=gain, rounds=rounds)
            left = [each for each in left if each.outcome.verdict == MORE]

    def together(self, winners: Sequence[_Candidate]) -> RemedyOutcome | None:
        """Measure the winners together; None if they are fewer than two."""
        if len(winners) < 2:  # noqa: PLR2004 - a combination
            return None
        best_first = sorted(winners, key=lambda winner: _rank(winner.outcome))
        combined = self.candidate(*(remedy for each in best_first for remedy in each.remedies))
        self.confirm([combined])
        return combined.outcome if combined.outcome.rounds else None

    def _round(self, candidates: Sequence[_Candidate]) -> bool:
        """Run the program as it is and with each candidate; return False if the time is up."""
        names = [AS_IS, *(_name(each) for each in candidates)]
        # Before the first round only the recorded run tells how long others take.
        if self._is_over(sum(self._seconds.get(name, self._recorded_s) for name in names)):
            return False
        runs: dict[int, MeteredRun] = {}
        order: list[_Candidate | None] = [None, *candidates]
        for each in self._order.sample(order, len(order)):
            if self._is_over(0.0):
                return False
            if each is None:
                reference = self._measured(AS_IS, ())
                self.as_is.append(reference)
                continue
            try:
                runs[id(each)] = self._measured(_name(each), each.remedies)
            except FailedRunError as error:
                each.outcome = replace(each.outcome, verdict=FAILED, why=str(error))
        for each in candidates:
            if id(each) in runs:
                self._judge_values(each, runs[id(each)])
                each.log_ratios.append(math.log(runs[id(each)].per_call_ns / reference.per_call_ns))
        return True

    def _is_over(self, needed_s: float) -> bool:
        """Return whether the budget does not suffice, and note it."""
        over = self._elapsed_s() + needed_s > self._settings.budget_s
        self.out_of_time = self.out_of_time or over
        return over

    def _elapsed_s(self) -> float:
        return self._clock() - self.began

    def _measured(self, name: str, remedies: tuple[Remedy, ...]) -> MeteredRun:
        began = self._clock()
        limit_s = max(RUN_SHARE * self._settings.budget_s, 2 * self._recorded_s) if remedies else None
        run = self.processes.measure(self.calls, remedies, self._facts, limit_s)
        self._seconds[name] = self._clock() - began
        self._on_run(name, run.per_call_ns)
        return run

    def _judge_values(self, candidate: _Candidate, run: MeteredRun) -> None:
        energy, force = self._tolerance(candidate.remedies)
        values = check_values(self.as_is[:2], run, energy, force)
        candidate.outcome = replace(candidate.outcome, values=values)
        if values.verdict != "equal":
            verdict = OTHER_VALUES if values.verdict == "differ" else UNCHECKED
            candidate.outcome = replace(candidate.outcome, verdict=verdict, why=values.why)

    def _tolerance(self, remedies: Sequence[Remedy]) -> tuple[float, float]:
        """Return the largest accepted differences: the widest of the remedies, or by the model's dtype."""
        usual = tolerance_of(
            [{"dtype": {"model's dtype": self._evidence.facts.dtype}}], precision_under_test=False
        )
        energies = [each.energy_tolerance_ev for each in remedies if each.energy_tolerance_ev is not None]
        forces = [each.force_tolerance_ev_a for each in remedies if each.force_tolerance_ev_a is not None]
        return max([usual.energy_ev, *energies]), max([usual.force_ev_a, *forces])

    def _places(self, remedy: Remedy) -> list[str]:
        """Return the lines of the script that set what a remedy changes."""
        script = Path(self._settings.program.words[0]) if self._settings.program.words else None
        if not remedy.seek or script is None or not script.is_file():
            return []
        lines = script.read_text(encoding="utf-8", errors="replace").splitlines()
        found = [
            f"{script.name}:{number}: {line.strip()[:LONGEST_LINE]}"
            for number, line in enumerate(lines, 1)
            if re.search(remedy.seek, line) and not line.lstrip().startswith("#")
        ]
        return found[:MOST_PLACES]


def _best_of_families(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Return the candidate of each family that gained most in the search; the others are out."""
    best: dict[str, _Candidate] = {}
    for each in sorted(candidates, key=lambda candidate: _rank(candidate.outcome)):
        winner = best.setdefault(each.remedies[0].family or _name(each), each)
        if winner is not each:
            why = f"{_name(winner)} gained more in the search, and excludes it"
            each.outcome = replace(each.outcome, verdict=LESS_GAIN, why=why)
    return list(best.values())


def _name(candidate: _Candidate) -> str:
    return " + ".join(candidate.outcome.names)


def _rank(outcome: RemedyOutcome) -> tuple[bool, float]:
    gain = outcome.gain.value if outcome.gain is not None else outcome.searched or 0.0
    return not outcome.helps, -gain
