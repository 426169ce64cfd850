"""Real short simulations: the ruined are called ruined, by the right check, and the healthy are not."""

from __future__ import annotations

import pytest
from tests.diagnosis.driven import DRIVEN, DRIVEN_WRONGLY
from tests.diagnosis.protocols import PROTOCOLS
from tests.diagnosis.simulations import HEALTHY, RUINED
from tests.diagnosis.turning_points import HEALTHY_CHANGES, RUINED_LATER

from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.run.final_summary import closing_text

ALL_RUINED = RUINED | DRIVEN_WRONGLY
ALL_HEALTHY = HEALTHY | HEALTHY_CHANGES | PROTOCOLS | DRIVEN


def first_of_each(kinds):
    """Mark all simulations of a kind but the first as slow."""
    first = {kind: name for name, kind in reversed(kinds.items())}
    return [
        name if first[kind] == name else pytest.param(name, marks=pytest.mark.slow)
        for name, kind in kinds.items()
    ]


def one_in_five(names):
    """Mark the others as slow."""
    return first_of_each({name: number // 5 for number, name in enumerate(names)})


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def record(simulate):
        simulate()
        journal = read_journal("run.jsonl")
        assert journal.counters.faults == 0
        return summarize(journal)

    return record


@pytest.mark.parametrize("name", first_of_each({name: rules[0] for name, (_, rules) in ALL_RUINED.items()}))
def test_a_ruined_simulation_is_called_so(name, recorded):
    simulate, rules = ALL_RUINED[name]
    summary = recorded(simulate)
    found = judge(summary)
    assert {each.name for each in summary.soundness.ruined} & set(rules)
    # nothing else is called a cost, no rule is content, and the speed is not praised
    assert not [each.rule for each in found if each.verdict == "clear"]
    assert not [each.rule for each in found if each.verdict == "flagged" and each.severity == "cost"]
    text = closing_text(summary, found)
    assert text.startswith("BROKEN ")
    assert "ns/day" not in text


@pytest.mark.parametrize("name", first_of_each({name: turn.rules[0] for name, turn in RUINED_LATER.items()}))
def test_a_simulation_that_is_ruined_later_is_called_so_and_dated(name, recorded):
    turn = RUINED_LATER[name]
    summary = recorded(turn.simulate)
    first = summary.soundness.ruined[0]
    assert first.name in turn.rules
    assert first.since.call in turn.since
    text = closing_text(summary, judge(summary)).partition("\nrun ")[0]
    assert text.startswith("BROKEN ")
    assert first.since.words.removesuffix(" at the latest") in " ".join(text.split())


@pytest.mark.parametrize("name", one_in_five(ALL_HEALTHY))
def test_a_healthy_simulation_is_accused_of_nothing(name, recorded):
    summary = recorded(ALL_HEALTHY[name])
    assert [each.text for each in summary.soundness.ruined] == []
    assert "BROKEN" not in closing_text(summary, judge(summary))


@pytest.mark.parametrize(
    "name", ["strained_copies_that_share_the_calculator", "a_smaller_structure_that_shares_the_calculator"]
)
def test_other_structures_are_not_taken_for_the_simulated_one(name, recorded):
    summary = recorded(HEALTHY_CHANGES[name])
    assert summary.soundness.of("volume-change").text == "the volume is constant"
    assert summary.soundness.of("energy-drift").verdict in {"clear", "not enough evidence"}
