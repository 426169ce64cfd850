"""Run two commands in turn, pair by pair, until a limit is surely kept or exceeded, or the time is up."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.comparison.comparison import compare
from instrumented_calc.analysis.comparison.gate_result import GateResult
from instrumented_calc.analysis.comparison.sequential import MORE, judge_gate
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.gate.command import run_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from instrumented_calc.analysis.comparison.comparison import Comparison
    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun
    from instrumented_calc.analysis.comparison.speed_limits import SpeedLimit

SIDES = ("before", "after")
MOST_FOLDERS = 10_000


@dataclass(frozen=True)
class GateSettings:
    """Settings of a gate.

    Attributes:
        before: Command before the change, as typed in a shell.
        after: Command after the change.
        limit: The limit.
        max_pairs: The most pairs of runs in a round; a second round confirms an exceeded limit.
        budget_s: Time after which no further pair is started, s.
        output: Folder of the journals.
        allowed: Keys that may differ between the sides, or `values`.
        tolerance_ev: Largest accepted energy difference, eV per atom; None: by dtype.
        force_tolerance_ev_a: Largest accepted difference of a force, eV/A; None: by dtype.
        seed: Seed of the order within pairs.
    """

    before: str
    after: str
    limit: SpeedLimit
    max_pairs: int
    budget_s: float
    output: Path
    allowed: tuple[str, ...] = ()
    tolerance_ev: float | None = None
    force_tolerance_ev_a: float | None = None
    seed: int = 0


def new_folder(wanted: Path) -> Path:
    """Create a folder under the first free name of `gate`, `gate-2`, ...

    Raises:
        ExperimentError: It cannot be created there.
    """
    for number in range(1, MOST_FOLDERS):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            message = f"cannot create {folder}: {error.strerror}; give another --output"
            raise ExperimentError(message) from error
        return folder
    message = f"{wanted}: too many folders of this name; give another --output"
    raise ExperimentError(message)


def run_gate(
    settings: GateSettings,
    on_run: Callable[[int, str, MeasuredRun], None] = lambda *_: None,
    clock: Callable[[], float] = time.monotonic,
) -> GateResult:
    """Run the gate.

    Both commands run in fresh processes, one pair after the other, in an order drawn for each pair, so that
    neither a drift of the machine nor the place in the pair favours a side. After the first pair the values
    are compared: a change that computes something else is not timed.

    Args:
        settings: The settings; `output` exists and is empty.
        on_run: Called after each run with the pair, the side and the run.
        clock: Time in s.

    Raises:
        ExperimentError: A command failed or recorded nothing.
    """
    order = random.Random(settings.seed)  # noqa: S311 - no secret
    runs: dict[str, list[MeasuredRun]] = {side: [] for side in SIDES}
    began = clock()
    longest = 0.0
    while True:
        pair, pair_began = len(runs["before"]) + 1, clock()
        for side in order.sample(SIDES, 2):
            command = settings.before if side == "before" else settings.after
            runs[side].append(run_command(command, settings.output / f"{side}-{pair:03d}"))
            on_run(pair, side, runs[side][-1])
        longest = max(longest, clock() - pair_began)
        over = clock() - began + longest > settings.budget_s
        judgement = judge_gate(
            _log_ratios(runs["before"], runs["after"]), settings.limit, settings.max_pairs, ended=over
        )
        comparison = _compared(settings, runs) if pair == 1 else None
        if judgement.state != MORE or (comparison is not None and comparison.obstacles):
            found = comparison or _compared(settings, runs)
            return GateResult(found, judgement, settings.limit, clock() - began, out_of_time=over)


def _log_ratios(before: Sequence[MeasuredRun], after: Sequence[MeasuredRun]) -> list[float]:
    medians = [np.log([run.quantiles_ns[0] for run in side]) for side in (before, after)]
    return [float(each) for each in medians[1] - medians[0]]


def _compared(settings: GateSettings, runs: dict[str, list[MeasuredRun]]) -> Comparison:
    return compare(
        runs["before"],
        runs["after"],
        allowed=settings.allowed,
        tolerance_ev=settings.tolerance_ev,
        force_tolerance_ev_a=settings.force_tolerance_ev_a,
    )
