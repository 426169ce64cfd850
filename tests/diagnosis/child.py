"""Runs one case in a process of its own: python -m tests.diagnosis.child NAME planted|healthy SEED."""

from __future__ import annotations

import sys

from tests.diagnosis.case import CASES, all_cases


def main() -> None:
    """Run the case that the command line names."""
    name, variant, seed = sys.argv[1:]
    all_cases()
    CASES[name].run(int(seed), planted=variant == "planted")


if __name__ == "__main__":
    main()
