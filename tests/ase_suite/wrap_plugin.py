"""A pytest plugin: wraps every calculator that is assigned to an `Atoms`, and counts its work.

The count is independent of the recorder: the `calculate` of each wrapped calculator's own class is replaced
by one that counts its executions on wrapped objects. The recorded calls are read from the journal, whose
marks show which test a row belongs to. `run.py` compares the two.

Into the directory ASE_SUITE_OUT go, for each process that runs tests, its journal and
`real.jsonl` (executions by test), and from the process that reports, `outcomes.jsonl`. With
ASE_SUITE_BARE set nothing is wrapped.
"""

from __future__ import annotations

import functools
import json
import os
import threading
from pathlib import Path

import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.utils import workdir

from instrumented_calc import ProfiledCalculator, recording

OUT = Path(os.environ["ASE_SUITE_OUT"])
WRAPS = "ASE_SUITE_BARE" not in os.environ
METHODS = ("calculate", "evaluate")


class RealWork:
    """Counts executions of wrapped calculators' own methods, in whatever thread they happen."""

    def __init__(self):
        self.executions = 0
        self._lock = threading.Lock()

    def watch(self, cls):
        """Replace a calculator class's methods by counting ones, unless they are."""
        for name in METHODS:
            method = getattr(cls, name, None)
            # Asked each time: some tests patch the class and take their patch back.
            if method is not None and getattr(method, "counts_for", None) is not cls:
                setattr(cls, name, self._counting(cls, method))

    def _counting(self, cls, real):
        @functools.wraps(real)
        def method(self_, /, *args, **kwargs):
            # A subclass that was counted itself may have got here through super().
            if self_.__class__ is cls and isinstance(self_, ProfiledCalculator):
                with self._lock:
                    self.executions += 1
            return real(self_, *args, **kwargs)

        method.counts_for = cls
        return method


class Session:
    """One process's run of tests."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self.work = RealWork()
        self._real = (folder / "real.jsonl").open("w", encoding="utf-8")
        self._wrap_all()
        # Holds the run open from before the first test to after the last.
        with workdir(folder):
            self._anchor = Atoms("Cu", calculator=EMT())
            self._anchor.get_potential_energy()
        self._run = recording(self._anchor.calc).run
        self._record("start", self.work.executions)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        """Attribute executed and recorded calls to the test."""
        self._run.mark(item.nodeid)
        before = self.work.executions
        try:
            return (yield)
        finally:
            self._record(item.nodeid, self.work.executions - before)

    def pytest_unconfigure(self):
        """Complete the journal."""
        self._run.close()
        self._real.close()

    def _record(self, test, executions):
        self._real.write(json.dumps({"test": test, "real": executions}) + "\n")
        self._real.flush()

    def _wrap_all(self):
        bare = Atoms.calc

        def assign(atoms, calc):
            bare.fset(atoms, self._wrapped(calc))

        Atoms.calc = property(bare.fget, assign, bare.fdel, bare.__doc__)

    def _wrapped(self, calc):
        if not any(callable(getattr(calc, name, None)) for name in METHODS):
            return calc
        if isinstance(calc, ProfiledCalculator):
            return calc
        self.work.watch(type(calc))
        return ProfiledCalculator(calc)


class Outcomes:
    """Writes one line per test, with its worst outcome."""

    def __init__(self):
        OUT.mkdir(parents=True, exist_ok=True)
        self._file = (OUT / "outcomes.jsonl").open("a", encoding="utf-8")

    def pytest_runtest_logreport(self, report):
        """Note each part of a test that ran: set-up, call, tear-down."""
        if report.when == "call" or report.outcome != "passed":
            outcome = "xfailed" if hasattr(report, "wasxfail") else report.outcome
            self._file.write(json.dumps({"test": report.nodeid, "outcome": outcome}) + "\n")
            self._file.flush()


def pytest_configure(config):
    """Wrap in the processes that run tests, and note outcomes in the one that reports."""
    is_worker = hasattr(config, "workerinput")
    distributes = not is_worker and getattr(config.option, "numprocesses", None)
    if not is_worker:
        config.pluginmanager.register(Outcomes())
    if WRAPS and not distributes:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        config.pluginmanager.register(Session(OUT / worker))
