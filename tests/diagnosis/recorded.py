"""Journals that the bench recorded once: the default tests judge these, whatever the machine is doing.

python -m tests.diagnosis.recorded [NAME ...] records them anew: all of them, or those of some cases.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.diagnosis.bench import REPOSITORY, Outcome, run_case
from tests.diagnosis.case import all_cases

if TYPE_CHECKING:
    from tests.diagnosis.case import Case

JOURNALS = Path(__file__).parent / "journals"
SEED = 1
# Long digits do not compress. No rule depends on steps of 10 us or the fifth digit of an energy.
TIMES, TIME_DIGITS = ("start_ns", "wall_ns", "gap_ns", "cpu_ns", "self_ns"), -4
ENERGY = "energy_ev"


def cases_recorded() -> list[Case]:
    """Return the cases whose journals are kept."""
    return [each for each in all_cases() if not each.library and each.stored]


def variants(case: Case) -> tuple[bool, ...]:
    """Return whether the fault is there, for each run of a case."""
    return case.variants


def unpack(case: Case, directory: Path, *, planted: bool) -> Outcome:
    """Return the recorded run of a case, its journal laid into a directory."""
    path = directory / f"{case.name}.{_variant(planted=planted)}.jsonl"
    path.write_bytes(lzma.decompress(_stored(case, planted=planted).read_bytes()))
    return Outcome(case, planted, path)


def _stored(case: Case, *, planted: bool) -> Path:
    return JOURNALS / f"{case.name}.{_variant(planted=planted)}.jsonl.xz"


def _variant(*, planted: bool) -> str:
    return "planted" if planted else "healthy"


def _without_machine(record: dict[str, Any]) -> dict[str, Any]:
    """Remove the machine's identity and insignificant digits from a record."""
    if record["event"] == "run_start":
        record["command"], record["directory"] = ["python", "script.py"], "/home/user/run"
        record["settings"]["path"] = "/home/user/run/run.jsonl"
        record["environment"]["host"] = "node"
    for name in TIMES:
        if name in record:
            record[name] = round(record[name], TIME_DIGITS)
    if isinstance(record.get(ENERGY), float):
        record[ENERGY] = float(f"{record[ENERGY]:.4g}")
    return record


def record(case: Case, *, planted: bool) -> bool:
    """Run a case and keep its journal if it is judged right; return whether it was."""
    with tempfile.TemporaryDirectory() as directory:
        run = run_case(case, SEED, Path(directory, "run"), planted=planted, virtual=True)
        text = run.path.read_text().replace(sysconfig.get_path("purelib"), "/site-packages")
        lines = text.replace(str(REPOSITORY), "/repository").splitlines()
        kept = Path(directory, "kept.jsonl")
        records = (_without_machine(json.loads(line)) for line in lines)
        kept.write_text("".join(json.dumps(each, separators=(",", ":")) + "\n" for each in records))
        judged = Outcome(case, planted, kept)
        right = judged.rank in {1, 2} if planted else not judged.alarms
        print(case.name, _variant(planted=planted), *(each.rule for each in judged.alarms), flush=True)  # noqa: T201
        if right:
            packed = lzma.compress(kept.read_bytes(), preset=9 | lzma.PRESET_EXTREME)
            _stored(case, planted=planted).write_bytes(packed)
        return right


def main() -> int:
    """Record cases; return 1 if one was not judged right, whose stored journal then stays as it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args().names
    JOURNALS.mkdir(exist_ok=True)
    chosen = [each for each in cases_recorded() if not asked or each.name in asked]
    outcomes = [record(case, planted=planted) for case in chosen for planted in variants(case)]
    return int(not all(outcomes))


if __name__ == "__main__":
    sys.exit(main())
