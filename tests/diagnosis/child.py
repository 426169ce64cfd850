"""Runs one case in its own process: python -m tests.diagnosis.child NAME planted|healthy SEED [virtual]."""

from __future__ import annotations

import sys

from tests.diagnosis import virtual_time
from tests.diagnosis.case import CASES, all_cases


def main() -> None:
    """Run the case that the command line names."""
    name, variant, seed, *clock = sys.argv[1:]
    if clock:
        virtual_time.install()
    all_cases()
    CASES[name].run(int(seed), planted=variant == "planted")


if __name__ == "__main__":
    main()
