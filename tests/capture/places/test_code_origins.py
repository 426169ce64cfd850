"""Source files are told apart: the recorder, libraries, ASE's drivers, the user's own code."""

import json
import threading

import ase.md.verlet
import numpy as np
import pytest
from tests.capture import zoo

from instrumented_calc.capture.counting import numpy_einsum
from instrumented_calc.capture.places.code_origins import (
    BOUNDARY,
    DRIVER_CODE,
    ELSEWHERE,
    OWN_WORK,
    USER,
    WRAPPER,
    CodeOrigins,
    origin_of,
)
from instrumented_calc.capture.rows import row_maker
from instrumented_calc.capture.run import observers
from instrumented_calc.capture.wrapping import recorded_method
from instrumented_calc.experiments import dynamics

FILES = {
    zoo.__file__: (USER, ELSEWHERE),
    "/home/me/md.py": (USER, ELSEWHERE),
    "<string>": (USER, ELSEWHERE),
    "<stdin>": (USER, ELSEWHERE),
    "/tmp/ipykernel_7/123.py": (USER, ELSEWHERE),  # noqa: S108 - nothing is written there
    json.__file__: ("json", ELSEWHERE),
    threading.__file__: ("threading", ELSEWHERE),
    np.__file__: ("numpy", ELSEWHERE),
    "/opt/x/lib/python3.12/site-packages/mace/tools/scatter.py": ("mace", ELSEWHERE),
    "/usr/lib/python3/dist-packages/six.py": ("six", ELSEWHERE),
    r"C:\Python\Lib\site-packages\mace\tools\scatter.py": ("mace", ELSEWHERE),
    "<frozen importlib._bootstrap>": ("importlib", ELSEWHERE),
    "<__array_function__ internals>": ("generated code", ELSEWHERE),
    ase.md.verlet.__file__: ("ase", DRIVER_CODE),
    "/home/me/src/ase/optimize/bfgs.py": (USER, DRIVER_CODE),
    "/v/site-packages/ase/md/logger.py": ("ase", ELSEWHERE),
    numpy_einsum.__file__: ("numpy", ELSEWHERE),
    row_maker.__file__: (USER, OWN_WORK),
    recorded_method.__file__: (USER, BOUNDARY),
    observers.__file__: (USER, WRAPPER),
    dynamics.__file__: ("instrumented_calc", ELSEWHERE),
}


@pytest.mark.parametrize("file", FILES)
def test_a_file_belongs_to(file):
    assert tuple(origin_of(file)) == FILES[file]


def test_files_are_remembered_up_to_a_limit(monkeypatch):
    monkeypatch.setattr("instrumented_calc.capture.places.code_origins.MOST_FILES", 10)
    origins = CodeOrigins()
    assert [origins.of(f"<string {number}>").package for number in range(100)] == [USER] * 100
    assert len(origins._known) <= 10
