"""Checks of a controlled experiment before its times are used: evidence instead of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.comparison.hardware import unequal
from instrumented_calc.analysis.experiment_checks import (
    BACKEND_UNVERIFIED,
    COLD_CACHE_PAIR,
    FEWEST_RUNS,
    HARDWARE_UNEQUAL,
    SINGLE_RUN,
    THREADS_UNEQUAL,
    TOO_SMALL_FOR_TORCH,
    UNACCOUNTED,
    UNACCOUNTED_FLAG,
    UNACCOUNTED_TIME,
    WARM_UP,
    WARMUP_MISSING,
    cold_start,
    different_threads,
    is_cold_pair,
    is_single,
    least_torch_bytes,
    not_as_requested,
    unaccounted_share,
)
from instrumented_calc.analysis.observation import Observation
from instrumented_calc.analysis.study.cells import NUMPY, of_mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from instrumented_calc.analysis.study.cells import Executed, StudyCell


@dataclass(frozen=True, slots=True)
class Problem(Observation):
    """An observation on the cells of one input.

    Attributes:
        file: Name of the input.
        tag: Prefix of the tags it applies to; empty: all.
    """

    file: str = ""
    tag: str = ""

    @property
    def blocks(self) -> bool:
        """Whether it forbids a verdict on these cells; otherwise it is a note."""
        return self.severity != "info"


def problem(rule: str, file: str, text: str, *, blocks: bool = True, tag: str = "") -> Problem:
    """Build a problem.

    Args:
        rule: Name of the check.
        file: Name of the input.
        text: The observation, with numbers.
        blocks: Whether it forbids a verdict on these cells; otherwise it is a note.
        tag: Prefix of the tags it applies to; empty: all.
    """
    return Problem("flagged", text, severity="wrong" if blocks else "info", rule=rule, file=file, tag=tag)


def check_cells(cells: Sequence[StudyCell], torch_floor_bytes: float | None) -> list[Problem]:
    """Check the cells of one input that are to be compared with each other.

    Args:
        cells: Finished cells of all modes.
        torch_floor_bytes: Resident memory of a process that only imports numpy and torch; None if unknown.
    """
    found = [
        *_backends(cells),
        *_memory(cells, torch_floor_bytes),
        *_threads(cells),
        *_versions(cells),
        *_caches(cells),
        *_replicates(cells),
        *_unaccounted(cells),
    ]
    return list(dict.fromkeys(found))


def _backends(cells: Sequence[StudyCell]) -> Iterator[Problem]:
    for cell in cells:
        doubt = backend_doubt(cell)
        if doubt:
            yield problem(BACKEND_UNVERIFIED, cell.file, f"{cell.mode}: {doubt}")


def backend_doubt(cell: StudyCell) -> str:
    """Return why a cell's mode is in doubt; empty if it is verified.

    Args:
        cell: The cell.
    """
    seen = cell.executed
    if seen is None:
        return "no record of the executed backend"
    operations = seen.torch_contractions + (seen.torch_operations or 0)
    if cell.mode == NUMPY:
        return f"{operations} torch operations were recorded" if operations else ""
    if not seen.torch_loaded:
        return "torch was never loaded"
    if not operations:
        return f"no torch operations were recorded, but {seen.numpy_contractions} NumPy einsums"
    return _mostly_numpy(seen, operations)


def _mostly_numpy(seen: Executed, operations: int) -> str:
    """Return the evidence that torch did only a token share of the work; empty if there is none."""
    ours, theirs = seen.torch_flops, seen.numpy_flops
    if seen.torch_contractions and ours is not None and theirs is not None:
        text = f"NumPy executed {theirs:.3g} of the contractions' operations, torch {ours:.3g}"
        return text if theirs > ours else ""
    text = f"NumPy executed {seen.numpy_contractions} einsums, torch {operations} operations"
    return text if seen.numpy_contractions > operations else ""


def _memory(cells: Sequence[StudyCell], floor: float | None) -> Iterator[Problem]:
    for cell in cells:
        peak = cell.executed.peak_rss_bytes if cell.executed else None
        if cell.mode != NUMPY and floor and peak and peak < least_torch_bytes(floor):
            held, needed = peak / 2**20, floor / 2**20
            text = f"{cell.mode}: {held:.0f} MiB at most; importing torch alone takes {needed:.0f}"
            yield problem(TOO_SMALL_FOR_TORCH, cell.file, text)


def _threads(cells: Sequence[StudyCell]) -> Iterator[Problem]:
    for cell in cells:
        seen = cell.executed
        if seen is None or seen.threads is None:
            continue
        wanted = {int(each) for each in seen.threads.values() if each.isdigit()}
        if not wanted:
            text = f"{cell.mode}: no thread variable was set before the libraries were loaded"
            yield problem(THREADS_UNEQUAL, cell.file, text)
        for name, size in seen.pools.items():
            if wanted and size not in wanted:
                text = f"{cell.mode}: {not_as_requested(name, size, max(wanted))}"
                yield problem(THREADS_UNEQUAL, cell.file, text)
    text = "; ".join(f"{mode} has {threads}" for threads, mode in different_threads(cells).items())
    if text:
        yield problem(THREADS_UNEQUAL, cells[0].file, f"threads in effect: {text}")


def _versions(cells: Sequence[StudyCell]) -> Iterator[Problem]:
    libraries = [{"libraries": each.executed.versions} for each in cells if each.executed]
    for each in unequal(libraries, (), ()):
        text = f"{each.name} {' and '.join(sorted(each.before))}"
        yield problem(HARDWARE_UNEQUAL, cells[0].file, text)


def _caches(cells: Sequence[StudyCell]) -> Iterator[Problem]:
    blocks = {
        mode: [each.executed.blocks_read for each in of_mode(cells, mode) if each.executed]
        for mode in {each.mode for each in cells}
    }
    means = {
        mode: sum(known) / len(known)
        for mode, found in blocks.items()
        if (known := [each for each in found if each is not None])
    }
    if len(means) < FEWEST_RUNS:
        return
    least, most = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    if is_cold_pair(means[most], means[least]):
        text = f"{most} read {means[most]:.0f} blocks from disk, {least} {means[least]:.0f}"
        yield problem(COLD_CACHE_PAIR, cells[0].file, f"{text}: repeat with warm caches")


def _replicates(cells: Sequence[StudyCell]) -> Iterator[Problem]:
    for mode in dict.fromkeys(each.mode for each in cells):
        runs = of_mode(cells, mode)
        if is_single(runs):
            text = f"{mode}: {len(runs)} measurement: no interval, so no verdict"
            yield problem(SINGLE_RUN, runs[0].file, text)
        if cold_start(runs):
            text = (
                f"{mode}: the first replicate took more than {WARM_UP} times the fastest, without a warm-up"
            )
            yield problem(WARMUP_MISSING, runs[0].file, f"{text}: it is excluded", blocks=False)


def _unaccounted(cells: Sequence[StudyCell]) -> Iterator[Problem]:
    for mode in dict.fromkeys(each.mode for each in cells):
        runs = of_mode(cells, mode)
        share = unaccounted_share(runs)
        if share is not None and share > UNACCOUNTED:
            text = f"{mode}: {share:.1%} of the time is neither computation nor conversion"
            hidden = ": inputs made inside the timed region may hide conversions"
            text += hidden if share > UNACCOUNTED_FLAG else ""
            yield problem(UNACCOUNTED_TIME, runs[0].file, text, blocks=False)
