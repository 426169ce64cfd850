"""Bundles made to the published formats: laid out, read, judged."""

from __future__ import annotations

import cProfile
import csv
import hashlib
import json
import marshal

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from tests.intake.published import chtc_members, local_members, metrics, write_tgz, write_zip

from instrumented_calc import profiled
from instrumented_calc.intake.archives.kinds import MemberKind, recognize
from instrumented_calc.intake.archives.layout import Results
from instrumented_calc.intake.archives.staging import Staged, stage
from instrumented_calc.intake.ingest import Bundle, ingest


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def study(tmp_path):
    chtc = write_tgz(tmp_path / "profiling_artifacts.tgz", chtc_members())
    local = write_zip(tmp_path / "profiling_local.zip", local_members(first=1.8, open_share=0.17))
    return ingest([Bundle(chtc, "chtc"), Bundle(local, "local")], tmp_path / "results")


def test_everything_is_where_the_study_had_it(study, tmp_path):
    there = {each.path for each in study.placed}
    assert {
        "tables/timings_local.csv",
        "tables/summary_local.csv",
        "tables/timings.csv",
        "tables/one_species_torch.metrics.json",
        "tables/env_report.json",
        "logs/chtc/cluster_123.log",
        "logs/local/run.log",
        "logs/chtc/basename_one_species.xyz__torch.out",
        "profiler_traces/trace_ellipsoids.json",
        "other/run_all.sh",
    } <= there
    assert not study.refusals
    assert not (tmp_path / "pwned").exists()


def test_every_file_reports_where_it_comes_from(study, tmp_path):
    reported = rows(tmp_path / "results/ingested/provenance.csv")
    (log,) = (row for row in reported if "ellipsoids.xyz" in row["member"] and "numpy.out" in row["member"])
    assert log["member"] == "logs/$(basename ellipsoids.xyz)_numpy.out"
    assert log["bundle"] == "profiling_artifacts.tgz"
    for row in reported:
        stored = (tmp_path / "results" / row["stored"]).read_bytes()
        assert hashlib.sha256(stored).hexdigest() == row["sha256"]
        assert row["bundle_sha256"] == hashlib.sha256((tmp_path / row["bundle"]).read_bytes()).hexdigest()


def test_inconsistencies_in_the_published_study_are_reported(study):
    flagged = {each.rule for each in study.checks if each.flagged}
    assert flagged == {
        "backend-label-unverified",
        "rss-too-small-for-torch",
        "cold-cache-pair",
        "n-runs-1",
        "warmup-missing",
        "unaccounted-time",
    }
    clear = {each.rule for each in study.checks if each.verdict == "clear"}
    assert {"return-codes", "finite-values", "summary-recomputed", "tables-agree", "values-differ"} <= clear
    assert any("the code run under the label torch_full took 6.5 times" in line for line in study.supported)
    assert any("conversions take 10.0 to 27.0 %" in line for line in study.supported)
    assert any("a ranking across the 2 tables" in line for line in study.not_supported)


def test_our_tables_hold_the_runs_and_their_sums(study, tmp_path):
    timings = rows(tmp_path / "results/ingested/timings.csv")
    assert len(timings) == 27 + 6 + 6
    (row,) = (
        each
        for each in rows(tmp_path / "results/ingested/summary.csv")
        if (each["file"], each["mode"]) == ("one_species.xyz", "torch_full")
    )
    (published,) = (
        each
        for each in rows(tmp_path / "results/tables/summary_local.csv")
        if (each["file"], each["mode"]) == ("one_species.xyz", "torch_full")
    )
    for name in ("wall_mean", "wall_std", "tN2_mean"):
        assert float(row[name]) == pytest.approx(float(published[name]), rel=1e-12)


def test_the_same_file_twice_is_stored_once_and_found_twice(tmp_path):
    members = local_members()
    first = write_tgz(tmp_path / "first.tgz", members)
    second = write_zip(tmp_path / "second.zip", {f"again/{name}": each for name, each in members.items()})
    found = ingest([Bundle(first), Bundle(second)], tmp_path / "results")
    assert len(found.placed) == 3
    assert [origin.bundle for origin in found.placed[0].content.origins] == ["first.tgz", "second.zip"]
    assert len(found.evidence.measurements) == 27


def test_a_second_ingestion_changes_nothing(tmp_path):
    bundle = Bundle(write_tgz(tmp_path / "first.tgz", local_members()))
    ingest([bundle], tmp_path / "results")
    before = {each: each.read_bytes() for each in (tmp_path / "results").rglob("*") if each.is_file()}
    ingest([bundle], tmp_path / "results")
    assert before == {each: each.read_bytes() for each in (tmp_path / "results").rglob("*") if each.is_file()}


def test_a_folder_is_a_bundle_with_archives_within_and_without_the_results(tmp_path):
    folder = tmp_path / "study"
    (folder / "sub").mkdir(parents=True)
    write_tgz(folder / "sub/inner.tgz", local_members())
    (folder / "one_torch.metrics.json").write_bytes(metrics("one.xyz", "torch"))
    found = ingest([Bundle(folder)], folder / "results")
    again = ingest([Bundle(folder)], folder / "results")
    assert {each.path for each in found.placed} == {each.path for each in again.placed}
    members = {origin.member for each in found.placed for origin in each.content.origins}
    assert "sub/inner.tgz!timings_local.csv" in members


def test_a_result_of_the_mlff_distiller_profiler(tmp_path):
    stored = {
        "name": "teacher",
        "model_name": "orb-v2",
        "device": "cuda",
        "n_steps": 2,
        "n_atoms": 64,
        "latencies_ms": [10.0, 12.0],
        "mean_latency_ms": 11.0,
        "std_latency_ms": 1.0,
        "energy_time_ms": 10.9,
        "forces_time_ms": 0.1,
    }
    (tmp_path / "profile.json").write_text(json.dumps(stored))
    bench = {"metadata": {"name": "md", "n_atoms": 8}, "performance": {"mean_step_time_ms": 3.0}}
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    found = ingest([Bundle(tmp_path / "profile.json"), Bundle(tmp_path / "bench.json")], tmp_path / "results")
    first, second = rows(tmp_path / "results/ingested/profiles.csv")
    assert (first["model"], first["mean_ms"], first["n_atoms"]) == ("orb-v2", "11.0", "64")
    assert (second["name"], second["mean_ms"], second["median_ms"]) == ("md", "3.0", "")
    assert "component-split-cached" in {each.rule for each in found.checks if each.flagged}


def test_marshalled_profiles_are_loaded_on_demand_only_and_elsewhere(tmp_path):
    profile = cProfile.Profile()
    profile.runcall(sorted, range(1000))
    profile.dump_stats(tmp_path / "good.prof")
    (tmp_path / "bad.prof").write_bytes(marshal.dumps([1, 2]))
    (tmp_path / "worse.prof").write_bytes(b"\xdb\xff\xff\xff\x7f" + b"\xf3" * 100)
    bundles = [Bundle(tmp_path / f"{name}.prof") for name in ("good", "bad", "worse")]
    found = ingest(bundles, tmp_path / "results")
    assert not found.hotspots
    assert sum("--load-marshalled" in note for note in found.notes) == 3
    found = ingest(bundles, tmp_path / "results", marshalled=True)
    assert any("sorted" in each["function"] for each in found.hotspots)
    assert sum("not a cProfile file" in note for note in found.notes) == 2
    assert (tmp_path / "results/ingested/hotspots.csv").exists()


def test_damaged_journals_are_read_as_far_as_they_are_whole(tmp_path):
    atoms = bulk("Cu")
    with profiled(EMT(), tmp_path / "run.jsonl", summary=False) as atoms.calc:
        atoms.get_potential_energy()
    lines = (tmp_path / "run.jsonl").read_bytes().splitlines(keepends=True)
    damage = {
        "bucket": b'{"event":"slice","start_ns":0,"calls":3,"wall_ns":3,"buckets":{"4611686018427387":3}}\n',
        "deep": b"[" * 3000 + b"]" * 3000 + b"\n",
        "hole": bytes(100_000) + b"\n",
        "numbers": b'{"event":"call","index":NaN}\n{"event":"call","index":1e400,"wall_ns":-1}\n',
        "long": b'{"a":"' + b"x" * 3_000_000 + b'"}\n',
    }
    folder = tmp_path / "study"
    folder.mkdir()
    for name, line in damage.items():
        (folder / f"{name}.jsonl").write_bytes(b"".join([*lines[:3], line, *lines[3:]]))
        (folder / f"first-{name}.jsonl").write_bytes(b"".join([b"x", *lines[:3], line, *lines[3:]]))
    found = ingest([Bundle(folder)], tmp_path / "results")
    assert len(found.evidence.journals) == 2 * len(damage)
    assert {each.evaluations.calls for each in found.evidence.journals.values()} == {1}
    assert all(len(note.splitlines()) == 1 for note in found.notes)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("env_report.json", b'{"python": "3.13", "pytorch": null}', MemberKind.environment),
        (
            "env_report.json",
            b'{"sys_executable": "/x", "pip_freeze": [], "env_vars": {}}',
            MemberKind.environment,
        ),
        (
            "env_report.json",
            b'{"captured_at_utc": "", "packages": {}, "thread_environment": {}}',
            MemberKind.environment,
        ),
        ("results.json", b'{"schema_version": 1, "workloads": []}', MemberKind.workloads),
        ("my_trace.json", b"[]", MemberKind.trace),
        ("deep.json", b"[" * 100_000, MemberKind.other),
        ("broken.json", b'{"mode"', MemberKind.other),
        ("numbers.json", b"1" * 10_000, MemberKind.other),
        ("picture.csv", b"\x89PNG\r\n\x1a\n", MemberKind.figure),
        ("plot.svg", b"<?xml?><svg/>", MemberKind.figure),
        ("job.err", b"", MemberKind.log),
        ("run.txt", b'{"event":"run_start","schema":"instrumented-calc/1"}\n', MemberKind.journal),
        ("run.jsonl", b'{"ev\0\0\n{"event":"fields","fields":{}}\n', MemberKind.journal),
        ("run.jsonl", b'{"step":1}\n{"step":2}\n', MemberKind.other),
        ("run.txt", b"", MemberKind.other),
    ],
)
def test_members_are_recognized_by_their_content(tmp_path, name, content, kind):
    (tmp_path / "in").mkdir()
    (tmp_path / name).write_bytes(content)
    staged = Staged()
    stage(tmp_path / name, tmp_path / "in", staged)
    (found,) = staged.contents.values()
    assert recognize(found)[0] is kind
    assert Results(tmp_path / "out").place(found, kind).content.path.read_bytes() == content
