"""Forces from differences of energies are named as what they are, wherever the energies are calculated."""

import pytest

from instrumented_calc.journal.records import (
    CodeLine,
    Counters,
    Places,
    ProfiledFunction,
    RunEnd,
    SampledStack,
    StepProfiles,
)

MS, US = 10**6, 10**3
RULE = "numerical-forces"
ATOMS = 32  # of the runs


def nested(make, each):
    """Return a run of 40 calls with so many calls inside each."""
    run = make(40 * (each + 1))
    for call in run.calls:
        outer = call.index - call.index % (each + 1)
        call.wall_ns = MS // 2 if call.index != outer else MS * each
        if call.index != outer:
            call.parent = outer
    return run.also(RunEnd("closed", 10**12, "2026-01-01T01:00:00Z", Counters(nested=40 * each)))


@pytest.mark.parametrize(
    ("each", "text"), [(24, "6 for each of 4"), (25, "6 for each of 4"), (13, "3 for each of 4")]
)
def test_calls_inside_calls(make, found, each, text):
    run = nested(make, each)
    run.calls[0].n_atoms = 4
    finding = found(run, RULE)
    assert finding.verdict == "flagged"
    assert f"each call makes {each} others, {text} atoms" in finding.headline
    assert finding.saving_share > 0.5
    assert finding.saving_kind == "at most"


@pytest.mark.parametrize("each", [2, 12, 20])
def test_other_numbers_of_calls_inside_are_something_else(make, found, each):
    run = nested(make, each)
    run.calls[0].n_atoms = 4
    assert found(run, RULE).verdict == "clear"


def test_energies_of_a_step(make, found):
    run = make(24 * 20)
    run.calls[0].n_atoms, run.calls[0].properties = 4, ["energy"]
    run.every("step", lambda each: each // 24)
    assert found(run, RULE).verdict == "flagged"
    run.calls[0].properties = ["energy", "forces"]
    assert found(run, RULE).verdict == "clear"


def profile(calls, ns):
    functions = [
        ProfiledFunction("calculator", calls, ns, "energy", "", "my.py", 3),
        ProfiledFunction("calculator", 2 * calls, ns, "norm", "numpy"),
        ProfiledFunction("calculator", 1, MS, "calculate", "", "my.py", 9),
    ]
    return StepProfiles(5, 1, 2 * ns, MS, functions, {})


def test_a_function_that_is_called_six_times_per_atom(make, found):
    calls = 6 * ATOMS
    finding = found(make(100).also(profile(calls, calls * 100 * US)), RULE)
    assert finding.verdict == "flagged"
    assert "each call of the calculator calls energy 192 times, 6 for each of 32 atoms" in finding.headline


def test_pairs_of_atoms_are_no_energies(make, found):
    calls = 6 * ATOMS  # as many pairs as a face-centred lattice has
    assert found(make(100).also(profile(calls, calls * US)), RULE).verdict == "clear"
    assert found(make(100).also(profile(3 * ATOMS, 3 * ATOMS * 100 * US)), RULE).verdict == "clear"


def test_a_function_that_is_named_for_it(make, found):
    lines = [CodeLine("morse", "", "my.py", 3), CodeLine("calculate_numerical_forces", "ase")]
    stacks = [
        SampledStack("calculator", 8, 8 * MS, "", [0, 1], 2),
        SampledStack("driver", 2, 2 * MS, "", [0], 1),
    ]
    finding = found(make(100).also(Places(5, 10, 10 * MS, 10.0 * MS**2, lines, stacks)), RULE)
    assert finding.verdict == "flagged"
    assert "calculate_numerical_forces calculates them, 80 % of the wall time" in finding.headline
