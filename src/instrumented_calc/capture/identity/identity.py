"""The evidence about a calculator for its lane's record: what runs here, in which version and form.

An integration's own statements take precedence over what is found in any calculator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.dynamo import has_compiled
from instrumented_calc.capture.identity.distribution import library_of
from instrumented_calc.capture.identity.settings import settings_of, weights_of
from instrumented_calc.capture.identity.torch_model import torch_model
from instrumented_calc.foreign import is_foreign
from instrumented_calc.integration import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from instrumented_calc.capture.parts.holdings import Held
    from instrumented_calc.integration import Integration

MODEL_NAMES = ("model_name", "model_type", "modelname")
LONGEST_NAME = 100
DEEPEST = 4  # dots in a path: what is held further away does not describe the calculator


def identify(
    calculator: Any, within: Iterable[Held], integration: Integration | None, troubles: list[str]
) -> dict[str, Any]:
    """Return the evidence about a calculator, before its first call.

    Args:
        calculator: The bare calculator.
        within: All that it holds.
        integration: The one that recognises it, or None.
        troubles: Receives one line for each part that could not be determined.
    """
    held = _near(within)
    found: dict[str, Any] = {}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "model": lambda: torch_model(held),
        "library": lambda: _known(library=library_of(calculator)),
        "settings": lambda: _known(settings=settings_of(calculator)),
        "weights": lambda: weights_of(held),
    }
    for what, part in parts.items():
        found |= _answer(part, f"cannot describe the {what} of {type(calculator).__name__}", troubles)
    found["name"] = _name(calculator, held, found.get("architecture", ""))
    return found | dict(ask(integration, "describe", calculator, troubles) or {})


def _near(within: Iterable[Held]) -> list[tuple[str, Any]]:
    """Return the names and values that describe a calculator, of all that it holds."""
    return [
        (path.rpartition(".")[2], value)
        for path, value, in_module in within
        if path and not in_module and path.count(".") <= DEEPEST
    ]


def _answer(part: Callable[[], dict[str, Any]], trouble: str, troubles: list[str]) -> dict[str, Any]:
    try:
        return part()
    except Exception as error:
        if is_foreign(error):
            raise
        troubles.append(f"{trouble}: {type(error).__name__}: {error}")
        return {}


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def settle_compiled(evidence: dict[str, Any]) -> None:
    """Add that a torch model is not compiled, if after its first call nothing in the process is.

    Args:
        evidence: The evidence, changed in place.
    """
    if "architecture" in evidence and "form" not in evidence and not has_compiled():
        evidence.setdefault("compiled", False)


def settle_training(evidence: dict[str, Any], within: Iterable[Held]) -> None:
    """Look after the first call whether layers are still in training mode: `calculate` may have ended it.

    Args:
        evidence: The evidence, changed in place.
        within: All that the calculator holds.
    """
    if evidence.pop("training", None):
        still = torch_model(_near(within)).get("training")
        if still:
            evidence["training"] = still


def _name(calculator: Any, held: list[tuple[str, Any]], architecture: str) -> str:
    """Return a name for people: the calculator's, and the model's in parentheses unless it is the same."""
    cls = type(calculator)
    library = cls.__module__.partition(".")[0]
    own = cls.__name__
    if library != "ase":
        own = own.removesuffix("Calculator").removesuffix("ASE").removeprefix("ASE") or library
    stated = next((v for n, v in held if n in MODEL_NAMES and type(v) is str and v.isprintable()), "")
    model = stated[:LONGEST_NAME] or architecture
    return own if not model or model.casefold() == own.casefold() else f"{own} ({model})"
