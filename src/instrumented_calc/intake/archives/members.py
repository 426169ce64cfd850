"""The members of a bundle, whether it is a folder, a tar or a zip archive.

Nothing here writes: a member is a name, which is only ever shown, and a stream of bytes. Links, devices and
names that point outside the bundle are refused, each with a reason; nothing is ever executed.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from instrumented_calc.intake.archives.bounded_reads import BoundedReads, Charged, ForwardStream
from instrumented_calc.intake.archives.limits import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, BinaryIO

    from instrumented_calc.intake.archives.limits import Budget

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257
ENCRYPTED = 0x1
LONGEST_NAME = 1024  # of 20,000 members, whose names are all kept
ARCHIVE_SUFFIXES = (".tgz", ".tar.gz", ".tar", ".zip")


@dataclass(frozen=True, slots=True)
class Member:
    """One member.

    Attributes:
        name: Its name, as printable text.
        stream: Its bytes, valid only until the next member is requested; None if refused.
        refusal: Why it is refused.
    """

    name: str
    stream: IO[bytes] | None = None
    refusal: str = ""


def is_archive_name(name: str) -> bool:
    """Return whether a member's name is that of a readable archive."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def read_entries(path: Path, budget: Budget, leave_out: Path | None = None) -> Iterator[Member]:
    """Yield the members of a bundle.

    Args:
        path: A folder, a .tgz, .tar.gz, .tar or .zip archive, or any other file, which is its own member.
        budget: Charged for the members.
        leave_out: A subfolder to skip: the results folder.

    Raises:
        LimitError: Once the bundle is recognised as a bomb.
    """
    if path.is_dir():
        yield from _folder(path, budget, leave_out.resolve() if leave_out else None)
        return
    with path.open("rb") as file:
        start = file.read(TAR_MAGIC_AT + len(TAR_MAGIC))
        file.seek(0)
        try:
            if start.startswith(ZIP_MAGICS):
                yield from _zip(file, budget)
            elif start.startswith(GZIP_MAGIC) or start[TAR_MAGIC_AT:] == TAR_MAGIC:
                yield from _tar(file, start.startswith(GZIP_MAGIC), budget)
            else:
                budget.count_member()
                yield Member(path.name, file)
        except LimitError:
            raise
        except Exception as error:  # noqa: BLE001 - a forged archive can make a reader raise anything
            yield Member("", None, f"the archive is damaged from here on: {_reason(error)}")


def shown(name: str) -> str:
    """Return a name as text for any file: not too long, with bytes that are not UTF-8 as escapes."""
    text = name if len(name) <= LONGEST_NAME else f"{name[:100]}..{name[-100:]}"
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _refusal(name: str) -> str:
    """Return why a name is invalid for a member of a bundle, empty if it is valid."""
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts:
        return "it has no name"
    if path.is_absolute() or path.parts[0].endswith(":"):
        return "its name is an absolute path"
    if len(name) > LONGEST_NAME:
        return "its name is too long"
    if ".." in path.parts:
        return "its name points outside the bundle"
    return "its name contains a NUL" if "\0" in name else ""


def _folder(
    root: Path, budget: Budget, leave_out: Path | None, inside: str = "", depth: int = 0
) -> Iterator[Member]:
    if depth > budget.limits.depth:
        yield Member(inside, None, "folders are nested too deeply")
        return
    try:
        found = sorted(os.scandir(root / inside), key=lambda each: each.name)
    except OSError as error:
        yield Member(shown(inside), None, f"cannot be read: {error.strerror}")
        return
    for each in found:
        name = os.path.join(inside, each.name)  # noqa: PTH118 - Path would rewrite names
        budget.count_member()
        if each.is_symlink():
            yield Member(shown(name), None, "it is a link")
        elif each.is_dir(follow_symlinks=False):
            if leave_out is None or (root / name).resolve() != leave_out:
                yield from _folder(root, budget, leave_out, name, depth + 1)
        else:
            yield from _file(root / name, shown(name), budget)


def _file(path: Path, name: str, budget: Budget) -> Iterator[Member]:
    try:
        # Opening a pipe without a writer would block, and a link could have been put in its place.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        yield Member(name, None, f"cannot be read: {error.strerror}")
        return
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            yield Member(name, cast("IO[bytes]", Charged(file, budget)))
        else:
            yield Member(name, None, "it is not a regular file")


def _tar(file: BinaryIO, compressed: bool, budget: Budget) -> Iterator[Member]:
    source = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if compressed else file
    stream = ForwardStream(source, os.fstat(file.fileno()).st_size, budget)
    archive = tarfile.TarFile(
        fileobj=cast("BinaryIO", stream), mode="r", encoding="utf-8", errors="surrogateescape"
    )
    while True:
        stream.begin_header()
        member = archive.next()
        if member is None:
            if not stream.ended_well:
                yield Member("", None, "the archive is damaged from here on")
            return
        budget.count_member()
        name = shown(member.name)
        refusal = _refusal(member.name) or _refused_kind(member)
        if member.isdir():
            continue
        if refusal:
            yield Member(name, None, refusal)
            continue
        stream.in_data = True
        yield Member(name, archive.extractfile(member))
        # `tarfile` keeps every member that it has read.
        archive.members.clear()  # type: ignore[attr-defined]  # not in its stub
        archive.pax_headers = {}


def _refused_kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "it is a link"
    if member.issparse():
        return "it is a sparse file"
    if not member.isreg() or member.size < 0:
        return "it is not a regular file"
    return ""


def _zip(file: BinaryIO, budget: Budget) -> Iterator[Member]:
    size = os.fstat(file.fileno()).st_size
    before = budget.total_bytes
    with zipfile.ZipFile(cast("IO[bytes]", BoundedReads(file, budget.limits.members))) as archive:
        for member in archive.infolist():
            budget.count_member()
            if member.is_dir():
                continue
            name = shown(member.filename)
            refusal = _refusal(member.filename) or _refused_in_zip(member)
            if refusal:
                yield Member(name, None, refusal)
                continue
            try:
                stream = archive.open(member)
            except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
                # Others may be intact: each is found on its own.
                yield Member(name, None, f"it is damaged: {_reason(error)}")
                continue
            with stream:
                yield Member(name, cast("IO[bytes]", Charged(stream, budget, size, before)))


def _refused_in_zip(member: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "it is a link"
    if kind not in {0, stat.S_IFREG}:
        return "it is not a regular file"
    if member.flag_bits & ENCRYPTED:
        return "it is encrypted"
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        # LZMA's header determines the allocated memory: 4 GB for ten bytes.
        return "it is not compressed with deflate"
    return ""
