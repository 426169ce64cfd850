"""Planted, healthy and starved runs for the rules on parts of a step, usage, JAX and the recorder."""

from __future__ import annotations

import pytest

from instrumented_calc.journal.records import CodeLine, Environment, Places, SampledStack

MS = 1_000_000
STARVED = "not enough evidence"
FENNOL = {"library": "FeNNol 2026.6, jax 0.10", "device": "TFRT_CPU_0"}


def listed(run, ms):
    return run.every("components", lambda _: {"pairs": ms * MS // 100})


def test_a_neighbour_list_that_dominates_is_reported(make, found):
    groups = {"pairs": "neighbours"}
    finding = found(listed(make(100, groups=groups), 150), "neighbour-list")
    assert finding.verdict == "flagged"
    assert finding.saving_share == pytest.approx(1.5 / 2.12, abs=0.03)
    assert found(listed(make(100, groups=groups), 10), "neighbour-list").verdict == "clear"
    assert found(make(100), "neighbour-list").verdict == STARVED
    assert found(
        listed(make(100, groups=groups, model={"device": "cuda"}), 150), "neighbour-list"
    ).verdict == (STARVED)
    jax = found(listed(make(100, groups=groups, model=FENNOL), 150), "neighbour-list")
    assert "FeNNol" in jax.remedy


def test_a_list_in_the_users_own_code_is_known_by_the_name_of_its_function(make, found):
    def sampled(function, samples):
        lines = [
            CodeLine(function, "", "/home/me/my.py", 8),
            CodeLine("Mine.calculate", "", "/home/me/my.py", 3),
        ]
        stacks = [
            SampledStack("calculator", samples, samples * MS, "", [0, 1], 2),
            SampledStack("calculator", 100 - samples, (100 - samples) * MS, "", [1], 1),
        ]
        return make(300).also(Places(5, 100, 100 * MS, 100.0 * MS**2, lines, stacks))

    finding = found(sampled("Mine.find_neighbors", 80), "neighbour-list")
    assert (finding.verdict, finding.severity, finding.saving_kind) == ("flagged", "cost", "at most")
    assert finding.headline.endswith("of the wall time, in Mine.find_neighbors (my.py:8)")
    assert found(sampled("Mine.find_neighbors", 30), "neighbour-list").verdict == STARVED
    assert found(sampled("Neighbours.energy", 80), "neighbour-list").verdict == STARVED
    assert found(sampled("energy_of_neighbours", 80), "neighbour-list").verdict == STARVED
    assert found(sampled("sum_over_neighbors", 80), "neighbour-list").verdict == STARVED


def test_the_list_of_a_potential_of_ase_is_no_cost_that_can_be_saved(make, found):
    run = listed(make(100, groups={"pairs": "neighbours"}), 150)
    run.lane.calculator = "ase.calculators.emt.EMT"
    finding = found(run, "neighbour-list")
    assert (finding.severity, finding.saving_share) == ("info", None)


def test_a_geometry_that_is_computed_twice_is_reported_with_the_requested_properties(make, found):
    twice = make(300).every("changes", lambda each: ["positions"] if each % 2 else [])
    twice.every("properties", lambda each: ["stress"] if each % 2 == 0 else ["energy", "forces"])
    finding = found(twice, "unchanged-atoms")
    assert finding.verdict == "flagged"
    assert finding.numbers["share_of_calls"] == 0.5
    assert finding.numbers["asked_for"] == "stress"
    assert finding.saving_share == pytest.approx(0.48, abs=0.02)
    assert found(make(300), "unchanged-atoms").verdict == "clear"
    assert found(make(300).every("changes", lambda _: None, [0]), "unchanged-atoms").verdict == STARVED


def test_two_calls_per_step_are_too_many_for_md_but_not_for_an_optimizer(make, verdict):
    twice = make(300).every("step", lambda each: each // 2)
    assert verdict(twice, "evaluations-per-step") == "flagged"
    assert verdict(make(300), "evaluations-per-step") == "clear"
    relaxation = make(300, kind="optimizer").every("step", lambda each: each // 3)
    assert verdict(relaxation, "evaluations-per-step") == "clear"
    assert verdict(make(10), "evaluations-per-step") == STARVED


def test_overflows_repeatedly_are_a_storm(make, found):
    def overflowing(every):
        hits = range(10, 300, every)
        run = make(300, model=FENNOL).every("counts", lambda each: {"overflows": int(each in hits)})
        return run.every("compile_ns", lambda _: {"process": 3000 * MS}, hits).every(
            "wall_ns", lambda _: 3500 * MS, hits
        )

    finding = found(overflowing(20), "overflow-storm")
    assert finding.verdict == "flagged"
    assert "mult_size" in finding.remedy
    assert finding.saving_share > 0.9
    assert found(overflowing(250), "overflow-storm").verdict == "clear"
    assert found(make(300, Environment(), FENNOL), "overflow-storm").verdict == STARVED


def test_the_recorder_reports_its_own_cost(make, found):
    costly = make(2000).every("self_ns", lambda each: each * MS // 2, range(0, 2000, 10))
    costly.every("gap_ns", lambda _: MS // 2)
    finding = found(costly, "profiler-cost")
    assert finding.verdict == "flagged"
    assert "parts" not in finding.remedy  # there are none
    short = make(200).every("self_ns", lambda each: each * MS // 2, range(0, 200, 10))
    assert found(short, "profiler-cost").verdict == "clear"  # 0.1 s to start
    cheap = make(100).every("self_ns", lambda each: each * 2000, range(0, 100, 10))
    assert found(cheap, "profiler-cost").verdict == "clear"
    assert found(make(100), "profiler-cost").verdict == STARVED
