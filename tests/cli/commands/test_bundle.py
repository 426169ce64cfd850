"""`instrumented-calc bundle`, in process: `ingest` reads its output."""

from __future__ import annotations

from instrumented_calc.cli import main


def test_a_run_is_bundled_and_taken_in_elsewhere(tmp_path, capsys):
    assert main(["demo", "--steps", "20"]) == 0
    capsys.readouterr()
    assert main(["bundle", "run.jsonl", "--output", "mine.tar.gz"]) == 0
    seen = capsys.readouterr()
    assert seen.out == "mine.tar.gz\n"
    assert "next: instrumented-calc ingest mine.tar.gz" in seen.err
    assert main(["ingest", "mine.tar.gz"]) == 0
    text = capsys.readouterr().out
    assert "latencies, call by call, of the recorded runs: journals/run.jsonl" in text
    assert "members match the list in their bundle" in text
    assert main(["report", "results/journals/run.jsonl"]) == 0
    assert main(["validate", "results/journals/run.jsonl"]) == 0


def test_errors_are_one_line_on_stderr(tmp_path, capsys):
    (tmp_path / "other.jsonl").write_text("{}\n")
    for arguments in (["none.jsonl"], ["other.jsonl"], ["."]):
        assert main(["bundle", *arguments, "--output", "b.tgz"]) == 5
        seen = capsys.readouterr()
        assert seen.err.splitlines()[-1].startswith("error: ")
    assert main(["bundle", "run.jsonl"]) == 2
    assert not (tmp_path / "b.tgz").exists()
