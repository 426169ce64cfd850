"""Classify members by content where possible, else by name."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.intake.archives.members import is_archive_name
from instrumented_calc.intake.archives.memory_limit import json_bytes

if TYPE_CHECKING:
    from instrumented_calc.intake.archives.staging import Content

# Larger ones are kept, and not parsed: a study's tables are thousands of times smaller.
LARGEST_PARSED = 8 * 2**20
LARGEST_IN_MEMORY = 32 * 2**20
START_BYTES = 64 * 1024
FIGURES = ((b"\x89PNG\r\n\x1a\n", ".png"), (b"%PDF-", ".pdf"), (b"\xff\xd8\xff", ".jpg"))
MEASURED = {"returncode", "elapsed_s", "wall_s", "wall_time"}
ENVIRONMENT = {"python", "thread_environment", "sys_executable"}
LOG_SUFFIXES = (".out", ".err", ".log", ".wall")


class MemberKind(str, Enum):
    """MemberKind of a member."""

    journal = "journal"
    black_box = "black box"
    table = "table"
    metrics = "metrics"
    study = "study"
    profile = "profile"
    workloads = "workloads"
    environment = "environment"
    trace = "trace"
    log = "log"
    figure = "figure"
    checksums = "checksums"
    marshalled = "marshalled"
    archive = "archive"
    other = "other"


def recognize(content: Content) -> tuple[MemberKind, Any]:
    """Return the kind of a content, and its JSON if it is one object."""
    name = content.name.lower()
    with content.path.open("rb") as file:
        start = file.read(START_BYTES)
    kind = _by_start(start, name)
    if kind is not None:
        return kind, None
    if name.endswith(".json"):
        found = _json(content)
        return (_of_json(found, name), found) if isinstance(found, dict) else (_loose_json(name, found), None)
    return _by_name(name), None


def _by_start(start: bytes, name: str) -> MemberKind | None:
    line = start.partition(b"\n")[0]
    if line.startswith(b"{") and b'"run_start"' in line and b'"schema"' in line:
        return MemberKind.journal
    if line.startswith(b"{") and b'"last_calls"' in line and b'"run_id"' in line:
        return MemberKind.black_box
    if name.endswith(".jsonl") and b'\n{"event":"' in start:
        return MemberKind.journal  # its first line is damaged, others may be intact
    if name.endswith(".json") and start.lstrip()[:1] == b"{" and b'"traceEvents"' in start:
        return MemberKind.trace  # by far the largest files of a study; not read
    if any(start.startswith(magic) for magic, _ in FIGURES) or (name.endswith(".svg") and b"<svg" in start):
        return MemberKind.figure
    return None


def _by_name(name: str) -> MemberKind:
    if name.endswith(".csv"):
        return MemberKind.table
    if name.endswith(LOG_SUFFIXES):
        return MemberKind.log
    if name.endswith(".prof"):
        return MemberKind.marshalled
    if name == "sha256sums":
        return MemberKind.checksums
    return MemberKind.archive if is_archive_name(name) else MemberKind.other


def _json(content: Content) -> Any:
    if is_too_large(content):
        return None
    try:
        return json.loads(content.path.read_bytes())
    except (ValueError, RecursionError):
        return None


def is_too_large(content: Content) -> bool:
    """Return whether a member that is JSON by its name would take too much memory to read."""
    if content.size_bytes > LARGEST_PARSED:
        return True
    return json_bytes(content.path.read_bytes()) > LARGEST_IN_MEMORY


def _of_json(found: dict[str, Any], name: str) -> MemberKind:
    keys = set(found)
    known = (
        (MemberKind.study, str(found.get("schema", "")).startswith("instrumented-calc-study/")),
        (MemberKind.trace, "traceEvents" in keys),
        (MemberKind.profile, "latencies_ms" in keys or {"metadata", "performance"} <= keys),
        (MemberKind.workloads, isinstance(found.get("workloads"), list)),
        (MemberKind.metrics, bool(keys & MEASURED) and bool(keys & {"mode", "backend"})),
        (MemberKind.environment, bool(keys & ENVIRONMENT) or "env" in name),
        (MemberKind.trace, "trace" in name),
    )
    return next((kind for kind, fits in known if fits), MemberKind.other)


def _loose_json(name: str, found: Any) -> MemberKind:
    """Classify JSON that is not an object, or too large: older tools write a trace as a list of events."""
    return MemberKind.trace if isinstance(found, list) and "trace" in name else MemberKind.other


def as_json(value: Any) -> bytes:
    """Return parsed content as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
