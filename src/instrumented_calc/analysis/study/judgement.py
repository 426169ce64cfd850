"""A controlled experiment in numbers: means with intervals, normalised times, decisions, species scaling."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.experiment_checks import cold_start, unaccounted_share
from instrumented_calc.analysis.scaling import fit_exponent
from instrumented_calc.analysis.statistics.student_t import Estimate, t_quantile
from instrumented_calc.analysis.study.cells import DEFAULT_TAG, MODES, NUMPY, of_mode, usable
from instrumented_calc.analysis.study.checks import Problem, check_cells
from instrumented_calc.analysis.study.decision import INCONCLUSIVE, Decision, conversion_share, decide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.study.cells import StudyCell

QUADRATIC = 2.0
FEWEST_SPECIES = 3
MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class ReplicateMean:
    """Mean, sample standard deviation (ddof=1) and t interval; one value has a mean only."""

    mean: float
    std: float | None
    interval: Estimate | None


@dataclass(frozen=True, slots=True)
class Row:
    """All replicates of one input in one mode; times in s.

    Attributes:
        file: Name of the input.
        mode: The mode.
        tag: dtype, device and whether it was compiled.
        n_atoms: Particles per frame.
        species: Number of species.
        products: Sum of N_a N_b over a <= b.
        pairs: Neighbour pairs.
        runs: Number of valid replicates.
        wall: Time of one evaluation.
        conv_in: Conversion of arrays to tensors; None if not measured.
        conv_out: Conversion of tensors to arrays; None if not measured.
        share: Least and largest share of conversions.
        unaccounted: Share of the time that is neither computation nor conversion.
        stages: Time of each part.
        util: Processor time over wall time.
        einsum_share: Share of the time in einsums.
    """

    file: str
    mode: str
    tag: str
    n_atoms: int
    species: int
    products: int | None
    pairs: int | None
    runs: int
    wall: ReplicateMean
    conv_in: ReplicateMean | None
    conv_out: ReplicateMean | None
    share: tuple[Estimate, Estimate] | None
    unaccounted: float | None
    stages: dict[str, ReplicateMean]
    util: ReplicateMean | None
    einsum_share: ReplicateMean | None

    def per_n2(self, seconds: float) -> float:
        """Return a time divided by N^2, s."""
        return seconds / self.n_atoms**2

    def per_product(self, seconds: float) -> float | None:
        """Return a time divided by the sum of N_a N_b, s."""
        return seconds / self.products if self.products else None

    def per_pair(self, seconds: float) -> float | None:
        """Return a time divided by the number of pairs, s."""
        return seconds / self.pairs if self.pairs else None


@dataclass(frozen=True, slots=True)
class SpeciesScaling:
    """Scaling of a mode's time with the number of species, at constant number of particles.

    Attributes:
        mode: The mode.
        tag: dtype, device and whether it was compiled.
        exponent: d ln t / d ln S.
        verdict: `no worse than quadratic`, `worse than quadratic` or `not enough evidence`.
        stages: Exponents of the parts, largest first.
    """

    mode: str
    tag: str
    exponent: Estimate
    verdict: str
    stages: dict[str, Estimate]


@dataclass(frozen=True)
class Study:
    """A whole experiment.

    Attributes:
        rows: By input, mode and tag.
        decisions: By input and tag.
        decision: The decision common to all inputs; `inconclusive` if they differ.
        why: Basis of the decision.
        scaling: With species; empty if there are too few of them.
        problems: Failed checks.
        lost: Cells that stalled or failed.
    """

    rows: tuple[Row, ...]
    decisions: tuple[Decision, ...]
    decision: str
    why: str
    scaling: tuple[SpeciesScaling, ...] = ()
    problems: tuple[Problem, ...] = ()
    lost: tuple[StudyCell, ...] = field(default=())

    @property
    def refused(self) -> bool:
        """Whether a rule forbids a verdict on some input."""
        return any(each.refused for each in self.decisions)


def judge_study(
    cells: Sequence[StudyCell],
    *,
    differing: Sequence[Problem] = (),
    torch_floor_bytes: float | None = None,
    dispatch_s: float | None = None,
) -> Study:
    """Return the results of an experiment.

    Args:
        cells: All cells.
        differing: Result of comparing their values, see `study_values`.
        torch_floor_bytes: Resident memory of a process that only imports numpy and torch; None if unknown.
        dispatch_s: Time of the smallest possible torch contraction, s; None if unknown.
    """
    cells = sorted(cells, key=_order)
    kept = _kept(usable(cells))
    decisions, problems = [], []
    for file in dict.fromkeys(each.file for each in cells):
        for tag in _tags(cells, file):
            compared = _comparable([each for each in kept if each.file == file], tag)
            found = [each for each in differing if each.file == file and tag.startswith(each.tag)]
            every = _comparable([each for each in usable(cells) if each.file == file], tag)
            found += check_cells(every, torch_floor_bytes)
            problems += found
            decisions.append(decide(file, tag, compared, found, dispatch_s))
    rows = tuple(
        _row([each for each in kept if each.key == key]) for key in dict.fromkeys(c.key for c in kept)
    )
    decision, why = _overall(decisions)
    return Study(
        rows=rows,
        decisions=tuple(decisions),
        decision=decision,
        why=why,
        scaling=tuple(_species_scaling(kept)),
        problems=tuple(dict.fromkeys(problems)),
        lost=tuple(each for each in cells if each not in usable([each])),
    )


def _order(cell: StudyCell) -> tuple[int, int, str, int, str, int]:
    # Lost cells have no sizes, and come last.
    size = cell.n_atoms or sys.maxsize
    return size, cell.species, cell.file, MODES.index(cell.mode), cell.tag, cell.rep


def _kept(cells: Sequence[StudyCell]) -> list[StudyCell]:
    """Exclude first replicates that were not warmed up."""
    cold = set()
    for key in {each.key for each in cells}:
        runs = [each for each in cells if each.key == key]
        if cold_start(runs):
            cold.add(id(min(runs, key=lambda each: each.rep)))
    return [each for each in cells if id(each) not in cold]


def _tags(cells: Sequence[StudyCell], file: str) -> list[str]:
    """Return the tags to decide on: those of the torch modes, or the only one there is."""
    tags = dict.fromkeys(each.tag for each in cells if each.file == file and each.mode != NUMPY)
    return [*tags] or [DEFAULT_TAG]


def _comparable(cells: Sequence[StudyCell], tag: str) -> list[StudyCell]:
    """Return the cells of a tag, with NumPy's of the same dtype, or all of NumPy's if there are none."""
    ours = [each for each in cells if each.tag == tag and each.mode != NUMPY]
    numpy = of_mode(cells, NUMPY)
    same = [each for each in numpy if each.tag.partition(" ")[0] == tag.partition(" ")[0]]
    return [*(same or numpy), *ours]


def _overall(decisions: Sequence[Decision]) -> tuple[str, str]:
    found = dict.fromkeys(each.decision for each in decisions)
    if len(found) == 1:
        return decisions[0].decision, decisions[0].reasons[0] if len(decisions) == 1 else "on every input"
    names = {name: [_named(each) for each in decisions if each.decision == name] for name in found}
    short = len(decisions) > MOST_NAMED
    inputs = "; ".join(f"{name} on {len(each) if short else ', '.join(each)}" for name, each in names.items())
    return INCONCLUSIVE, f"the inputs differ: {inputs}" if inputs else "nothing was measured"


def _named(decision: Decision) -> str:
    return decision.file if decision.tag == DEFAULT_TAG else f"{decision.file} ({decision.tag})"


def _row(cells: Sequence[StudyCell]) -> Row:
    first = cells[0]
    stages = dict.fromkeys(name for each in cells for name in each.stages)
    shares = [each.executed.einsum_share for each in cells if each.executed]
    wall = spread([each.wall_s for each in cells])
    return Row(
        file=first.file,
        mode=first.mode,
        tag=first.tag,
        n_atoms=first.n_atoms,
        species=first.species,
        products=first.products,
        pairs=first.pairs,
        runs=len(cells),
        wall=wall or ReplicateMean(float("nan"), None, None),
        conv_in=spread([each.conv_in_s for each in cells]),
        conv_out=spread([each.conv_out_s for each in cells]),
        share=conversion_share(cells),
        unaccounted=unaccounted_share(cells),
        stages={
            name: found
            for name in stages
            if (found := spread([each.stages.get(name) for each in cells])) is not None
        },
        util=spread([each.util for each in cells]),
        einsum_share=spread(shares),
    )


def spread(values: Sequence[float | None]) -> ReplicateMean | None:
    """Return mean, deviation and interval of the measured values; None if there are none.

    Args:
        values: Values of independent replicates.
    """
    known = np.array([each for each in values if each is not None], np.float64)
    if not len(known):
        return None
    mean = float(known.mean())
    if len(known) == 1:
        return ReplicateMean(mean, None, None)
    std = float(known.std(ddof=1))
    reach = t_quantile(len(known) - 1) * std / len(known) ** 0.5
    return ReplicateMean(mean, std, Estimate(mean, mean - reach, mean + reach))


def _species_scaling(cells: Sequence[StudyCell]) -> list[SpeciesScaling]:
    found = []
    for mode, tag in dict.fromkeys((each.mode, each.tag) for each in cells):
        runs = [each for each in cells if (each.mode, each.tag) == (mode, tag)]
        if len({each.species for each in runs}) < FEWEST_SPECIES or len({each.n_atoms for each in runs}) > 1:
            continue
        exponent = _exponent([(each.species, each.wall_s) for each in runs])
        if exponent is None:
            continue
        names = dict.fromkeys(name for each in runs for name in each.stages)
        stages = {
            name: fit
            for name in names
            if (fit := _exponent([(each.species, each.stages.get(name)) for each in runs])) is not None
        }
        ordered = dict(sorted(stages.items(), key=lambda item: -item[1].value))
        found.append(SpeciesScaling(mode, tag, exponent, _no_worse(exponent), ordered))
    return found


def _exponent(points: Sequence[tuple[int, float | None]]) -> Estimate | None:
    known = [(float(species), time) for species, time in points if time]
    species, times = (np.array(each, np.float64) for each in zip(*known, strict=True)) if known else ((), ())
    return fit_exponent(np.asarray(species), np.asarray(times)) if known else None


def _no_worse(exponent: Estimate) -> str:
    if exponent.high <= QUADRATIC:
        return "no worse than quadratic"
    return "worse than quadratic" if exponent.low > QUADRATIC else "not enough evidence"
