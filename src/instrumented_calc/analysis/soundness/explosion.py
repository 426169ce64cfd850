"""Atoms, energies or forces beyond what any such simulation can reach.

Compared with what the run began with, so that hot plasmas and collision cascades, which begin hot, and
optimizations, which begin with overlapping atoms, are not accused. The limits are far from what happens in
healthy runs, because an explosion grows without bound: a step or two later it exceeds any limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.soundness.check import Check
from instrumented_calc.quantities import figures

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track

NAME = "exploded"
# Times the temperature that the run began with or aims at. Released chemical energy of 5 eV per atom, more
# than any reaction gives, is 19,000 K; below 1,000 K the beginning says little (a run may start at rest).
HOTTER, LEAST_K = 20.0, 1000.0
# eV/A, and times the largest force at the start. A chemical bond breaks at some 10 eV/A (its energy of 5 eV
# over half an angstrom); nuclei that meet in a hot gas reach 100.
FORCE, FORCE_GROWN = 1e3, 100.0
# eV per atom. Chemical energies are below 10 eV per atom. A fall may be a healthy relaxation of overlapping
# atoms, unless forces were moderate (eV/A) at the start.
ENERGY, MODERATE_FORCE = 50.0, 50.0
AS_BEFORE = 2.0  # times the largest value so far
# A. No two nuclei approach more closely in a chemical simulation: the shortest bond, of H2, is 0.74 A.
OVERLAP, APART = 0.3, 0.5
FARTHEST_A = 1e6  # 0.1 mm
AT_THE_END = 3  # states in a row of a script without a driver: it may try overlapping atoms at random


def check_explosion(evidence: PhysicsEvidence) -> Check:
    """The simulation has exploded: a temperature, force, energy or distance is out of all bounds."""
    found = [fault for track in evidence.tracks for fault in _faults(track)]
    if found:
        track, place, text, numbers = min(found, key=lambda fault: fault[0].states[fault[1]].index)
        since = track.since(place)
        return Check(
            NAME,
            "flagged",
            f"{text} since {since.words}",
            numbers,
            len(track.states),
            since,
        )
    looked = sum(len(track.states) for track in evidence.tracks if np.isfinite(_known(track)).any())
    if not looked:
        return Check(NAME, "not enough evidence", "temperature, forces and distances were not recorded")
    hottest = [
        np.nanmax(track.values("temperature_k"))
        for track in evidence.tracks
        if np.isfinite(track.values("temperature_k")).any()
    ]
    force = max(
        (
            float(np.nanmax(each))
            for track in evidence.tracks
            if np.isfinite(each := track.values("largest_force_ev_a")).any()
        ),
        default=0.0,
    )
    numbers = {"largest_force_ev_a": force}
    text = f"largest force {figures(force)} eV/A"
    if hottest:
        numbers["highest_k"] = float(max(hottest))
        text = f"temperature up to {max(hottest):,.0f} K, {text}"
    return Check(NAME, "clear", f"{text}, in {looked:,} samples", numbers, looked)


def _known(track: Track) -> np.ndarray:
    return np.concatenate([track.values("temperature_k"), track.values("largest_force_ev_a")])


def _faults(track: Track) -> list[tuple[Track, int, str, dict[str, float]]]:
    """Return the first state that exceeds each limit, with words and figures."""
    judged = (_temperature(track), _force(track), _energy(track), _distance(track), _extent(track))
    return [(track, *fault) for fault in judged if fault is not None]


def _exploded(text: str) -> str:
    return f"The simulation has exploded: {text}"


def _temperature(track: Track) -> tuple[int, str, dict[str, float]] | None:
    values, targets = track.values("temperature_k"), track.values("target_k")
    usual = max(_first(values), float(np.nanmax(targets)) if np.isfinite(targets).any() else 0.0, LEAST_K)
    place = _first_place(values > HOTTER * usual)
    if place is None:
        return None
    text = _exploded(f"{figures(values[place])} K, after {_first(values):,.0f} K at the start,")
    return place, text, {"temperature_k": float(values[place]), "first_k": _first(values)}


def _force(track: Track) -> tuple[int, str, dict[str, float]] | None:
    values = track.values("largest_force_ev_a")
    limit = max(FORCE, FORCE_GROWN * _first(values))
    beyond = values > limit
    last = beyond[-1:] if track.phase is not None else beyond[-AT_THE_END:]
    if not track.is_md and not last.all():
        return None  # a line search, or a script's own sampling, may try a bad geometry
    place = _first_place(beyond)
    if place is None:
        return None
    atom = track.states[place].largest_force_atom
    whose = f" on atom {atom:,}" if isinstance(atom, int) else ""
    text = f"a force of {figures(values[place])} eV/A{whose}, after {figures(_first(values))} at the start,"
    text = _exploded(text)
    return place, text, {"force_ev_a": float(values[place]), "first_force_ev_a": _first(values)}


def _energy(track: Track) -> tuple[int, str, dict[str, float]] | None:
    values = track.values("potential_ev")
    if not track.n_atoms or track.phase is None:
        return None
    change = (values - _first(values)) / track.n_atoms
    moderate = _first(track.values("largest_force_ev_a")) < MODERATE_FORCE
    beyond = (change > ENERGY) | ((change < -ENERGY) & moderate)
    if not track.is_md and not beyond[-1:].any():
        return None
    place = _first_place(beyond)
    if place is None:
        return None
    text = f"{figures(change[place], signed=True)} eV per atom from the start"
    if _as_before(track, place):
        text = f"The energy is {text}, though temperature and forces are as before (another unit?),"
    else:
        text = _exploded(f"an energy {text}")
    return place, text, {"change_ev_per_atom": float(change[place])}


def _as_before(track: Track, place: int) -> bool:
    """Return whether temperature and forces at a state are within the range of the states before it."""
    for name in ("temperature_k", "largest_force_ev_a"):
        values = track.values(name)
        if not values[place] <= AS_BEFORE * np.nanmax(values[:place], initial=0.0):
            return False
    return True


def _distance(track: Track) -> tuple[int, str, dict[str, float]] | None:
    values = track.values("shortest_distance_a")
    beyond = values < OVERLAP
    if track.phase is None or _first(values) < APART or (not track.is_md and not beyond[-1:].any()):
        return None
    place = _first_place(beyond)
    if place is None:
        return None
    return (
        place,
        _exploded(f"two atoms {figures(values[place])} A apart"),
        {"distance_a": float(values[place])},
    )


def _extent(track: Track) -> tuple[int, str, dict[str, float]] | None:
    values = track.values("extent_a")
    place = _first_place((values > FARTHEST_A) & (_first(values) < FARTHEST_A / FORCE_GROWN))
    if place is None or track.phase is None:
        return None
    return place, _exploded(f"atoms {figures(values[place])} A apart"), {"extent_a": float(values[place])}


def _first(values: np.ndarray) -> float:
    """Return the first known value, 0 if there is none."""
    known = values[np.isfinite(values)]
    return float(known[0]) if len(known) else 0.0


def _first_place(mask: np.ndarray) -> int | None:
    places = np.flatnonzero(mask)
    return int(places[0]) if len(places) else None
