# ruff: noqa: T201 - a bench prints its tables
"""The bench: every case with and without its fault, and the verdict of each rule.

python -m tests.diagnosis [--seed N] [--pairs 3] [--draws 100] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import importlib.util
import secrets
import statistics
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.diagnosis.bench import Saving, run_case
from tests.diagnosis.case import all_cases
from tests.diagnosis.series import rates_of_healthy, rates_of_live

from instrumented_calc.analysis.rules.catalogue import NAMES

if TYPE_CHECKING:
    from tests.diagnosis.bench import Outcome
    from tests.diagnosis.case import Case

VERDICTS = ("flagged", "clear", "not enough evidence")
SIDE_BY_SIDE = 4


def main() -> int:
    """Run the bench and print its tables; return 1 if a fault was missed or a healthy run accused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--pairs", type=int, default=3, help="measurements of each saving")
    parser.add_argument("--draws", type=int, default=100, help="draws of each pattern of memory")
    parser.add_argument("--only", nargs="*", help="names of cases")
    asked = parser.parse_args()
    print(f"seed {asked.seed}")
    cases = [each for each in all_cases() if not asked.only or each.name in asked.only]
    missing = [each for each in cases if each.library and importlib.util.find_spec(each.library) is None]
    for each in missing:
        print(f"{each.name:28} left out: {each.library} is not installed")
    with tempfile.TemporaryDirectory() as directory:
        outcomes = _run([each for each in cases if each not in missing], asked, Path(directory))
    faults = _print_cases(outcomes)
    _print_score(outcomes)
    _print_rules(outcomes)
    if not asked.only:
        _print_series(asked.seed, asked.draws)
    return int(faults)


def _run(cases: list[Case], asked: argparse.Namespace, directory: Path) -> list[Outcome]:
    """Run all cases: those that sleep side by side, those that compute or are measured one by one."""
    outcomes: list[Outcome] = []

    def run(case: Case, number: int, *, planted: bool) -> Outcome:
        place = directory / f"{case.name}-{number}-{planted}"
        outcome = run_case(case, asked.seed + number, place, planted=planted)
        _ = outcome.findings  # read now: the directory goes
        return outcome

    alone = [each for each in cases if each.busy or each.saving]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        waiting = [
            pool.submit(run, each, 0, planted=planted)
            for each in cases
            if each not in alone
            for planted in ([True, False] if each.rule else [False])
        ]
        outcomes += [each.result() for each in waiting]
    for case in alone:
        variants = [True, False] if case.rule else [False]
        ours = [run(case, 0, planted=planted) for planted in variants]
        outcomes += ours
        if case.saving:
            saving = Saving()
            for number in range(asked.pairs):
                saving = saving.once_more(case, asked.seed, directory / f"{case.name}-saving-{number}")
            said, saves = statistics.median(saving.estimated_ms), statistics.median(saving.real_ms)
            errors = ", ".join(f"{100 * error:+.0f}" for error in saving.errors)
            print(f"   {case.name:28} is said to cost {said:.3f} ms per step, costs {saves:.3f} ({errors} %)")
    return outcomes


def _print_cases(outcomes: list[Outcome]) -> bool:
    """Print the findings of each run; return whether a fault was missed or a false alarm raised."""
    wrong = False
    for outcome in outcomes:
        if outcome.planted:
            bad = outcome.rank not in {1, 2}
            verdict = f"{outcome.case.rule}: " + ("missed" if outcome.rank is None else f"no. {outcome.rank}")
        else:
            bad = bool(outcome.alarms)
            verdict = ", ".join(f"{each.rule} ({each.headline})" for each in outcome.alarms) or "nothing"
        wrong |= bad
        kind = "planted" if outcome.planted else "healthy"
        print(f"{'!!' if bad else '  '} {outcome.case.name:28} {kind:8} {verdict}")
    return wrong


def _print_score(outcomes: list[Outcome]) -> None:
    """Print how many faults were named, and how many healthy runs were accused."""
    planted = [each for each in outcomes if each.planted]
    healthy = [each for each in outcomes if not each.planted]
    named = [each for each in planted if each.rank in {1, 2}]
    silent = [each for each in planted if not each.alarms and each not in named]
    accused = [each for each in healthy if each.alarms]
    print(f"\nnamed first or second {len(named)} of {len(planted)}", end="; ")
    print(f"silent {len(silent)}; wrong or late {len(planted) - len(named) - len(silent)}", end="; ")
    print(f"false {len(accused)} of {len(healthy)} healthy runs")


def _print_rules(outcomes: list[Outcome]) -> None:
    """Print the confusion table: runs with a rule's own fault, and healthy ones."""
    print(f"\n{'rule':24} {'its fault is there':^26} {'healthy':^34}")
    print(f"{'':24} {'flagged':>8} {'clear':>8} {'unknown':>8} {'alarm':>8} {'info':>8} {'clear':>8} unknown")
    for rule in NAMES:
        planted = Counter(
            each.finding(rule).verdict for each in outcomes if each.planted and each.case.rule == rule
        )
        healthy = Counter(_verdict(each, rule) for each in outcomes if not each.planted)
        numbers = [planted[verdict] for verdict in VERDICTS]
        numbers += [healthy[verdict] for verdict in ("alarm", *VERDICTS)]
        print(f"{rule:24} " + " ".join(f"{number or '-':>8}" for number in numbers))


def _verdict(outcome: Outcome, rule: str) -> str:
    finding = outcome.finding(rule)
    return "alarm" if finding in outcome.alarms else finding.verdict


def _print_series(seed: int, draws: int) -> None:
    """Print how often synthetic memory is taken for a leak."""
    print(f"\n{'synthetic memory':28} {'at the end':>12} {'during the run':>18}   % called a leak")
    live = rates_of_live(seed, max(draws // 4, 1))
    for name, rate in rates_of_healthy(seed, draws).items():
        print(f"{name:28} {100 * rate:12.1f} {100 * live[name]:18.1f}")


if __name__ == "__main__":
    sys.exit(main())
