"""Fleets of written journals: equal runs, chains, ranks, copies."""

from dataclasses import replace

import pytest
from tests.fleets import Made, write_run

from instrumented_calc.analysis.fleet.fleet import NotARun, fleet_of
from instrumented_calc.analysis.fleet.fleet_run import run_of_excerpt
from instrumented_calc.journal.excerpt import read_excerpt
from instrumented_calc.journal.records import bucket_bounds


@pytest.fixture
def fleet(tmp_path):
    """Write runs and judge them together."""

    def of(*made, more=()):
        paths = [write_run(tmp_path / f"r{number}.jsonl", each) for number, each in enumerate(made)]
        return fleet_of([*(run_of_excerpt(read_excerpt(path)) for path in paths), *more])

    return of


def test_the_figures_of_a_run(fleet):
    counters, end = (("failed", 2), ("not_finite", 1)), (("failure", "ValueError"), ("peak_rss_bytes", 10**8))
    run = fleet(Made("n1", call_ms=10.0, calls=60, counters=counters, end=end)).runs[0]
    assert (run.host, run.calls, run.failed_calls, run.not_finite) == ("n1", 60, 2, 1)
    assert (run.state, run.failure, run.peak_rss_bytes) == ("failed", "ValueError", 10**8)
    assert run.call_ns == pytest.approx(10e6, rel=0.02)
    assert run.calls_read == 48  # the first fifth is left out
    assert run.run_ns == pytest.approx(60 * 11e6, rel=0.02)


def test_what_was_not_measured_is_absent(fleet):
    run = fleet(Made(calls=5, ended=False)).runs[0]
    assert (run.call_ns, run.failed_calls, run.not_finite, run.peak_rss_bytes) == (None, None, None, None)
    assert run.calls == 5


def test_runs_on_other_hardware_are_never_in_one_group(fleet):
    found = fleet(
        *[Made(f"n{n}", cpu="old" if n < 3 else "new", call_ms=20 if n < 3 else 10) for n in range(9)]
    )
    assert sorted(len(each.runs) for each in found.groups) == [3, 6]
    assert not any(each.is_outlier(run) for each in found.groups for run in each.runs)


def test_a_run_far_from_its_equals_is_an_outlier(fleet):
    found = fleet(*[Made(f"n{n}", call_ms=10.0 + 0.1 * (n % 5)) for n in range(20)], Made("n1", call_ms=15.0))
    group = found.groups[0]
    assert [run.path[-9:] for run in group.runs if group.is_outlier(run)] == ["r20.jsonl"]
    assert group.deviation(found.runs[20]) == pytest.approx(0.47, abs=0.05)


def test_parts_of_a_requeued_job_are_one_chain_in_order_of_start(fleet):
    job = (("series", "Slurm 7"), ("command", ["md.py"]), ("environment", {"scheduler": {"job_id": "7"}}))
    parts = [
        Made("n1", started=600, start=(*job, ("run_id", "b"))),
        Made("n2", ended=False, start=(*job, ("run_id", "a"))),
    ]
    found = fleet(*parts, Made("n3"))
    assert [[part.run_id for part in chain.parts] for chain in found.chains] == [["a", "b"], ["r2"]]
    assert found.chains[0].hosts == ("n2", "n1")
    assert found.chains[0].calls == 120
    assert found.chains[0].last.state == "ended"


def test_programs_side_by_side_in_one_job_are_no_chain(fleet):
    job = (("series", "Slurm 7"), ("environment", {"scheduler": {"job_id": "7"}}))
    long = Made("n1", calls=7_000, call_ms=20.0, start=(*job, ("command", ["md.py"])))
    found = fleet(
        long, replace(long, started=10), Made("n1", started=600, start=(*job, ("command", ["b.py"])))
    )
    assert [len(chain.parts) for chain in found.chains] == [1, 1, 1]


def test_ranks_that_computed_the_same_frames_are_noticed(fleet):
    ranks = [Made("n1", start=(("command", ["md.py"]), ("rank", rank))) for rank in range(4)]
    found = fleet(*ranks, Made("n1", start=(("command", ["md.py"]), ("rank", 4)), energy_ev=-9.0))
    assert [(len(each.runs), each.ranks) for each in found.same] == [(4, True)]


def test_replicates_one_after_the_other_are_no_ranks(fleet):
    runs = [Made("n1", started=60 * number, start=(("command", ["md.py"]),)) for number in range(3)]
    assert fleet(*runs).same == ()


def test_a_copy_counts_once_and_every_file_is_accounted_for(fleet):
    run = Made(start=(("run_id", "same"),))
    found = fleet(run, replace(run, ended=False), more=[NotARun("x.jsonl", "the file is empty")])
    assert [each.path[-8:] for each in found.runs] == ["r0.jsonl"]
    assert [each.copy for each in found.not_runs] == [False, True]
    assert found.files == len(found.runs) + len(found.not_runs) == 3


def test_files_of_a_journal_that_was_moved_are_one_run_and_no_copies(tmp_path):
    whole = write_run(tmp_path / "run.jsonl", Made(calls=90, start=(("run_id", "a"), ("continues", False))))
    start, fields, lane, phase, *rows, end = whole.read_bytes().splitlines(keepends=True)
    again = start.replace(b'"continues":false', b'"continues":true')
    assert again != start
    files = {
        "run": [start, fields, lane, phase, *rows[:30]],
        "run-2": [again, fields, lane, phase, *rows[30:50]],
        "run-2-2": [again, fields, lane, phase, *rows[50:], end],
        "copy": [again, fields, lane, phase, *rows[30:40]],
    }
    for name, lines in files.items():
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(lines))
    found = fleet_of([run_of_excerpt(read_excerpt(tmp_path / f"{name}.jsonl")) for name in files])
    (run,) = found.runs
    assert (run.state, run.calls, run.path) == ("ended", 90, str(tmp_path / "run-2-2.jsonl"))
    assert {each.path.rpartition("/")[2]: (each.copy, each.part) for each in found.not_runs} == {
        "run.jsonl": (False, True),
        "run-2.jsonl": (False, True),
        "copy.jsonl": (True, False),
    }
    assert found.files == len(found.runs) + len(found.not_runs) == 4


def test_a_thinned_journal_is_judged_by_its_sums(tmp_path):
    path = write_run(tmp_path / "a.jsonl", Made(calls=30))
    lines = path.read_bytes().split(b"\n")
    usual = b"[[600,90],[700,10]]"
    lines.insert(
        -2,
        b'{"event":"slice","start_ns":0,"end_ns":9,"calls":100,"nested":0,"failed":0,"unchanged":0,"wall_ns":1,'
        b'"gap_ns":0,"min_ns":1,"max_ns":2,"squares_ns2":1,"atom_calls":0,"histogram":' + usual + b"}",
    )
    path.write_bytes(b"\n".join(lines))
    run = run_of_excerpt(read_excerpt(path))
    assert run.calls_read == 100
    assert run.call_ns == sum(bucket_bounds(600)) / 2  # not of the rows, which are the slow calls
