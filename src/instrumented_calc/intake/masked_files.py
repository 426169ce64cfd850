"""Files as a stranger may have them: the figures whole, the folders and secrets not."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any

from instrumented_calc.intake.masking import mask_paths, mask_secrets

# What of a journal's first record names folders.
FOLDERS_IN = ("command", "directory", "settings")


def masked(content: bytes) -> bytes:
    """Return text without home directories and secrets."""
    text = content.decode("utf-8", "surrogateescape")
    return mask_secrets(mask_paths(text)).encode("utf-8", "surrogateescape")


def mask_journal(source: Path, target: Path) -> None:
    """Copy a journal, line by line, without home directories, secrets and the folders that it names.

    A torn last line stays torn.
    """
    with source.open("rb") as read, target.open("wb") as written:
        start = json.loads(read.readline())
        folder = f"{start.get('directory', '')}/".encode()
        start |= {key: _without_folders(start[key]) for key in FOLDERS_IN if key in start}
        written.write(masked(json.dumps(start, separators=(",", ":"), ensure_ascii=False).encode()) + b"\n")
        for line in read:
            # Most lines are calls, without any path.
            within = line.replace(folder, b"") if len(folder) > 1 else line
            written.write(masked(within) if b"/" in within else within)


def _without_folders(value: Any) -> Any:
    """Keep the last part of every absolute path: what was run is evidence, where it lay is not."""
    if isinstance(value, list):
        return [_without_folders(each) for each in value]
    if isinstance(value, dict):
        return {key: _without_folders(each) for key, each in value.items()}
    if not isinstance(value, str):
        return value
    option, equals, path = value.rpartition("=") if value.startswith("-") else ("", "", value)
    return option + equals + (PurePath(path).name if path.startswith("/") else path)
