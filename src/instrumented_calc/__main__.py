"""`python -m instrumented_calc`."""

from __future__ import annotations

import sys

from instrumented_calc.cli import main

if __name__ == "__main__":
    sys.exit(main())
