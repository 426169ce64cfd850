"""Read the sorted members: runs, summaries, logs, environments, journals."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.summary import summarize
from instrumented_calc.errors import IntakeError, JournalReadError
from instrumented_calc.intake.archives.kinds import MemberKind, is_too_large, recognize
from instrumented_calc.intake.archives.memory_limit import Room, bounded_lines, json_bytes
from instrumented_calc.intake.reading import tables
from instrumented_calc.intake.reading.cprofile_files import hotspots
from instrumented_calc.intake.reading.study_data import StudyData
from instrumented_calc.journal.black_box_files import files_beside
from instrumented_calc.journal.reader import read_journal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.intake.archives.layout import Placed
    from instrumented_calc.intake.archives.staging import Content


# A call's row takes about as much memory as it takes in a file.
JOURNAL_BYTES = 48 * 2**20
LONGEST_SUM = 1_200  # bytes of a line of checksums: 64 digits and a name
LISTED = 20_000  # checksums: the limit on members of a bundle


@dataclass(slots=True)
class Reading:
    """Contents of the members.

    Attributes:
        evidence: Content that could be read.
        hotspots: Functions of marshalled profiles.
        notes: Content that could not be read.
    """

    evidence: StudyData = field(default_factory=StudyData)
    hotspots: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_all(contents: Sequence[Placed], *, marshalled: bool) -> Reading:
    """Read all members.

    Args:
        contents: Members in their places.
        marshalled: Whether to load `.prof` files.
    """
    found = Reading()
    room, journals = Room(), Room(JOURNAL_BYTES)
    sums: list[Content] = []
    for placed in contents:
        if placed.kind is MemberKind.marshalled:
            _read_marshalled(placed, found, wanted=marshalled)
        elif placed.kind is MemberKind.checksums:
            sums.append(placed.content)
        elif placed.kind is MemberKind.journal:
            _read_journal(placed, found, journals)
        elif placed.kind is not MemberKind.black_box:  # it is read with its journal
            _read(placed, found, room)
    _check_sums(sums, contents, found)
    return found


def _read_journal(placed: Placed, found: Reading, room: Room) -> None:
    black_box = sum(each.stat().st_size for each in files_beside(placed.content.path))
    if not room.take(placed.content.size_bytes + black_box):
        why = f"{JOURNAL_BYTES // 2**20} MB of journals are read here; use instrumented-calc report for it"
        found.notes.append(f"{placed.path}: kept, not read: {why}")
        return
    try:
        found.evidence.journals[placed.path] = summarize(read_journal(placed.content.path))
    except JournalReadError as error:
        found.notes.append(str(error))


def _has_room(content: Content, kind: MemberKind, name: str, found: Reading, room: Room) -> bool:
    """Return whether a JSON member may be kept in memory; add a note if not."""
    if not content.name.lower().endswith(".json") or kind is MemberKind.trace:
        return True
    if is_too_large(content):
        found.notes.append(f"{name}: too large to read; kept unchanged")
        return False
    if not room.take(json_bytes(content.path.read_bytes())):
        found.notes.append(f"{name}: {tables.FULL}")
        return False
    return True


def _read(placed: Placed, found: Reading, room: Room) -> None:
    content, evidence = placed.content, found.evidence
    name = f"{content.origins[0].bundle}/{content.name}"
    if not _has_room(content, placed.kind, name, found, room):
        return
    _, stored = recognize(content)
    if placed.kind is MemberKind.environment:
        evidence.environments[name] = stored
    elif placed.kind is MemberKind.study:
        evidence.studies[name] = stored
    elif placed.kind is MemberKind.profile:
        evidence.profiles[name] = stored
    read = _rows(placed, stored, name, room)
    if read is not None:
        evidence.measurements += read.measurements
        evidence.summaries += read.summaries
        evidence.lines += read.lines
        if read.bad_rows:
            found.notes.append(f"{name}: {read.bad_rows} unreadable rows; {read.problems[0]}")


def _rows(placed: Placed, stored: Any, name: str, room: Room) -> tables.Read | None:
    content = placed.content
    if placed.kind is MemberKind.table:
        return tables.read_table(content.path, name, room)
    if placed.kind is MemberKind.metrics:
        # Each run has its own file: together they form one table.
        return tables.read_metrics(stored, f"{content.origins[0].bundle}/records of processes", content.name)
    if placed.kind is MemberKind.workloads:
        return tables.read_workloads(stored, name)
    return tables.read_log(content.path, name, room) if placed.kind is MemberKind.log else None


def _read_marshalled(placed: Placed, found: Reading, *, wanted: bool) -> None:
    if not wanted:
        found.notes.append(
            f"{placed.path}: marshalled data, not loaded; if you trust its author: --load-marshalled"
        )
        return
    try:
        found.hotspots += hotspots(placed.content.path, placed.path)
    except IntakeError as error:
        found.notes.append(str(error))


def _check_sums(lists: Sequence[Content], contents: Sequence[Placed], found: Reading) -> None:
    """Compare members with the list of checksums in their bundle."""
    hashes: dict[tuple[str, str], str] = {}
    for placed in contents:
        for origin in placed.content.origins:
            hashes[origin.bundle, origin.member] = placed.content.sha256
    for content in lists:
        origin = content.origins[0]
        prefix = origin.member[: -len(content.name)]
        try:
            with content.path.open("rb") as file:
                lines = list(islice(bounded_lines(file, LONGEST_SUM), LISTED))
        except IntakeError as error:
            found.notes.append(f"{content.name}: {error}; no checksums were compared")
            continue
        for line in lines:
            wanted, _, member = line.decode("utf-8", "replace").strip().partition("  ")
            there = hashes.get((origin.bundle, prefix + member))
            if there is None or there != wanted:
                reason = "is missing" if there is None else "differs from the list"
                found.evidence.wrong_sums.append(f"{member} {reason}")
            else:
                found.evidence.right_sums += 1
