# ruff: noqa: T201 - a bench prints its tables
"""The bench: live runs with planted faults, and healthy ones, and what the findings say of each.

python -m tests.diagnosis [-k WORD ...] [--loaded] [--twins] [--savings] [--pairs 1] [--page FILE] [--seed N]
                          [--series DRAWS]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.diagnosis.bench import run_case
from tests.diagnosis.calibration import (
    calibration_error,
    calibration_table,
    machine_words,
    savings_of,
    write_page,
)
from tests.diagnosis.case import all_cases
from tests.diagnosis.nursery import Nursery
from tests.diagnosis.score import Scored, line, measured_share, totals
from tests.diagnosis.series import rates_of_healthy, rates_of_live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.diagnosis.bench import Outcome
    from tests.diagnosis.case import Case

SIDE_BY_SIDE = 4
BUSY_LOOPS = 2


def main() -> int:
    """Run the bench and print its table; return 1 if a fault was missed or a healthy run accused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "-k", nargs="*", default=[], metavar="WORD", help="only cases with this in their name"
    )
    parser.add_argument("--loaded", action="store_true", help="keep two processors busy meanwhile")
    parser.add_argument("--twins", action="store_true", help="also run twins that measure no saving")
    parser.add_argument(
        "--savings", action="store_true", help="only cases of a finding whose twin shows the saving"
    )
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table of savings as a page")
    parser.add_argument("--pairs", type=int, default=1, help="measurements of each saving")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--series", type=int, default=0, metavar="DRAWS", help="also judge synthetic memory")
    asked = parser.parse_args()
    cases = [each for each in all_cases() if not asked.k or any(word in each.name for word in asked.k)]
    cases = [each for each in cases if (each.saving and each.answers) or not asked.savings]
    missing = [each for each in cases if each.library and importlib.util.find_spec(each.library) is None]
    for each in missing:
        print(f"{each.name:48} left out: {each.library} is not installed")
    table: list[Scored] = []
    load = os.getloadavg()[0]
    with busy(BUSY_LOOPS if asked.loaded else 0), tempfile.TemporaryDirectory() as directory:
        for scored in run_all([each for each in cases if each not in missing], asked, Path(directory)):
            print(line(scored), flush=True)
            table.append(scored)
        print("", *totals(table), sep="\n")
        savings = savings_of(table)
        print("", *calibration_table(savings), "", *calibration_error(savings), sep="\n")
        if asked.page:
            machine = machine_words(load, os.getloadavg()[0], loaded=asked.loaded)
            write_page(asked.page, savings, asked.pairs, machine)
    if asked.series:
        _print_series(asked.seed, asked.series)
    return int(any(each.verdict not in {"", "first", "second"} or each.accused for each in table))


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep a number of processors busy."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for each in started:
            each.kill()
            each.wait()


def run_all(cases: list[Case], asked: argparse.Namespace, directory: Path) -> Iterator[Scored]:
    """Run all cases: those that sleep side by side, those that compute or are measured one by one."""
    nurseries: dict[str, Nursery] = {}

    def once(case: Case, number: int, *, planted: bool, profiled: bool = True) -> Outcome:
        place, seed = directory / f"{case.name}-{number}-{planted}-{profiled}", asked.seed + number
        if case in alone:
            nursery = nursery_of(case.library)
            return nursery.run(case, seed, place, planted=planted, profiled=profiled)
        return run_case(case, seed, place, planted=planted, profiled=profiled)

    def judged(outcome: Outcome) -> Outcome:
        _ = outcome.findings, outcome.large_places  # read now
        return outcome

    def nursery_of(library: str) -> Nursery:
        if library not in nurseries:
            nurseries[library] = Nursery(library)
        return nurseries[library]

    def score(case: Case) -> Scored:
        wanted = case.variants if asked.twins or case.saving else case.variants[:1]
        runs = {planted: judged(once(case, 0, planted=planted)) for planted in wanted}
        measured = []
        for number in range(asked.pairs if case.saving else 0):
            # Not recorded: what mending saves is the program's own time, and none of the recorder's.
            planted, healthy = (once(case, number, planted=each, profiled=False) for each in (True, False))
            measured.append(measured_share(planted, healthy))
        return Scored(case.name, runs.get(True), runs.get(False), tuple(measured))

    alone = [each for each in cases if each.busy or each.saving]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield from pool.map(score, [each for each in cases if each not in alone])
    for each in alone:
        yield score(each)
    for nursery in nurseries.values():
        nursery.close()


def _print_series(seed: int, draws: int) -> None:
    """Print how often synthetic memory is taken for a leak."""
    print(f"\n{'synthetic memory':28} {'at the end':>12} {'during the run':>18}   % called a leak")
    live = rates_of_live(seed, max(draws // 4, 1))
    for name, rate in rates_of_healthy(seed, draws).items():
        print(f"{name:28} {100 * rate:12.1f} {100 * live[name]:18.1f}")


if __name__ == "__main__":
    sys.exit(main())
