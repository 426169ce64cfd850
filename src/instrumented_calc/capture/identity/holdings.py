"""The objects that a calculator holds, found without running any code of theirs."""

from __future__ import annotations

from collections import OrderedDict, deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.attribute_lookup import dictionary_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_OBJECTS = 2000
DEEPEST = 4
CONTAINERS = (list, tuple, dict, OrderedDict)
# Objects of these libraries hold no model; torch's modules are walked by `torch_model`.
NOT_ENTERED = frozenset({"ase", "builtins", "collections", "numpy", "structlog", "torch"})


def holdings(calculator: Any) -> Iterator[tuple[str, Any]]:
    """Yield the calculator's attributes, and those of the plain objects and containers that it holds.

    Args:
        calculator: The bare calculator.

    Yields:
        Name of the attribute, or an empty text within a list, and its value; the nearest first.
    """
    waiting: deque[tuple[str, Any, int]] = deque([("", calculator, 0)])
    seen = {id(calculator)}
    while waiting:
        name, thing, depth = waiting.popleft()
        if depth:
            yield name, thing
        if depth > DEEPEST or (depth and not _is_entered(thing)):
            continue
        for inner_name, inner in _inside(thing):
            if id(inner) not in seen and len(seen) < MOST_OBJECTS:
                seen.add(id(inner))
                waiting.append((inner_name, inner, depth + 1))


def _is_entered(thing: Any) -> bool:
    kind = type(thing)
    if kind in CONTAINERS:
        return True
    module = kind.__module__
    return isinstance(module, str) and module.partition(".")[0] not in NOT_ENTERED and not _is_module(kind)


def _is_module(kind: type) -> bool:
    return any(base.__module__ == "torch.nn.modules.module" for base in kind.__mro__)


def _inside(thing: Any) -> list[tuple[str, Any]]:
    kind = type(thing)
    if kind in (list, tuple):
        return [("", each) for each in thing[:MOST_OBJECTS]]
    state = thing if kind in (dict, OrderedDict) else dictionary_of(thing)
    if kind is SimpleNamespace:
        state = vars(thing)
    return [(str(name) if type(name) is str else "", each) for name, each in [*(state or {}).items()]]
