"""Runs ASE's own test-suite with every calculator wrapped, and proves two things.

1. No regression: a test that fails wrapped fails bare as well.
2. Every execution of a wrapped calculator's `calculate` has its row in the journal, and no row is
   without one, test by test.

    python tests/ase_suite/run.py [pytest arguments, such as -k emt]

Takes about as long as the bare suite, a minute and a half on two processors. Exits with 1 on any
regression or mismatch.
"""

# ruff: noqa: T201 - a script that prints its results
from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from bisect import bisect_right
from collections import Counter
from pathlib import Path

import ase.test

HERE = Path(__file__).parent
SUITE = Path(ase.test.__file__).parent
# Tests that fail with any wrapping at assignment, with the reason.
EXPECTED = {
    "atoms/test_deprecated_get_set.py::test_set_calculator": "asks for the very object it assigned",
}
WORST = ["passed", "skipped", "xfailed", "failed"]


def main(arguments):
    """Run the suite wrapped, repeat the failed tests bare, and compare.

    Args:
        arguments: Passed on to pytest.

    Returns:
        The exit status.
    """
    with tempfile.TemporaryDirectory(prefix="ase-suite-") as folder:
        wrapped = run_suite(Path(folder) / "wrapped", [str(SUITE), *arguments])
        failed = sorted(test for test, outcome in wrapped.items() if outcome == "failed")
        print(", ".join(f"{n} {what}" for what, n in Counter(wrapped.values()).most_common()))
        regressions = sorted(set(failed) - fails_bare(folder, failed) - EXPECTED.keys())
        mismatches, executions, workers = compare_rows(Path(folder) / "wrapped")
    for test in failed:
        if test in EXPECTED:
            print(f"expected    {test} fails: it {EXPECTED[test]}")
    for test in regressions:
        print(f"REGRESSION  {test} fails wrapped and passes bare")
    for test, (real, recorded) in mismatches.items():
        print(f"MISMATCH    {test}: {real} real executions, {recorded} rows")
    print(
        f"{len(regressions)} regressions; {executions} real executions, {len(mismatches)} tests "
        f"with another number of rows ({workers} processes)"
    )
    return 1 if regressions or mismatches or not wrapped or not executions else 0


def fails_bare(folder, tests):
    """Return those of the tests that fail with nothing wrapped."""
    if not tests:
        return set()
    bare = run_suite(Path(folder) / "bare", [str(SUITE / test) for test in tests], bare=True)
    return {test for test, outcome in bare.items() if outcome == "failed"}


def run_suite(out, arguments, *, bare=False):
    """Run tests of ASE in a separate process.

    Args:
        out: Directory for the plugin's files.
        arguments: Which tests, and options for pytest.
        bare: Whether to wrap nothing.

    Returns:
        Outcome by test.
    """
    places = [str(HERE), *(str(Path(entry).resolve()) for entry in sys.path if entry)]
    environment = os.environ | {
        "ASE_SUITE_OUT": str(out),
        "PYTHONPATH": os.pathsep.join(places),
        # The suite runs the `ase` command that was installed beside this interpreter.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    if bare:
        environment["ASE_SUITE_BARE"] = "1"
    processes = ["-n", "2"] if importlib.util.find_spec("xdist") else []
    command = [sys.executable, "-m", "pytest", "-p", "wrap_plugin", "-p", "no:cacheprovider"]
    out.mkdir(parents=True)
    # Where the environment lies inside of this repository, its settings would deselect ASE's slow tests.
    settings = out / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    # Some of ASE's tests depend on their order.
    options = ["-c", str(settings), "-p", "no:randomly", *processes, "-q", "--tb=short", f"--rootdir={SUITE}"]
    with (out / "output.txt").open("w") as output:
        status = subprocess.run(
            [*command, *options, *arguments],
            cwd=out,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if status not in (0, 1):
        print((out / "output.txt").read_text()[-2000:])
        sys.exit(f"pytest itself failed with status {status}")
    worst = {}
    for line in read_lines(out / "outcomes.jsonl"):
        before = worst.get(line["test"], WORST[0])
        worst[line["test"]] = max(before, line["outcome"], key=WORST.index)
    return worst


def compare_rows(out):
    """Compare executions with rows, test by test.

    Args:
        out: Directory that the plugin wrote to.

    Returns:
        The tests whose numbers differ, with both numbers; all executions; the number of processes.
    """
    mismatches, executions = {}, 0
    journals = sorted(out.glob("*/run.jsonl"))
    for journal in journals:
        recorded = rows_by_test(journal)
        for line in read_lines(journal.parent / "real.jsonl"):
            executions += line["real"]
            rows = recorded.pop(line["test"], 0)
            if rows != line["real"]:
                mismatches[line["test"]] = line["real"], rows
        mismatches |= {test: (0, rows) for test, rows in recorded.items()}
    return mismatches, executions, len(journals)


def rows_by_test(journal):
    """Count a journal's rows by the test whose mark came before them."""
    starts, times, tests = [], [0], ["start"]
    for record in read_lines(journal):
        if record["event"] == "call":
            starts.append(record["start_ns"])
        elif record.get("kind") == "mark":
            times.append(record["time_ns"])
            tests.append(record["text"])
    return Counter(tests[bisect_right(times, start) - 1] for start in starts)


def read_lines(path):
    """Yield the objects of a file of JSON lines."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
