"""What two runs must have in common before their times say anything: rule `hardware-unequal`.

Each key is what a user names after `--allow` when it is the very thing that is under test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Environment

# Keys under which `--allow` knows what differs; a library is also known by its own name.
KEYS = ("cpu", "processors", "gpu", "driver", "threads", "dtype", "device", "compiled", "python", "libraries")
# The gate on energies, which `--allow` knows too.
VALUES = "values"

Evidence = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Unequal:
    """One thing that is not the same in all runs.

    Attributes:
        key: What `--allow` calls it.
        name: What it is: `torch` of the libraries, `openblas` of the threads.
        before: What the runs before say, without repetitions.
        after: What the runs after say.
        allowed: Whether the user named it as the key under test.
    """

    key: str
    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    allowed: bool


def evidence_of(journal: Journal) -> Evidence:
    """Return what a run's journal tells of its machine and software, by key and name."""
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
    for key, names in (
        ("dtype", ("dtype", "precision")),
        ("device", ("device",)),
        ("compiled", ("compiled",)),
    ):
        found.setdefault(key, {})
        for name in names:
            said = {
                str(lane.model[name]) for lane in journal.lanes.values() if lane.model and name in lane.model
            }
            if said:
                found[key][f"model's {name}"] = ", ".join(sorted(said))
    return found


def _known(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(value) for name, value in values.items() if value is not UNSET and value not in (None, "")
    }


def _threads(environment: Environment) -> dict[str, str]:
    """Return the sizes of the thread pools; what was wanted counts only where they are not known."""
    pools: dict[str, set[int]] = {}
    for pool in environment.threads_effective or ():
        pools.setdefault(pool.implementation, set()).add(pool.threads)
    found = {name: ", ".join(map(str, sorted(sizes))) for name, sizes in pools.items()}
    if environment.torch_threads:
        found["torch"] = str(environment.torch_threads[0])
    return found or dict(environment.threads_wanted or {})


def unequal(before: Sequence[Evidence], after: Sequence[Evidence], allowed: Sequence[str]) -> list[Unequal]:
    """Return what differs between any two runs, of either side.

    What some runs do not tell is taken to be as in the others, but for libraries, which are absent where
    they are not named.
    """
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
    """Tell whether `--allow` may name this."""
    return word in KEYS or word == VALUES or any(word in names for run in runs for names in run.values())
