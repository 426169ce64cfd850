"""Write one archive with the files that a colleague needs to inspect runs: the input of `ingest`.

The same runs give the same archive, byte for byte: members are sorted and have no time and no owner.
"""

from __future__ import annotations

import gzip
import os
import re
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from instrumented_calc.analysis.summary import summarize
from instrumented_calc.errors import IntakeError, JournalReadError
from instrumented_calc.intake.archives.kinds import as_json
from instrumented_calc.intake.archives.layout import safe_name
from instrumented_calc.intake.archives.staging import sha256_of
from instrumented_calc.intake.outgoing.masked_files import mask_journal, masked
from instrumented_calc.intake.outgoing.safe_csv import as_csv
from instrumented_calc.intake.reading.journal_table import journal_row
from instrumented_calc.journal.new_file import create
from instrumented_calc.journal.newest_calls import NewestCalls, numbered_box
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.run_start import first_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import IO


FIGURES = (".png", ".svg")
FOLDER_OF = {
    **dict.fromkeys((".png", ".svg"), "figures"),
    **dict.fromkeys((".csv", ".json"), "tables"),
    **dict.fromkeys((".out", ".err", ".log", ".wall"), "logs"),
}
# Tables made by `ingest`, which makes them again.
DERIVED = "ingested"
ENVIRONMENT_SCHEMA = "instrumented-calc-environments/1"
LARGEST_BESIDE = 64 * 2**20


@dataclass(slots=True)
class Bundled:
    """Result of writing a bundle.

    Attributes:
        path: The archive.
        members: Their sizes, by name.
        left_out: Omitted files, with the reason.
    """

    path: Path
    members: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def write_bundle(runs: Sequence[Path], output: Path) -> Bundled:
    """Write a bundle.

    Args:
        runs: Journals, and folders of journals, tables, figures and logs.
        output: The archive, `.tar.gz` or `.tgz`, which must not exist.

    Raises:
        IntakeError: If there is neither a journal nor a table, or the archive cannot be written.
        JournalReadError: If a file is not a journal.
    """
    if not output.name.endswith((".tar.gz", ".tgz")):
        message = f"{output}: a bundle is a .tar.gz; give --output {output.name.partition('.')[0]}.tar.gz"
        raise IntakeError(message)
    bundled = Bundled(output)
    files = _Files(bundled)
    for path in runs:
        files.add(path)
    if not files.journals and not files.beside:
        message = "no journal, table or figure found; give run.jsonl or a folder with journals"
        raise IntakeError(message)
    try:
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".bundle-") as folder:
            _write(files, output, Path(folder))
    except OSError as error:
        message = f"{output}: {error.strerror or error}; give another --output"
        raise IntakeError(message) from error
    return bundled


class _Files:
    """Selects the files of a bundle and their names."""

    def __init__(self, bundled: Bundled) -> None:
        self.bundled = bundled
        self.journals: dict[str, Path] = {}
        self.black_boxes: dict[str, list[Path]] = {}  # by the name of the journal in the bundle
        self.beside: dict[str, Path] = {}
        self._seen: set[Path] = set()

    def add(self, path: Path) -> None:
        """Add a journal with the files of its run and the figures next to it, or a folder."""
        if path.is_dir():
            self._add_folder(path)
        elif path.is_file():
            self._add_journal(path)
            figures = sorted(each for each in path.parent.iterdir() if each.suffix in FIGURES)
            for each in figures:
                if each.name.startswith((f"{path.stem}.", f"{path.stem}-", f"{path.stem}_")):
                    self._add_beside(each, "figures")
        else:
            message = f"{path}: no such file or folder; give run.jsonl or a folder with journals"
            raise IntakeError(message)

    def _add_folder(self, folder: Path) -> None:
        for root, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name != DERIVED)
            for name in sorted(names):
                path = Path(root, name)
                if path.is_symlink() or not path.is_file() or name.startswith("."):
                    continue
                if path.suffix == ".jsonl":
                    self._add_found(path)
                elif path.suffix in FOLDER_OF:
                    self._add_beside(path, FOLDER_OF[path.suffix])

    def _add_found(self, path: Path) -> None:
        """Add a journal found in a folder: JSON lines may be anything else."""
        try:
            self._add_journal(path)
        except JournalReadError as error:
            self.bundled.left_out.append(str(error))

    def _add_journal(self, path: Path) -> None:
        if self._new(path):
            first_start(path)
            name = _free("journals", path.name, self.journals)
            self.journals[name] = path
            self.black_boxes[name] = NewestCalls(path).paths
            for folder, wanted in _files_of_run(path).items():
                for each in sorted(path.parent.iterdir()):
                    if wanted.fullmatch(each.name):
                        self._add_beside(each, folder)

    def _add_beside(self, path: Path, folder: str) -> None:
        if path.is_symlink() or not path.is_file() or not self._new(path):
            return
        size = path.stat().st_size
        if size > LARGEST_BESIDE:
            self.bundled.left_out.append(f"{path}: {size:,} bytes, too large for a table or figure")
            return
        self.beside[_free(folder, path.name, self.beside)] = path

    def _new(self, path: Path) -> bool:
        there = path.resolve()
        known = there in self._seen
        self._seen.add(there)
        return not known


def _files_of_run(journal: Path) -> dict[str, re.Pattern[str]]:
    """Return the names of a run's trace windows, and of stacks and calls written on request, by folder."""
    stem, name = re.escape(journal.stem), re.escape(journal.name)
    return {
        "traces": re.compile(rf"{stem}\.trace-\d+(-\d+)?\.json"),
        "logs": re.compile(rf"{name}\.stacks(-\d+)?\.txt|{name}(-\d+)?\.dumped"),
    }


def _free(folder: str, name: str, taken: Iterable[str]) -> str:
    """Return a member's name, with a number if two files have the same."""
    known = {each.lower() for each in taken}
    name = safe_name(name)
    stem, dot, suffix = name.partition(".")
    numbered = (f"{folder}/{stem}-{number}{dot}{suffix}" for number in range(2, len(known) + 3))
    return next(each for each in (f"{folder}/{name}", *numbered) if each.lower() not in known)


def _write(files: _Files, output: Path, folder: Path) -> None:
    members: dict[str, Path] = {}

    def keep(name: str, content: bytes) -> None:
        members[name] = folder / f"{len(members)}"
        members[name].write_bytes(content)

    for name, path in files.beside.items():
        content = path.read_bytes()
        keep(name, content if path.suffix == ".png" else masked(content, path.suffix))
    rows, environments = [], {}
    for place, (name, path) in enumerate(files.journals.items()):
        members[name] = folder / f"journal-{place}"
        folder_of_run = first_start(path).directory or ""
        _mask_records(path, members[name], folder_of_run, files.bundled)
        for number, box in enumerate(files.black_boxes[name], start=1):
            # Under names at which a reader of the journal finds them.
            member = numbered_box(Path(name), number).as_posix()
            members[member] = numbered_box(members[name], number)
            _mask_records(box, members[member], folder_of_run, files.bundled)
        journal = read_journal(members[name])
        rows.append(journal_row(name, summarize(journal)))
        environments[name] = msgspec.to_builtins(journal.environment)
    if rows:
        keep(_free("tables", "journals.csv", members), as_csv(rows))
        stored = {"schema": ENVIRONMENT_SCHEMA, "runs": environments}
        keep(_free("tables", "environments.json", members), as_json(stored))
    sums = {name: _sha256(path) for name, path in members.items()}
    keep("SHA256SUMS", "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode())
    files.bundled.members = {name: path.stat().st_size for name, path in sorted(members.items())}
    with os.fdopen(create(output), "wb") as file:
        try:
            _archive(members, file)
        except BaseException:
            output.unlink()
            raise


def _mask_records(source: Path, target: Path, folder_of_run: str, bundled: Bundled) -> None:
    lines = mask_journal(source, target, folder_of_run)
    if lines:
        bundled.left_out.append(f"{source}: {lines} lines are longer than any record")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return sha256_of(file)


def _archive(members: dict[str, Path], file: IO[bytes]) -> None:
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(members):
            info = tarfile.TarInfo(name)
            info.size = members[name].stat().st_size
            with members[name].open("rb") as content:
                archive.addfile(info, content)
