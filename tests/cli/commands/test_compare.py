"""`instrumented-calc compare`, in process, on journals of real dynamics and on made ones."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.reporting.html.pages import Page

from instrumented_calc.cli import main
from instrumented_calc.journal import records


@pytest.fixture
def write(tmp_path):
    def of(
        name: str,
        level: float = 1.0,
        *,
        seed: int = 0,
        energy: float = 1.0,
        formula: str = "Cu4",
        **environment,
    ):
        start = records.RunStart(
            schema=records.SCHEMA,
            run_id=name,
            started="2026-01-01T00:00:00Z",
            pid=1,
            version="0.1.0",
            environment=records.Environment(**environment),
        )
        lane = records.Lane(0, "EMT", "twin", n_atoms=4, formula=formula)
        noise = np.exp(0.02 * np.random.default_rng(seed).normal(size=300))
        calls = [
            records.Call(
                index=n,
                lane=0,
                n_atoms=4,
                start_ns=n * 10**8,
                wall_ns=int(10**7 * level * scatter),
                components={"part": 10**6},
                energy_ev=energy,
                rss_bytes=10**8,
            )
            for n, scatter in enumerate(noise)
        ]
        path = tmp_path / name
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (start, lane, *calls)))
        return path

    return of


def test_two_runs_get_a_verdict_on_these_two(write, capsys):
    write("a.jsonl")
    write("b.jsonl", 0.5, seed=1)
    assert main(["compare", "a.jsonl", "b.jsonl"]) == 3
    text = capsys.readouterr().out
    assert "not sure: time per call x 0.5" in text
    assert "--single" in text
    assert main(["compare", "a.jsonl", "b.jsonl", "--single"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Comparison of a.jsonl with b.jsonl")
    assert "faster: time per call x 0.5" in text
    assert "on these two runs only" in text
    assert "equal in 50 common frames" in text
    assert "host memory, peak" in text


def test_a_run_that_is_compared_with_itself_is_noted(write, capsys):
    path = write("a.jsonl")
    path.with_name("link.jsonl").symlink_to(path)
    main(["compare", "a.jsonl", "link.jsonl", "--single"])
    assert capsys.readouterr().err == "note: a.jsonl is on both sides: it does not differ from itself\n"


def test_replicates_as_a_shell_s_pattern_a_quoted_one_and_a_comma_list(write, capsys):
    for seed in range(3):
        write(f"a-{seed}.jsonl", 1 + 0.01 * seed, seed=seed)
        write(f"b-{seed}.jsonl", 1.3 + 0.01 * seed, seed=10 + seed)
    shell = ["--before", *(f"a-{n}.jsonl" for n in range(3)), "--after", *(f"b-{n}.jsonl" for n in range(3))]
    quoted = ["--before", "a-*.jsonl", "--after", "b-*.jsonl"]
    commas = ["a-0.jsonl,a-1.jsonl,a-2.jsonl", "b-*.jsonl"]
    reported = []
    for arguments in (shell, quoted, commas):
        assert main(["compare", *arguments]) == 0
        reported.append(capsys.readouterr().out)
    assert "from the scatter between 3 and 3 runs" in reported[0]
    assert reported[0] == reported[1] == reported[2]


@pytest.mark.parametrize(
    ("level", "limit", "state"),
    [
        (1.2, ["--max-slowdown", "5%"], "BROKEN"),
        (1.05, ["--max-slowdown", "5%"], "not sure"),
        (0.9, ["--max-slowdown", "5%"], "met"),
        (0.1, ["--require-speedup", "5x"], "met"),
        (0.5, ["--require-speedup", "5x"], "BROKEN"),
        (0.2, ["--require-speedup", "5x"], "not sure"),
    ],
)
def test_a_limit_fails_only_if_it_is_exceeded_significantly(write, capsys, level, limit, state):
    write("a.jsonl")
    write("b.jsonl", level)
    code = {"met": 0, "BROKEN": 1, "not sure": 3}[state]
    assert main(["compare", "a.jsonl", "b.jsonl", "--single", *limit]) == code
    assert state in capsys.readouterr().out
    assert main(["compare", "a.jsonl", "b.jsonl", *limit]) == 3
    assert main(["compare", "a.jsonl", "b.jsonl", *limit, "--unsure", "fail"]) == 1
    assert main(["compare", "a.jsonl", "b.jsonl", *limit, "--unsure", "ignore"]) == 0


def test_other_energies_block_the_verdict_and_exit_with_4(write, capsys):
    write("a.jsonl")
    write("b.jsonl", 0.5, energy=2.0)
    assert main(["compare", "a.jsonl", "b.jsonl", "--max-slowdown", "5%"]) == 4
    text = capsys.readouterr().out
    assert "not comparable" in text
    assert "values-differ: energies differ at the first geometry: 0.25 eV per atom" in text
    assert "not checked, the runs are not comparable" in text
    assert main(["compare", "a.jsonl", "b.jsonl", "--single", "--allow", "values"]) == 0
    assert main(["compare", "a.jsonl", "b.jsonl", "--single", "--energy-tolerance", "0.5"]) == 0


def test_other_machines_are_named_and_can_be_allowed(write, capsys):
    write("a.jsonl", cpu="EPYC")
    write("b.jsonl", cpu="Xeon")
    assert main(["compare", "a.jsonl", "b.jsonl"]) == 4
    assert "cpu: before EPYC, after Xeon; if this is under test: --allow cpu" in capsys.readouterr().out
    assert main(["compare", "a.jsonl", "b.jsonl", "--single", "--allow", "cpu,threads"]) == 0
    assert "under test: cpu" in capsys.readouterr().out


def test_json_and_markdown(write, capsys):
    write("a.jsonl")
    write("b.jsonl", 2)
    single = ["compare", "a.jsonl", "b.jsonl", "--single"]
    assert main([*single, "--format", "json", "--max-slowdown", "5%"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "slower"
    assert found["unit"] == "call"
    assert found["median"]["interval"]["value"] == pytest.approx(2, rel=1e-3)
    assert found["limits"] == [{"limit": "--max-slowdown 5%", "verdict": "broken"}]
    assert main([*single, "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("# Comparison of a.jsonl with b.jsonl")


def test_a_result_file_of_the_older_profiler_is_compared(write, tmp_path, capsys):
    write("a.jsonl")
    result = {"latencies_ms": [20.0, 20.1] * 50, "device": "cuda", "n_atoms": 4}
    (tmp_path / "b.json").write_text(json.dumps(result))
    assert main(["compare", "a.jsonl", "b.json", "--single"]) == 0
    text = capsys.readouterr().out
    assert "slower" in text
    assert "a result file states only its device" in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["a.jsonl"], 2),
        (["a.jsonl", "a.jsonl", "a.jsonl"], 2),
        (["--before", "a.jsonl"], 2),
        (["a.jsonl", "a.jsonl", "--allow", "moon"], 2),
        (["a.jsonl", "a.jsonl", "--max-slowdown", "much"], 2),
        (["a.jsonl", "none.jsonl"], 5),
        (["a.jsonl", "none-*.jsonl"], 5),
        (["a.jsonl", "other.json"], 5),
    ],
)
def test_errors_are_one_line_on_stderr(write, tmp_path, capsys, arguments, code):
    write("a.jsonl")
    (tmp_path / "other.json").write_text('{"some": "thing"}')
    assert main(["compare", *arguments]) == code
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith("error: ")
    assert seen.err.count("\n") == 1


def test_two_runs_of_the_same_dynamics_are_the_same(capsys):
    for name in ("a.jsonl", "b.jsonl"):
        assert main(["demo", "--steps", "40", "--output", name]) == 0
    capsys.readouterr()
    assert main(["compare", "a.jsonl", "b.jsonl", "--format", "json"]) == 3  # single runs
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "not sure"
    assert found["forces"]["verdict"] == "equal"
    assert found["forces"]["frames"] >= 7  # calls 0, 1, 2, 4, 8, 16, 32
    assert found["forces"]["largest_ev_a"] == 0
    assert found["values"]["verdict"] == "equal"
    assert found["values"]["largest_ev"] == 0
    assert found["obstacles"] == []


def test_replicates_of_one_side_show_the_noise_floor_and_which_limits_it_forbids(write, capsys):
    for seed in range(5):
        write(f"a-{seed}.jsonl", 1 + 0.02 * seed, seed=seed)
    assert main(["compare", "--noise", "a-*.jsonl"]) == 0
    text = capsys.readouterr().out
    assert "the medians of 5 runs scatter by 3.2 %" in text
    assert main(["compare", "--noise", "a-*.jsonl", "--max-slowdown", "10%"]) == 0
    assert "testable with 5 runs" in capsys.readouterr().out
    assert main(["compare", "--noise", "a-*.jsonl", "--max-slowdown", "2%", "--format", "markdown"]) == 3
    assert "UNTESTABLE" in capsys.readouterr().out
    assert main(["compare", "--noise", "a-*.jsonl", "--max-slowdown", "2%", "--format", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["limits"] == [
        {"limit": "--max-slowdown 2%", "testable": False}
    ]


def test_nothing_of_a_journal_or_a_name_controls_the_terminal(write, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write("a.jsonl")
    write("b\x1b[31m.jsonl", formula="\x1b]0;title\x07\u202e\x9b2J")
    main(["compare", "--noise", "a.jsonl", "b\x1b[31m.jsonl"])
    main(["compare", "b\x1b[31m.jsonl", "b\x1b[31m.jsonl"])
    shown = "".join(capsys.readouterr())
    assert "not comparable" in shown
    assert "on both sides" in shown
    assert all(each.isprintable() for each in shown if each != "\n")


def test_the_noise_floor_is_that_of_replicates(write, capsys):
    write("a.jsonl", cpu="EPYC")
    write("b.jsonl", cpu="Xeon")
    assert main(["compare", "--noise", "a.jsonl", "b.jsonl"]) == 4
    assert "cpu: EPYC and Xeon" in capsys.readouterr().out
    assert main(["compare", "--noise", "a.jsonl"]) == 2


def test_a_limit_that_replicates_cannot_test_says_how_many_are_needed(write, capsys):
    for seed in range(3):
        write(f"a-{seed}.jsonl", 1 + 0.05 * seed, seed=seed)
        write(f"b-{seed}.jsonl", 1 + 0.05 * seed, seed=10 + seed)
    assert main(["compare", "a-*.jsonl", "b-*.jsonl", "--max-slowdown", "5%"]) == 3
    text = capsys.readouterr().out
    assert "untestable with these runs, which scatter by " in text
    assert " on each side are needed" in text


def test_a_page_draws_times_only_of_comparable_runs(write, capsys):
    for seed in range(3):
        write(f"a-{seed}.jsonl", 1 + 0.01 * seed, seed=seed)
        write(f"b-{seed}.jsonl", 0.5 + 0.01 * seed, seed=10 + seed)
    write("c.jsonl", energy=3.0)
    assert main(["compare", "--before", "a-*.jsonl", "--after", "b-*.jsonl", "--html", "r.html"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "wrote r.html\n")
    source = Path("r.html").read_text(encoding="utf-8")
    page = Page(source)
    assert "faster: time per call x 0.5" in page.words
    assert page.values("class").count("bucket") == 6 + 5 + 4 + 6  # times, ratios, parts, runs
    assert main(["compare", "--before", "a-*.jsonl", "--after", "b-*.jsonl", "--html", "r2.html"]) == 0
    assert Path("r2.html").read_text(encoding="utf-8") == source
    assert main(["compare", "a-0.jsonl", "c.jsonl", "--html", "r.html"]) == 4
    page = Page(Path("r.html").read_text(encoding="utf-8"))
    assert "energies differ at the first geometry" in page.words
    assert "Not comparable" in page.words
    assert page.values("class").count("bucket") == 0


def test_a_page_hides_folders_hosts_and_users_on_request(write, tmp_path, capsys):
    write("a.jsonl")
    write("b.jsonl")
    folder = str(tmp_path)
    words = ["compare", f"{folder}/a.jsonl", f"{folder}/b.jsonl", "--single", "--html", "r.html"]
    for more, shown in (([], True), (["--mask"], False)):
        main([*words, *more])
        assert (folder in Path("r.html").read_text(encoding="utf-8")) is shown
    capsys.readouterr()
    assert main(["compare", "a.jsonl", "b.jsonl", "--mask"]) == 2
    assert "add --html" in capsys.readouterr().err


def test_a_page_does_not_replace_a_journal(write, capsys):
    write("a.jsonl")
    write("b.jsonl")
    before = Path("b.jsonl").read_bytes()
    for words in (["a.jsonl", "b.jsonl"], ["--noise", "*.jsonl"]):
        assert main(["compare", *words, "--html", "b.jsonl"]) == 5
        assert "give another --html" in capsys.readouterr().err
    assert Path("b.jsonl").read_bytes() == before


def test_the_noise_floor_as_a_page(write):
    for seed in range(3):
        write(f"a-{seed}.jsonl", 1 + 0.01 * seed, seed=seed)
    assert main(["compare", "--noise", "a-*.jsonl", "--html", "r.html"]) == 0
    assert "the medians of 3 runs scatter" in Page(Path("r.html").read_text(encoding="utf-8")).words
