"""The torch model that a calculator holds: class, parameters, dtype, device, kernels, cut-off.

Only stored values are read: no code of the model runs, no device is waited for, torch is never imported.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from contextlib import nullcontext
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_MODULES = 20_000
# Packages whose modules replace a model's own kernels, by name.
KERNELS = {
    "cuequivariance": "cuEquivariance",
    "cuequivariance_torch": "cuEquivariance",
    "e3nn": "e3nn",
    "flashTP_e3nn": "FlashTP",
    "openequivariance": "OpenEquivariance",
}
CUTOFFS = (
    *("cutoff", "r_max", "rcut", "r_cut", "rc", "r_cutoff", "cutoff_radius", "radius_cutoff"),
    *("radial_cutoff", "atom_graph_cutoff"),
)


def torch_model(held: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the evidence about the largest torch model among a calculator's holdings.

    Args:
        held: Names and values of what the calculator holds, except inside torch modules.

    Returns:
        Any of `architecture` (its class), `parameters` (a number), `dtype` (of most of them), `device`,
        `kernels`, `compiled` (only if it is True), `training` (layers by class whose results are
        random or change with each call in training mode, with their number), `form` (`TorchScript`),
        `models` (if there are several of the class) and `cutoff`; empty without a model.
    """
    torch: Any = sys.modules.get("torch")
    if not isinstance(getattr(torch, "nn", None), ModuleType):
        return {}
    base = torch.nn.Module
    roots = [value for _, value in held if issubclass(type(value), base)]
    if not roots:
        return {}
    unseen = getattr(torch._C, "DisableTorchFunction", nullcontext)
    with unseen():
        sizes = [sum(each.numel() for each in _parameters(root)) for root in roots]
        root = roots[sizes.index(max(sizes))]
        modules = [*_modules(root)]
        found = {"architecture": type(_unwrapped(root)).__name__, **_of_parameters(_parameters(root))}
        cutoff = _cutoff(held, modules, torch.Tensor)
    kernels = {KERNELS.get(type(each).__module__.partition(".")[0]) for each in modules} - {None}
    if kernels:
        found["kernels"] = ", ".join(sorted(map(str, kernels)))
    random = _left_in_training(modules, torch.nn.modules)
    if random:
        found["training"] = random
    if _is_compiled(held, modules):
        found["compiled"] = True
    if issubclass(type(root), torch.jit.ScriptModule):
        found["form"] = "TorchScript"
    alike = sum(type(each) is type(root) for each in roots)
    if alike > 1:
        found["models"] = alike
    if cutoff is not None:
        found["cutoff"] = cutoff
    return found


def _unwrapped(module: Any) -> Any:
    """Return the module inside torch.compile's wrapper."""
    if type(module).__name__ != "OptimizedModule":
        return module
    return vars(module).get("_modules", {}).get("_orig_mod", module)


def _modules(root: Any) -> Iterator[Any]:
    """Yield a module and all modules below it, once each."""
    waiting, seen = [root], {id(root)}
    for module in waiting:
        yield module
        for child in vars(module).get("_modules", {}).values():
            if child is not None and id(child) not in seen and len(seen) < MOST_MODULES:
                seen.add(id(child))
                waiting.append(child)


def _parameters(root: Any) -> list[Any]:
    """Return the parameters of a module, once each; those that have no shape yet are left out."""
    found = {
        id(each): each
        for module in _modules(root)
        for each in vars(module).get("_parameters", {}).values()
        if each is not None and not hasattr(type(each), "materialize")
    }
    return [*found.values()]


def _of_parameters(parameters: list[Any]) -> dict[str, Any]:
    if not parameters:
        return {}
    sizes: Counter[str] = Counter()
    for each in parameters:
        sizes[str(each.dtype).removeprefix("torch.")] += each.numel()
    devices = {str(each.device) for each in parameters}
    return {
        "parameters": sizes.total(),
        "dtype": sizes.most_common(1)[0][0],
        "device": ", ".join(sorted(devices)),
    }


def _left_in_training(modules: list[Any], kinds: Any) -> dict[str, int]:
    """Return the layers in training mode that drop values at random or update their statistics, by class."""
    drops = kinds.dropout._DropoutNd  # noqa: SLF001 - the common base of torch's dropout layers
    norms = kinds.batchnorm._NormBase  # noqa: SLF001 - that of its batch and instance normalizations
    found: Counter[str] = Counter()
    for each in modules:
        state = vars(each)
        if state.get("training") is True and (
            (issubclass(type(each), drops) and state.get("p"))
            or (issubclass(type(each), norms) and state.get("track_running_stats"))
        ):
            found[type(each).__name__] += 1
    return dict(found)


def _is_compiled(held: Sequence[tuple[str, Any]], modules: list[Any]) -> bool:
    """Return whether torch.compile was applied to the model, a part of it, or a function held beside it."""
    return any(
        type(each).__name__ == "OptimizedModule" or vars(each).get("_compiled_call_impl") is not None
        for each in modules
    ) or any(type(value) is FunctionType and "_torchdynamo_orig_callable" in vars(value) for _, value in held)


def _cutoff(held: Sequence[tuple[str, Any]], modules: list[Any], tensor: Any) -> float | None:
    """Return the radius that is stored nearest to the calculator."""
    states = [{name: value for name, value in reversed(held) if name in CUTOFFS}]
    for module in modules:
        state = vars(module)
        states += [state, state.get("_buffers", {})]
    values = (state[name] for state in states for name in CUTOFFS if name in state)
    return next((number for value in values if (number := _number(value, tensor)) is not None), None)


def _number(value: Any, tensor: Any) -> float | None:
    """Return a plain positive number, or one in a tensor without dimensions on the host."""
    if type(value) is tensor and value.dim() == 0 and value.device.type == "cpu":
        value = value.item()
    plain = type(value) in (int, float) and math.isfinite(value) and value > 0
    return float(value) if plain else None
