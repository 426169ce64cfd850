"""Counts torch's operations in its dispatcher, whatever names the callers use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

VIEWS = frozenset(
    {
        *("view", "reshape", "_unsafe_view", "expand", "permute", "transpose", "t", "unsqueeze", "squeeze"),
        *(
            "select",
            "slice",
            "detach",
            "alias",
            "as_strided",
            "_reshape_alias",
            "unbind",
            "split",
            "lift_fresh",
        ),
    }
)


def operations_of(evaluate: Callable[[], Any]) -> int:
    """Return the number of operations of an evaluation, without views.

    Args:
        evaluate: Runs one evaluation; 11 us per operation are added.
    """
    base = import_module("torch.utils._python_dispatch").TorchDispatchMode
    seen: list[int] = []

    def note(_: Any, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if operation._schema.name.partition("::")[2] not in VIEWS:  # noqa: SLF001 - the only name there is
            seen.append(1)
        return operation(*args, **(kwargs or {}))

    mode = type("Counting", (base,), {"__torch_dispatch__": note})
    with mode():
        evaluate()
    return len(seen)


def profiled_operations_of(evaluate: Callable[[], Any]) -> int:
    """Return the number of operations and compiled regions that torch's profiler records, without views.

    Args:
        evaluate: Runs one evaluation.
    """
    profiler = import_module("torch.profiler")
    with profiler.profile(activities=[profiler.ProfilerActivity.CPU]) as seen:
        evaluate()
    names = [each.name for each in seen.events()]
    return sum(1 for each in names if _is_operation(each))


def _is_operation(name: str) -> bool:
    if name.startswith(("Torch-Compiled Region", "triton_")):
        return True
    return name.startswith("aten::") and name.removeprefix("aten::") not in VIEWS
