"""Notebooks, run by Jupyter's own kernel and client, where they are installed."""

import os
import re
import subprocess
import sys

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

SET_UP = """
from ase.build import bulk
from ase.calculators.emt import EMT
from instrumented_calc import ProfiledCalculator, profiled, recording, report
atoms, others = bulk("Cu", cubic=True), bulk("Cu", cubic=True)
def move(atoms, times=3):
    for _ in range(times):
        atoms.positions[0, 0] += 0.01
        atoms.get_forces()
"""
WRAP_AND_RUN = "atoms.calc = ProfiledCalculator(EMT())\nmove(atoms)"
ENDED = "the cell was run again: {} is ended after 3 calls; the next call starts a new journal"
SUMMARY = re.compile(r"instrumented-calc report \S*?(run(?:-\d)?)\.jsonl")


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Run cells in one kernel, and return their outputs: text on stdout, on stderr, results as HTML."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    folder = tmp_path / "folder"
    folder.mkdir()

    def run(*sources):
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(each) for each in (SET_UP, *sources)]
        )
        client = nbclient.NotebookClient(
            book, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
        return [Output(cell) for cell in book.cells[1:]]

    return run


class Output:
    """What is shown under a cell."""

    def __init__(self, cell):
        self.out = self.err = self.html = ""
        self.lines = [
            each.data.get("text/plain", "") for each in cell.outputs if each.output_type == "display_data"
        ]
        for each in cell.outputs:
            if each.output_type == "stream":
                setattr(self, each.name[3:], getattr(self, each.name[3:]) + each.text)
            elif each.output_type == "execute_result":
                self.html = each.data.get("text/html", "")


def test_the_summary_is_under_the_cell_of_the_first_call_and_under_that_of_the_end(execute):
    wrap, run, more, end = execute(
        "atoms.calc = ProfiledCalculator(EMT())",
        "move(atoms)",
        "move(atoms)",
        "recording(atoms.calc).close()",
    )
    assert (wrap.out, more.out) == ("", "")
    assert SUMMARY.findall(run.out) == SUMMARY.findall(end.out) == ["run"]
    assert [each.err for each in (wrap, run, more, end)] == [""] * 4


def test_a_run_within_one_cell_is_summarised_once(execute):
    (only,) = execute("with profiled(EMT(), 'run.jsonl') as atoms.calc:\n    move(atoms)")
    assert SUMMARY.findall(only.out) == ["run"]
    assert only.err == ""


def test_running_the_wrap_cell_again_ends_the_run_before_and_says_so(execute):
    first, again, handle = execute(WRAP_AND_RUN, WRAP_AND_RUN, "recording(atoms.calc)")
    assert ENDED.format("run.jsonl") not in first.out
    assert ENDED.format("run.jsonl") in again.out
    assert SUMMARY.findall(again.out) == ["run-2"]
    assert "other calculator" not in again.out
    assert (first.err, again.err) == ("", "")
    assert "run-2.jsonl: 3 calls" in handle.html


def test_with_a_journal_of_its_own_too(execute):
    cell = "atoms.calc = ProfiledCalculator(EMT(), 'run.jsonl')\nmove(atoms)"
    _, again = execute(cell, cell)
    assert again.out.count(ENDED.format("run.jsonl")) == 1
    assert SUMMARY.findall(again.out) == ["run-2"]


def test_a_run_that_other_cells_have_joined_continues(execute):
    other = "others.calc = ProfiledCalculator(EMT())\nmove(others)"
    *_, again, handle = execute(WRAP_AND_RUN, other, other, "recording(atoms.calc)")
    assert (again.out, again.err) == ("", "")
    assert "run.jsonl: 9 calls" in handle.html


def test_calculators_wrapped_in_a_loop_share_a_run(execute):
    (loop,) = execute("for _ in range(3):\n    atoms.calc = ProfiledCalculator(EMT())\n    move(atoms)")
    assert "ended" not in loop.out
    assert SUMMARY.findall(loop.out) == ["run"]


def test_handle_run_and_report_have_html(execute):
    handle, run, found = execute(
        WRAP_AND_RUN + "\nrecording(atoms.calc)", "recording(atoms.calc).run", "report(recording(atoms.calc))"
    )
    assert "Handle of EMT: 3 calls" in handle.html
    assert "run.jsonl" in run.html
    assert "run.jsonl" in found.html
    assert re.fullmatch(r"<pre>[^<]*</pre>", handle.html)
    for each in (run, found):
        assert "Where the time goes" in each.html
        assert "<script" not in each.html


def test_a_warning_is_not_in_red(execute):
    (cell,) = execute("with profiled(EMT()):\n    pass")
    assert "never called" in cell.out
    assert cell.err == ""


def test_at_the_prompt_of_ipython_too(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--quick"],
        input=SET_UP + "\n\n" + "atoms.calc = ProfiledCalculator(EMT())\nmove(atoms)\nprint('still open')\n",
        cwd=tmp_path,
        env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert SUMMARY.findall(done.stderr) == ["run", "run"], done.stdout
    assert "still open" in done.stdout


@pytest.mark.slow
def test_a_cell_that_takes_long_shows_its_progress_on_one_line(execute):
    soon = "import instrumented_calc.notebook as n, time\nn.LONG_CELL_S = n.PROGRESS_EVERY_S = 0.2\n"
    drive = (
        "from ase import units\nfrom ase.md.verlet import VelocityVerlet\n"
        "dyn = VelocityVerlet(atoms, 5 * units.fs)\ndyn.attach(lambda: time.sleep(0.05))\ndyn.run(60)"
    )
    wrap, run, short = execute(
        f"{soon}atoms.calc = ProfiledCalculator(EMT())", drive, "n.LONG_CELL_S = 60\nmove(atoms)"
    )
    assert (wrap.lines, short.lines) == ([], [])
    (line,) = run.lines
    assert re.fullmatch(r"\d+ calls in [\d.]+ s", line)  # atoms at rest need few
    assert [each.err for each in (wrap, run, short)] == [""] * 3
