"""A process that has loaded the libraries, and starts each case in a copy of itself.

python -m tests.diagnosis.nursery [torch] reads one JSON object a line: what `Nursery.run` sends.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

from tests.diagnosis.bench import REPOSITORY, Outcome, environment_of
from tests.diagnosis.case import CASES, all_cases

if TYPE_CHECKING:
    from pathlib import Path

    from tests.diagnosis.case import Case


class Nursery:
    """Runs cases without loading the libraries for each of them.

    Args:
        library: A library to load besides those of core.
    """

    def __init__(self, library: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.diagnosis.nursery", *([library] if library else [])],
            cwd=REPOSITORY,
            env=environment_of({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, case: Case, seed: int, directory: Path, *, planted: bool, profiled: bool = True) -> Outcome:
        """Run a case in a new directory; an unprofiled one leaves no journal."""
        directory.mkdir(parents=True)
        asked = {
            "name": case.name,
            "seed": seed,
            "directory": str(directory),
            "planted": planted,
            "switch": "on" if profiled else "off",
        }
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        stdout.readline()
        outcome = Outcome(case, planted, directory / "run.jsonl")
        if profiled and not outcome.path.exists():
            message = f"{case.name} failed:\n{(directory / 'errors').read_text()}"
            raise RuntimeError(message)
        return outcome

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def main() -> None:
    """Start what is asked for, until there is no more."""
    for library in sys.argv[1:]:
        importlib.import_module(library)
    all_cases()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _run(json.loads(line))
        os.waitpid(child, 0)
        print("done", flush=True)  # noqa: T201 - read by `Nursery`


def _run(asked: dict[str, Any]) -> None:
    """Run a case in this process, which ends as a script does."""
    os.chdir(asked["directory"])
    errors = os.open("errors", os.O_CREAT | os.O_WRONLY)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    case = CASES[asked["name"]]
    os.environ.update(case.environment, INSTRUMENTED_CALC=asked["switch"])
    status = 0
    try:
        case.run(asked["seed"], planted=asked["planted"])
    except SystemExit as end:
        status = int(str(end.code))
    except BaseException:  # noqa: BLE001 - its text is the parent's
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
