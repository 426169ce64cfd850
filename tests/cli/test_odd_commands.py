"""Odd command lines: each ends in one short line and an exit code, never in a traceback."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import instrumented_calc
from instrumented_calc.cli import main
from instrumented_calc.cli.border import one_line

GOLDEN = Path(__file__).parents[1] / "journal" / "golden" / "v1.jsonl"
SOURCE = {**os.environ, "PYTHONPATH": str(Path(instrumented_calc.__file__).parents[1])}
LONG = "x" * 5000
NOT_UTF8 = os.fsdecode(b"n\xff.jsonl")
USAGE, UNUSABLE = 2, 5

FILES = (
    "none.jsonl",
    LONG,
    NOT_UTF8,
    ".",
    "",
    "a\nb",
    "\x1b[31m",
    "x" * 255,
    "x/" * 3000,
    "empty",
    "binary",
    "loop",
)
READERS = (["report"], ["validate"], ["compare", "run.jsonl"])
TAKERS = (["bundle", "--output", "b.tgz"], ["ingest"])  # they take folders and any file
NUMBERS = ("0", "-1", "1e20", "nan", "inf", "", "x", "1.5", LONG)
# By command and option: values of the wrong type, out of range, or unknown. No value appears twice in a row.
VALUES = {
    "profile": {
        "--timestep": ("x", "nan", "0", "-1", "1e9"),
        "--temperature": ("", "nan", "inf", "-1"),
        "--seed": ("x", "1.5", "99999999999"),
        "--equilibrate": ("-1", "x", "1e20"),
        "--trace": ("-1", "1.5", "", "\u0663"),
        "--ensemble": ("", "NVE", "nvt"),
        "--system": ("", "coper", "."),
        "--calc": ("", ":", "::", "a:b:c", "EMT", "..", "/", "binary", "script.py:x", "json:dumps", "emt:"),
        "--frames": ("", "empty", "run.jsonl", "loop"),
        "--output": ("/proc/x", "no/run.jsonl", "loop", "script.py/x"),
    },
    "demo": {
        "--steps": ("0", "x", "", "1e20"),
        "--calc": ("mace:none", "fennol:none", "anisoap:none"),
        "--output": ("/proc/x", "loop", " "),
    },
    "scale": {
        "--replicates": ("0", "x"),
        "--steps": ("0", "1.5"),
        "--threads": ("0", "99999"),
        "--seed": ("-1", "x"),
        "--time-limit": ("-1", "nan", "x"),
        "--sizes": ("", "4,", "x,4"),
        "--system": ("coper",),
        "--format": ("xml",),
    },
    "size": {
        "--n-atoms": ("0", "x", "1e20"),
        "--ns": ("0", "-1", "nan", "inf", "x", "1e300"),
        "--timestep": ("0", "nan"),
        "--run": ("", "empty", "binary", "loop"),
        "--format": ("xml",),
    },
    "study": {
        "--reps": ("x", "99999999"),
        "--threads": ("0", "99999"),
        "--warmups": ("-1", "x"),
        "--seconds": ("-1", "nan", "inf"),
        "--time-limit": ("0", "nan"),
        "--tolerance": ("-1", "x", "nan"),
        "--seed": ("x",),
        "--devices": ("gpu", ""),
        "--engines": ("lazy",),
        "--dtypes": ("float8",),
    },
    "compare-all": {
        "--temperature": ("-1", "x"),
        "--steps": ("0",),
        "--ensemble": ("nvt",),
        "--n-atoms": ("0",),
        "--seed": ("-1",),
    },
    "report": {
        "--format": ("xml", ""),
        "--require": ("p95", "p95<", "<2", "p95<x", "p95<nan"),
        "--fail-on": ("nan",),
        "--ignore": ("x,y",),
        "--output": ("/proc/x", "loop/x"),
    },
    "compare": {
        "--max-slowdown": ("x", "nan%"),
        "--require-speedup": ("x", "0x"),
        "--energy-tolerance": ("-1",),
    },
    "bundle": {"--output": ("/proc/x.tgz", "run.jsonl", "name.rar")},
    "ingest": {"--output": ("/proc/x", "script.py"), "--chtc": ("none.tgz",), "--format": ("xml",)},
    "env": {"--import": ("numpyy", "os")},
    "run": {"--output": ("/proc/x", "loop", " ")},
}
GIVEN = {
    "bundle": ["run.jsonl"],
    "compare": ["run.jsonl", "run.jsonl"],
    "ingest": ["run.jsonl"],
    "report": ["run.jsonl"],
    "run": ["script.py"],
    "size": ["--n-atoms", "8", "--ns", "1"],
}
ODD = [
    *(
        [command, option, value, *GIVEN.get(command, ())]
        for command, options in VALUES.items()
        for option, values in options.items()
        for value in values
    ),
    *([command, option] for command, options in VALUES.items() for option in options),  # without its value
    ["report", "--all=3", "run.jsonl"],
    ["report", "--requir", "p95<2"],
    ["schema", "x"],
    ["env", "x"],
    ["validate"],
    ["bundle"],
    ["bundle", "run.jsonl"],
    ["ingest"],
    *([*reader, name] for reader in READERS for name in FILES),
    *([*taker, name] for taker in TAKERS for name in FILES if name not in {".", "", "empty", "binary"}),
    *(["profile", "--n-atoms", each] for each in NUMBERS),
    *(["profile", "--steps", each] for each in NUMBERS),
    *(["demo", "--n-atoms", each] for each in NUMBERS[:3]),
    *(["scale", "--sizes", each] for each in (*NUMBERS[:4], "1,,2", "8-16")),
    *(["study", "--reps", each] for each in NUMBERS[:3]),
    *(["size", "--n-atoms", "8", "--ns", "1", name] for name in FILES),
    ["nonsense"],
    ["--nonsense"],
    [LONG],
    [NOT_UTF8],
    ["report", "--format", LONG],
    ["report", "run.jsonl", "--require", LONG],
    ["report", "run.jsonl", "--require", ""],
    ["report", "run.jsonl", "--ignore", NOT_UTF8],
    ["report", "run.jsonl", "--output", "."],
    ["report", "run.jsonl", "--output", "no/such/file"],
    ["report", "run.jsonl", "--output", LONG],
    ["report", "run.jsonl", "--output", "/dev/full"],
    ["report", "run.jsonl", "--output", "run.jsonl"],
    ["compare", "run.jsonl"],
    ["compare", "--before", "run.jsonl"],
    ["compare", "run.jsonl", "run.jsonl", "--max-slowdown", LONG],
    ["compare", "run.jsonl", "run.jsonl", "--allow", NOT_UTF8],
    ["compare", "run.jsonl", "--noise"],
    ["gate"],
    ["gate", "--before", "true", "--after", "true", "--budget", LONG],
    ["gate", "--before", "true", "--after", "true", "--output", LONG],
    ["gate", "--before", LONG, "--after", LONG],
    ["demo", "--calc", LONG],
    ["demo", "--calc", "no.such:factory"],
    ["demo", "--calc", NOT_UTF8],
    ["demo", "--output", "no/such/run.jsonl"],
    ["demo", "--output", LONG],
    ["demo", "--output", "/dev/null"],
    ["profile", "--system", LONG],
    ["profile", "--output", "x" * 255],
    ["profile", "--frames", "none.xyz"],
    ["profile", "--frames", "."],
    ["profile", "--frames", LONG],
    ["profile", "--frames", "binary"],
    ["profile", "--trace", LONG],
    ["profile", "--trace", "0"],
    ["profile", "--temperature", "x"],
    ["profile", "--temperature", "-5", "--n-atoms", "65"],
    ["profile", "--system", "silicon", "--n-atoms", "65", "--calc", "none.py:make"],
    ["profile", "--calc", "script.py"],
    ["profile", "--calc", "run.jsonl"],
    ["demo", "--n-atoms", "1000000000"],
    ["report", "run.jsonl", "--require", "ns/dy>5"],
    ["report", "run.jsonl", "--fail-on", "hostgrowth"],
    ["report", "run.jsonl", "--fail-on", "xyz"],
    ["report", "x*.jsonl"],
    ["run.jsonl"],
    ["script.py"],
    ["profile", "--ensemble", LONG],
    ["profile", "--seed", "-1"],
    ["compare-all", "--system", NOT_UTF8],
    ["compare-all", "--output", "run.jsonl"],
    ["scale", "--output", "run.jsonl", "--sizes", "4"],
    ["scale", "--output", LONG, "--sizes", "4"],
    ["scale", "--calc", NOT_UTF8, "--sizes", "4"],
    ["study", "--workload", LONG],
    ["study", "--workload", "none"],
    ["study", "--modes", "nonsense"],
    ["study", "--dtypes", ""],
    ["study", "--output", "run.jsonl"],
    ["bundle", "run.jsonl", "--output", "."],
    ["bundle", "run.jsonl", "--output", "no/such/b.tgz"],
    ["ingest", "run.jsonl", "--output", "run.jsonl"],
    ["env", "--import", LONG],
    ["run"],
    *(["run", name] for name in FILES if name != "empty"),
    ["run", "run.jsonl"],
    ["run", "-c", "print(1)"],
    ["run", "-"],
    ["run", "--output", LONG, "script.py"],
    ["run", "--output", "/dev/null", "script.py"],
    ["run", "--output", "no/such/run.jsonl", "script.py"],
]


@pytest.fixture
def folder(tmp_path):
    """Fill the working directory with the files that the command lines name."""
    shutil.copy(GOLDEN, "run.jsonl")
    Path("empty").touch()
    Path("binary").write_bytes(bytes(range(256)) * 8)
    Path("loop").symlink_to("loop")
    Path("script.py").write_text("print('ran')\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("words", ODD, ids=lambda words: one_line(" ".join(words))[:60])
def test_an_odd_command_line_is_one_short_line(words, folder, capsys):
    before = Path("run.jsonl").read_bytes()
    code = main(words)
    said = capsys.readouterr()
    errors = [line for line in said.err.splitlines() if not line.startswith("[")]  # progress of `scale`
    assert code in (USAGE, UNUSABLE)
    assert len(errors) == 1
    assert "Traceback" not in said.out
    assert errors[0].startswith("error: ")
    assert errors[0].isprintable()
    assert len(errors[0]) < 200
    assert Path("run.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "run.jsonl"], "run.jsonl: a journal, not a script; try: instrumented-calc report run.jsonl"),
        (["run.jsonl"], "Did you mean: instrumented-calc report run.jsonl?"),
        (
            ["report", "run.jsonl", "--fail-on", "hostgrowth"],
            "unknown rule 'hostgrowth'; did you mean host-growth?",
        ),
        (["report", "run.jsonl", "--require", "ns/dy>5"], "did you mean ns/day?"),
        (["report", "run.jsonl", "--output", "run.jsonl"], "is not overwritten; give another --output"),
        (
            ["demo", "--n-atoms", "1000000000"],
            "--n-atoms must be an integer from 1 to 1,000,000, not 1000000000",
        ),
    ],
)
def test_the_line_says_what_to_type_instead(words, expected, folder, capsys):
    assert main(words) in (USAGE, UNUSABLE)
    assert expected in capsys.readouterr().err


def _command(*words):
    return [sys.executable, "-m", "instrumented_calc", *words]


@pytest.mark.parametrize(
    ("redirection", "code", "expected"),
    [
        ("> /dev/full", UNUSABLE, "error: cannot write the output: No space left on device\n"),
        (">&-", 0, ""),
        ("<&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        ("2> /dev/full", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(redirection, code, expected, folder):
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {redirection}', "sh", *_command("report", "run.jsonl")],
        capture_output=True, text=True, timeout=120, check=False, env=SOURCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, expected)


def test_an_error_without_a_stderr_is_an_exit_code(folder):
    for redirection in ("2>&-", "2> /dev/full"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'"$@" {redirection}', "sh", *_command("report", "none.jsonl")],
            capture_output=True, text=True, timeout=120, check=False, env=SOURCE,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (UNUSABLE, "")


@pytest.mark.parametrize(
    "words",
    [
        ["report"],
        ["demo"],
        *(
            pytest.param(words, marks=pytest.mark.slow)
            for words in (["run", "../none.py"], ["profile", "--steps", "1"])
        ),
    ],
)
def test_without_a_working_directory_a_command_is_one_line(words, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    shell = f'rmdir "{gone}"; exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", shell, "sh", *_command(*words)],
        cwd=gone, capture_output=True, text=True, timeout=120, check=False, env=SOURCE,
    )  # fmt: skip
    assert done.returncode == UNUSABLE
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")


def test_ctrl_c_is_quiet(folder):
    command = _command("demo", "--steps", "1000000", "--output", "long.jsonl")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=SOURCE) as process:
        while process.poll() is None and not Path("long.jsonl").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in error


def test_a_fault_of_our_own_is_one_line_and_its_traceback_can_be_had(folder, capsys, monkeypatch):
    def faulty(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("instrumented_calc.cli.journal_report.read_journal", faulty)
    assert main(["report", "run.jsonl"]) == 70
    reported = capsys.readouterr().err
    assert reported.count("\n") == 1
    assert "INSTRUMENTED_CALC_DEBUG=1" in reported
    monkeypatch.setenv("INSTRUMENTED_CALC_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["report", "run.jsonl"])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), "error: out of memory; ask for fewer atoms, steps or journals\n"),
        (PermissionError(13, "Permission denied", "secret"), "error: secret: Permission denied\n"),
        (OSError("odd"), "error: cannot write the output: odd\n"),
    ],
)
def test_errors_of_the_system_are_one_line(error, expected, folder, capsys, monkeypatch):
    def faulty(*_):
        raise error

    monkeypatch.setattr("instrumented_calc.cli.journal_report.read_journal", faulty)
    assert main(["report", "run.jsonl"]) == UNUSABLE
    assert capsys.readouterr().err == expected


def test_a_socket_is_not_a_journal_or_script(folder, capsys):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for words in (["report", "socket"], ["validate", "socket"], ["run", "socket"]):
            assert main(words) == UNUSABLE
            assert capsys.readouterr().err.count("\n") == 1
