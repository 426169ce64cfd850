"""The git revision of the working directory."""

from __future__ import annotations

import subprocess
from typing import Any

from instrumented_calc.journal.masking import mask_secrets

GIT_TIME_S = 10
# A repository's own settings may name programs to run: those used by `git status` are disabled.
SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


def git_revision() -> dict[str, Any]:
    """Return revision, branch, number of changed files and remote; empty outside a repository."""
    revision = _git("rev-parse", "HEAD")
    if not revision:
        return {}
    found: dict[str, Any] = {"revision": revision, "branch": _git("rev-parse", "--abbrev-ref", "HEAD")}
    changed = _git("status", "--porcelain", "--untracked-files=no")
    if changed is not None:
        found["changed_files"] = len(changed.splitlines())
    remote = _git("config", "--get", "remote.origin.url")
    if remote:
        found["remote"] = mask_secrets(remote)
    return found


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *SAFE, *words],  # noqa: S607 - the user's own git, wherever it is
            capture_output=True,
            text=True,
            timeout=GIT_TIME_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
