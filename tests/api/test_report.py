"""`read_journal` and `report`: what the command shows, in Python."""

import json
import subprocess
import sys

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

import instrumented_calc
from instrumented_calc import Report, profiled, read_journal, recording, report
from instrumented_calc.cli import main
from instrumented_calc.errors import JournalReadError, MissingPackageError

CALLS = 12


def copper():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.02, seed=1)
    return atoms


def calculate(atoms, calls=CALLS):
    for _ in range(calls):
        atoms.positions[0, 0] += 0.001
        atoms.get_potential_energy()


@pytest.fixture
def journal(tmp_path):
    atoms = copper()
    with profiled(EMT(), tmp_path / "a<b>.jsonl") as atoms.calc:
        calculate(atoms)
    return tmp_path / "a<b>.jsonl"


def test_a_journal_is_read(journal):
    found = read_journal(journal)
    assert (len(found.calls), found.end.reason) == (CALLS, "closed")


def test_a_journal_is_shown_in_one_line(journal):
    assert repr(read_journal(journal)) == f"<Journal {journal}: {CALLS} rows>"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    assert repr(read_journal(journal)).endswith(" rows, partial>")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["run.jsonl"], "list object is not a journal; pass report(*journals)"),
        (3, "int object is not a journal; pass a path such as run.jsonl"),
    ],
)
def test_what_is_no_journal_is_named_in_one_line(given, words):
    with pytest.raises(JournalReadError) as raised:
        report(given)
    assert str(raised.value) == f"report(): {words}"


def test_text_and_dictionary_are_what_the_command_prints(journal, capsys, monkeypatch):
    found = report(journal)
    for form, ours in (("text", lambda text: text), ("json", json.loads)):
        monkeypatch.setattr(sys, "argv", ["instrumented-calc", "report", str(journal), "--format", form])
        main()
        assert ours(capsys.readouterr().out) == (found.text if form == "text" else found.to_dict())
    assert str(found) == found.text
    monkeypatch.setattr(sys, "argv", ["instrumented-calc", "report", str(journal), "--all"])
    main()
    assert capsys.readouterr().out == found.full_text


def test_findings_are_those_that_were_flagged(journal):
    found = report(journal)
    flagged = [
        each["rule"] for each in found.to_dict()["journals"][0]["findings"] if each["verdict"] == "flagged"
    ]
    assert [each.rule for each in found.findings] == flagged


def test_several_journals_make_one_report(journal):
    atoms = copper()
    with profiled(EMT(), journal.with_name("other.jsonl")) as atoms.calc:
        calculate(atoms, 3)
    found = report(journal, journal.with_name("other.jsonl"))
    assert isinstance(found, Report)
    counted = [each["evaluations"]["calls"] for each in found.to_dict()["journals"]]
    assert counted == [CALLS, 3]
    assert repr(found).startswith(f"<Report on a<b>.jsonl, other.jsonl: {CALLS + 3} calls, ")


def test_html_is_the_first_screen_of_the_page_escaped(journal):
    shown = report(journal)._repr_html_()
    assert "Where the time goes" in shown
    assert "a&lt;b&gt;.jsonl" in shown
    assert "<b>.jsonl" not in shown
    assert "<script" not in shown


def test_a_run_that_is_open_is_reported_with_all_its_calls(tmp_path):
    atoms = copper()
    with profiled(EMT(), tmp_path / "run.jsonl") as atoms.calc:
        calculate(atoms)
        for source in (recording(atoms.calc), recording(atoms.calc).run):
            found = report(source).to_dict()["journals"][0]
            assert found["evaluations"]["calls"] == CALLS


def test_mistakes_are_answered_in_one_line(tmp_path):
    for mistake in ((), (recording(EMT()),), (tmp_path / "none.jsonl",)):
        with pytest.raises(JournalReadError) as caught:
            report(*mistake)
        assert len(str(caught.value).splitlines()) == 1


def test_without_pandas_a_table_is_one_clear_error(journal, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackageError, match="pip install pandas"):
        report(journal).to_dataframe()


def test_the_table_has_a_row_per_call(journal):
    pytest.importorskip("pandas")
    table = report(journal).to_dataframe()
    calls = read_journal(journal).calls
    assert table["wall_ns"].tolist() == calls.wall_ns.tolist()
    assert table["step"].isna().all()
    assert table["failure"].isna().all()
    assert "journal" not in table
    assert table["n_atoms"].tolist() == [4] * CALLS


def test_every_exported_name_is_resolved():
    for name in instrumented_calc.__all__:
        assert getattr(instrumented_calc, name) is not None


def test_naming_the_functions_loads_no_library():
    code = (
        "import sys, instrumented_calc as i; i.report; i.Run; i.Handle;"
        "print(*{'numpy', 'ase', 'pandas', 'IPython'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
