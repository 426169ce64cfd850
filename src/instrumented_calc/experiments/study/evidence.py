"""Evidence, gathered in the process that did the work: operations, modules, threads, memory."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.study.cells import INTER_OP, Executed
from instrumented_calc.journal.vocabulary import THREAD_COUNTS
from instrumented_calc.own_process import memory_in_use, usable_processors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from instrumented_calc.analysis.contractions.contractions import ContractionUse
    from instrumented_calc.journal.reader import Journal


def testify(
    journal: Journal, torch_operations: int | None, blocks_read: int, threads: dict[str, str]
) -> Executed:
    """Return the evidence of the backend.

    Args:
        journal: Journal of the recorded evaluations.
        torch_operations: Number of torch operations in one evaluation; None if not counted.
        blocks_read: Blocks read from disk during timing.
        threads: Thread variables at the start of the process.
    """
    from instrumented_calc.analysis.contractions.contractions import measure_contractions

    calls = max(len(journal.calls), 1)
    found = measure_contractions(journal)
    rows = () if found is None else found.rows
    numpy, torch = ([each for each in rows if each.library == name] for name in ("numpy", "torch"))
    loaded: Any = sys.modules.get("torch")
    timed = [each.ns for each in torch if each.ns is not None]
    return Executed(
        torch_loaded=loaded is not None,
        torch_version=str(getattr(loaded, "__version__", "")),
        numpy_contractions=sum(each.calls for each in numpy) // calls,
        torch_contractions=sum(each.calls for each in torch) // calls,
        numpy_flops=_flops(numpy, calls),
        torch_flops=_flops(torch, calls),
        torch_operations=torch_operations,
        torch_contraction_s=sum(timed) / calls / 1e9 if timed else None,
        einsum_share=None if found is None else found.share,
        peak_rss_bytes=memory_in_use()[1],
        threads=threads,
        effective=effective_threads(),
        processors=usable_processors(),
        versions=_versions(journal),
        blocks_read=blocks_read,
    )


def _flops(rows: Iterable[ContractionUse], calls: int) -> float | None:
    known = [each.flops for each in rows]
    return None if None in known else sum(each for each in known if each is not None) / calls


def thread_variables() -> dict[str, str]:
    """Return the thread variables of this process; called before any library is loaded."""
    return {name: os.environ[name] for name in THREAD_COUNTS if name in os.environ}


def pin_torch(threads: int) -> None:
    """Set torch's own pools, if torch is loaded; inter-op can be set only once."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
    torch.set_num_threads(threads)
    with suppress(RuntimeError):  # already set or used: the effective value is recorded
        torch.set_num_interop_threads(1)


def effective_threads() -> dict[str, int]:
    """Return the sizes of the loaded pools."""
    import threadpoolctl

    found = {
        f"{pool['internal_api']} {index}": int(pool["num_threads"])
        for index, pool in enumerate(threadpoolctl.threadpool_info())
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        found["torch intra-op"] = int(torch.get_num_threads())
        found[INTER_OP] = int(torch.get_num_interop_threads())
    return found


def count_torch_operations(evaluate: Callable[[], Any], *, compiled: bool) -> int | None:
    """Return the number of torch operations of an evaluation, without views; None without torch.

    Args:
        evaluate: Runs one evaluation.
        compiled: Whether torch.compile made it, so that no dispatcher sees its inside.
    """
    if "torch" not in sys.modules:
        return None
    from instrumented_calc.experiments.study import dispatch

    return dispatch.profiled_operations_of(evaluate) if compiled else dispatch.operations_of(evaluate)


def _versions(journal: Journal) -> dict[str, str]:
    found = {"python": platform.python_version()}
    if journal.start is not None:
        found |= {each.name: each.version for each in journal.start.environment.libraries or ()}
    return found
