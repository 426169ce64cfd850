"""Rule `hardware-unequal`: properties that two runs must share before their times are compared.

A user passes a key to `--allow` if that property is under test; `calculator` includes its model, settings and
weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import UNSET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.journal.records import Environment, Lane

# Keys accepted by `--allow`; a library is also accepted by its own name.
KEYS = (
    *("calculator", "model", "settings", "weights"),
    *("cpu", "processors", "gpu", "driver", "threads", "dtype", "device", "compiled", "python", "libraries"),
)
# Another calculator has another model, with settings and weights of its own; another model other weights.
INCLUDED = {"calculator": ("model", "settings", "weights"), "model": ("weights",)}
# The check of energies, also accepted by `--allow`.
VALUES = "values"

# Evidence about a calculator that must be equal: key, and name in the lane's record.
OF_MODEL = (
    *(("model", name) for name in ("name", "library", "parameters", "cutoff", "kernels", "form", "models")),
    *(("weights", name) for name in ("weights_file", "weights_sha256")),
    *(("dtype", "dtype"), ("dtype", "precision"), ("device", "device"), ("compiled", "compiled")),
)

Evidence = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Unequal:
    """One difference between runs.

    Attributes:
        key: Its key for `--allow`.
        name: The differing item: `torch` of the libraries, `openblas` of the threads.
        before: Distinct values of the runs before.
        after: Distinct values of the runs after.
        allowed: Whether the user named it as the key under test.
    """

    key: str
    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    allowed: bool


class Described(Protocol):
    """What a journal, or an excerpt of one, holds of its machine and its calculators."""

    @property
    def environment(self) -> Environment:
        """The machine and its software."""

    @property
    def lanes(self) -> Mapping[int, Lane]:
        """The calculators by number."""


def evidence_of(journal: Described) -> Evidence:
    """Return the machine and software recorded in a run's journal, by key and name."""
    environment = journal.environment
    found: Evidence = {
        "cpu": _known({"cpu": environment.cpu}),
        "processors": _known({"affinity": environment.affinity, "cgroup quota": environment.cgroup_cpus}),
        "python": _known({"python": environment.python}),
        "libraries": {each.name: each.version for each in environment.libraries or ()},
        "threads": _threads(environment),
    }
    torch: dict[str, Any] = environment.torch or {}
    found["gpu"] = _known({"gpu": torch.get("devices") and ", ".join(map(str, torch["devices"]))})
    found["driver"] = _known({"driver": torch.get("driver_version"), "CUDA": torch.get("cuda_version")})
    precision = ("default_dtype", "float32_matmul_precision", "tf32_matmul", "tf32_cudnn")
    found["dtype"] = _known({name: torch.get(name) for name in precision})
    models = [lane.model for lane in journal.lanes.values() if isinstance(lane.model, dict)]
    for key, name in OF_MODEL:
        said = {str(model[name]) for model in models if name in model}
        if said:
            found.setdefault(key, {})[f"model's {name}"] = ", ".join(sorted(said))
    found["calculator"] = _known(
        {"calculator": ", ".join(sorted({lane.calculator for lane in journal.lanes.values()}))}
    )
    found["settings"] = _settings(models)
    return found


def _settings(models: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the calculators' settings by name, each with its distinct values."""
    found: dict[str, set[str]] = {}
    for model in models:
        settings = model.get("settings")
        for name, value in settings.items() if isinstance(settings, dict) else ():
            found.setdefault(name, set()).add(str(value))
    return {name: ", ".join(sorted(values)) for name, values in found.items()}


def _known(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(value) for name, value in values.items() if value is not UNSET and value not in (None, "")
    }


def _threads(environment: Environment) -> dict[str, str]:
    """Return the sizes of the thread pools: the effective ones, or the requested ones if unknown."""
    pools: dict[str, set[int]] = {}
    for pool in environment.threads_effective or ():
        pools.setdefault(pool.implementation, set()).add(pool.threads)
    found = {name: ", ".join(map(str, sorted(sizes))) for name, sizes in pools.items()}
    if environment.torch_threads:
        found["torch"] = str(environment.torch_threads[0])
    return found or dict(environment.threads_wanted or {})


def unequal(before: Sequence[Evidence], after: Sequence[Evidence], allowed: Sequence[str]) -> list[Unequal]:
    """Return the differences between any two runs, of either side.

    A value that some runs did not record is assumed equal, except for libraries: an unlisted library is
    absent.
    """
    allowed = [*allowed, *(each for word in allowed for each in INCLUDED.get(word, ()))]
    found = []
    for key in KEYS:
        runs = [*before, *after]
        for name in dict.fromkeys(name for run in runs for name in run.get(key, {})):
            first, second = _said(key, name, before), _said(key, name, after)
            if len({*first, *second}) > 1:
                found.append(Unequal(key, name, first, second, key in allowed or name in allowed))
    return found


def _said(key: str, name: str, side: Sequence[Evidence]) -> tuple[str, ...]:
    said = [run[key].get(name, "absent" if key == "libraries" else "") for run in side if run.get(key)]
    return tuple(dict.fromkeys(each for each in said if each))


def is_known_key(word: str, runs: Sequence[Evidence]) -> bool:
    """Return whether `--allow` accepts this word."""
    return word in KEYS or word == VALUES or any(word in names for run in runs for names in run.values())
