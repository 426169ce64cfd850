"""The rule on calls that log, copy, serialise or read files for a good part of their time."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from instrumented_calc.analysis.places import newest_places, wilson_interval
from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, unknown
from instrumented_calc.journal.vocabulary import CALCULATOR, UNSEEN
from instrumented_calc.quantities import percentage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation
    from instrumented_calc.journal.records import CodeLine, Places, SampledStack

# Modules that compute nothing of a potential, with what they do.
SERVICES = {
    "logging": "logging",
    "loguru": "logging",
    "structlog": "logging",
    "warnings": "warnings",
    "traceback": "tracebacks",
    "inspect": "inspection of code",
    "copy": "copies of objects",
    "copyreg": "copies of objects",
    "json": "JSON",
    "pickle": "pickling",
    "yaml": "YAML",
    "csv": "CSV files",
    "pprint": "printing",
    "gzip": "compression",
    "bz2": "compression",
    "lzma": "compression",
    "zipfile": "compression",
    "tarfile": "archives",
    "shutil": "copies of files",
    "tempfile": "temporary files",
    "glob": "searches for files",
}
# Functions of other packages that do, by package and the last part of their name.
FUNCTIONS = {
    ("torch", "load"): "loading of weights",
    ("torch", "load_state_dict"): "loading of weights",
    ("numpy", "load"): "reading of files",
    ("numpy", "loadtxt"): "reading of files",
    ("numpy", "genfromtxt"): "reading of files",
    ("numpy", "save"): "writing of files",
    ("numpy", "savez"): "writing of files",
    ("numpy", "savetxt"): "writing of files",
}
# A function that spends less of its time in the line that calls a service computes, too, and must stay.
MOSTLY = 0.5
SHARE, FEWEST_SAMPLES = 0.1, 8  # of the wall time, as everything that the report names
WORTH_A_WORD = 0.1  # share of the wall time that was sampled inside calls without seeing where


class _Service(NamedTuple):
    """A part of the calculator's time: what is done, and where the user's code calls it, if it does."""

    work: str
    caller: str


def services_in_calls(evidence: Evidence) -> Observation:
    """Calls spend their time on logging, copies, serialisation, files, loading of weights and the like."""
    record, wall = newest_places(evidence.summary.journal), evidence.summary.wall_ns
    if record is None or not record.ns or not record.squares_ns2 or not wall:
        return unknown("no stacks were sampled")
    spent: Counter[_Service] = Counter()
    samples: Counter[_Service] = Counter()
    functions: dict[_Service, Counter[str]] = defaultdict(Counter)
    for service, function, stack in _services(record):
        functions[service][function] += stack.ns
        spent[service] += stack.ns
        samples[service] += stack.samples
    coverage = f"{record.samples:,} samples of the stack"
    if not spent:
        return clear(
            "calls neither log, copy, serialise nor read files noticeably", coverage, n=record.samples
        )
    service, ns = spent.most_common(1)[0]
    share = ns / record.ns
    function = functions[service].most_common(1)[0][0]
    unseen = _unseen_in_calls(record)
    numbers = {
        "share_of_wall": share,
        "unseen_share_of_wall": unseen,
        "work": service.work,
        "function": function,
    }
    text = f"about {percentage(share)} of the wall time is {service.work} inside calls"
    if share < SHARE or samples[service] < FEWEST_SAMPLES:
        return clear(text, coverage, numbers, record.samples)
    text += f", in {function}"
    if not service.caller:
        return flagged(text, numbers=numbers, n=record.samples, severity="info")
    text += f", called in {service.caller}"
    if unseen >= WORTH_A_WORD:
        text += f"; {percentage(unseen)} is in calls, too, but was not seen where"
    line, whole = _shares_of_caller(record, service)
    around = max(share, whole if line > MOSTLY * whole else line)
    most = min(wilson_interval(around, record.ns**2 / record.squares_ns2)[1] + unseen, 1.0)
    return flagged(text, numbers=numbers, n=record.samples, saving_ns=most * wall)


def _shares_of_caller(record: Places, service: _Service) -> tuple[float, float]:
    """Return the shares of the line that calls a service, and may prepare what to log, and of its function.

    Both with all that they call: they can be left out. 0 for a function that is called first in calls, such
    as `calculate`: that computes, too.
    """
    line_ns, whole_ns, caller = 0, 0, service.caller.rpartition(":")[0]  # whatever the line
    for stack in record.stacks:
        lines = [record.lines[number] for number in stack.stack[: stack.inside]]
        own = [_words(line) for line in lines if not line.package][:-1]
        line_ns += stack.ns if service.caller in own else 0
        whole_ns += stack.ns if any(words.rpartition(":")[0] == caller for words in own) else 0
    return line_ns / record.ns, whole_ns / record.ns


def _words(line: CodeLine) -> str:
    return f"{line.function} ({Path(line.file).name}:{line.line})"


def _unseen_in_calls(record: Places) -> float:
    """Return the share of the sampled time inside calls whose place was not seen."""
    stacks = [each for each in record.stacks if each.part == CALCULATOR and each.component == UNSEEN]
    return sum(each.ns for each in stacks) / record.ns


def _services(record: Places) -> Iterator[tuple[_Service, str, SampledStack]]:
    """Yield the outermost service of each sampled stack in the calculator, its function, and the stack."""
    for stack in record.stacks:
        if stack.part != CALCULATOR:
            continue
        caller = ""
        for line in map(record.lines.__getitem__, reversed(stack.stack)):
            name = line.function.rpartition(".")[2]
            work = SERVICES.get(line.package) or FUNCTIONS.get((line.package, name))
            if work:
                yield _Service(work, caller), f"{line.package}.{line.function}", stack
                break
            caller = "" if line.package else _words(line)


RULES = (
    Rule(
        "services-in-calls",
        "cost",
        "Leave it out of calculate(), or do it once or rarely: the forces do not need it in every call.",
        "The share of these functions in the report's section on the code.",
        services_in_calls,
    ),
)
