"""The examples that need the base install alone run, and leave the journals that they name."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from instrumented_calc import read_journal

EXAMPLES = Path(__file__).parents[1] / "examples"
SHORTER = {  # so that a test takes a second or two
    "STEPS = 300": "STEPS = 30",
    "STEPS = 100": "STEPS = 20",
    "STRUCTURES = 300": "STRUCTURES = 24",
    "STRUCTURES = 40": "STRUCTURES = 8",
    "steps=50": "steps=3",
    "IMAGES = 5": "IMAGES = 3",
}


def shortened(name: str) -> str:
    code = (EXAMPLES / name).read_text(encoding="utf-8")
    for whole, short in SHORTER.items():
        code = code.replace(whole, short)
    return code


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        (sys.executable, *command), cwd=folder, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "journals", "shown"),
    [
        ("emt_md.py", "emt.jsonl", "30 steps"),
        ("relax.py", "relax.jsonl", "BFGS -> Langevin"),
        ("neb.py", "run.jsonl", "barrier "),
        ("screening.py", "run.jsonl", "24 structures"),
        ("pool.py", "run.pid*.jsonl", "8 structures"),
    ],
)
def test_an_example_runs(tmp_path, name, journals, shown):
    (tmp_path / name).write_text(shortened(name), encoding="utf-8")
    assert shown in run(tmp_path, name)
    found = sorted(tmp_path.glob(journals))
    assert found
    assert all(len(read_journal(path).calls) for path in found)
    text = run(tmp_path, "-m", "instrumented_calc", "report", *(path.name for path in found))
    assert len(text.splitlines()) <= 50


@pytest.mark.slow
def test_the_cells_of_the_notebook_run(tmp_path):
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (tmp_path / "cells.py").write_text("\n".join(code).replace("run(100)", "run(20)"), encoding="utf-8")
    run(tmp_path, "cells.py")
    assert read_journal(tmp_path / "notebook.jsonl").end.reason == "closed"


def test_the_notebook_is_stored_without_outputs():
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    assert all(not cell.get("outputs") for cell in notebook["cells"])


@pytest.mark.parametrize(
    "name", sorted(path.name for path in EXAMPLES.glob("*.py")), ids=lambda name: name.removesuffix(".py")
)
def test_every_example_compiles(name):
    compile((EXAMPLES / name).read_text(encoding="utf-8"), name, "exec")


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [
        ("orb_md.py", "orb_models", "orb"),
        ("mace_md.py", "mace", "mace"),
        ("fennol_md.py", "fennol", "fennol"),
        ("anisoap_md.py", "anisoap", "anisoap"),
    ],
)
def test_an_example_without_its_library_says_what_to_install(tmp_path, name, library, extra):
    if importlib.util.find_spec(library) is not None:
        pytest.skip(f"{library} is installed")
    command = (sys.executable, EXAMPLES / name)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"pip install 'instrumented-calc[{extra}]'" in done.stderr
