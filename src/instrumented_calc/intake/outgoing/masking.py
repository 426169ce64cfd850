"""Mask home directories and user names in paths; secrets are masked by `journal.masking`."""

from __future__ import annotations

import os
import re
from pathlib import Path

HOMES = re.compile(
    r"(?<![\w.~-])/(?:home|Users|root|var/home|export/home)(?:(?<=/root)|/[^/\s\"':;,\\]+)(?![\w-])"
)
SYSTEM_USERS = {"root", "user", "nobody", ""}


def mask_paths(text: str, home: str | None = None, user: str | None = None) -> str:
    """Replace home directories by `~` and the user's name within paths by `user`.

    Args:
        text: Any text.
        home: The home directory; that of this process by default.
        user: The user's name; that of the environment by default.
    """
    home = str(Path.home()) if home is None else home
    user = os.environ.get("USER", "") or Path(home).name if user is None else user
    if len(home) > 1:
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
    text = HOMES.sub("~", text)
    if user not in SYSTEM_USERS:
        text = re.sub(rf"(?<=/){re.escape(user)}(?![\w.-])", "user", text)
    return text
