"""Checks of a controlled experiment before its times are used: evidence instead of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.study.cells import INTER_OP, NUMPY, of_mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from instrumented_calc.analysis.study.cells import Cell, Executed

RSS_MARGIN = 0.8  # a torch process uses at least this share of the memory that importing torch takes
# A run that reads more from disk than another by this factor, and more than 1 MiB, had a cold cache.
COLD_CACHE, FEWEST_BLOCKS = 10.0, 2048
# A first run that takes this many times the fastest was not warmed up.
WARM_UP = 1.5
# Share of the time that is neither computation nor conversion: noted, and enough to hide conversions.
UNACCOUNTED, UNACCOUNTED_FLAG = 0.05, 0.10
TWO = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One failed check.

    Attributes:
        rule: Name of the rule.
        file: Name of the input.
        text: The observation, with numbers.
        blocks: Whether it forbids a verdict on these cells; otherwise it is a note.
        tag: Prefix of the tags it applies to; empty: all.
    """

    rule: str
    file: str
    text: str
    blocks: bool = True
    tag: str = ""


def check_cells(cells: Sequence[Cell], torch_floor_bytes: float | None) -> list[Problem]:
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


def _backends(cells: Sequence[Cell]) -> Iterator[Problem]:
    for cell in cells:
        doubt = backend_doubt(cell)
        if doubt:
            yield Problem("backend-label-unverified", cell.file, f"{cell.mode}: {doubt}")


def backend_doubt(cell: Cell) -> str:
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
        told = f"NumPy executed {theirs:.3g} of the contractions' operations, torch {ours:.3g}"
        return told if theirs > ours else ""
    told = f"NumPy executed {seen.numpy_contractions} einsums, torch {operations} operations"
    return told if seen.numpy_contractions > operations else ""


def _memory(cells: Sequence[Cell], floor: float | None) -> Iterator[Problem]:
    for cell in cells:
        peak = cell.executed.peak_rss_bytes if cell.executed else None
        if cell.mode != NUMPY and floor and peak and peak < RSS_MARGIN * floor:
            held, needed = peak / 2**20, floor / 2**20
            text = f"{cell.mode}: {held:.0f} MiB at most; importing torch alone takes {needed:.0f}"
            yield Problem("rss-too-small-for-torch", cell.file, text)


def _threads(cells: Sequence[Cell]) -> Iterator[Problem]:
    found: dict[tuple[tuple[int, ...], int | None], str] = {}
    for cell in cells:
        seen = cell.executed
        if seen is None or seen.threads is None:
            continue
        wanted = {int(each) for each in seen.threads.values() if each.isdigit()}
        if not wanted:
            text = f"{cell.mode}: no thread variable was set before the libraries were loaded"
            yield Problem("threads-unequal", cell.file, text)
        pools = {name: size for name, size in seen.effective.items() if name != INTER_OP}
        for name, size in pools.items():
            if wanted and size not in wanted:
                text = f"{cell.mode}: {name} has {size} threads, not {max(wanted)} as requested"
                yield Problem("threads-unequal", cell.file, text)
        if pools:
            found.setdefault((tuple(sorted(set(pools.values()))), seen.processors), cell.mode)
    if len(found) > 1:
        told = "; ".join(
            f"{mode} has {' and '.join(map(str, sizes))} on {processors} processors"
            for (sizes, processors), mode in found.items()
        )
        yield Problem("threads-unequal", cells[0].file, f"threads in effect: {told}")


def _versions(cells: Sequence[Cell]) -> Iterator[Problem]:
    found: dict[str, set[str]] = {}
    for cell in cells:
        for name, version in (cell.executed.versions if cell.executed else {}).items():
            found.setdefault(name, set()).add(version)
    for name, versions in found.items():
        if len(versions) > 1:
            text = f"{name} {' and '.join(sorted(versions))}"
            yield Problem("hardware-unequal", cells[0].file, text)


def _caches(cells: Sequence[Cell]) -> Iterator[Problem]:
    blocks = {
        mode: [each.executed.blocks_read for each in of_mode(cells, mode) if each.executed]
        for mode in {each.mode for each in cells}
    }
    means = {
        mode: sum(known) / len(known)
        for mode, found in blocks.items()
        if (known := [each for each in found if each is not None])
    }
    if len(means) < TWO:
        return
    least, most = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    if cold_cache(means[most], means[least]):
        text = f"{most} read {means[most]:.0f} blocks from disk, {least} {means[least]:.0f}"
        yield Problem("cold-cache-pair", cells[0].file, f"{text}: repeat with warm caches")


def cold_cache(blocks: float, others_blocks: float) -> bool:
    """Return whether one of two runs read so much more from disk that their times are not comparable.

    Args:
        blocks: Blocks of 512 bytes that one of them read.
        others_blocks: Blocks that the other read.
    """
    less, more = sorted((blocks, others_blocks))
    return more > max(COLD_CACHE * less, FEWEST_BLOCKS)


def _replicates(cells: Sequence[Cell]) -> Iterator[Problem]:
    for mode in dict.fromkeys(each.mode for each in cells):
        runs = of_mode(cells, mode)
        if len(runs) < TWO:
            text = f"{mode}: {len(runs)} measurement: no interval, so no verdict"
            yield Problem("n-runs-1", runs[0].file, text)
        if cold_start(runs):
            text = (
                f"{mode}: the first replicate took more than {WARM_UP} times the fastest, without a warm-up"
            )
            yield Problem("warmup-missing", runs[0].file, f"{text}: it is excluded", blocks=False)


def cold_start(runs: Sequence[Cell]) -> bool:
    """Return whether the first replicate of a mode must be excluded.

    Args:
        runs: The replicates.
    """
    times = [(each.rep, each.wall_s) for each in runs if each.wall_s]
    if len(times) < TWO or any(each.warmups for each in runs):
        return False
    return min(times)[1] > WARM_UP * min(time for _, time in times)


def _unaccounted(cells: Sequence[Cell]) -> Iterator[Problem]:
    for mode in dict.fromkeys(each.mode for each in cells):
        runs = [each for each in of_mode(cells, mode) if each.unaccounted_s is not None and each.wall_s]
        if not runs:
            continue
        share = sum((each.unaccounted_s or 0) / (each.wall_s or 1) for each in runs) / len(runs)
        if share > UNACCOUNTED:
            text = f"{mode}: {share:.1%} of the time is neither computation nor conversion"
            hint = (
                ": inputs made inside the timed region may hide conversions"
                if share > UNACCOUNTED_FLAG
                else ""
            )
            yield Problem("unaccounted-time", runs[0].file, text + hint, blocks=False)
