"""Rules on how single contractions are computed: without BLAS, or in a bad order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from instrumented_calc.analysis.contractions.flops import dtype_of, shape_of
from instrumented_calc.analysis.rules.contractions import none_recorded, on_device
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, unknown
from instrumented_calc.quantities import figures

if TYPE_CHECKING:
    from instrumented_calc.analysis.contractions.contractions import ContractionUse, Signature
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

PAIR = 2
# Below this size BLAS gains nothing. At 134 784 multiply-accumulates numpy's einsum took 54 us, `@` 12 us.
WORTH_BLAS = 50_000
# Share of the speed known to be reachable on this machine. Uncalibrated.
SLOW = 0.3
# Operations of the plain sum over those of the best order; largest intermediate over the largest unavoidable
# array. Uncalibrated; dgasmith/opt_einsum#133 had an intermediate of 156 GiB.
WASTED, SWOLLEN = 2.0, 4.0
# Cost of a path search; the saving must be ten times this. numpy's took 6 to 10 us.
SEARCH_NS, SEARCHES_WON = 10_000, 10
# Cost of a call of opt_einsum's kept expression with three operands. `n,nm,mc->c` on tiny arrays took 6.7 us
# in numpy and 51 us there.
EXPRESSION_NS = 45_000


def off_blas(evidence: Evidence) -> Observation:
    """Large contractions run in numpy's own loops instead of matrix products.

    The machine's peak speed is not recorded. The speed the same run reached in other contractions of the
    same dtype is a lower bound of it: a contraction that is slow relative to this bound is slow in absolute
    terms too, but not the reverse.
    """
    found = evidence.summary.contractions
    if found is None:
        return none_recorded(evidence)
    plain = [row for row in found.rows if row.library == "numpy" and not row.optimize]
    large = [(row, each) for row in plain for each in row.signatures if _macs(each) > WORTH_BLAS]
    large = [(row, each) for row, each in large if len(each.operands) == PAIR]
    if large and all(each.calls < FEWEST_FOR_MEDIAN for _, each in large):
        missing = f"fewer than {FEWEST_FOR_MEDIAN} large contractions of one kind"
        return unknown(missing, Need("calls", "calls", FEWEST_FOR_MEDIAN))
    if not large:
        if any(each.arithmetic is None for row in plain for each in row.signatures):
            return unknown("the sizes of some contractions are unknown")
        text = "no large contraction of two arrays runs without BLAS"
        return clear(text, _seen(found.calls), {}, found.calls)
    best = _fastest(evidence)
    often = [(row, each) for row, each in large if each.calls >= FEWEST_FOR_MEDIAN]
    slow = [(row, each) for row, each in often if _speed_share(each, best) < SLOW]
    if not slow:
        shapes = f"{len(large)} large contractions run in numpy's own loops"
        missing = f"{shapes}; how fast this machine is with BLAS is not recorded"
        return unknown(missing, numbers={"kinds": len(large)})
    row, each = max(slow, key=lambda pair: pair[1].ns or 0.0)
    saving = sum((one.ns or 0.0) * (1 - _speed_share(one, best)) for _, one in slow)
    numbers = {
        "kinds": len(slow),
        "seconds": sum(one.ns or 0.0 for _, one in slow) / 1e9,
        "gflops": each.gflops,
        "fastest_in_this_run_gflops": best[_dtypes(each)],
    }
    text = f"{row.equation} ({', '.join(each.operands)}) runs at {figures(each.gflops or 0.0)} GFLOP/s"
    text += f" without BLAS; this run's fastest contraction reaches {figures(best[_dtypes(each)])}"
    return flagged(text, numbers=numbers, n=round(each.calls), saving_ns=saving, remedy=_remedy(row.equation))


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


def _speed_share(signature: Signature, best: dict[tuple[str | None, ...], float]) -> float:
    fastest = best.get(_dtypes(signature))
    return signature.gflops / fastest if signature.gflops and fastest else 1.0


def _remedy(equation: str) -> str:
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    first, _, second = inputs.partition(",")
    if arrow and set(first) & set(second) & set(output):
        return "np.matmul on reshaped arrays: both operands and the result share an index."
    return "Use `@` on reshaped arrays, or np.tensordot."


def bad_path(evidence: Evidence) -> Observation:
    """Contractions of three or more arrays are computed in a bad order."""
    found = evidence.summary.contractions
    if found is None:
        return none_recorded(evidence)
    many = [(row, each) for row in found.rows for each in row.signatures if len(each.operands) > PAIR]
    if not many:
        if any(not row.signatures for row in found.rows):
            return unknown("the operands of some contractions are unknown")
        return clear("no contraction has more than two operands", _seen(found.calls), {}, found.calls)
    bad = [(row, each, _wasted(row, each)) for row, each in many]
    bad = [(row, each, lost) for row, each, lost in bad if lost or _swollen(row, each)]
    if not bad:
        return _no_bad_path(many, found.calls)
    row, each, _ = max(bad, key=lambda one: (one[2], one[1].ns or 0.0))
    arithmetic = each.arithmetic
    saving = sum(lost for *_, lost in bad)
    numbers = {
        "kinds": len(bad),
        "seconds": sum(one.ns or 0.0 for _, one, _ in bad) / 1e9,
        "operations_over_best": arithmetic.flops / arithmetic.best_flops if arithmetic else None,
        "largest_intermediate_elements": arithmetic.largest_intermediate if arithmetic else None,
    }
    text = f"{row.equation} ({', '.join(each.operands)})"
    if saving:
        text += f" takes {figures(_ratio(each))} times as many operations as the best order"
    else:
        text += f" makes an array of {numbers['largest_intermediate_elements']:,} elements as an intermediate"
    return flagged(text, numbers=numbers, n=round(each.calls), saving_ns=saving or None)


def _no_bad_path(many: list[tuple[ContractionUse, Signature]], calls: int) -> Observation:
    if any(each.arithmetic is None for _, each in many):
        return unknown("the shapes of contractions of three or more operands are unknown")
    if any(row.library == "torch" and _ratio(each) >= WASTED for row, each in many):
        return unknown("torch's contraction order is not recorded; with opt_einsum it is the best one")
    text = f"{len(many)} kinds of contractions of three or more operands use a good order, or are tiny"
    return clear(text, _seen(calls), {}, calls)


def _ratio(signature: Signature) -> float:
    work = signature.arithmetic
    return work.flops / work.best_flops if work is not None and work.best_flops else 1.0


def _wasted(row: ContractionUse, signature: Signature) -> float:
    """Return the time in ns that the best order would save, by estimate: of numpy's sum over all indices."""
    if row.library != "numpy" or row.optimize or _ratio(signature) < WASTED:
        return 0.0
    saving = (signature.ns or 0.0) * (1 - 1 / _ratio(signature))
    # A kept expression has a cost of its own in each call: tiny contractions become slower.
    saving -= EXPRESSION_NS * signature.calls
    return saving if saving >= SEARCHES_WON * SEARCH_NS else 0.0


def _swollen(row: ContractionUse, signature: Signature) -> bool:
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


RULES = (
    Rule(
        "off-blas",
        "cost",
        "Use `@` on reshaped arrays, or np.tensordot.",
        "Time both on the same arrays; the results agree to rounding.",
        off_blas,
        trial="matrix-products",
        saving_kind="about",
    ),
    Rule(
        "bad-path",
        "cost",
        "Use opt_einsum.contract_expression, built once for each set of shapes.",
        "Run opt_einsum.contract_path on these shapes; the results agree to rounding.",
        bad_path,
        trial="contraction-order",
        saving_kind="about",
    ),
)
