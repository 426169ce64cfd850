"""Check whether a file is on a file system whose server may stop responding."""

from __future__ import annotations

import os
import re
from pathlib import Path

import psutil

from instrumented_calc.foreign import is_foreign

NETWORK_FILE_SYSTEMS = frozenset(
    [
        b"9p",
        b"afpfs",
        b"afs",
        b"beegfs",
        b"ceph",
        b"cifs",
        b"coda",
        b"daos",
        b"dvs",
        b"fuse",
        b"gfs",
        b"gfs2",
        b"glusterfs",
        b"gpfs",
        b"lustre",
        b"ncpfs",
        b"nfs",
        b"nfs4",
        b"ocfs2",
        b"orangefs",
        b"panfs",
        b"prl_fs",
        b"pvfs2",
        b"smb3",
        b"smbfs",
        b"vboxsf",
        b"virtiofs",
        b"vmhgfs",
        b"webdav",
        b"wekafs",
    ]
)
MOUNT_POINT = 4  # field number in a line of mountinfo, see proc(5)
ESCAPED = re.compile(rb"\\([0-3][0-7]{2})")  # the kernel's escapes of spaces and the like


def on_network_file_system(path: Path) -> bool:
    """Return whether a file is on a file system whose server may stop responding.

    Args:
        path: An existing file.

    Returns:
        Whether the longest mount point above the file is of a network type.
    """
    longest, kind = b"", b""
    name = os.fsencode(path.resolve())
    for point, its_kind in _mounts():
        inside = name == point or name.startswith(point.rstrip(b"/") + b"/")
        if inside and len(point) >= len(longest):
            longest, kind = point, its_kind
    return kind.lower().partition(b".")[0] in NETWORK_FILE_SYSTEMS


def _mounts() -> list[tuple[bytes, bytes]]:
    """Return mount points and types. They are bytes: other users' mounts may have any name."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().split(b"\n")
    except OSError as error:
        if is_foreign(error):
            raise
        mounts = [] if os.name == "nt" else psutil.disk_partitions(all=True)
        return [(os.fsencode(each.mountpoint), os.fsencode(each.fstype)) for each in mounts]
    found = []
    for line in lines:
        left, _, right = line.partition(b" - ")
        fields = left.split(b" ")
        if len(fields) > MOUNT_POINT:
            point = ESCAPED.sub(lambda octal: bytes([int(octal[1], 8)]), fields[MOUNT_POINT])
            found.append((point, right.partition(b" ")[0]))
    return found
