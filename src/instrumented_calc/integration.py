"""What this package and an integration say to each other.

An integration is a package that knows one model library. It names itself under the entry-point
group `instrumented_calc.integrations` and is asked what it knows of a calculator. Importing an
integration must import no model library.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

GROUP = "instrumented_calc.integrations"
# A calculator made of nothing but these has no model that an integration could know.
PLAIN = frozenset({"abc", "ase", "builtins", "typing", "unittest"})  # a mock answers whatever it is asked


@dataclass(frozen=True)
class Part:
    """A callable of a calculator whose time is a component of each call.

    While a wrapped calculator calculates, and only then, `vars(owner)[attribute]` is a timed stand-in.

    Attributes:
        name: Name of the component; several parts may share one.
        owner: Module, class instance or `nn.Module` through which the callable is looked up.
        attribute: Its name there. For an `nn.Module` it is `forward`; for one that torch.compile has
            compiled `_compiled_call_impl`, and nothing inside it.
        group: `energy`, `forces`, `stress`, `neighbours` or `model`, where the part is wholly that.
        counts: Given what the callable returned, returns what is counted of the call: edges, pairs. It must
            never make a device answer.
        wait: Given what the callable returned, waits for it: for libraries that return before they have
            computed, so that the time is charged to the part that it belongs to. Only where the calculator
            itself waits for the same result next.
        shapes: For a function of `jax.jit`: given the arguments that it was called with, returns what its
            compiled programs differ by, such as the shapes of the arrays that grow. What each program
            contracts is then read from its jaxpr, once, and counted with every execution.
    """

    name: str
    owner: Any
    attribute: str
    group: str = ""
    counts: Callable[[Any], dict[str, int]] | None = None
    wait: Callable[[Any], None] | None = None
    shapes: Callable[..., Hashable] | None = None


class Integration(Protocol):
    """One model library, as far as its calculators are profiled.

    `knows` and `describe` are needed; `parts`, `counts` and `build` may be left out, and so may `SPECS`,
    the specs of `build` that `instrumented-calc compare-all` tries by itself, and `study(spec)` with
    `STUDIES`, the workloads that it brings to `instrumented-calc study`.
    """

    def knows(self, calc: Any) -> bool:
        """Tell whether the calculator is of this library.

        Args:
            calc: Any calculator. Decide by what it has: no import, no calculation.
        """
        ...

    def describe(self, calc: Any) -> dict[str, Any]:
        """Return the evidence about the calculator's model, for its record in the journal.

        Args:
            calc: A calculator that this integration knows.

        Returns:
            Any of: `name` and `library` (for people), `parameters` (a number), `dtype`, `device`,
            `compiled` (whether torch.compile took effect), `precision`; more keys are kept. Values
            are of JSON's types; what is not known is left out.
        """
        ...

    def parts(self, calc: Any) -> Sequence[Part]:
        """Return the calculator's timed parts, asked for once, before its first call.

        Args:
            calc: A calculator that this integration knows.
        """
        ...

    def counts(self, calc: Any) -> dict[str, int]:
        """Return what is counted of the call that has just ended: edges, overflows.

        Args:
            calc: A calculator that this integration knows. Read what is on the host already: never make
                a device answer.
        """
        ...

    def build(self, spec: str) -> Any | None:
        """Return the calculator that a command line's `--calc` means, or None if it is another's.

        Args:
            spec: What the user typed, such as `orb-v2:weights.ckpt`.

        Raises:
            ModelError: The spec is this library's, and the model cannot be built.
        """
        ...


def describe_model(calc: Any, integration: Integration | None, troubles: list[str]) -> dict[str, Any]:
    """Return the evidence about a calculator's model.

    Args:
        calc: The bare calculator.
        integration: The one that knows it, or None.
        troubles: Takes one line for what failed.

    Returns:
        What the integration says or, without one, what can be said of any torch module that the
        calculator holds.
    """
    described = ask(integration, "describe", calc, troubles)
    if described is not None:
        return dict(described)
    try:
        return _describe_torch_module(calc)
    except Exception as error:
        if is_foreign(error):
            raise
        troubles.append(_trouble("for torch modules", "cannot describe", calc, error))
        return {}


def ask(integration: Integration | None, what: str, calc: Any, troubles: list[str]) -> Any | None:
    """Ask an integration about a calculator.

    Args:
        integration: Whom to ask; None answers nothing.
        what: `describe` or `parts`.
        calc: A calculator that it knows.
        troubles: Takes one line if it fails.

    Returns:
        Its answer, or None if it has none.
    """
    method = getattr(integration, what, None)
    if method is None:
        return None
    try:
        return method(calc)
    except Exception as error:
        if is_foreign(error):
            raise
        troubles.append(_trouble(type(integration).__module__, f"failed in {what}() of", calc, error))
        return None


def find_integration(calc: Any, troubles: list[str] | None = None) -> Integration | None:
    """Return the installed integration that knows a calculator.

    Args:
        calc: The bare calculator.
        troubles: Takes one line for each integration that could not be imported or asked.

    Returns:
        The first that knows it; None if there is none, and for calculators of ASE's own, without
        asking.
    """
    troubles = [] if troubles is None else troubles
    if all(cls.__module__.partition(".")[0] in PLAIN for cls in type(calc).__mro__):
        return None
    for entry_point in installed():
        integration = _ask(entry_point, calc, troubles)
        if integration is not None:
            return integration
    return None


def build(spec: str) -> Any | None:
    """Return the calculator that an installed integration builds for a spec, or None if none knows it.

    Args:
        spec: What a user typed, such as `orb-v2:random`.

    Raises:
        ModelError: An integration knows the spec, and the model cannot be built.
    """
    for entry_point in installed():
        calculator = getattr(entry_point.load(), "build", _knows_no_spec)(spec)
        if calculator is not None:
            return calculator
    return None


def _knows_no_spec(_: str) -> None:
    return None


@cache
def installed() -> tuple[metadata.EntryPoint, ...]:
    """Return the integrations of this Python environment by name, not yet imported."""
    return tuple(sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name))


def _ask(entry_point: metadata.EntryPoint, calc: Any, troubles: list[str]) -> Integration | None:
    try:
        integration: Integration = entry_point.load()
        return integration if integration.knows(calc) else None
    except Exception as error:
        if is_foreign(error):
            raise
        troubles.append(_trouble(entry_point.value, "skipped for", calc, error))
        return None


def _trouble(who: str, what: str, calc: Any, error: Exception) -> str:
    return f"integration {who} {what} {type(calc).__name__}: {type(error).__name__}: {error}"


def _describe_torch_module(calc: Any) -> dict[str, Any]:
    """Describe the largest torch module that a calculator holds, without importing torch."""
    nn = getattr(sys.modules.get("torch"), "nn", None)
    if nn is None:
        return {}
    held = list(getattr(calc, "__dict__", {}).values())
    held += [member for value in held if isinstance(value, (list, tuple)) for member in value]
    sizes = {
        value: sum(parameter.numel() for parameter in value.parameters())
        for value in held
        if isinstance(value, nn.Module)
    }
    if not sizes:
        return {}
    module = max(sizes, key=sizes.__getitem__)
    evidence: dict[str, Any] = {"name": type(module).__name__, "parameters": sizes[module]}
    first = next(module.parameters(), None)
    if first is not None:
        evidence |= {"dtype": str(first.dtype).removeprefix("torch."), "device": str(first.device)}
    return evidence
