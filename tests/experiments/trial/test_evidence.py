"""What one recorded run shows of a real program, and which remedies follow from it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from instrumented_calc.experiments.trial.evidence import read_evidence
from instrumented_calc.experiments.trial.processes import Processes
from instrumented_calc.experiments.trial.remedies.catalogue import remedies_for
from instrumented_calc.experiments.trial.task import TriedProgram

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def facts_of(tmp_path):
    def record(name):
        shutil.copytree(PROGRAMS, tmp_path, dirs_exist_ok=True)
        (tmp_path / "runs").mkdir()
        _, journals, notes = Processes(TriedProgram((f"{name}.py",)), tmp_path / "runs").record(30, None)
        return read_evidence(journals, notes).facts

    return record


def names(facts):
    return {each.name for each in remedies_for(facts)}


def test_lists_that_ases_function_builds_are_counted(facts_of):
    facts = facts_of("neighbours")
    assert facts.ase_lists == 30
    assert facts.skin_rebuilt is None
    assert facts.list_share > 0.05


def test_a_calculator_with_a_list_of_its_own_is_offered_no_other_library(facts_of):
    facts = facts_of("healthy_emt")
    assert facts.ase_lists == 0
    assert facts.skin_rebuilt < 0.05  # the first update always builds a list
    assert facts.pool_share < 0.05
    assert facts.blas_threads  # of numpy
    assert max(facts.blas_threads, facts.other_threads or 0) == facts.threads
    without_effect = {"matscipy-neighbours", "vesin-neighbours", "wider-skin", "gc-freeze", "threads-1"}
    assert not without_effect & names(facts)


@pytest.mark.slow
def test_a_list_without_a_skin_is_rebuilt_at_every_step(facts_of):
    facts = facts_of("skin")
    assert facts.skin_rebuilt == 1
    assert "wider-skin" in names(facts)


@pytest.mark.slow
def test_time_in_garbage_collection_is_measured_between_calls_too(facts_of):
    facts = facts_of("collector")
    assert facts.collected_share > 0.1
    assert "gc-freeze" in names(facts)
