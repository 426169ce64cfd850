"""Read the black box next to a thinned journal: the newest calls in full.

The journal's slices record how many calls of the run they include. A later call in the black box is in no
slice; all others are, and are marked `sliced` so that nothing counts them twice.
"""

from __future__ import annotations

from array import array
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.black_box_files import files_beside, run_id_of
from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.lines import open_lines
from instrumented_calc.journal.new_file import numbered
from instrumented_calc.journal.records import LARGEST, black_box_path
from instrumented_calc.journal.run_start import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from instrumented_calc.journal.columns import Integers

SLICED = b'"sliced":true'
MOST_FILES = 16  # of one run: it writes two


_Number = Annotated[int, msgspec.Meta(ge=-1, le=LARGEST)]


class _Known(msgspec.Struct):
    """The fields of a line needed here."""

    event: str
    index: _Number = -1
    passed: _Number = -1
    run_id: str = ""
    time_ns: _Number = -1


_decode = decoder(_Known).decode


class NewestCalls:
    """The black box of one journal.

    Args:
        journal: The journal; its black box is searched in the same folder.
    """

    def __init__(self, journal: Path) -> None:
        self._files: list[tuple[int, Path]] = []
        indices = array("q")
        run_id = run_id_of(journal)
        for path in files_beside(journal) if run_id else ():
            if len(self._files) < MOST_FILES:
                self._look_at(path, run_id, indices)
        self._files.sort()
        self._indices: Integers = np.unique(np.frombuffer(indices, np.int64))

    def __bool__(self) -> bool:
        """Return whether the run has a black box."""
        return bool(self._files)

    @property
    def paths(self) -> list[Path]:
        """Its files, oldest calls first."""
        return [path for _, path in self._files]

    def has(self, line: bytes) -> bool:
        """Return whether the call of a journal line is also in the black box."""
        try:
            index = _decode(line).index
        except UNDECODABLE:
            return False
        place = int(np.searchsorted(self._indices, index))
        return place < len(self._indices) and int(self._indices[place]) == index

    def without(self, chunk: bytes) -> bytes:
        """Return lines of a journal, blanking those whose call is in the black box."""
        if SLICED not in chunk:
            return chunk
        lines = chunk.split(b"\n")
        return b"\n".join(b"" if SLICED in line and self.has(line) else line for line in lines)

    def _look_at(self, path: Path, run_id: str, indices: array[int]) -> None:
        first = None
        for _, known in _intact(path):
            if known.event == "last_calls":
                if known.run_id != run_id:
                    return
                first = known.passed if first is None else first
            elif first is not None and known.event == "call":
                indices.append(known.index)
        if first is not None:
            self._files.append((first, path))

    def chunks(self, counted: int, since_ns: int) -> Iterator[bytes]:
        """Yield the records in order, in blocks of whole lines.

        Args:
            counted: Number of calls of the run included in the journal's slices.
            since_ns: Time of the journal's last machine record: the black box repeats these.
        """
        for number, (first, path) in enumerate(self._files):
            block: list[bytes] = []
            place = first
            for line, known in _intact(path):
                if known.event == "last_calls":
                    place = known.passed
                elif known.event == "call":
                    block.append(line if place >= counted else b'%s,"sliced":true}' % line[:-1])
                    place += 1
                elif known.event == "slice":
                    # The sums of a slice that was open when the file was started, and never written.
                    if number == 0 and place == first and known.passed > counted:
                        block.append(line)
                elif known.event != "machine" or known.time_ns > since_ns:
                    block.append(line)
                if len(block) >= 1000:  # noqa: PLR2004 - about the size of a reader's other blocks
                    yield b"\n".join([*block, b""])
                    block.clear()
            yield b"\n".join([*block, b""])


def _intact(path: Path) -> Iterator[tuple[bytes, Any]]:
    """Yield the intact lines of a file and the known fields of each."""
    with ExitStack() as opened:
        try:
            lines = opened.enter_context(open_lines(path))
        except JournalReadError:
            return
        for chunk in lines.chunks():
            for line in chunk.split(b"\n"):
                if line.endswith(b"}"):
                    try:
                        known = _decode(line)
                    except UNDECODABLE:
                        continue
                    yield line, known


def numbered_box(journal: Path, number: int) -> Path:
    """Return a name under which a file of a journal's black box is found: the first has number 1."""
    return numbered(black_box_path(journal), number)
