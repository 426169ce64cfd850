"""A script that is run by the command ends, fails and sees itself as one that the interpreter runs."""

import os
import py_compile
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.support import read_records

import instrumented_calc

SOURCE = {**os.environ, "PYTHONPATH": str(Path(instrumented_calc.__file__).parents[1])}
RECORDS = """
from ase.build import bulk
from ase.calculators.emt import EMT
atoms = bulk("Cu")
atoms.calc = EMT()
atoms.get_potential_energy()
"""
WRAPS = RECORDS.replace("EMT()", "ProfiledCalculator(EMT(), 'own.jsonl')").replace(
    "atoms =", "from instrumented_calc import ProfiledCalculator\natoms ="
)
# Each is run by python and by the command; output, exit status and traceback must be the same.
SAME = {
    "its arguments and globals": """
import sys, __main__
print(sys.argv, __name__, __file__, __main__.__file__, __spec__, sys.path[0], sys.stdin.read())
print(globals() is vars(__main__), __builtins__, type(__loader__).__name__, sys.stdout.errors)
""",
    "an exception": "def f(n):\n    return f(n - 1) if n else 1 / 0\nf(3)\n",
    "a chain of exceptions": "try:\n    {}[1]\nexcept KeyError:\n    raise OSError(28, 'full', 'x')\n",
    "an exit code": "import sys\nsys.exit(7)\n",
    "an exit message": "import sys\nsys.exit('words')\n",
    "an exit below zero": "raise SystemExit(-1)\n",
    "a wrong line": "print(1)\ndef f(:\n",
    "Ctrl-C": "raise KeyboardInterrupt\n",
    "an end of input": "input()\ninput()\n",
    "a broken pipe": "raise BrokenPipeError(32, 'Broken pipe')\n",
    "no memory": "raise MemoryError\n",
    "a hard end": "import os\nprint('x', flush=True)\nos._exit(9)\n",
    "a signal": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n",
    "a hook of its own": "import sys\nsys.excepthook = lambda *a: print(a[0], a[2].tb_lineno)\n1 / 0\n",
    "an error of ours": "from instrumented_calc.errors import TargetError\nraise TargetError('x')\n",
    "atexit and a thread": """
import atexit, pickle, threading, time
class Kept: pass
def late():
    threading.main_thread().join()
    print(type(pickle.loads(pickle.dumps(Kept()))))
atexit.register(lambda: print("the end", Kept))
threading.Thread(target=late).start()
""",
    "spawned children": """
import multiprocessing as mp
class Job:
    def __init__(self, n): self.n = n
def work(job): return type(job).__name__, job.n + 1
if __name__ == "__main__":
    with mp.get_context("spawn").Pool(1) as pool:
        print(pool.map(work, [Job(1), Job(2)]))
""",
    "an import from its folder": "import neighbour\nprint(neighbour.NAME)\n",
}

# Other tests run by default show as much.
SIMILAR = {
    "an exit message",
    "an exit below zero",
    "an end of input",
    "a broken pipe",
    "no memory",
    "a wrong line",
}


def by_python(*words, **options):
    return _ended([sys.executable, *words], **options)


def by_command(*words, **options):
    return _ended([sys.executable, "-m", "instrumented_calc", "run", *words], **options)


def _ended(command, text="first line\n", **environment):
    done = subprocess.run(
        command, input=text.encode(), capture_output=True, timeout=120, check=False, env=SOURCE | environment
    )
    lines = done.stderr.decode(errors="replace").splitlines()
    own = [line for line in lines if not line.startswith("instrumented-calc: ")]
    return done.returncode, done.stdout.decode(errors="replace"), own


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SIMILAR else name for name in SAME]
)
def test_it_ends_as_by_the_interpreter(name, tmp_path):
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "neighbour.py").write_text("NAME = __name__\n")
    (folder / "random_name.py").write_bytes(SAME[name].encode("latin-1"))
    words = ("scripts/random_name.py", "--steps", "-x", "a b")
    assert by_command(*words) == by_python(*words)


@pytest.mark.slow
def test_a_link_a_compiled_file_an_archive_and_a_folder_run(tmp_path):
    text = "import sys\nprint(sys.argv, __name__, sys.path[0])\n"
    (tmp_path / "real").mkdir()
    Path("real/script.py").write_text(text)
    Path("link.py").symlink_to("real/script.py")
    py_compile.compile("real/script.py", "script.pyc")
    Path("folder").mkdir()
    Path("folder/__main__.py").write_text(text)
    with zipfile.ZipFile("archive.pyz", "w") as archive:
        archive.writestr("__main__.py", text)
    for name in ("link.py", "script.pyc", "folder", "archive.pyz", "./real/../real/script.py"):
        assert by_command(name, "1") == by_python(name, "1")


def test_a_module_runs(tmp_path):
    (tmp_path / "package").mkdir()
    Path("package/__init__.py").touch()
    Path("package/other.py").write_text("X = 5\n")
    Path("package/__main__.py").write_text("import sys\nfrom .other import X\nprint(X, sys.argv)\nexit(3)\n")
    assert by_command("-m", "package", "--steps", "5") == by_python("-m", "package", "--steps", "5")


@pytest.mark.slow
def test_calls_before_a_failure_are_recorded(tmp_path):
    Path("script.py").write_text(RECORDS + "raise RuntimeError('late')\n")
    code, _, reported = by_command("script.py")
    assert code == 1
    assert "RuntimeError: late" in reported
    assert len(read_records().calls) == 1


NOTHING = {
    "no calculator was assigned": "print('no atoms')\n",
    "has to be wrapped in the script": RECORDS.replace("atoms.calc = EMT()", "").replace(
        "atoms.get_potential_energy()", "EMT().get_potential_energy(atoms)"
    ),
    "was never called": RECORDS.replace("atoms.get_potential_energy()", ""),
    "torch-sim is loaded": "import torch_sim\n",
    "nvalchemi is loaded": "import nvalchemi\n",
}


@pytest.mark.parametrize(
    "reason",
    [
        "no calculator was assigned",
        "torch-sim is loaded",
        pytest.param("has to be wrapped in the script", marks=pytest.mark.slow),
        pytest.param("was never called", marks=pytest.mark.slow),
        pytest.param("nvalchemi is loaded", marks=pytest.mark.slow),
    ],
)
def test_it_is_said_in_one_line_that_nothing_was_recorded(reason, tmp_path):
    for name in ("torch_sim", "nvalchemi"):  # stand-ins: only their names matter
        Path(f"{name}.py").touch()
    Path("script.py").write_text(NOTHING[reason] + "raise SystemExit(4)\n")
    command = [sys.executable, "-m", "instrumented_calc", "run", "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=SOURCE)
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("instrumented-calc: nothing was recorded: ")
    assert reason in done.stderr
    assert not Path("run.jsonl").exists()


@pytest.mark.parametrize(
    "lines",
    [
        "def f(:\n",
        pytest.param("import no_such_module\n", marks=pytest.mark.slow),
        pytest.param("raise KeyboardInterrupt\n", marks=pytest.mark.slow),
    ],
)
def test_after_a_traceback_it_is_not_said_that_nothing_was_recorded(lines, tmp_path):
    Path("script.py").write_text(lines)
    command = [sys.executable, "-m", "instrumented_calc", "run", "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=SOURCE)
    assert "instrumented-calc: " not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        ("SyntaxError", "ModuleNotFoundError", "KeyboardInterrupt")
    )


@pytest.mark.parametrize("lines", [RECORDS, pytest.param(WRAPS, marks=pytest.mark.slow)])
def test_nothing_is_said_where_something_was_recorded(lines, tmp_path):
    Path("script.py").write_text(lines)
    command = [sys.executable, "-m", "instrumented_calc", "run", "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=SOURCE)
    assert "nothing was recorded" not in done.stderr


@pytest.mark.slow
def test_a_forked_child_says_nothing(tmp_path):
    Path("script.py").write_text("import os, sys\nif os.fork() == 0:\n    sys.exit(0)\nos.wait()\n")
    command = [sys.executable, "-m", "instrumented_calc", "run", "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=SOURCE)
    assert done.stderr.count("nothing was recorded") == 1


def test_sigint_ends_a_script_as_it_ends_python(tmp_path):
    Path("script.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(100)\n")
    codes = []
    for command in ([sys.executable], [sys.executable, "-m", "instrumented_calc", "run"]):
        with subprocess.Popen(
            [*command, "script.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=SOURCE
        ) as process:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            process.stderr.read()
        codes.append(process.returncode)
    assert codes == [-signal.SIGINT, -signal.SIGINT]
