"""Staging area of members: each content once, under its SHA-256, whatever its name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from instrumented_calc.errors import IntakeError
from instrumented_calc.intake.archives.bounded_reads import CHUNK_BYTES
from instrumented_calc.intake.archives.limits import Budget, LimitError, Limits
from instrumented_calc.intake.archives.members import is_archive_name, read_entries

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO, BinaryIO

    from instrumented_calc.intake.archives.members import Member


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a content.

    Attributes:
        bundle: Name of the bundle's file or folder.
        member: Its name in the bundle; `inner.tgz!name` in a nested archive.
        site: `chtc`, `local` or empty, as given by the user.
    """

    bundle: str
    member: str
    site: str = ""


@dataclass(slots=True)
class Content:
    """One content.

    Attributes:
        path: The file that stores it.
        sha256: Its hash.
        size_bytes: Its size.
        origins: Where it was found, in order.
    """

    path: Path
    sha256: str
    size_bytes: int
    origins: list[Origin] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Last part of the name under which it was found first."""
        return self.origins[0].member.rpartition("!")[2].rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused member, or a bundle that is not read further."""

    bundle: str
    member: str
    reason: str


@dataclass(slots=True)
class Staged:
    """The accepted and the refused members of all bundles.

    Attributes:
        contents: By SHA-256, in the order in which they were found.
        refusals: Refused members.
        bundles: SHA-256 of each archive by its name; empty for a folder.
    """

    contents: dict[str, Content] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    bundles: dict[str, str] = field(default_factory=dict)


def stage(  # noqa: PLR0913 - keyword-only from the fourth
    path: Path,
    into: Path,
    staged: Staged,
    *,
    site: str = "",
    limits: Limits | None = None,
    leave_out: Path | None = None,
) -> None:
    """Extract the members of one bundle.

    Args:
        path: The bundle: a folder or a file.
        into: An empty folder of ours.
        staged: Receives the members.
        site: `chtc`, `local` or empty.
        limits: Limits on the output.
        leave_out: A subfolder that is not part of the bundle: the results folder.

    Raises:
        IntakeError: If the bundle cannot be read, or its members cannot be written.
    """
    if not path.exists():
        message = f"{path}: no such file or folder; give a .tgz, .tar.gz or .zip archive, or a folder"
        raise IntakeError(message)
    if not path.is_file() and not path.is_dir():
        message = f"{path}: a pipe or a device; give an archive, a folder or a file"
        raise IntakeError(message)
    try:
        if path.is_file():
            with path.open("rb") as file:
                staged.bundles[path.name] = sha256_of(file)
        _Staging(into, staged, Budget(limits or Limits()), site, leave_out).take(
            path, path.resolve().name, "", 0
        )
    except OSError as error:
        message = f"{path}: {error.strerror or error}; check the file and the space on the disk"
        raise IntakeError(message) from error


def sha256_of(file: BinaryIO) -> str:
    """Return the hash of an open file."""
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


class _DamagedError(Exception):
    """Raised if a member cannot be read to its end."""


def _read(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(CHUNK_BYTES)
    except LimitError:
        raise
    except Exception as error:
        # A forged archive can make its reader raise anything.
        raise _DamagedError(str(error) or type(error).__name__) from error


class _Staging:
    """One bundle during extraction."""

    def __init__(self, into: Path, staged: Staged, budget: Budget, site: str, leave_out: Path | None) -> None:
        self._into = into
        self._staged = staged
        self._budget = budget
        self._site = site
        self._leave_out = leave_out

    def take(self, path: Path, bundle: str, prefix: str, level: int) -> None:
        """Extract every member, and those of nested archives."""
        try:
            for entry in read_entries(path, self._budget, self._leave_out):
                if entry.stream is None:
                    self._refuse(bundle, prefix + entry.name, entry.refusal)
                    continue
                try:
                    content = self._write(entry, Origin(bundle, prefix + entry.name, self._site))
                except _DamagedError as error:
                    self._refuse(bundle, prefix + entry.name, f"it is damaged: {error}")
                    continue
                if content is not None and is_archive_name(content.name):
                    self._open_inner(content, bundle, prefix + entry.name, level)
        except LimitError as error:
            self._refuse(bundle, prefix, f"nothing further is read: {error}")

    def _open_inner(self, content: Content, bundle: str, member: str, level: int) -> None:
        if level < self._budget.limits.nesting:
            self.take(content.path, bundle, f"{member}!", level + 1)
        else:
            self._refuse(bundle, member, "archives are nested too deeply: kept, not opened")

    def _refuse(self, bundle: str, member: str, reason: str) -> None:
        self._staged.refusals.append(Refusal(bundle, member, reason))

    def _write(self, entry: Member, origin: Origin) -> Content | None:
        """Copy a member to a file with a name of our choice; return it if it is new."""
        assert entry.stream is not None  # noqa: S101 - ensured by the caller
        digest, size = hashlib.sha256(), 0
        file_path = self._into / "incoming"
        try:
            with file_path.open("wb") as file:
                while chunk := _read(entry.stream):
                    size += len(chunk)
                    self._budget.check_member(size)
                    digest.update(chunk)
                    file.write(chunk)
        except BaseException:
            file_path.unlink(missing_ok=True)
            raise
        name = digest.hexdigest()
        known = self._staged.contents.get(name)
        if known is not None:
            file_path.unlink()
            known.origins.append(origin)
            return None
        found = Content(file_path.rename(self._into / name), name, size, [origin])
        self._staged.contents[name] = found
        return found
