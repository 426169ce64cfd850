"""What a stranger need not know: home directories, user names, secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MASKED = "***"
SECRET_NAMES = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|(?:^|_)PASS(?:$|_)|PWD_|CREDENTIAL|COOKIE|SESSION|AUTH|PRIVATE|CERT|SIGNATURE",
    re.IGNORECASE,
)
# user:password@ in a URL, the user alone too: a token is often written there
URL_USER = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^/@\s\"']+@")
# What a URL's query or a command line carries by name.
NAMED_SECRET = re.compile(
    r"((?:^|[?&;,\s\-])[A-Za-z0-9_\-]*(?:key|token|secret|password|passwd|signature|credential)[A-Za-z0-9_\-]*"
    r"[=:]\s*)[^\s&;,\"']+",
    re.IGNORECASE,
)
# Well-known shapes of tokens, whatever the variable's name.
TOKEN_SHAPES = re.compile(
    r"\b(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|hf_\w{16,}|sk-[\w-]{16,}|xox[abprs]-[\w-]{10,}"
    r"|AKIA[0-9A-Z]{12,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)"
)
HOMES = re.compile(
    r"(?<![\w.~-])/(?:home|Users|root|var/home|export/home)(?:(?<=/root)|/[^/\s\"':;,\\]+)(?![\w-])"
)
SYSTEM_USERS = {"root", "user", "nobody", ""}


def mask_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables, sorted, with secrets masked: by their name, and in their value."""
    return {
        name: MASKED if SECRET_NAMES.search(name) and value else mask_secrets(value)
        for name, value in sorted(variables.items())
    }


def mask_secrets(text: str) -> str:
    """Mask credentials in URLs, named secrets and what has the shape of a token."""
    text = URL_USER.sub(rf"\1{MASKED}@", text)
    text = NAMED_SECRET.sub(rf"\1{MASKED}", text)
    return TOKEN_SHAPES.sub(MASKED, text)


def mask_paths(text: str, home: str | None = None, user: str | None = None) -> str:
    """Replace home directories by `~` and the user's name as a part of paths by `user`.

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
