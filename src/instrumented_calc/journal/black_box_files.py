"""Find the files of a journal's black box."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.records import black_box_path
from instrumented_calc.journal.run_start import UNDECODABLE

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_FILE = 150_000_000  # bytes: a run writes 64 MB and one batch to each; larger files are not its own
LONGEST_START = 1024 * 1024


class _Owner(msgspec.Struct):
    """The run that a file belongs to, from its first line."""

    event: str
    run_id: str = ""


_decode = decoder(_Owner).decode


def files_beside(journal: Path) -> list[Path]:
    """Return the black boxes left by this journal and by earlier ones of the same name."""
    wanted = black_box_path(journal)
    name = re.compile(rf"{re.escape(wanted.stem)}(?:-\d{{1,9}})?{re.escape(wanted.suffix)}")
    try:
        found = sorted(each for each in wanted.parent.iterdir() if name.fullmatch(each.name))
        return [each for each in found if each.is_file() and each.stat().st_size <= LARGEST_FILE]
    except OSError:
        return []


def run_id_of(path: Path) -> str:
    """Return the run id from the first line of a journal or its black box, or nothing if that is damaged."""
    try:
        with path.open("rb") as file:
            return _decode(file.readline(LONGEST_START)).run_id
    except (OSError, *UNDECODABLE):
        return ""
