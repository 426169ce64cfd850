"""A program that calculates: it reads positions from a file and writes an energy and forces.

external_program.py INPUT OUTPUT [MEGABYTES [EXIT_STATUS]]
"""

import json
import sys
from pathlib import Path
from time import process_time

CPU_S = 0.03  # of each execution, at least


def main(arguments):
    """Run the program."""
    positions = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    megabytes, status = (*map(int, arguments[2:]), 0, 0)[:2]
    memory = b"x" * (megabytes * 1_000_000)
    while process_time() < CPU_S:
        pass
    if status:
        return status
    answer = {
        "energy": sum(number**2 for position in positions for number in position),
        "forces": [[-2 * number for number in position] for position in positions],
        "memory": len(memory),
    }
    Path(arguments[1]).write_text(json.dumps(answer), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
