"""torch.compile: for models that are not compiled, and off for those that are."""

from __future__ import annotations

import functools
import os
import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.comparison.tolerances import OF_REDUCED, OF_SINGLE
from instrumented_calc.experiments.trial.remedies.attributes import change_attributes
from instrumented_calc.integration import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.integration import RunFacts

FAMILY = "compile"
# torch.compile leaves a model of TorchScript as it is.
SCRIPTED = "ScriptModule"
GRAPHS = "reduce-overhead"


def remedies(facts: RunFacts) -> Iterator[Remedy]:
    """Yield torch.compile for a model that is not compiled, else the model without it.

    Args:
        facts: What is known of the run as it is.
    """
    if "torch" not in facts.modules:
        return
    if facts.compiled:
        yield Remedy(
            "compile-off",
            "leave torch.compile out (compile=False)",
            family=FAMILY,
            at_first_call=not_compiled,
            seek=r"compile",
            energy_tolerance_ev=OF_SINGLE.energy_ev,
            force_tolerance_ev_a=OF_SINGLE.force_ev_a,
        )
    elif facts.torch_model and not facts.torch_model.endswith(SCRIPTED):
        on_gpu = facts.device.startswith("cuda")
        if on_gpu or facts.device.startswith("cpu"):
            yield _compile("compile", facts, "model.compile(dynamic=True)", dynamic=True)
        if on_gpu:
            yield _compile(f"compile-{GRAPHS}", facts, f'model.compile(mode="{GRAPHS}")', mode=GRAPHS)


def _compile(name: str, facts: RunFacts, line: str, **options: Any) -> Remedy:
    on_gpu = facts.device.startswith("cuda")
    # Single precision may mean TF32 there, as the program or its library has set.
    tolerance = OF_REDUCED if on_gpu and "float64" not in facts.dtype else None
    return Remedy(
        name,
        f"{line} before the dynamics, or the option of the calculator for it; the first call then takes"
        " longer, on a processor up to minutes",
        family=FAMILY,
        at_first_call=functools.partial(compile_models, **options),
        energy_tolerance_ev=None if tolerance is None else tolerance.energy_ev,
        force_tolerance_ev_a=None if tolerance is None else tolerance.force_ev_a,
        seek=r"compile",
        obstacle=_missing_tool(on_gpu=on_gpu),
    )


def _missing_tool(*, on_gpu: bool) -> str:
    """Return what torch.compile needs and the machine lacks; empty if nothing is known to be missing."""
    if on_gpu and find_spec("triton") is None:
        return "torch.compile needs triton for a GPU: pip install triton"
    # For the generated code, or on a GPU for what launches it; torch and triton look for these names.
    usual = ("gcc", "clang") if on_gpu else ("clang++" if sys.platform == "darwin" else "g++",)
    given = os.environ.get("CC" if on_gpu else "CXX")
    compilers = usual if given is None else (given,)
    if not any(shutil.which(each) for each in compilers):
        return f"torch.compile needs a compiler, and {' or '.join(compilers)} is not found: install g++"
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return "torch.compile needs the headers of Python, and Python.h is not found: install python3-dev"
    return ""


def compile_models(calc: Any, **options: Any) -> None:
    """Have torch compile a calculator's models in place, when each is first called.

    A library may override `compile` of its models, to compile the part that gains from it.

    Args:
        calc: The calculator, before its first calculation.
        **options: Of `torch.compile`.

    Raises:
        TypeError: No attribute of the calculator is a model that can be compiled.
    """
    torch: Any = sys.modules["torch"]
    found = []

    def compiled(value: Any) -> Any:
        if isinstance(value, torch.nn.Module) and not isinstance(value, torch.jit.ScriptModule):
            value.compile(**options)
            found.append(value)
        return value

    change_attributes(calc, compiled)
    if not found:
        message = f"{type(calc).__name__} holds its model where it cannot be compiled from outside"
        raise TypeError(message)


def not_compiled(calc: Any) -> None:
    """Make a calculator's models run as they were before `torch.compile`.

    Args:
        calc: The calculator, before its first calculation.
    """
    base = sys.modules["torch"].nn.Module
    for name, value in list(vars(calc).items()):
        if not isinstance(value, base):
            continue
        for module in list(value.modules()):
            module._compiled_call_impl = None  # noqa: SLF001 - where Module.compile() keeps it
            for child, held in list(module.named_children()):
                setattr(module, child, _as_written(held))
        setattr(calc, name, _as_written(value))


def _as_written(module: Any) -> Any:
    """Return the module that `torch.compile(module)` has wrapped, or the module itself."""
    return getattr(module, "_orig_mod", module)
