"""The results of earlier gates with equal machine, software and system, one line each."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.comparison.noise import noise_of
from instrumented_calc.errors import ExperimentError
from instrumented_calc.journal.new_file import replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun

# What a series of results is to reveal: versions of libraries.
NOT_KEYS = ("libraries",)
NOT_NAMES = ("model's library",)


def remember(folder: Path, runs: Sequence[MeasuredRun]) -> list[dict[str, Any]]:
    """Add the runs after the change to the history of runs with equal keys.

    Args:
        folder: Folder of the history; created if needed.
        runs: Two or more replicates.

    Returns:
        All results with equal keys, in order of time, each with `started` and `median_ns`.

    Raises:
        ExperimentError: The history cannot be read or written.
    """
    noise = noise_of(runs)
    path = folder / f"history-{key_of(runs[0])}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        found = [each for each in found if each["median_ns"] > 0 and isinstance(each["started"], str)]
        if noise is not None:
            versions = runs[0].evidence.get("libraries", {})
            found.append(
                {
                    "started": runs[0].started,
                    "median_ns": noise.median_ns,
                    "scatter": noise.scatter,
                    "runs": noise.runs,
                    "libraries": versions,
                }
            )
        replace(path, "".join(json.dumps(each) + "\n" for each in found).encode())
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}; give another --history"
        raise ExperimentError(message) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"{path}: not a history of gates; move it away, or give another --history"
        raise ExperimentError(message) from error
    return sorted(found, key=lambda each: str(each["started"]))


def key_of(run: MeasuredRun) -> str:
    """Return what runs of one history share: system, and evidence other than versions of libraries."""
    evidence = {
        key: {name: value for name, value in sorted(names.items()) if name not in NOT_NAMES}
        for key, names in sorted(run.evidence.items())
        if key not in NOT_KEYS
    }
    text = json.dumps([evidence, sorted(run.systems), sorted(run.drivers)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
