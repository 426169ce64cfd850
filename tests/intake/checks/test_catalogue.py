"""Conclusions from stored results: every rule with and without a planted fault."""

from __future__ import annotations

import dataclasses

import pytest

from instrumented_calc.analysis.experiment_checks import is_cold_pair
from instrumented_calc.intake.checks.catalogue import CHECKS, validate
from instrumented_calc.intake.checks.conclusions import not_supported, ratios, supported
from instrumented_calc.intake.reading.measurements import LogLine, Measurement, Summarized
from instrumented_calc.intake.reading.study_data import StudyData

WALLS = {"numpy_only": 1.0, "torch_full": 2.0}


def good(**changes) -> StudyData:
    """Return a study in which nothing is wrong, with changes to all of its runs."""
    runs = [
        Measurement(
            table="b.tgz/timings.csv",
            file="a.xyz",
            mode=mode,
            rep=rep,
            n_atoms=10,
            species=1,
            wall_s=wall * (1 + 0.01 * rep),
            compute_s=wall * (1 + 0.01 * rep),
            conv_in_s=0.0,
            returncode=0,
            max_rss_kb=300_000,
            inblock=0,
            executed="torch" if "torch" in mode else "numpy",
            threads="1",
            warmed_up=True,
        )
        for mode, wall in WALLS.items()
        for rep in (1, 2, 3, 4, 5)
    ]
    lines = [LogLine("b.tgz/x.out", "a.xyz", mode, {"value": "1.25"}) for mode in WALLS]
    return StudyData([dataclasses.replace(each, **changes) for each in runs], lines=lines)


def change(evidence: StudyData, mode: str, **changes) -> StudyData:
    evidence.measurements = [
        dataclasses.replace(each, **changes) if each.mode == mode else each for each in evidence.measurements
    ]
    return evidence


def verdict(evidence: StudyData, rule: str):
    return {each.rule: each for each in validate(evidence)}[rule]


def test_a_study_in_which_all_holds_is_clear_and_supports_its_speed():
    evidence = good()
    checks = validate(evidence)
    assert not [each for each in checks if each.flagged]
    found = ratios(evidence)
    assert found[0].clear
    assert found[0].value == pytest.approx(2)
    assert supported(evidence, found, checks)[0].startswith(
        "b.tgz/timings.csv: torch_full took 2 times as long"
    )
    assert not not_supported(evidence, found, checks)


@pytest.mark.parametrize(
    ("rule", "mode", "changes", "said"),
    [
        ("return-codes", "torch_full", {"returncode": 137}, "a torch_full ended with 137"),
        ("finite-values", "torch_full", {"wall_s": float("nan")}, "wall_s is nan"),
        ("finite-values", "torch_full", {"wall_s": None}, "wall_s is None"),
        ("finite-values", "numpy_only", {"conv_in_s": -1.0}, "conv_in_s is -1.0"),
        ("parts-within-wall", "torch_full", {"compute_s": 9.0}, "parts of 9 s"),
        ("backend-label-unverified", "torch_full", {"executed": ""}, "5 of 5 runs have no record"),
        ("backend-label-unverified", "torch_full", {"executed": "numpy"}, "actually ran numpy"),
        ("rss-too-small-for-torch", "torch_full", {"max_rss_kb": 43_000}, "used at most 43 MB"),
        ("cold-cache-pair", "numpy_only", {"inblock": 32_000}, "numpy_only read 32,000 blocks, torch_full 0"),
        ("unaccounted-time", "torch_full", {"compute_s": 1.0}, "1 of 2 above 10 %"),
        ("threads-unequal", "torch_full", {"threads": "2"}, "1 and 2 threads"),
    ],
)
def test_a_planted_fault_is_flagged(rule, mode, changes, said):
    found = verdict(change(good(), mode, **changes), rule)
    assert found.flagged
    assert said in found.text
    assert found.remedy


@pytest.mark.parametrize(("blocks", "expected"), [(2048, "clear"), (2049, "flagged")])
def test_a_pair_has_a_cold_cache_above_a_mebibyte_as_in_an_experiment(blocks, expected):
    assert verdict(change(good(), "torch_full", inblock=blocks), "cold-cache-pair").verdict == expected
    assert is_cold_pair(0, blocks) == is_cold_pair(blocks, 0) == (expected == "flagged")
    assert not is_cold_pair(blocks, blocks / 5)


def test_a_job_that_the_batch_system_saw_fail_is_flagged():
    evidence = good()
    evidence.lines.append(LogLine("b.tgz/cluster.log", "", "", {"ended with": "signal 9"}))
    assert "b.tgz/cluster.log reports signal 9" in verdict(evidence, "return-codes").text


def test_a_first_run_without_warm_up_is_set_aside():
    evidence = good(warmed_up=None)
    evidence.measurements[5] = dataclasses.replace(evidence.measurements[5], wall_s=9.0)
    found = verdict(evidence, "warmup-missing")
    assert "a torch_full: first run 4.41 times the fastest" in found.text
    assert ratios(evidence)[0].runs == (5, 4)
    assert ratios(evidence)[0].value == pytest.approx(2, rel=0.02)
    evidence = good()
    evidence.measurements[5] = dataclasses.replace(evidence.measurements[5], wall_s=9.0)
    assert verdict(evidence, "warmup-missing").verdict == "clear"


def test_single_runs_give_no_interval_and_no_verdict():
    evidence = good()
    evidence.measurements = [each for each in evidence.measurements if each.rep == 1]
    assert verdict(evidence, "n-runs-1").flagged
    found = ratios(evidence)
    assert found[0].low is None
    checks = validate(evidence)
    assert not any("torch_full took" in line for line in supported(evidence, found, checks))
    assert any(line.startswith("an interval") for line in not_supported(evidence, found, checks))


def test_values_that_differ_block_any_speed():
    evidence = good()
    evidence.lines[1].values["value"] = "1.35"
    assert "numpy_only 1.25, torch_full 1.35" in verdict(evidence, "values-differ").text
    assert not supported(evidence, ratios(evidence), validate(evidence))
    evidence.lines.clear()
    assert verdict(evidence, "values-differ").verdict == "not enough evidence"


def test_a_label_that_is_doubted_is_not_used():
    evidence = change(good(), "torch_full", executed="")
    checks = validate(evidence)
    assert (
        "the code run under the label torch_full took 2" in supported(evidence, ratios(evidence), checks)[0]
    )
    assert (
        "any statement about the backend named by label torch_full"
        in not_supported(evidence, ratios(evidence), checks)[0]
    )


def test_logs_and_environments_count_for_and_against_a_label_of_their_own_bundle():
    evidence = change(good(), "torch_full", executed="")
    evidence.lines.append(LogLine("b.tgz/y.out", "a.xyz", "torch_full", {"backend": "torch"}))
    assert verdict(evidence, "backend-label-unverified").verdict == "clear"
    evidence.environments["b.tgz/env_report.json"] = {"error": "No module named 'torch'"}
    assert "says that torch is missing" in verdict(evidence, "backend-label-unverified").text
    evidence.environments["other.tgz/env_report.json"] = evidence.environments.pop("b.tgz/env_report.json")
    assert verdict(evidence, "backend-label-unverified").verdict == "clear"
    evidence.lines[-1].values["backend"] = ""
    assert "backend=(nothing)" in verdict(evidence, "backend-label-unverified").text


def summary(**changes) -> Summarized:
    walls = [1.01, 1.02, 1.03, 1.04, 1.05]
    fields = {
        "table": "b.tgz/summary.csv",
        "file": "a.xyz",
        "mode": "numpy_only",
        "runs": 5,
        "wall_mean": sum(walls) / 5,
        "wall_std": 0.0158113883008419,
    }
    return Summarized(**{**fields, **changes})


def test_a_summary_is_recomputed_with_n_minus_one():
    evidence = good()
    evidence.summaries = [summary()]
    assert verdict(evidence, "summary-recomputed").verdict == "clear"
    for changes in ({"wall_std": 0.0141421356}, {"wall_mean": 1.04}, {"runs": 3}):
        evidence.summaries = [summary(**changes)]
        assert "its runs give" in verdict(evidence, "summary-recomputed").text
    evidence.summaries = [summary(file="elsewhere.xyz")]
    assert verdict(evidence, "summary-recomputed").verdict == "not enough evidence"


def test_a_table_that_repeats_records_is_compared_with_them_and_is_not_a_replicate():
    record = dataclasses.replace(good().measurements[0], rep=None)
    repeat = Measurement(table="b.tgz/timings_all.csv", file="a", mode="numpy_only", wall_s=1.0104)
    evidence = StudyData([dataclasses.replace(record, table="b.tgz/records of processes"), repeat])
    assert verdict(evidence, "tables-agree").verdict == "clear"
    assert len(evidence.groups()) == 1
    evidence.measurements[1] = dataclasses.replace(repeat, wall_s=1.2)
    assert "1.2 s in b.tgz/timings_all.csv" in verdict(evidence, "tables-agree").text


def test_a_table_made_of_recorded_cells_has_their_evidence():
    evidence = good()
    evidence.measurements += [
        dataclasses.replace(
            each, table="b.tgz/timings_local.csv", executed="", returncode=None, warmed_up=None
        )
        for each in evidence.measurements
    ]
    assert verdict(evidence, "backend-label-unverified").verdict == "clear"
    assert len(evidence.groups()) == 2
    assert verdict(evidence, "tables-agree").verdict == "clear"


def test_the_value_comparison_of_our_own_experiment_is_trusted():
    evidence = good()
    evidence.lines.clear()
    evidence.studies["b.tgz/study.json"] = {"problems": []}
    assert verdict(evidence, "values-differ").verdict == "clear"
    problem = {"rule": "values-differ", "file": "a.xyz", "text": "torch_full: energy differs by 0.1"}
    evidence.studies["b.tgz/study.json"]["problems"].append(problem)
    assert "a.xyz: torch_full: energy differs by 0.1" in verdict(evidence, "values-differ").text
    assert not supported(evidence, ratios(evidence), validate(evidence))


def test_a_split_that_timed_the_cache_of_ase_is_not_trusted():
    stored = {
        "mean_latency_ms": 17.75,
        "energy_time_ms": 17.5,
        "forces_time_ms": 0.25,
        "latencies_ms": [17.75],
    }
    evidence = StudyData(profiles={"b/p.json": stored})
    assert "99 % in the property requested first" in verdict(evidence, "component-split-cached").text
    assert verdict(evidence, "summary-recomputed").verdict == "clear"
    stored["mean_latency_ms"] = 12.0
    assert "its latencies give 17.75" in verdict(evidence, "summary-recomputed").text


def test_runs_that_differ_in_dtype_are_not_replicates_and_are_not_compared():
    evidence = good()
    evidence.measurements += [dataclasses.replace(each, tag="float32") for each in evidence.measurements]
    assert len(evidence.groups()) == 4
    assert [each.tag for each in ratios(evidence)] == ["", "float32"]


def test_nothing_at_all_is_never_clear_by_silence():
    checks = validate(StudyData())
    assert len(checks) == len(CHECKS)
    assert {each.verdict for each in checks if each.rule != "backend-label-unverified"} == {
        "not enough evidence"
    }
    assert all(each.text for each in checks)
    assert all(each.rule == each.rule.lower() and "_" not in each.rule for each in checks)
