"""Limits above which a bundle is taken for a bomb."""

from __future__ import annotations

from dataclasses import dataclass, field

from instrumented_calc.errors import IntakeError

MIB = 2**20
GIB = 2**30


class LimitError(IntakeError):
    """Raised if a bundle exceeds a limit: nothing further of it is read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the output of one bundle, including nested archives.

    Attributes:
        members: Members, including folders and refused ones.
        total_bytes: Bytes out of all members, including headers and skipped ones.
        member_bytes: Bytes of one member.
        ratio: Bytes out over bytes of the archive, above `free_bytes`. Text of logs shrinks to a twentieth,
            deflate's best is a thousandth.
        free_bytes: Allowed output of any archive, however small.
        header_bytes: Bytes of the headers of one member: names, extended attributes, maps of holes.
        nesting: Nesting of archives.
        depth: Nesting of folders.
    """

    members: int = 20_000
    total_bytes: int = 8 * GIB
    member_bytes: int = 4 * GIB
    ratio: float = 200.0
    free_bytes: int = 64 * MIB
    header_bytes: int = MIB // 4
    nesting: int = 2
    depth: int = 64


@dataclass(slots=True)
class Budget:
    """Use of the limits by one bundle.

    Attributes:
        limits: The limits.
        members: Members so far.
        total_bytes: Bytes so far.
    """

    limits: Limits = field(default_factory=Limits)
    members: int = 0
    total_bytes: int = 0

    def count_member(self) -> None:
        """Count one more member.

        Raises:
            LimitError: If there are too many.
        """
        self.members += 1
        if self.members > self.limits.members:
            message = f"more than {self.limits.members:,} members"
            raise LimitError(message)

    def count_bytes(self, number: int) -> None:
        """Count output bytes.

        Raises:
            LimitError: If there are too many.
        """
        self.total_bytes += number
        if self.total_bytes > self.limits.total_bytes:
            message = f"more than {self.limits.total_bytes:,} bytes"
            raise LimitError(message)

    def check_member(self, size_bytes: int) -> None:
        """Check the size of one member.

        Raises:
            LimitError: If it is too large.
        """
        if size_bytes > self.limits.member_bytes:
            message = f"a member of more than {self.limits.member_bytes:,} bytes"
            raise LimitError(message)

    def check_ratio(self, came_out: int, archive_bytes: int) -> None:
        """Compare the output of an archive with its size.

        Raises:
            LimitError: If it expands like a bomb.
        """
        if came_out > self.limits.free_bytes and came_out > self.limits.ratio * max(archive_bytes, 1):
            message = f"it expands to more than {self.limits.ratio:g} times its size, like a zip bomb"
            raise LimitError(message)
