"""Motion of the whole system: a fault, or a fall in a field."""

import numpy as np
import pytest
from msgspec import UNSET

from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track
from instrumented_calc.analysis.soundness.momentum import check_momentum
from instrumented_calc.journal.records import Phase, State

GAINED = np.linspace(0, 2, 20)


def judged(conserved=None, *, net=0.3, rest=None, constraints=UNSET):
    """Judge a system that gains kinetic energy as a whole.

    Args:
        conserved: The conserved energy, eV.
        net: Share of the net force.
        rest: Difference of the forces' work and the energy's change, as a share of the work.
        constraints: Those that may push atoms.
    """
    states = tuple(
        State(
            index=index,
            kinetic_ev=0.5 + gained,
            centre_kinetic_ev=gained,
            conserved_ev=UNSET if conserved is None else conserved[index],
            net_force_ev_a=net,
            force_norm_ev_a=1.0,
            work_ev=UNSET if rest is None else 0.1,
            energy_change_ev=UNSET if rest is None else -0.1 * (1 - rest),
            acting_constraints=constraints,
        )
        for index, gained in enumerate(GAINED.tolist())
    )
    phase = Phase(phase=0, driver="ase.md.verlet.VelocityVerlet", kind="md", index=0)
    track = Track(phase, 8, states, np.arange(len(states)))
    return check_momentum(PhysicsEvidence(None, len(states), len(states), {}, track.steps, (track,)))


def test_a_push_that_adds_energy_ruins():
    assert judged(GAINED).ruins
    assert judged(rest=0.5).ruins
    assert judged().ruins


def test_motion_without_a_net_force_ruins():
    assert judged(0 * GAINED, net=0.0).ruins  # a flying ice cube


@pytest.mark.parametrize("known", [{"conserved": 0.01 * GAINED}, {"rest": 0.001}])
def test_what_falls_in_a_field_is_no_fault(known):
    check = judged(**known)
    assert check.verdict == "clear"
    assert check.text.endswith("motion of the whole system, which falls in a field that the energy contains")


def test_constraints_that_may_push_are_named():
    check = judged(net=0.0, constraints=["Gravity"])
    assert check.verdict == "not enough evidence"
    assert check.text == "momentum, because Gravity may push the atoms"
