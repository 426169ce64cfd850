"""The section on the machine and software of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.quantities import amount, bytes_of, count
from instrumented_calc.reporting.document import Facts, Section
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal


def environment_section(journal: Journal) -> Section | None:
    """Return what is known of the machine, its libraries and the batch job; None if nothing is.

    Args:
        journal: The journal.
    """
    found = journal.environment
    start = journal.start
    pairs: list[tuple[str, Any]] = [
        ("host", found.host),
        ("system", found.platform),
        ("Python", found.python),
        ("processor", found.cpu),
        ("logical processors", _number(found.cpu_count)),
        ("processor cores", _number(found.physical_cores)),
        ("processors allowed", _number(found.affinity)),
        ("processor quota", amount(found.cgroup_cpus) if isinstance(found.cgroup_cpus, float) else None),
        ("memory", _size(found.memory_bytes)),
        ("memory limit of the job", _size(found.cgroup_memory_bytes)),
        ("threads wanted", _pairs(found.threads_wanted)),
        ("threads in use", _pools(journal)),
        ("torch threads", ", ".join(map(str, found.torch_threads or ()))),
        ("torch", _pairs(found.torch)),
        ("debugging aids", _pairs(found.debugging_aids)),
        ("batch job", _pairs(found.scheduler)),
        ("job ends", found.job_ends),
        ("folder", start.directory if start is not None else None),
        ("process", start.pid if start is not None else None),
        ("run", start.run_id if start is not None else None),
    ]
    pairs += [(each.name, each.version) for each in found.libraries or ()]
    shown = tuple((name, identity.one_line(value)) for name, value in pairs if value)
    return Section("Environment", (Facts(shown),)) if shown else None


def _number(value: object) -> str | None:
    return count(value) if isinstance(value, int) else None


def _size(value: object) -> str | None:
    return bytes_of(value) if isinstance(value, int) else None


def _pairs(values: object) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) if isinstance(values, dict) else ""


def _pools(journal: Journal) -> str:
    pools = journal.environment.threads_effective or ()
    return ", ".join(f"{each.implementation} {each.threads}" for each in pools)
