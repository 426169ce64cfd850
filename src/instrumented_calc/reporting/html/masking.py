"""Hide who ran where: users, hosts and folders in all texts of a page."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from instrumented_calc.intake.outgoing.masking import mask_paths
from instrumented_calc.journal.masking import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from instrumented_calc.journal.records import RunStart

ABSOLUTE = re.compile(
    r"(?<![\w.~/:-])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\\"'<>|:;,]+[/\\])+(?=[^\s/\\\"'<>|:;,]|$|\s)"
)
HOME_OF = re.compile(r"/(?:home|Users|var/home|export/home)/([^/\s\"':;,\\]+)")
NOBODY = {"root", "user", "nobody", "localhost", "host", ""}  # names that tell nothing
HOST, USER = "host", "user"
USER_KEYS = ("user", "account")


class Mask:
    """Replaces names of users and hosts, and leaves of a path only its last part.

    Args:
        journals: Journals and their first records, None if that is lost: their hosts, folders and users are
            hidden.
    """

    def __init__(self, journals: Iterable[tuple[Path, RunStart | None]]) -> None:
        self._folders: set[str] = set()
        names: dict[str, str] = {}
        for path, start in journals:
            self._folders.add(str(path.parent))
            if start is None:
                continue
            host = start.environment.host
            if isinstance(host, str):
                names |= dict.fromkeys((host, host.partition(".")[0]), HOST)
            names |= dict.fromkeys(_users(path, start), USER)
            if isinstance(start.directory, str):
                self._folders.add(start.directory)
        long = sorted(set(names) - NOBODY, key=lambda each: (-len(each), each))
        self._names = names
        self._pattern = (
            re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, long))})(?![\w-])") if long else None
        )

    def __call__(self, text: str) -> str:
        """Return a text without them."""
        for folder in sorted(self._folders, key=lambda each: (-len(each), each)):
            if len(folder) > 1:
                text = text.replace(f"{folder}/", "").replace(folder, PurePath(folder).anchor or ".")
        text = mask_secrets(mask_paths(text)) if "/" in text or "=" in text else text
        text = ABSOLUTE.sub("", text)
        return self._pattern.sub(lambda found: self._names[found[0]], text) if self._pattern else text


def _users(path: Path, start: RunStart) -> set[str]:
    """Return the names of users that the first record tells: of home folders, and of the batch system."""
    texts = [*(start.command or ()), start.directory or "", str(path), str(start.settings or "")]
    found = {name for text in texts for name in HOME_OF.findall(text)}
    scheduler = start.environment.scheduler or {}
    return found | {value for key, value in scheduler.items() if key in USER_KEYS}


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value with all texts in it changed: in dataclasses, tuples, lists and values of dictionaries.

    Args:
        value: The value.
        change: Applied to each text.
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple | list):
        return type(value)(changed(each, change) for each in value)
    if isinstance(value, dict):
        return {key: changed(each, change) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(
            **{each.name: changed(getattr(value, each.name), change) for each in fields(value)}
        )
    return value
