"""Settings are checked while wrapping: each mistake is one line that names the setting and its value."""

import os
import socket
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, Trace, profiled, recording
from instrumented_calc.errors import InstrumentedCalcError, JournalPathError, SettingsError


def refusal(error_class=InstrumentedCalcError, **options):
    """Return the one-line message of a refused wrapping."""
    with pytest.raises(error_class) as caught:
        ProfiledCalculator(EMT(), **options)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 200
    return line


@pytest.mark.parametrize(
    "value",
    [
        None,
        -1,
        -0.001,
        2,
        10**400,
        pytest.param(-(10**5000), id="huge"),
        float("nan"),
        float("inf"),
        "1%",
        "0.01",
        True,
        Decimal("0.01"),
        [],
        np.ones(2),
    ],
)
def test_an_overhead_budget_is_a_share(value):
    assert refusal(SettingsError, overhead_budget=value).startswith("overhead_budget=")


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        -1,
        0.5,
        Fraction(10**400, 3),
        float("nan"),
        np.float64("inf"),
        "100MB",
        True,
        1 + 2j,
        Decimal(100),
        {},
        np.ones(2),
    ],
)
def test_max_journal_is_a_whole_number_of_bytes(value):
    assert refusal(SettingsError, max_journal=value).startswith("max_journal=")


@pytest.mark.parametrize("value", ["no", 0, 1, [], np.ones(2)])
def test_summary_is_true_false_or_none(value):
    assert refusal(SettingsError, summary=value).startswith("summary=")


@pytest.mark.parametrize("value", [None, True, 3, "AUTO", "x" * 10**5, np.ones(2), object()])
def test_trace_is_a_known_word_or_a_trace(value):
    assert refusal(SettingsError, trace=value).startswith("trace=")


@pytest.mark.parametrize(
    "numbers",
    [
        {"every_calls": "5"},
        {"every_calls": 1.5},
        {"every_calls": -(10**5000)},
        {"every_calls": 5, "chrome": "no"},
    ],
)
def test_a_trace_has_whole_numbers(numbers):
    with pytest.raises(SettingsError, match="every_calls="):
        Trace(**numbers)


@pytest.mark.parametrize(
    "options",
    [
        {"overhead_budget": 0},
        {"overhead_budget": np.float32(0.5)},
        {"max_journal": 1e9},
        {"max_journal": np.int64(100_000)},
        {"max_journal": 10**30},
        {"max_journal": Fraction(10**400)},
        {"trace": Trace(every_calls=10**400)},
        {"trace": Trace(every_calls=np.int64(5), active=np.int32(2), max_windows=10**5000)},
        {"summary": False, "trace": "off"},
    ],
)
def test_numbers_of_other_types_are_taken_and_recorded(options):
    with profiled(EMT(), "run.jsonl", **options) as calc:
        atoms = bulk("Cu")
        atoms.calc = calc
        atoms.get_potential_energy()
    assert len(read_records().calls) == 1


@pytest.mark.parametrize("journal", ["", " ", 3, True, "a\0b", ["run.jsonl"], 1.5, object(), b"", b"a\0b"])
def test_a_journal_is_a_path(journal):
    assert refusal(SettingsError, journal=journal).startswith("journal=")


def test_a_folder_means_a_journal_in_it(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    for journal in (folder, str(folder), f"{folder}/", b"results", "results/", Path("results")):
        with profiled(EMT(), journal) as calc:
            calc.get_potential_energy(bulk("Cu"))
        assert recording(calc).run.path.parent == folder
    names = {path.name for path in folder.iterdir()}
    assert names == {"run.jsonl", *(f"run-{number}.jsonl" for number in range(2, 7))}
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize("journal", [".", "./"])
def test_the_working_directory_is_a_folder_as_well(journal, tmp_path):
    with profiled(EMT(), journal) as calc:
        calc.get_potential_energy(bulk("Cu"))
    assert recording(calc).run.path == tmp_path / "run.jsonl"


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with profiled(EMT(), "~/mine.jsonl") as calc:
        calc.get_potential_energy(bulk("Cu"))
    assert recording(calc).run.path == tmp_path / "mine.jsonl"


def test_a_name_without_a_suffix_is_numbered(tmp_path):
    for _ in range(2):
        with profiled(EMT(), "mine") as calc:
            calc.get_potential_energy(bulk("Cu"))
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "mine-2"}


def test_a_device_is_refused_and_the_switch_named():
    before = set(Path("/dev").iterdir())
    line = refusal(JournalPathError, journal=os.devnull)
    assert "INSTRUMENTED_CALC=off" in line
    assert set(Path("/dev").iterdir()) == before


def test_a_pipe_and_a_socket_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(JournalPathError, journal="pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert "not a regular file" in refusal(JournalPathError, journal="socket")


@pytest.mark.parametrize("name", ["x" * 255, "x" * 216, "ä" * 120 + ".jsonl", "x" * 5000])
def test_a_name_must_leave_room_for_suffixes(name):
    refusal(JournalPathError, journal=name)


def test_the_longest_name_that_is_taken_can_be_numbered_by_a_worker(tmp_path):
    name = "x" * 215
    (tmp_path / name).touch()
    with profiled(EMT(), name) as calc:
        calc.get_potential_energy(bulk("Cu"))
    assert recording(calc).run.path.name == f"{name}-2"
    (tmp_path / f"{name}.pid4194304-99.trace-99.json").touch()


@pytest.mark.parametrize("journal", ["no/such/run.jsonl", "no/such/", "file/run.jsonl", "loop"])
def test_a_path_that_leads_nowhere_is_refused(journal, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    refusal(JournalPathError, journal=journal)


def test_the_journal_may_be_the_second_argument(tmp_path):
    calc = ProfiledCalculator(EMT(), "mine.jsonl")
    calc.get_potential_energy(bulk("Cu"))
    recording(calc).close()
    assert (tmp_path / "mine.jsonl").exists()


GONE = """
import os, sys
from ase.build import bulk
from ase.calculators.emt import EMT
from instrumented_calc import profiled

os.rmdir(os.getcwd())
try:
    with profiled(EMT(), summary=False, **eval(sys.argv[1])) as calc:
        calc.get_potential_energy(bulk("Cu"))
except OSError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("journal", [pytest.param(None, marks=pytest.mark.slow), "mine.jsonl"])
def test_without_a_working_directory_a_relative_journal_is_one_line(journal, tmp_path):
    done = _in_a_folder_that_goes(tmp_path, {"journal": journal})
    assert done.stdout.startswith("JournalPathError the working directory was deleted")
    assert done.stdout.count("\n") == 1


@pytest.mark.slow
def test_without_a_working_directory_an_absolute_journal_is_written(tmp_path):
    done = _in_a_folder_that_goes(tmp_path, {"journal": str(tmp_path / "mine.jsonl")})
    assert (done.stdout, done.stderr) == ("", "")
    assert len(read_records(tmp_path / "mine.jsonl").calls) == 1


def _in_a_folder_that_goes(tmp_path, options):
    folder = tmp_path / "gone"
    folder.mkdir()
    command = [sys.executable, "-c", GONE, repr(options)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("value", ["off", "OFF", " off ", "0", "false", "No"])
def test_the_switch_takes_any_case_and_spaces(value, monkeypatch):
    monkeypatch.setenv("INSTRUMENTED_CALC", value)
    calc = EMT()
    assert ProfiledCalculator(calc) is calc


def test_an_odd_value_of_the_switch_is_one_warning(monkeypatch, capsys):
    monkeypatch.setenv("INSTRUMENTED_CALC", "of\x1bf")
    for _ in range(3):
        assert isinstance(ProfiledCalculator(EMT()), ProfiledCalculator)
    reported = capsys.readouterr().err
    assert reported.count("\n") == 1
    assert "INSTRUMENTED_CALC=" in reported
    assert "\x1b" not in reported


class OddRepr:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize("dyn", [None, 3, "dyn", type, EMT, OddRepr()])
def test_only_a_driver_can_be_attached(dyn):
    for calc in (ProfiledCalculator(EMT()), EMT()):
        with pytest.raises(TypeError, match="not a driver"):
            recording(calc).run.attach(dyn)


@pytest.mark.parametrize("text", [3, None, OddRepr(), "x" * 10**7, "\n\x1b\0"])
def test_a_mark_takes_anything_and_is_bounded(text):
    with profiled(EMT(), "run.jsonl") as calc:
        calc.get_potential_energy(bulk("Cu"))
        recording(calc).run.mark(text)
    marks = [each for each in read_records().of("notice") if each["kind"] == "mark"]
    assert len(marks) == 1
    assert len(marks[0]["text"]) <= 10_000


@pytest.mark.parametrize("calc", [None, 3, "emt", EMT, [EMT()]])
def test_only_calculators_can_be_wrapped_or_asked_for(calc):
    for function in (ProfiledCalculator, recording, lambda each: profiled(each).__enter__()):
        with pytest.raises(TypeError) as caught:
            function(calc)
        assert "\n" not in str(caught.value)


def test_nothing_is_made_while_wrapping(tmp_path):
    ProfiledCalculator(EMT(), tmp_path)
    ProfiledCalculator(SinglePointCalculator(bulk("Cu"), energy=1.0), "other.jsonl")
    assert list(tmp_path.iterdir()) == []
