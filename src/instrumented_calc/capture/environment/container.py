"""The container around the process, as far as files and variables show one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from instrumented_calc.journal.masking import mask_secrets

FILES = {"/.dockerenv": "docker", "/run/.containerenv": "podman", "/.singularity.d": "apptainer"}
# Variables that hold the container's name.
NAMES = {"APPTAINER_NAME": "apptainer", "SINGULARITY_NAME": "apptainer", "container": "container"}
KUBERNETES = "KUBERNETES_SERVICE_HOST"


def container() -> dict[str, Any]:
    """Return the likely kinds of container and the container's name; empty if nothing suggests one."""
    named = {kind: os.environ[name] for name, kind in NAMES.items() if os.environ.get(name)}
    hints = {kind for path, kind in FILES.items() if Path(path).exists()} | set(named)
    if KUBERNETES in os.environ:
        hints.add("kubernetes")
    if not hints:
        return {}
    found: dict[str, Any] = {"hints": sorted(hints)}
    if named:
        found["name"] = mask_secrets(next(iter(named.values())))
    return found
