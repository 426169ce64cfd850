"""A fleet as a document: every file accounted for, what is remarkable first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from instrumented_calc.analysis.fleet.slow_nodes import FEWEST_NODES, FEWEST_RUNS, SLOWER_SHARE
from instrumented_calc.plain_text import shown_path
from instrumented_calc.quantities import count, duration, elapsed, figures, percentage, plural, time_unit
from instrumented_calc.reporting.document import Document, Facts, Paragraph, Section, Table
from instrumented_calc.reporting.fleet.rows import ORDER, fleet_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from instrumented_calc.analysis.fleet.chains import JobChain
    from instrumented_calc.analysis.fleet.equals import EqualRuns
    from instrumented_calc.analysis.fleet.fleet import Fleet
    from instrumented_calc.analysis.fleet.fleet_run import FleetRun
    from instrumented_calc.analysis.fleet.same_frames import SameFrames
    from instrumented_calc.analysis.fleet.slow_nodes import NodeSpeed
    from instrumented_calc.reporting.fleet.rows import FleetRow

MOST_RUNS, MOST_GROUPS, MOST_NODES, MOST_FILES = 30, 10, 10, 20
MOST_NAMED = 4
NOT_JUDGED = (
    "the soundness of the simulations was not judged beyond what the parts of the journals that were read"
    " show (marks `not finite`, `broken`): judge one run with `instrumented-calc report FILE`, or each with"
    " --each"
)
MOST_DIFFERENCES = 3
ABSENT = "-"


def build_fleet(fleet: Fleet, *, everything: bool = False) -> Document:
    """Return the report.

    Args:
        fleet: The runs.
        everything: Whether to list all runs, nodes, groups and files, instead of the most remarkable ones.
    """
    rows = fleet_rows(fleet)
    sections = [Section("Result", (Paragraph((*_opening(fleet), *_marks(rows))),))]
    if fleet.nodes:
        sections.append(_nodes(fleet.nodes, None if everything else MOST_NODES))
    sections.append(_groups(fleet.groups, None if everything else MOST_GROUPS))
    sections.append(_runs(fleet, rows, None if everything else MOST_RUNS))
    if fleet.not_runs:
        sections.append(_files(fleet, None if everything else MOST_FILES))
    return Document(f"Fleet of {plural(len(fleet.runs), 'run')}", tuple(sections))


def _opening(fleet: Fleet) -> list[str]:
    return [
        *_broken(fleet),
        _verdict_on_nodes(fleet),
        *(_same(each) for each in fleet.same),
        _accounts(fleet),
        *([_chains(fleet)] if len(fleet.chains) < len(fleet.runs) else []),
        NOT_JUDGED,
    ]


def _broken(fleet: Fleet) -> list[str]:
    """Return the runs whose simulation is void, with the evidence."""
    evidence = [(run.path, [*_not_finite(run), *run.ruin]) for run in fleet.broken[:MOST_NAMED]]
    lines = [f"BROKEN {shown_path(path)}: {'; '.join(each)}" for path, each in evidence]
    more = len(fleet.broken) - MOST_NAMED
    return [*lines, f"BROKEN: {plural(more, 'more run')}, see the marks"] if more > 0 else lines


def _not_finite(run: FleetRun) -> list[str]:
    return [f"NaN or infinity in {plural(run.not_finite, 'call')}"] if run.not_finite else []


def _verdict_on_nodes(fleet: Fleet) -> str:
    slow = fleet.slow_nodes
    if slow:
        return "; ".join(
            f"node {each.host} is slow: its {plural(each.runs, 'run')} took {percentage(each.slower)} longer"
            f" per call than equal runs elsewhere (other nodes scatter by {percentage(each.scatter or 0.0)})"
            for each in slow[:MOST_NAMED]
        ) + (f"; and {len(slow) - MOST_NAMED} more slow nodes" if len(slow) > MOST_NAMED else "")
    judged = [each for each in fleet.nodes if each.slow is not None]
    if not judged:
        return (
            f"nodes are not judged: that takes {FEWEST_NODES} nodes of the same hardware, {FEWEST_RUNS} runs"
            " on each, and equal runs on other nodes"
        )
    scatter = max((each.scatter or 0.0) for each in judged)
    return (
        f"no node is slower than its equals beyond doubt: {plural(len(judged), 'node')} judged, which scatter"
        f" by {percentage(scatter)}; less than {percentage(SLOWER_SHARE)} is never marked"
    )


def _same(same: SameFrames) -> str:
    who = plural(len(same.runs), "rank" if same.ranks else "process").replace("processs", "processes")
    names = ", ".join(shown_path(each.path) for each in same.runs[:MOST_NAMED])
    more = f" and {len(same.runs) - MOST_NAMED} more" if len(same.runs) > MOST_NAMED else ""
    return f"{who} computed the same frames: is this MPI? Each repeats the work of the others: {names}{more}"


def _accounts(fleet: Fleet) -> str:
    states = Counter(each.state for each in fleet.runs)
    copies = sum(each.copy for each in fleet.not_runs)
    more = sum(each.part for each in fleet.not_runs)
    parts = (
        (states["ended"], "run ended", "runs ended"),
        (states["failed"], "run failed", "runs failed"),
        (states["no end"], "has no end (killed, or still running)", "have no end (killed, or still running)"),
        (len(fleet.not_runs) - copies - more, "is not a journal", "are not journals"),
        (more, "is another part of a run's journal", "are other parts of runs' journals"),
        (copies, "is a copy", "are copies"),
    )
    words = [f"{count(number)} {one if number == 1 else many}" for number, one, many in parts if number]
    return f"{plural(fleet.files, 'file')}: {', '.join(words)}"


def _chains(fleet: Fleet) -> str:
    chained = [each for each in fleet.chains if len(each.parts) > 1]
    parts = sum(len(each.parts) for each in chained)
    return f"{plural(len(chained), 'requeued job')} with {parts} parts: one row each"


def _marks(rows: Iterable[FleetRow]) -> list[str]:
    counts = Counter(mark for row in rows for mark in row.marks.split(", ") if mark)
    words = [f"{mark} {count(counts[mark])}" for mark in ORDER if counts[mark]]
    return [f"marked: {', '.join(words)}"] if words else []


def _nodes(nodes: Sequence[NodeSpeed], most: int | None) -> Section:
    shown = nodes[:most]
    verdicts = {True: "slow", False: "", None: "not judged"}
    table = Table(
        ("node", "runs", "against equals", "others scatter", "verdict"),
        tuple(
            (
                each.host,
                count(each.runs),
                percentage(each.slower, signed=True),
                ABSENT if each.scatter is None else percentage(each.scatter),
                verdicts[each.slow],
            )
            for each in shown
        ),
    )
    return Section("Nodes, slowest first" + _of(len(shown), len(nodes)), (table,))


def _groups(groups: Sequence[EqualRuns], most: int | None) -> Section:
    shown = groups[:most]
    varying = _varying([each.identity for each in groups])
    unit = time_unit([each.centre_ns for each in shown])
    table = Table(
        ("group", "runs", "nodes", f"{unit[1]} per call", "scatter", "system", "calculator", "differs by"),
        tuple(
            (
                str(number),
                count(len(each.runs)),
                count(each.nodes) if each.nodes else ABSENT,
                ABSENT if each.centre_ns is None else figures(each.centre_ns / unit[0]),
                ABSENT if each.scatter is None else percentage(each.scatter),
                each.identity.get("system", "unknown"),
                each.identity.get("calculator", "unknown").rpartition(".")[2],
                _differences(each.identity, varying) or ABSENT,
            )
            for number, each in enumerate(shown, 1)
        ),
    )
    note = Paragraph(("equal in machine, software, calculator, system and driver, as `compare` requires",))
    return Section("Equal runs" + _of(len(shown), len(groups)), (note, table))


def _varying(identities: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the names that tell groups apart, except for those with columns of their own."""
    names = dict.fromkeys(name for each in identities for name in each)
    return [
        name
        for name in names
        if name not in {"system", "calculator"} and len({each.get(name) for each in identities}) > 1
    ]


def _differences(identity: Mapping[str, str], varying: Sequence[str]) -> str:
    known = [f"{name} {identity[name]}" for name in varying if name in identity]
    more = f", and {len(known) - MOST_DIFFERENCES} more" if len(known) > MOST_DIFFERENCES else ""
    return ", ".join(known[:MOST_DIFFERENCES]) + more


def _runs(fleet: Fleet, rows: Sequence[FleetRow], most: int | None) -> Section:
    """Return one row per chain, marked ones first, in the order of their marks."""
    of_run = {id(run): row for run, row in zip(fleet.runs, rows, strict=True)}
    listed = [(chain, [of_run[id(part)] for part in chain.parts]) for chain in fleet.chains]
    listed.sort(key=lambda pair: _urgency(pair[1]))
    shown = listed[:most]
    unit = time_unit([chain.call_ns for chain, _ in shown])
    headings = ("run", "node", "group", "calls", "time", f"{unit[1]} per call", "against equals", "marks")
    table = Table(headings, tuple(_run(chain, parts, unit) for chain, parts in shown))
    blocks: tuple[Paragraph | Table, ...] = (table,)
    if len(shown) < len(listed):
        blocks = (*blocks, Paragraph(("all of them: --all, or --fleet --format csv",)))
    return Section("Runs, marked ones first" + _of(len(shown), len(listed)), blocks)


def _urgency(parts: Sequence[FleetRow]) -> tuple[int, float]:
    places = [ORDER.index(mark) for row in parts for mark in row.marks.split(", ") if mark]
    return min(places, default=len(ORDER)), -max(row.against_equals or 0.0 for row in parts)


def _run(chain: JobChain, parts: Sequence[FleetRow], unit: tuple[float, str]) -> tuple[str, ...]:
    last = parts[-1]
    name = last.file if len(parts) == 1 else f"{last.file} (last of {len(parts)} parts)"
    marks = dict.fromkeys(mark for row in parts for mark in row.marks.split(", ") if mark)
    if last.state != "no end":
        marks.pop("no end", None)  # a requeued part was killed, the chain has ended
    deviation = last.against_equals if len({row.group for row in parts}) == 1 else None
    return (
        name,
        ", ".join(chain.hosts) or ABSENT,
        str(last.group),
        ABSENT if chain.calls is None else count(chain.calls),
        ABSENT if chain.run_ns is None else elapsed(chain.run_ns),
        ABSENT if chain.call_ns is None else duration(chain.call_ns, unit).partition(" ")[0],
        ABSENT if deviation is None else percentage(deviation, signed=True),
        ", ".join(marks),
    )


def _files(fleet: Fleet, most: int | None) -> Section:
    shown = fleet.not_runs[:most]
    facts = Facts(tuple((shown_path(each.path), each.why) for each in shown))
    return Section("Files without a run of their own" + _of(len(shown), len(fleet.not_runs)), (facts,))


def _of(shown: int, all_of_them: int) -> str:
    return "" if shown == all_of_them else f" ({shown} of {count(all_of_them)})"
