"""Runs typical programs and writes the page that shows their summaries and reports, docs/guide/outputs.md.

python docs/outputs.py [NAME ...] takes a few minutes, and a quiet machine for times worth showing. With
names, only those runs are made anew. Orb is shown where orb-models is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "guide" / "outputs.md"
MARKER = "<!-- {}: {} -->"
HEAD = """# What you will see

Summaries and reports of typical runs on a machine with two processors. `python docs/outputs.py` makes this
page anew.
"""
COPPER = """
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from instrumented_calc import ProfiledCalculator

class Calc(EMT):
    kept = []

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
{fault}

atoms = bulk("Cu", cubic=True) * (2, 2, 2)
atoms.rattle(0.02, seed=1)
atoms.calc = ProfiledCalculator(Calc())
VelocityVerlet(atoms, 5 * units.fs).run({steps})
"""


class Shown(NamedTuple):
    """A run on the page.

    Attributes:
        name: Its name, as the argument of this script.
        title: Its heading.
        script: An example, or a program.
        kill: The signal that ends it after some seconds; None: it ends by itself.
    """

    name: str
    title: str
    script: str
    kill: signal.Signals | None = None


def copper(fault: str = "", steps: int = 400) -> str:
    """Return a program with copper whose calculator does something at the end of each call."""
    return COPPER.format(fault=f"        {fault}" if fault else "", steps=steps)


LEAK = "self.kept.append(bytearray(20_000))"
NAN = 'if len(self.kept) == 150: self.results["forces"][17:19] = float("nan")\n        self.kept.append(0)'
CRASH = 'if len(self.kept) == 150: raise RuntimeError("SCF not converged")\n        self.kept.append(0)'
RUNS = (
    Shown("healthy", "Healthy dynamics with EMT", "emt_md.py"),
    Shown("neb", "A nudged elastic band", "neb.py"),
    Shown("relax", "Relaxation, then dynamics", "relax.py"),
    Shown("screening", "300 structures", "screening.py"),
    Shown("leak", "A leak", copper(LEAK, 3000)),
    Shown("nan", "Forces that are not numbers", copper(NAN)),
    Shown("crash", "A crash", copper(CRASH)),
    Shown("ctrl-c", "Ctrl-C", copper(steps=100_000), signal.SIGINT),
    Shown("kill", "kill -9", copper(steps=100_000), signal.SIGKILL),
    Shown("pool", "A pool of processes", "pool.py"),
    Shown("orb", "Orb-v2 with random weights", "orb_md.py"),
)
KILLED_AFTER_S = 8


def main() -> None:
    """Make the wanted runs and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *(each.name for each in RUNS)])
    wanted = parser.parse_args().names
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = [HEAD]
    for each in RUNS:
        if not wanted or each.name in wanted:
            made = "" if each.name == "orb" and not importlib.util.find_spec("orb_models") else section(each)
        else:
            made = ""
        parts.append(made or kept(page, each.name))
    PAGE.write_text("\n".join(filter(None, parts)), encoding="utf-8")


def kept(page: str, name: str) -> str:
    """Return the section of a run as it is on the page; empty if it has none."""
    begin, end = (re.escape(MARKER.format(which, name)) for which in ("begin", "end"))
    found = re.search(rf"{begin}\n.*?{end}\n", page, re.DOTALL)
    return found[0] if found else ""


def section(shown: Shown) -> str:
    """Run a program and return the section with its summary and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = ROOT / "examples" / shown.script
        code = script.read_text(encoding="utf-8") if shown.script.endswith(".py") else shown.script
        (folder / "script.py").write_text(code, encoding="utf-8")
        printed = execute(folder, shown.kill)
        journals = sorted(path.name for path in folder.glob("*.jsonl"))
        command = [sys.executable, "-m", "instrumented_calc", "report", *journals]
        report = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    parts = [MARKER.format("begin", shown.name), f"## {shown.title}", ""]
    if printed:
        parts += ["```text", printed, "```", ""]
    words = "run.pid*.jsonl" if len(journals) > 1 else journals[0]
    parts += [f"`instrumented-calc report {words}`:", "", "```text", report.rstrip(), "```", ""]
    return "\n".join([*parts, MARKER.format("end", shown.name), ""])


def execute(folder: Path, kill: signal.Signals | None) -> str:
    """Run the script of a folder, end it by a signal if one is given, and return its summary."""
    environment = {**os.environ, "PWD": str(folder)}
    command = [sys.executable, "script.py"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        if kill is not None:
            time.sleep(KILLED_AFTER_S)
            process.send_signal(kill)
        _, errors = process.communicate(timeout=600)
    return without_traceback(errors)


def without_traceback(errors: str) -> str:
    """Return what follows the program's own traceback."""
    begin = r"^(BROKEN|PROBLEM|SLOW|LOOK AT|ENDED|open|The |Your |No calls)"
    found = re.search(begin, errors, re.MULTILINE)
    return errors[found.start() :].rstrip() if found else ""


if __name__ == "__main__":
    main()
