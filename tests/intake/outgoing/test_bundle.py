"""A bundle holds all data for a colleague, and no private ones."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from tests.intake.published import local_members

from instrumented_calc import profiled
from instrumented_calc.errors import IntakeError, JournalReadError
from instrumented_calc.intake.ingest import Bundle, ingest
from instrumented_calc.intake.outgoing.bundle import write_bundle
from instrumented_calc.intake.outgoing.masking import mask_paths
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.validation import validate_journal

if TYPE_CHECKING:
    from pathlib import Path


def record(path: Path, calls: int = 12) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    atoms = bulk("Cu", cubic=True)
    with profiled(EMT(), path, summary=False) as atoms.calc:
        for _ in range(calls):
            atoms.rattle(1e-3)
            atoms.get_potential_energy()
    return path


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {each.name: archive.extractfile(each).read() for each in archive}


def test_a_bundle_goes_through_ingest_whole(tmp_path):
    run = record(tmp_path / "runs/run.jsonl")
    (tmp_path / "runs/run.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name, content in local_members().items():
        (tmp_path / "runs" / name).write_bytes(content)
    written = write_bundle([tmp_path / "runs"], tmp_path / "b.tar.gz")
    assert set(written.members) == {
        "SHA256SUMS",
        "figures/run.png",
        "journals/run.jsonl",
        "logs/run.log",
        "tables/environments.json",
        "tables/journals.csv",
        "tables/summary_local.csv",
        "tables/timings_local.csv",
    }
    found = ingest([Bundle(tmp_path / "b.tar.gz")], tmp_path / "results")
    assert not found.refusals
    assert not found.notes
    assert {each.path for each in found.placed} >= {"figures/run.png", "journals/run.jsonl", "logs/run.log"}
    (checked,) = (each for each in found.checks if each.rule == "checksums")
    assert checked.verdict == "clear"
    before, after = read_journal(run), read_journal(tmp_path / "results/journals/run.jsonl")
    assert after.calls.wall_ns.tolist() == before.calls.wall_ns.tolist()
    assert after.counters == before.counters
    assert validate_journal(after.path).valid
    (summary,) = found.evidence.journals.values()
    assert summary.evaluations.calls == 12


def test_a_member_that_was_changed_on_the_way_is_noticed(tmp_path):
    write_bundle([record(tmp_path / "run.jsonl")], tmp_path / "b.tar.gz")
    changed = {
        name: content.replace(b"Cu4", b"Au4") for name, content in members(tmp_path / "b.tar.gz").items()
    }
    folder = tmp_path / "changed"
    for name, content in changed.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    found = ingest([Bundle(folder)], tmp_path / "results")
    assert "journals/run.jsonl differs from the list" in found.evidence.wrong_sums


def test_the_same_runs_give_the_same_archive(tmp_path):
    runs = [record(tmp_path / "a/run.jsonl"), record(tmp_path / "b/run.jsonl")]
    write_bundle(runs, tmp_path / "first.tar.gz")
    write_bundle(runs, tmp_path / "second.tgz")
    assert (tmp_path / "first.tar.gz").read_bytes() == (tmp_path / "second.tgz").read_bytes()
    with tarfile.open(tmp_path / "first.tar.gz") as archive:
        infos = archive.getmembers()
    assert [each.name for each in infos] == sorted(each.name for each in infos)
    assert {(each.uid, each.gid, each.uname, each.gname, each.mtime) for each in infos} == {(0, 0, "", "", 0)}
    assert {"journals/run.jsonl", "journals/run-2.jsonl"} <= {each.name for each in infos}


def test_no_home_directory_user_or_folder_is_reported(tmp_path, monkeypatch):
    home = tmp_path / "home/marie"
    (home / "secret project").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", "marie")
    monkeypatch.chdir(home / "secret project")
    run = record(home / "secret project/run.jsonl")
    (home / "secret project/notes.csv").write_text(
        f"path\n{home}/x\n/scratch/marie/y\nhttps://marie:pw@host/z\n"
    )
    assert b"marie" in run.read_bytes()
    write_bundle([home / "secret project"], home / "b.tar.gz")
    for name, content in members(home / "b.tar.gz").items():
        assert b"marie" not in content, name
        assert str(tmp_path).encode() not in content, name
    text = members(home / "b.tar.gz")["tables/notes.csv"].decode()
    assert text == "path\n~/x\n/scratch/user/y\nhttps://***@host/z\n"


def test_a_torn_journal_stays_torn(tmp_path):
    run = record(tmp_path / "run.jsonl")
    run.write_bytes(run.read_bytes()[:-40])
    write_bundle([run], tmp_path / "b.tar.gz")
    ingest([Bundle(tmp_path / "b.tar.gz")], tmp_path / "results")
    found = read_journal(tmp_path / "results/journals/run.jsonl")
    assert found.torn
    assert found.partial


def test_anything_that_is_not_a_journal_is_left_out_of_a_folder_and_refused_by_name(tmp_path):
    record(tmp_path / "runs/run.jsonl")
    (tmp_path / "runs/data.jsonl").write_text('{"some": "thing"}\n')
    (tmp_path / "runs/link.csv").symlink_to("/etc/passwd")
    written = write_bundle([tmp_path / "runs"], tmp_path / "b.tar.gz")
    assert "tables/link.csv" not in written.members
    assert "data.jsonl" in written.left_out[0]
    with pytest.raises(JournalReadError):
        write_bundle([tmp_path / "runs/data.jsonl"], tmp_path / "c.tar.gz")
    assert not (tmp_path / "c.tar.gz").exists()


def test_nothing_is_overwritten_and_every_error_is_one_line(tmp_path):
    run = record(tmp_path / "run.jsonl")
    (tmp_path / "b.tar.gz").write_bytes(b"mine")
    for output in ("b.tar.gz", "b.zip", "no/folder/b.tgz"):
        with pytest.raises(IntakeError, match="--output"):
            write_bundle([run], tmp_path / output)
    assert (tmp_path / "b.tar.gz").read_bytes() == b"mine"
    (tmp_path / "empty").mkdir()
    with pytest.raises(IntakeError, match=r"no journal"):
        write_bundle([tmp_path / "empty"], tmp_path / "c.tgz")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("/home/marie/x", "~/x"),
        ("/Users/marie", "~"),
        ("/root/x /rootless", "~/x /rootless"),
        ("a/home/x", "a/home/x"),
        ("/data/marie/x/marie.csv /data/mariette", "/data/user/x/marie.csv /data/mariette"),
        ("no path", "no path"),
    ],
)
def test_paths(text, masked):
    assert mask_paths(text, home="/home/marie", user="marie") == masked


PLANTED = "Zq8c0rrecth0rse"
SCRIPT = """
import sys
from ase.build import bulk
from ase.calculators.emt import EMT
from instrumented_calc import profiled, recording
atoms = bulk("Cu", cubic=True)
with profiled(EMT(), "run.jsonl", summary=False) as atoms.calc:
    atoms.get_potential_energy()
    recording(atoms.calc).run.mark("password: " + sys.argv[1])
    recording(atoms.calc).run.mark('a "quoted" mark, and api_key="' + sys.argv[1] + '"')
"""


def planted(tmp_path: Path, *arguments: str, code: str = "") -> Path:
    """Run a script with secrets on its command line, which it also writes into marks."""
    subprocess.run(
        [sys.executable, "-c", SCRIPT + code, *arguments], cwd=tmp_path, check=True, capture_output=True
    )
    return tmp_path / "run.jsonl"


def test_a_command_line_is_masked_in_the_journal_and_marks_are_in_the_bundle(tmp_path):
    run = planted(
        tmp_path,
        f"wandb.api_key={PLANTED}",
        "--api-key",
        PLANTED,
        f"PGPASSWORD={PLANTED}",
        f"Authorization: Bearer {PLANTED}",
        f"--pass={PLANTED}",
        json.dumps({"login": {"password": PLANTED}, "steps": 3}),
        "--tokenizer=llama",
        code=f"\ntoken = '{PLANTED}'\n",
    )
    records = [json.loads(line) for line in run.read_text().splitlines()]
    command = "\n".join(records[0]["command"])
    assert PLANTED not in command
    assert "--tokenizer=llama" in command
    assert json.loads(records[0]["command"][-2]) == {"login": {"password": "***"}, "steps": 3}
    # A mark is in the journal as the user wrote it.
    assert sum(PLANTED in json.dumps(each) for each in records) == 2

    write_bundle([run], tmp_path / "b.tgz")
    for name, content in members(tmp_path / "b.tgz").items():
        assert PLANTED.encode() not in content, name
    bundled = [json.loads(line) for line in members(tmp_path / "b.tgz")["journals/run.jsonl"].splitlines()]
    assert [each["event"] for each in bundled] == [each["event"] for each in records]
    unchanged = ("call", "fields", "lane", "counters", "run_end")
    for before, after in zip(records, bundled, strict=True):
        if before["event"] in unchanged:
            assert after == before


@pytest.mark.slow
def test_quotes_on_the_command_line_do_not_keep_a_run_from_being_bundled(tmp_path):
    run = planted(tmp_path, '--tokenizer="llama"', "--note=it's \\", '{"key": ')
    write_bundle([run], tmp_path / "b.tgz")
    ingest([Bundle(tmp_path / "b.tgz")], tmp_path / "results")
    found = read_journal(tmp_path / "results/journals/run.jsonl")
    assert found.start.command[-3:] == ['--tokenizer="llama"', "--note=it's \\", '{"key": ']
    assert validate_journal(found.path).valid


def test_journals_of_before_that_hold_secrets_are_masked_whole(tmp_path):
    run = record(tmp_path / "run.jsonl")
    lines = run.read_bytes().splitlines(keepends=True)
    start = json.loads(lines[0])
    start["command"] = ["python", "x.py", "--api-key", PLANTED, f"--x=/data/y {PLANTED[:3]}"]
    start["settings"]["tracker"] = {"api_key": PLANTED}
    notice = {"event": "notice", "level": "warning", "code": "x", "text": f"token={PLANTED}", "at_ns": 1}
    torn = f'{{"event":"notice","text":"--password {PLANTED}'.encode()
    run.write_bytes(
        b"".join([json.dumps(start).encode() + b"\n", *lines[1:], json.dumps(notice).encode(), b"\n"])
    )
    run.write_bytes(run.read_bytes() + torn)
    (tmp_path / "settings.json").write_text(json.dumps({"auth": {"token": PLANTED, "n": [1]}, "path": "a/b"}))
    (tmp_path / "table.csv").write_text(f'name,note\nx,"api_key=""{PLANTED}"", then"\n')
    (tmp_path / "job.log").write_text(f"export HF_TOKEN={PLANTED}\nsteps=3\n")
    write_bundle([tmp_path], tmp_path / "b.tgz")
    found = members(tmp_path / "b.tgz")
    for name, content in found.items():
        assert PLANTED.encode() not in content, name
    assert json.loads(found["tables/settings.json"])["path"] == "a/b"
    assert found["tables/table.csv"] == b'name,note\nx,"api_key=""***"", then"\n'
    assert found["logs/job.log"] == b"export HF_TOKEN=***\nsteps=3\n"


def test_files_without_secrets_are_copied_byte_for_byte(tmp_path):
    run = record(tmp_path / "run.jsonl")
    odd = b'{"n": 1.50, "list":[1,\t2], "text": "\\u00e9"}\n'
    (tmp_path / "odd.json").write_bytes(odd)
    (tmp_path / "odd.csv").write_bytes(b"a;b\r\n'x\"y', 1.50\r\n")
    write_bundle([tmp_path], tmp_path / "b.tgz")
    found = members(tmp_path / "b.tgz")
    assert found["tables/odd.json"] == odd
    assert found["tables/odd.csv"] == (tmp_path / "odd.csv").read_bytes()
    assert found["journals/run.jsonl"].splitlines()[1:] == run.read_bytes().splitlines()[1:]


def test_a_bundle_is_not_written_through_a_link(tmp_path):
    (tmp_path / "b.tgz").symlink_to(tmp_path / "victim")
    with pytest.raises(IntakeError, match="--output"):
        write_bundle([record(tmp_path / "run.jsonl")], tmp_path / "b.tgz")
    assert not (tmp_path / "victim").exists()


def thinned(path: Path) -> Path:
    """Record more calls than the journal has room for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atoms = bulk("Cu", cubic=True)
    with profiled(EMT(), path, summary=False, max_journal=30_000) as atoms.calc:
        for number in range(300):
            atoms.rattle(1e-3, seed=number)
            atoms.get_potential_energy()
    return path


def in_full(path: Path) -> set[int]:
    """Return the indices of the calls that are known in full."""
    return set(read_journal(path).calls.index.tolist())


def test_the_black_box_goes_with_its_journal(tmp_path):
    runs = [thinned(tmp_path / folder / "run.jsonl") for folder in ("a", "b")]
    alone = tmp_path / "alone.jsonl"
    alone.write_bytes(runs[0].read_bytes())
    assert in_full(alone) < in_full(runs[0])
    for chosen in (runs, [tmp_path / "a", tmp_path / "b"]):
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}.tgz"
        written = write_bundle(chosen, output)
        boxes = {name for name in written.members if name.endswith(".last")}
        assert boxes == {"journals/run.jsonl.last", "journals/run-2.jsonl.last"}
        found = ingest([Bundle(output)], tmp_path / f"{output.name}-results")
        assert not found.notes
        places = ("journals/run.jsonl", "journals/run-2.jsonl")
        for place, run in zip(places, runs, strict=True):
            assert in_full(found.output / place) == in_full(run)
            assert found.evidence.journals[place].evaluations.calls == 300


def test_a_journal_that_gets_another_name_keeps_its_black_box(tmp_path):
    runs = [thinned(tmp_path / folder / "run.jsonl") for folder in ("a", "b")]
    found = ingest([Bundle(tmp_path / "a"), Bundle(tmp_path / "b")], tmp_path / "results")
    journals = [each for each in found.placed if each.kind.value == "journal"]
    assert [in_full(each.content.path) for each in journals] == [in_full(run) for run in runs]
    again = ingest([Bundle(tmp_path / "b"), Bundle(tmp_path / "a")], tmp_path / "results")
    assert {each.path for each in again.placed} == {each.path for each in found.placed}


def test_traces_stacks_and_dumped_calls_of_a_run_are_packed_and_masked(tmp_path):
    run = record(tmp_path / "run.jsonl")
    call = b'{"event":"notice","kind":"mark","text":"token=%s"}\n' % PLANTED.encode()
    beside = {
        "run.trace-1.json": b'{"traceEvents": [{"name": "/home/marie/model.py"}]}',
        "run.jsonl.stacks.txt": b'  File "/home/marie/run.py", line 1, in <module>\n',
        "run.jsonl.stacks-2.txt": b"thread 2\n",
        "run.jsonl-2.dumped": call,
        "other.trace-1.json": b'{"traceEvents": []}',
        "run.trace": b"",
    }
    for name, content in beside.items():
        (tmp_path / name).write_bytes(content)
    write_bundle([run], tmp_path / "b.tgz")
    found = members(tmp_path / "b.tgz")
    assert {each for each in found if each.startswith(("traces", "logs"))} == {
        "traces/run.trace-1.json",
        "logs/run.jsonl.stacks.txt",
        "logs/run.jsonl.stacks-2.txt",
        "logs/run.jsonl-2.dumped",
    }
    assert not any(b"marie" in content or PLANTED.encode() in content for content in found.values())
    results = ingest([Bundle(tmp_path / "b.tgz")], tmp_path / "results")
    assert {each.path for each in results.placed} >= {"profiler_traces/run.trace-1.json"}


@pytest.mark.parametrize("damage", [b"", b', "n_atoms": }'])
def test_half_a_character_beside_a_secret_keeps_nothing_from_being_bundled(tmp_path, damage):
    run = record(tmp_path / "runs/run.jsonl")
    line = b'{"event": "mark", "text": "\\ud83d", "password": "hunter2"' + damage + b"}\n"
    run.write_bytes(run.read_bytes() + line)
    (tmp_path / "runs/table.json").write_bytes(b'{"text": "\\ud83d \xc3\xa9", "password": "hunter2"}')
    write_bundle([tmp_path / "runs"], tmp_path / "b.tar.gz")
    found = members(tmp_path / "b.tar.gz")
    assert b"hunter2" not in b"".join(found.values())
    assert json.loads(found["tables/table.json"]) == {"text": "\ud83d é", "password": "***"}
