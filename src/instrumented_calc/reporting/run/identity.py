"""Identity of a journal in words: its state, machine, model and system."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from instrumented_calc.quantities import bytes_of

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Lane, Phase

LONGEST_SETTINGS = 300  # characters
PARAMETER_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def one_line(text: object) -> str:
    """Return text from a journal on one line and without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def state(journal: Journal) -> str:
    """Return whether the journal is complete or still written, in words."""
    if journal.start is None:
        return "its first record is lost" + ("" if journal.end is not None else ", no run_end")
    if journal.end is not None:
        return "complete"
    if journal.running:
        return "open: its run has not ended"
    if journal.parent_run_id:
        return "ended with its pool"
    return "partial: no run_end"


def file_line(journal: Journal) -> str:
    """Name the file, its state and size, the host and the job."""
    environment = journal.environment
    parts = [f"{journal.path.name}  {state(journal)}, {bytes_of(journal.size_bytes)}"]
    if environment.host:
        parts.append(one_line(environment.host))
    scheduler = environment.scheduler or {}
    if "job_id" in scheduler:
        parts.append(f"job {one_line(scheduler['job_id'])}")
    return "  ".join(parts)


def command(journal: Journal) -> str | None:
    """Return the command line of the run."""
    start = journal.start
    return one_line(shlex.join(start.command)) if start is not None and start.command else None


def model_words(lane: Lane) -> list[str]:
    """Return the known facts about a lane's model, most important first.

    A lane's evidence may have `name`, `parameters`, `precision` or `dtype`, `compiled` or `form`, `kernels`,
    `cutoff` and `library`.
    """
    model: dict[str, Any] = lane.model or {}
    name = calculator_name(lane)
    parameters = model.get("parameters")
    if isinstance(parameters, int) and parameters > 0:
        name += f" {_parameters(parameters)}"
    words = [name]
    if model.get("precision") or model.get("dtype"):
        words.append(one_line(model.get("precision") or model["dtype"]))
    if isinstance(model.get("compiled"), bool):
        words.append("compiled" if model["compiled"] else "EAGER (not compiled)")
    if model.get("form"):
        words.append(one_line(model["form"]))
    if model.get("kernels"):
        words.append(f"kernels of {one_line(model['kernels'])}")
    if isinstance(model.get("cutoff"), float):
        words.append(f"cut-off {model['cutoff']:g}")
    if model.get("library"):
        words.append(one_line(model["library"]))
    return words


def calculator_name(lane: Lane) -> str:
    """Return the name of a lane's model, or the class of its calculator."""
    return one_line((lane.model or {}).get("name") or lane.calculator.rpartition(".")[2])


def settings_words(lane: Lane) -> str:
    """Return the calculator's own settings: method GFN2-xTB, accuracy 1.0."""
    settings = (lane.model or {}).get("settings")
    pairs = settings.items() if isinstance(settings, dict) else ()
    text = ", ".join(f"{name} {value}" for name, value in pairs)
    return one_line(text if len(text) <= LONGEST_SETTINGS else f"{text[:LONGEST_SETTINGS]} ...")


def weights_words(lane: Lane) -> str:
    """Return the name of the file of weights, and the start of its hash."""
    model: dict[str, Any] = lane.model or {}
    if not isinstance(model.get("weights_file"), str):
        return ""
    return one_line(
        f"{model['weights_file']}  sha256 of the first MB {str(model.get('weights_sha256'))[:12]}"
    )


def _parameters(number: int) -> str:
    size, unit = next((known for known in PARAMETER_UNITS if number >= known[0]), (1, ""))
    return f"{number / size:.1f}{unit}" if unit else str(number)


def system_words(lane: Lane) -> str | None:
    """Return the system of a lane at its first call."""
    size = f"{lane.n_atoms} atom{'s' * (lane.n_atoms != 1)}" if lane.n_atoms else ""
    if lane.formula and size:
        return f"{one_line(lane.formula)} ({size})"
    if size:
        return size
    return one_line(lane.formula) if lane.formula else None


def phase_words(phase: Phase) -> str:
    """Return driver, ensemble and timestep of a phase."""
    words = [one_line(phase.driver.rpartition(".")[2])]
    if phase.ensemble and phase.ensemble != words[0]:  # an integrator of ASE is called NPT
        words.append(one_line(phase.ensemble))
    if isinstance(phase.timestep_fs, (int, float)):
        words.append(f"{phase.timestep_fs:g} fs")
    return " ".join(words)
