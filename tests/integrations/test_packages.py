"""Each integration in the tree is found by its entry point, and is imported without its library."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

from instrumented_calc.integration import GROUP

# What importing an integration must not import: its library, and what that is made of.
HEAVY = {
    "anisoap": {"anisoap", "featomic", "metatensor", "sklearn", "torch"},
    "fennol": {"jax", "fennol", "numpy"},
    "mace": {"torch", "numpy"},
    "orb": {"torch", "numpy"},
}


def entry_points() -> dict[str, str]:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    _, _, after = project.partition(f'[project.entry-points."{GROUP}"]\n')
    return dict(re.findall('^(.*) = "(.*)"$', after.partition("\n[")[0], re.MULTILINE))


def test_each_integration_is_tested_here():
    assert entry_points().keys() == HEAVY.keys()


@pytest.mark.parametrize("name", HEAVY)
def test_importing_an_integration_does_not_import_its_library(name):
    script = f"import sys, instrumented_calc_{name}; print({HEAVY[name]} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=True, text=True
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("name", HEAVY)
def test_the_entry_point_names_the_integration(name):
    entry = metadata.EntryPoint(name, entry_points()[name], GROUP)
    assert entry.load() is import_module(f"instrumented_calc_{name}").integration
