"""Contractions of the modules of a JAX model, joined with the time they take.

JAX programs list contractions exactly but have no times; traces give times per operation, but XLA fuses
operations under the name of the last one. Both name the module, so they are joined by module.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from instrumented_calc.analysis.contractions.flops import arithmetic

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal

TRACER = "jax.profiler"


@dataclass(frozen=True, slots=True)
class ModuleWork:
    """One module of a JAX model, mean per call.

    Attributes:
        scope: The module, `Model/embedding`, with the suffix ` (backward)` for its reverse derivative.
        einsums: Equations of the einsums in it, as written by the model's author.
        contractions: Contractions in one call of the calculator.
        macs: Multiply-accumulates of these; None if a shape is unknown.
        flops: Operations of these; None if a shape is unknown.
        ns: Time of all operations of the module in one traced call, summed over threads and so possibly
            longer than the wall time, ns; None if no trace includes the module.
    """

    scope: str
    einsums: tuple[str, ...]
    contractions: float
    macs: float | None
    flops: float | None
    ns: float | None

    @property
    def gflops(self) -> float | None:
        """Operations of the contractions over the time of the whole module, 10^9 per second."""
        return None if self.flops is None or not self.ns else self.flops / self.ns


@dataclass(slots=True)
class _ModuleSums:
    calls: int = 0
    macs: float = 0.0
    flops: float = 0.0
    unknown: bool = False
    einsums: dict[str, None] = field(default_factory=dict)


def join_modules(journal: Journal) -> tuple[ModuleWork, ...]:
    """Return the contractions of each module of a run's JAX model, with times if a window was traced.

    Args:
        journal: The run's journal.

    Returns:
        The modules that contain contractions, in descending order of operations.
    """
    rows = journal.calls
    calls = int((~(rows.nested | rows.sliced)).sum()) + sum(each.calls for each in journal.slices)
    if not calls:
        return ()
    times = _times(journal)
    modules = []
    for scope, sums in _contracted(journal).items():
        work = ModuleWork(
            scope=scope,
            einsums=tuple(sums.einsums),
            contractions=sums.calls / calls,
            macs=None if sums.unknown else sums.macs / calls,
            flops=None if sums.unknown else sums.flops / calls,
            ns=times.get(scope),
        )
        modules.append(work)
    modules.sort(key=lambda each: (-(each.flops or 0), each.scope))
    return tuple(modules)


def _contracted(journal: Journal) -> dict[str, _ModuleSums]:
    modules: dict[str, _ModuleSums] = defaultdict(_ModuleSums)
    for record in journal.contractions:
        for each in record.contractions:
            if each.library != "jax":
                continue
            sums = modules[each.scope]
            sums.calls += each.calls
            if each.einsum:
                sums.einsums[each.einsum] = None
            for operands in each.operands:
                cost = arithmetic(each.equation, tuple(operands.operands))
                if cost is None:
                    sums.unknown = True
                    continue
                sums.macs += cost.macs * operands.seen
                sums.flops += cost.flops * operands.seen
    return modules


def _times(journal: Journal) -> dict[str, float]:
    """Return the time of each module's operations in one traced call, ns."""
    windows = [each for each in journal.traces if each.tracer == TRACER]
    calls = sum(each.calls for each in windows)
    sums: dict[str, float] = defaultdict(float)
    for window in windows:
        for operation in window.operations:
            scope, slash, _ = operation.operation.rpartition("/")
            if slash:
                times = (operation.self_ns, operation.device_ns)
                sums[scope] += sum(each for each in times if isinstance(each, int))
    return {scope: ns / calls for scope, ns in sums.items()} if calls else {}
