"""Every test works in a directory of its own, and leaves the process as it found it."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms
from hypothesis import settings
from tests.support import ExactClock, journal_threads, open_files

from instrumented_calc.capture.open_calls import active
from instrumented_calc.capture.parts import libraries, stand_ins
from instrumented_calc.capture.places import observed_loop
from instrumented_calc.capture.run import process_hooks
from instrumented_calc.capture.run.recorder import Recorder
from instrumented_calc.capture.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Variables set by a batch system or a user that would change a journal.
FOREIGN = ("INSTRUMENTED_CALC", "SLURM_", "PBS_", "LSB_", "OMPI_", "PMI", "MV2_", "_CONDOR_")

# A machine that is busy is not a reason to fail. The slow examples are for CI: HYPOTHESIS_PROFILE=thorough.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=300)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


# A shell script's background jobs ignore Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep temporary files of the tests and of the processes they start among pytest's own."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the test in an empty directory, without settings from outside."""
    for name in list(os.environ):
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_left_behind(working_directory: Path) -> Iterator[None]:
    """End every run after the test and prove that nothing of the recorder is left in the process."""
    before, files = _hooks(), open_files()
    yield
    process_hooks.end_all("test")
    for thread in journal_threads():
        thread.join(timeout=10)
    assert journal_threads() == []
    assert active.stack == []
    assert open_files() == files
    after = _hooks()
    assert {name: after[name] for name in before} == before  # the test may have loaded torch


def _hooks() -> dict[str, object]:
    return {
        # hypothesis has one too
        "gc": [listen for listen in gc.callbacks if "hypothesis" not in listen.__module__],
        # SIGALRM is that of the test's time limit
        "signals": {each: signal.getsignal(each) for each in signal.valid_signals() - {signal.SIGALRM}},
        "threading": (threading.gettrace(), threading.getprofile()),
        "einsum": np.einsum,
        "einsum's code": np.einsum.__wrapped__.__code__,
        **_torch_hooks(),
        "Atoms.calc": vars(Atoms)["calc"],
        "timed parts": frozenset(stand_ins.in_use),
        "timed observers": (frozenset(observed_loop._loops), _loops_of_ase()),
        "timed libraries": [
            part
            for call in libraries.LIBRARY_CALLS
            if (part := libraries.part_of(call)) is not None
            and isinstance(vars(part.owner)[part.attribute], stand_ins.StandIn)
        ],
        "Atoms": frozenset(vars(Atoms)) - {"__slotnames__"},  # noted there by Python's copy
    }


def _loops_of_ase() -> list[type]:
    """Return the classes of ASE that call observers and have a class attribute of that name."""
    module = sys.modules.get("ase.optimize.optimize")
    classes = [each for each in vars(module).values() if isinstance(each, type)] if module else []
    return [each for each in classes if "observers" in vars(each)]


def _torch_hooks() -> dict[str, object]:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda"):
        return {}
    return {
        "torch's einsum": (torch.functional.einsum.__code__, frozenset(vars(torch._VF))),
        "torch's waits": getattr(torch._C, "_cuda_synchronize", None),
        "torch's functions": (torch.from_numpy, torch.as_tensor, torch.tensor),
        "torch.Tensor": frozenset(vars(torch.Tensor)) - {"__slotnames__"},
    }


@pytest.fixture
def exact_clock() -> ExactClock:
    """Give a clock that advances only on request."""
    return ExactClock()


@pytest.fixture
def make_recorder(working_directory: Path) -> Callable[..., Recorder]:
    """Give a maker of recorders, for tests that inject a clock or a fault."""

    def make(name: str = "run.jsonl", **options: object) -> Recorder:
        return Recorder(Settings(path=str(working_directory / name), own_run=True), **options)

    return make


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread: sums of several may differ in the last bit."""
    import torch  # noqa: PLC0415 - only where it is installed

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
