"""cProfile's files, on request only: they are marshalled data, which can crash the process that loads them.

Therefore another interpreter loads them, with limited memory and time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import IntakeError

if TYPE_CHECKING:
    from pathlib import Path

TIME_LIMIT_S = 60
MEMORY_BYTES = 192 * 2**20
FUNCTIONS = 50
LOADER = f"""
import json, marshal, resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_BYTES}, {MEMORY_BYTES}))
resource.setrlimit(resource.RLIMIT_CPU, ({TIME_LIMIT_S}, {TIME_LIMIT_S}))
with open(sys.argv[1], "rb") as file:
    found = marshal.load(file)
rows = [
    [str(key[0])[-200:], int(key[1]), str(key[2])[:200], int(value[1]), float(value[2]), float(value[3])]
    for key, value in found.items()
]
rows.sort(key=lambda row: -row[4])
print(json.dumps([sum(row[4] for row in rows), rows[:{FUNCTIONS}]]))
"""


def hotspots(path: Path, source: str) -> list[dict[str, Any]]:
    """Return the functions of a profile with the largest own time.

    Args:
        path: A file written by cProfile.
        source: Its name in the table.

    Raises:
        IntakeError: If it is not such a file.
    """
    message = f"{source}: not a cProfile file"
    try:
        run = subprocess.run(
            [sys.executable, "-I", "-c", LOADER, str(path)],
            capture_output=True,
            timeout=2 * TIME_LIMIT_S,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        total, rows = json.loads(run.stdout)
        return [
            {
                "source": source,
                "function": str(function),
                "file": str(file),
                "line": int(line),
                "calls": int(calls),
                "own_s": float(own),
                "cumulative_s": float(cumulative),
                "own_share": float(own) / total if total else None,
            }
            for file, line, function, calls, own, cumulative in rows
        ]
    except (subprocess.SubprocessError, ValueError, TypeError) as error:
        raise IntakeError(message) from error
