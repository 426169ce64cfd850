"""Rules on how single contractions are computed: without BLAS, in a bad order, or with a search in each call.

A contraction is flagged where other code for it takes less time. That code is timed on the machine of the run
when the run is closed, or by `report --measure`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from instrumented_calc.analysis.contractions.rewritings import gain_of, is_equal
from instrumented_calc.analysis.rules.contractions import none_recorded, on_device
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, unknown
from instrumented_calc.journal.operand_text import dtype_of, shape_of
from instrumented_calc.quantities import figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.analysis.contractions.contractions import ContractionUse, Signature
    from instrumented_calc.analysis.contractions.rewritings import Gain
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

PAIR = 2
# Share of the wall time that a saving must reach, and speedup of the contraction itself: below that, the time
# in the run and the time measured afterwards are not different enough. Other work on the machine lengthens
# the time in the run, so that the speedup must be larger where the einsum was not timed beside the code.
# Uncalibrated.
WORTH, FASTER, FAR_FASTER = 0.05, 1.3, 3.0
# Of a few microseconds, a large part is the Python code around, which is not measured in the run.
SHORT_NS, SHORT_FASTER = 10_000, 2.0
MOST_JUDGED = 20  # equations of a rule, the longest
# Below this size BLAS gains little. At 134 784 multiply-accumulates numpy's einsum took 54 us, `@` 12 us.
WORTH_BLAS = 50_000
# Share of the speed known to be reachable on this machine. Uncalibrated.
SLOW = 0.3
# Operations of the plain sum over those of the best order; largest intermediate over the largest unavoidable
# array. Uncalibrated; dgasmith/opt_einsum#133 had an intermediate of 156 GiB.
WASTED, SWOLLEN = 2.0, 4.0
# Cost of a call of other code with three operands, where it was not timed. `n,nm,mc->c` on tiny arrays took
# 6.7 us in numpy and 51 us in opt_einsum's kept expression.
EXPRESSION_NS = 45_000
# Cost of a path search. numpy's took 6 to 10 us.
SEARCH_NS = 10_000
# Most that numpy's planning of a product of two arrays takes, on a slow machine: nothing is searched. If
# other code is faster by more, that has other reasons, such as other work on the machine.
PLANNING_A_PAIR_NS = 30_000
COMMAND = "instrumented-calc report --measure"
MEASURE = Need("command", f"{COMMAND} on the machine of the run")


def off_blas(evidence: Evidence) -> Observation:
    """Contractions of two arrays run in numpy's own loops, and take longer than matrix products."""
    found = evidence.summary.contractions
    if found is None:
        return none_recorded(evidence)
    pairs = [row for row in found.rows if _operands(row) == PAIR and (not row.optimize or _is_batched(row))]
    gains = _gains(evidence, pairs)
    if advice := _advice(evidence, gains, "as matrix products"):
        return advice
    untimed = [each for each in gains if each.product_ns is None and each.row.library == "numpy"]
    text = "no contraction of two arrays would be faster as a matrix product"
    return (
        _slower_than_others(evidence, untimed)
        or _not_known(pairs, untimed)
        or clear(text, _seen(found.calls), {}, found.calls)
    )


def _not_known(pairs: Sequence[ContractionUse], untimed: Sequence[Gain]) -> Observation | None:
    """Return what lacks to judge contractions of two arrays; None if nothing does."""
    large = [each for each in untimed if _macs(each.signature) > WORTH_BLAS]
    if large:
        text = f"{len(large)} large contractions run in numpy's own loops; how long matrix products take"
        return unknown(f"{text} on this machine is not recorded", MEASURE, numbers={"kinds": len(large)})
    in_numpy = [row for row in pairs if row.library == "numpy"]
    if any(row.calls < FEWEST_FOR_MEDIAN and _macs(row.signatures[0]) > WORTH_BLAS for row in in_numpy):
        missing = f"fewer than {FEWEST_FOR_MEDIAN} large contractions of one kind"
        return unknown(missing, Need("calls", "calls", FEWEST_FOR_MEDIAN))
    if any(each.arithmetic is None for row in in_numpy for each in row.signatures):
        return unknown("the sizes of some contractions are unknown")
    return None


def bad_path(evidence: Evidence) -> Observation:
    """Contractions of three or more arrays are computed in a bad order."""
    found = evidence.summary.contractions
    if found is None:
        return none_recorded(evidence)
    many = [row for row in found.rows if _operands(row) > PAIR]
    if not many:
        if any(not row.signatures for row in found.rows):
            return unknown("the operands of some contractions are unknown")
        return clear("no contraction has more than two operands", _seen(found.calls), {}, found.calls)
    gains = _gains(evidence, [row for row in many if not row.optimize])
    if advice := _advice(evidence, gains, "in the best order"):
        return advice
    timed = {id(each.row) for each in gains if each.product_ns is not None}
    kinds = [(row, each) for row in many for each in row.signatures]
    return _by_operations(evidence, kinds, timed) or clear(
        f"{len(kinds)} kinds of contractions of three or more operands use a good order, or are tiny",
        _seen(found.calls),
        {},
        found.calls,
    )


def _by_operations(
    evidence: Evidence, kinds: list[tuple[ContractionUse, Signature]], timed: set[int]
) -> Observation | None:
    """Judge contractions of three or more arrays by their number of operations; return None if it is good.

    Args:
        evidence: The evidence of the run.
        kinds: The contractions, by operands.
        timed: Ids of those whose other code was timed, which is better evidence.
    """
    wasted = [(row, each) for row, each in kinds if id(row) not in timed and _is_wasted(evidence, row, each)]
    if wasted:
        return _wasted_path(evidence, wasted)
    swollen = [pair for pair in kinds if _is_swollen(*pair)]
    if swollen:
        return _swollen_path(swollen)
    if any(each.arithmetic is None for _, each in kinds):
        return unknown("the shapes of contractions of three or more operands are unknown")
    in_torch = [each for row, each in kinds if row.library == "torch" and id(row) not in timed]
    if any(_ratio(each) >= WASTED for each in in_torch):
        return unknown("torch's contraction order is not recorded; with opt_einsum it is the best one")
    return None


def path_search(evidence: Evidence) -> Observation:
    """With `optimize`, numpy.einsum plans each contraction anew, and searches its order if none is given."""
    found = evidence.summary.contractions
    if found is None:
        return none_recorded(evidence)
    optimised = [row for row in found.rows if row.library == "numpy" and row.optimize]
    searching = [row for row in optimised if _operands(row) != PAIR or not _is_batched(row)]
    if not searching:
        return clear("no contraction was called with optimize", _seen(found.calls), {}, found.calls)
    gains = [_only_planning(each) for each in _gains(evidence, searching)]
    if advice := _advice(evidence, gains, "without planning in each call"):
        return advice
    if any(each.product_ns is None and each.ns >= WORTH * _wall(evidence) for each in gains):
        return unknown("how long these contractions take without planning is not recorded", MEASURE)
    text = "no contraction with optimize would be faster without planning in each call"
    return clear(text, _seen(found.calls), {}, found.calls)


def _is_batched(row: ContractionUse) -> bool:
    """Return whether two arrays share an index with the result: numpy may not pass that to BLAS."""
    inputs, _, output = row.equation.replace(" ", "").partition("->")
    return bool(set.intersection(set(output), *map(set, inputs.split(","))))


def _only_planning(gain: Gain) -> Gain:
    """Return a gain limited to what planning takes."""
    if gain.product_ns is None or _operands(gain.row) != PAIR:
        return gain
    return replace(gain, product_ns=max(gain.product_ns, gain.ns - PLANNING_A_PAIR_NS * gain.calls))


def _gains(evidence: Evidence, rows: Sequence[ContractionUse]) -> list[Gain]:
    """Return what other code gains, of contractions that are called often and run on the host."""
    often = [row for row in rows if row.calls >= FEWEST_FOR_MEDIAN and not on_device(row)]
    gains = [gain_of(row, evidence.summary.journal.product_times) for row in often[:MOST_JUDGED]]
    return [each for each in gains if each is not None]


def _advice(evidence: Evidence, gains: Sequence[Gain], other: str) -> Observation | None:
    """Flag contractions whose other code was timed and is faster, if that saves enough; else return None."""
    faster = [
        (each, saved)
        for each in gains
        if each.product_ns is not None
        and each.ns >= _least_speedup(each) * each.product_ns
        and (saved := each.ns - each.product_ns) > 0
        and is_equal(each.row.equation, each.signature.operands, each.row.library)
    ]
    saving = sum(saved for _, saved in faster)
    if not faster or saving < WORTH * _wall(evidence):
        return None
    gain, _ = max(faster, key=lambda pair: pair[1])
    before, after = gain.ns / gain.calls / 1e3, (gain.product_ns or 0.0) / gain.calls / 1e3
    numbers = {
        "kinds": len(faster),
        "seconds": sum(each.ns for each, _ in faster) / 1e9,
        "us_per_call": before,
        "us_per_call_rewritten": after,
        "gflops": gain.signature.gflops,
        "gflops_rewritten": _best_flops(gain.signature) / (1e3 * after) if after else None,
    }
    now = evidence.summary.journal.products_timed_now
    where = "on this machine now" if now else "on the run's machine at its end"
    text = f"{_named(gain.row, gain.signature)} takes {figures(before)} us per call"
    return flagged(
        f"{text}; {other} {figures(after)} us, measured {where}",
        numbers=numbers,
        n=round(gain.calls),
        saving_ns=saving,
        remedy=f"Instead of the einsum{_place(gain.signature)}, with its operands as first, second, ...",
        code=gain.code,
    )


def _least_speedup(gain: Gain) -> float:
    """Return how many times as fast other code must be for the measurement to show it."""
    if not gain.sure:
        return FAR_FASTER
    return SHORT_FASTER if gain.ns < SHORT_NS * gain.calls else FASTER


def _best_flops(signature: Signature) -> float:
    return signature.arithmetic.best_flops if signature.arithmetic is not None else 0.0


def _place(signature: Signature) -> str:
    return f" at {signature.line}" if signature.line else ""


def _slower_than_others(evidence: Evidence, gains: Sequence[Gain]) -> Observation | None:
    """Flag a large pair far slower than others of its dtype in the same run, which need no measurement."""
    best = _fastest(evidence)
    slow = [
        each
        for each in gains
        if _macs(each.signature) > WORTH_BLAS
        and each.ns >= WORTH * _wall(evidence)
        and (each.signature.gflops or math.inf) < SLOW * best.get(_dtypes(each.signature), 0.0)
    ]
    if not slow:
        return None
    gain = max(slow, key=lambda each: each.ns)
    fastest = best[_dtypes(gain.signature)]
    numbers = {
        "kinds": len(slow),
        "seconds": sum(each.ns for each in slow) / 1e9,
        "gflops": gain.signature.gflops,
        "fastest_in_this_run_gflops": fastest,
    }
    text = f"{_named(gain.row, gain.signature)} runs at {figures(gain.signature.gflops or 0.0)} GFLOP/s"
    text += f" without BLAS; this run's fastest contraction reaches {figures(fastest)}"
    return _without_saving(text, numbers, gain.row, gain.signature, gain.code)


def _without_saving(
    text: str,
    numbers: Mapping[str, float | None],
    row: ContractionUse,
    signature: Signature,
    code: tuple[str, ...],
) -> Observation:
    """Flag without a saving, which only a measurement of the other code gives."""
    checked = code if is_equal(row.equation, signature.operands, row.library) else ()
    remedy = f"`{COMMAND}` on the machine of the run measures the saving."
    if checked:
        remedy = f"Instead of the einsum{_place(signature)}, with its operands as first, ...; {remedy}"
    return flagged(text, numbers=numbers, n=round(signature.calls), remedy=remedy, code=checked)


def _wasted_path(evidence: Evidence, wasted: list[tuple[ContractionUse, Signature]]) -> Observation:
    row, each = max(wasted, key=lambda pair: pair[1].ns or 0.0)
    numbers = {
        "kinds": len(wasted),
        "seconds": sum(one.ns or 0.0 for _, one in wasted) / 1e9,
        "operations_over_best": _ratio(each),
    }
    text = f"{_named(row, each)} takes {figures(_ratio(each))} times as many operations as the best order"
    gain = gain_of(row, evidence.summary.journal.product_times)
    return _without_saving(text, numbers, row, each, () if gain is None else gain.code)


def _swollen_path(swollen: list[tuple[ContractionUse, Signature]]) -> Observation:
    row, each = max(swollen, key=lambda pair: pair[1].ns or 0.0)
    elements = each.arithmetic.largest_intermediate if each.arithmetic else 0
    numbers = {
        "kinds": len(swollen),
        "seconds": sum(one.ns or 0.0 for _, one in swollen) / 1e9,
        "largest_intermediate_elements": elements,
    }
    text = f"{_named(row, each)} makes an array of {elements:,} elements as an intermediate"
    return flagged(text, numbers=numbers, n=round(each.calls))


def _named(row: ContractionUse, signature: Signature) -> str:
    return f"{row.equation} ({', '.join(signature.operands)})"


def _wall(evidence: Evidence) -> float:
    return float(evidence.summary.wall_ns or math.inf)


def _operands(row: ContractionUse) -> int:
    return max((len(each.operands) for each in row.signatures), default=0)


def _seen(contractions: int) -> str:
    return f"{contractions:,} contractions"


def _macs(signature: Signature) -> int:
    return signature.arithmetic.macs if signature.arithmetic is not None else 0


def _dtypes(signature: Signature) -> tuple[str | None, ...]:
    return tuple(sorted({str(dtype_of(operand)) for operand in signature.operands}))


def _fastest(evidence: Evidence) -> dict[tuple[str | None, ...], float]:
    """Return the highest speed of a large pair on the host, by dtype, in 10^9 operations per second."""
    best: dict[tuple[str | None, ...], float] = {}
    for row in evidence.summary.contractions.rows if evidence.summary.contractions else ():
        for each in row.signatures:
            # The host time of work on a device does not measure its speed.
            on_host = row.library != "jax" and not on_device(row)
            large = len(each.operands) == PAIR and _macs(each) > WORTH_BLAS
            if on_host and large and each.calls >= FEWEST_FOR_MEDIAN and each.gflops:
                best[_dtypes(each)] = max(best.get(_dtypes(each), 0.0), each.gflops)
    return best


def _ratio(signature: Signature) -> float:
    work = signature.arithmetic
    return work.flops / work.best_flops if work is not None and work.best_flops else 1.0


def _is_wasted(evidence: Evidence, row: ContractionUse, signature: Signature) -> bool:
    """Return whether numpy's sum over all indices takes far longer than the best order must."""
    if row.library != "numpy" or row.optimize or _ratio(signature) < WASTED:
        return False
    # Other code has a cost of its own in each call: tiny contractions become slower.
    saving = (signature.ns or 0.0) * (1 - 1 / _ratio(signature)) - EXPRESSION_NS * signature.calls
    return saving >= max(WORTH * _wall(evidence), 10 * SEARCH_NS)


def _is_swollen(row: ContractionUse, signature: Signature) -> bool:
    """Return whether the optimised path creates intermediates much larger than its operands and result."""
    if not row.optimize or signature.arithmetic is None:
        return False
    shapes = [shape_of(operand) or () for operand in signature.operands]
    result = _result_elements(row.equation, shapes)
    needed = max(result or 0, *(math.prod(shape) for shape in shapes))
    return result is not None and signature.arithmetic.largest_intermediate > SWOLLEN * needed


def _result_elements(equation: str, shapes: list[tuple[int, ...]]) -> int | None:
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if not arrow or "." in equation or [len(term) for term in terms] != [len(shape) for shape in shapes]:
        return None
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for index, size in zip(term, shape, strict=True):
            sizes[index] = max(sizes.get(index, 1), size)
    return math.prod(sizes.get(index, 1) for index in output)


CONFIRM = "Time both on the same arrays; the results agree to rounding."

RULES = (
    Rule(
        "off-blas",
        "cost",
        "Use `@` on reshaped arrays, or np.tensordot.",
        CONFIRM,
        off_blas,
        trial="matrix-products",
        saving_kind="about",
    ),
    Rule(
        "bad-path",
        "cost",
        "Use opt_einsum.contract_expression, built once for each set of shapes.",
        CONFIRM,
        bad_path,
        trial="contraction-order",
        saving_kind="about",
    ),
    Rule(
        "path-search",
        "cost",
        "Find the path once with np.einsum_path, and pass it as optimize=.",
        CONFIRM,
        path_search,
        trial="contraction-order",
        saving_kind="about",
    ),
)
