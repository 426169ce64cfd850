"""Places of members under `results/`: the study's structure, with names that members cannot choose."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.intake.archives.kinds import MemberKind
from instrumented_calc.intake.archives.output_folder import folder_in, sha256_in
from instrumented_calc.journal.new_file import create

if TYPE_CHECKING:
    from pathlib import Path

    from instrumented_calc.intake.archives.staging import Content

LOGS = "logs"
FOLDERS = {
    MemberKind.journal: "journals",
    MemberKind.black_box: "journals",
    MemberKind.table: "tables",
    MemberKind.metrics: "tables",
    MemberKind.study: "tables",
    MemberKind.profile: "tables",
    MemberKind.workloads: "tables",
    MemberKind.environment: "tables",
    MemberKind.trace: "profiler_traces",
    MemberKind.log: LOGS,
    MemberKind.marshalled: LOGS,
    MemberKind.figure: "figures",
}
# Scripts and others: kept to show the origin of figures, never run.
REST = "other"
LONGEST_NAME = 100
PLAIN_MODE = 0o644
# Device names on Windows, where a colleague may open the results.
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Placed:
    """A content in its place.

    Attributes:
        path: The file, relative to the results.
        kind: MemberKind of content.
        content: The content and its origins.
    """

    path: str
    kind: MemberKind
    content: Content


def safe_name(name: str) -> str:
    """Return a member's name using only portable characters: letters, digits, `.`, `_`, `+`, `-`."""
    text = re.sub(r"[^A-Za-z0-9._+-]+", "_", name).lstrip("._-") or "unnamed"
    if RESERVED.fullmatch(text):
        text = f"_{text}"
    if len(text) <= LONGEST_NAME:
        return text
    stem, dot, suffix = text.rpartition(".")
    kept = dot + suffix if stem and len(suffix) < LONGEST_NAME // 2 else ""
    return text[: LONGEST_NAME - len(kept)] + kept


class Results:
    """The results folder.

    Args:
        output: Its path.
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        self._taken: dict[str, dict[str, str]] = {}

    def place(self, content: Content, kind: MemberKind, name: str = "") -> Placed:
        """Move a content into the results; existing files are never overwritten.

        Args:
            content: The content; its path becomes the new one.
            kind: Its kind.
            name: The wanted name; that of the content by default.
        """
        folder = FOLDERS.get(kind, REST)
        site = content.origins[0].site
        if folder == LOGS and site:
            folder = f"{folder}/{site}"
        with folder_in(self._output, folder) as opened:
            name = self._free(folder, opened, safe_name(name or content.name), content.sha256)
            if sha256_in(opened, name) == content.sha256:
                content.path.unlink()
            else:
                content.path.chmod(PLAIN_MODE)
                _move(content.path, name, opened)
        content.path = self._output / folder / name
        return Placed(f"{folder}/{name}", kind, content)

    def _free(self, folder: str, opened: int, name: str, sha256: str) -> str:
        """Return the path of a content: the name if free or equal, else with the content's hash."""
        if folder not in self._taken:
            self._taken[folder] = {each.lower(): each for each in os.listdir(opened)}
        taken = self._taken[folder]
        there = taken.get(name.lower())
        if there is not None and sha256_in(opened, there) == sha256:
            return there
        stem, dot, suffix = name.partition(".")
        found = name if there is None else f"{stem}-{sha256[:12]}{dot}{suffix}"
        taken[found.lower()] = found
        return found


def _move(source: Path, name: str, folder: int) -> None:
    try:
        # Fails where the target exists, unlike a rename.
        os.link(source, name, dst_dir_fd=folder)
    except FileExistsError:
        raise
    except OSError:  # file systems without hard links
        with source.open("rb") as read, os.fdopen(create(name, folder=folder), "wb") as written:
            shutil.copyfileobj(read, written)
    source.unlink()
