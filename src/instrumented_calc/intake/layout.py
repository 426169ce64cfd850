"""Where members go under `results/`: as the study had them, under names that no member can choose."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.intake.recognition import Kind
from instrumented_calc.intake.staging import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from instrumented_calc.intake.staging import Content

LOGS = "logs"
FOLDERS = {
    Kind.journal: "journals",
    Kind.table: "tables",
    Kind.metrics: "tables",
    Kind.study: "tables",
    Kind.profile: "tables",
    Kind.workloads: "tables",
    Kind.environment: "tables",
    Kind.trace: "profiler_traces",
    Kind.log: LOGS,
    Kind.marshalled: LOGS,
    Kind.figure: "figures",
}
# Scripts and the rest: kept to show where figures come from, never run.
REST = "other"
LONGEST_NAME = 100
PLAIN_MODE = 0o644
# Names that mean devices on Windows, where a colleague may open the results.
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Placed:
    """A content in its place.

    Attributes:
        path: The file, relative to the results.
        kind: What it is.
        content: What was found, and where.
    """

    path: str
    kind: Kind
    content: Content


def safe_name(name: str) -> str:
    """Return a member's name as one that is plain everywhere: letters, digits, `.`, `_`, `+`, `-`."""
    text = re.sub(r"[^A-Za-z0-9._+-]+", "_", name).lstrip("._-") or "unnamed"
    if RESERVED.fullmatch(text):
        text = f"_{text}"
    if len(text) <= LONGEST_NAME:
        return text
    stem, dot, suffix = text.rpartition(".")
    kept = dot + suffix if stem and len(suffix) < LONGEST_NAME // 2 else ""
    return text[: LONGEST_NAME - len(kept)] + kept


class Results:
    """The results' folder.

    Args:
        output: Where it is.
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        self._taken: dict[Path, dict[str, Path]] = {}

    def place(self, content: Content, kind: Kind) -> Placed:
        """Move a content into the results; nothing that is there is ever overwritten.

        Args:
            content: What was found; its path becomes the new one.
            kind: What it is.
        """
        folder = self._output / FOLDERS.get(kind, REST)
        site = content.origins[0].site
        if folder.name == LOGS and site:
            folder /= site
        folder.mkdir(parents=True, exist_ok=True)
        target = self._free(folder, safe_name(content.name), content.sha256)
        if target.exists():
            content.path.unlink()
        else:
            content.path.chmod(PLAIN_MODE)
            _move(content.path, target)
        content.path = target
        return Placed(target.relative_to(self._output).as_posix(), kind, content)

    def _free(self, folder: Path, name: str, sha256: str) -> Path:
        """Return where a content goes: the name if it is free or holds just that, else one with its hash."""
        if folder not in self._taken:
            self._taken[folder] = {each.name.lower(): each for each in folder.iterdir()}
        taken = self._taken[folder]
        there = taken.get(name.lower())
        if there is not None and there.is_file() and not there.is_symlink() and sha256_of(there) == sha256:
            return there
        stem, dot, suffix = name.partition(".")
        found = folder / (name if there is None else f"{stem}-{sha256[:12]}{dot}{suffix}")
        taken[found.name.lower()] = found
        return found


def _move(source: Path, target: Path) -> None:
    try:
        # Fails where the target exists, unlike a rename.
        os.link(source, target)
    except FileExistsError:
        pass
    except OSError:
        with source.open("rb") as read, target.open("xb") as written:
            shutil.copyfileobj(read, written)
    source.unlink()
