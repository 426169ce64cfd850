"""The result of a profiled trajectory, with the fields and JSON keys of the MLFF-Distiller profiler."""

from __future__ import annotations

import json
import textwrap
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.mlff_distiller.text import RULE, WIDTH, latency_lines, line
from instrumented_calc.journal.beginning import has_records
from instrumented_calc.journal.decoding import converted

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

STABLE_MIB = 10.0
MIB_PER_GIB = 1024


@dataclass
class MDProfileResult:
    """Latency, components and memory of one calculator on one trajectory.

    The 25 fields are those of the MLFF-Distiller profiler, with its names, order and defaults, and they are
    the keys of the JSON file: files written by either of the two can be loaded by the other. Times are host
    times in ms unless the name says otherwise; GB are GiB (2^30 bytes).

    Attributes:
        name: Name given by the user.
        model_name: The calculator's model, or its class if the model is not known.
        n_steps: Number of frames in the trajectory.
        device: Device of the model; `cpu` if no other device was found.
        latencies_ms: One latency per measured frame, ms.
        mean_latency_ms: Mean latency.
        median_latency_ms: Median latency.
        std_latency_ms: Standard deviation of the latencies.
        min_latency_ms: Shortest latency.
        max_latency_ms: Longest latency.
        p95_latency_ms: 95th percentile.
        p99_latency_ms: 99th percentile.
        energy_time_ms: Mean time per frame spent on the energy alone; None if it cannot be separated.
        forces_time_ms: The same for the forces.
        stress_time_ms: The same for the stress.
        memory_initial_gb: First memory sample; 0.0 if memory was not measured, as in the other profiler.
        memory_final_gb: Last memory sample; 0.0 if memory was not measured.
        memory_peak_gb: Largest memory sample; 0.0 if memory was not measured.
        memory_per_step_gb: All memory samples; empty if memory was not measured.
        n_atoms: Number of atoms per frame; None if the frames differ.
        system_size: Chemical formula or another description of the system.
        total_time_s: Time from the start of the first frame to the end of the last; 0.0 if not measured.
        steps_per_second: Frames per second of that time; 0.0 if not measured.
        timestamp: When the measurement started.
        notes: Remarks, among them the path of the journal if there is one.
    """

    name: str
    model_name: str
    n_steps: int
    device: str
    latencies_ms: list[float]
    mean_latency_ms: float
    median_latency_ms: float
    std_latency_ms: float
    min_latency_ms: float
    max_latency_ms: float
    p95_latency_ms: float
    p99_latency_ms: float
    energy_time_ms: float | None = None
    forces_time_ms: float | None = None
    stress_time_ms: float | None = None
    memory_initial_gb: float = 0.0
    memory_final_gb: float = 0.0
    memory_peak_gb: float = 0.0
    memory_per_step_gb: list[float] = field(default_factory=list)
    n_atoms: int | None = None
    system_size: str | None = None
    total_time_s: float = 0.0
    steps_per_second: float = 0.0
    timestamp: str = ""
    notes: str = ""

    @property
    def memory_measured(self) -> bool:
        """Whether there are memory figures: zeros throughout are the defaults."""
        stored = (self.memory_initial_gb, self.memory_final_gb, self.memory_peak_gb)
        return any(stored) or bool(len(self.memory_per_step_gb))

    @property
    def memory_delta_gb(self) -> float:
        """Last memory sample minus the first, GiB."""
        return self.memory_final_gb - self.memory_initial_gb

    @property
    def memory_stable(self) -> bool:
        """Whether the first and the last sample differ by less than 10 MiB."""
        return abs(self.memory_delta_gb * MIB_PER_GIB) < STABLE_MIB

    @property
    def us_per_atom(self) -> float | None:
        """Mean latency per atom, us; None if the number of atoms is not known."""
        return self.mean_latency_ms * 1e3 / self.n_atoms if self.n_atoms else None

    def summary(self) -> str:
        """Return the figures as a block of text, 80 columns wide."""
        return result_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the 25 fields by name, ready for JSON; properties are not included."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(MDProfileResult)}

    def save_json(self, filepath: str | os.PathLike[str]) -> None:
        """Write the 25 fields as JSON, creating parent folders as needed.

        Raises:
            ExperimentError: The file cannot be written.
        """
        file = Path(filepath)
        if has_records(file):
            message = f"{file}: is a journal and is not overwritten; give another path"
            raise ExperimentError(message)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            message = f"{file} cannot be written: {error.strerror}; give another path"
            raise ExperimentError(message) from error

    @classmethod
    def load_json(cls, filepath: str | os.PathLike[str]) -> MDProfileResult:
        """Read a file written by `save_json` or by the MLFF-Distiller profiler.

        Unknown keys are ignored, and null counts as the default of a field that has one.

        Raises:
            ExperimentError: The file cannot be read or does not hold a profile.
        """
        try:
            stored = json.loads(Path(filepath).read_text(encoding="utf-8"))
        except OSError as error:
            message = f"{filepath} cannot be read: {error.strerror}; give the path of a saved profile"
            raise ExperimentError(message) from error
        except (ValueError, RecursionError) as error:
            message = f"{filepath} is not readable as JSON ({error}): give the path of a saved profile"
            raise ExperimentError(message) from error
        try:
            # An attribute that does not exist in the file keeps its default, as does a null.
            return converted(_without_nulls(stored), MDProfileResult)
        except (msgspec.ValidationError, OverflowError) as error:
            message = (
                f"{filepath} is not a profile of a trajectory: {error}; give the path of a saved profile"
            )
            raise ExperimentError(message) from error


def _without_nulls(stored: Any) -> Any:
    if not isinstance(stored, dict):
        return stored
    optional = {
        each.name
        for each in fields(MDProfileResult)
        if each.default is not MISSING or each.default_factory is not MISSING
    }
    return {key: value for key, value in stored.items() if value is not None or key not in optional}


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold: NumPy arrays and scalars as lists and numbers."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def result_text(result: MDProfileResult, *details: Iterable[str]) -> str:
    """Return the figures of a profile, one per line, between rules of 80 columns.

    Args:
        result: The profile.
        *details: Further sections, each as lines of text.
    """
    title = f"MD profile: {result.name}"
    sections = [
        _identity(result),
        _latency(result),
        _components(result),
        _throughput(result),
        _memory(result),
        *details,
        _notes(result),
    ]
    blocks = ["\n".join(lines) for lines in map(list, sections) if lines]
    return "\n".join([RULE, title, RULE, "\n\n".join(blocks), RULE])


def _notes(result: MDProfileResult) -> list[str]:
    """Return the notes in lines; a path stays whole, to be copied."""
    text = f"Notes: {result.notes}" if result.notes else ""
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _identity(result: MDProfileResult) -> Iterator[str]:
    yield f"Model: {result.model_name}"
    yield f"Device: {result.device}"
    yield f"Trajectory steps: {result.n_steps}"
    atoms = "unknown, or different between frames" if result.n_atoms is None else f"{result.n_atoms} atoms"
    yield f"System size: {atoms}{f', {result.system_size}' if result.system_size else ''}"


def _latency(result: MDProfileResult) -> Iterator[str]:
    yield "Latency per step:"
    yield from latency_lines(
        result.mean_latency_ms,
        result.std_latency_ms,
        result.median_latency_ms,
        result.min_latency_ms,
        result.max_latency_ms,
        result.p95_latency_ms,
        result.p99_latency_ms,
    )
    if result.us_per_atom is not None:
        yield line("Per atom", f"{result.us_per_atom:10.4f} us/atom")


def _components(result: MDProfileResult) -> Iterator[str]:
    times = {
        "Energy": result.energy_time_ms,
        "Forces": result.forces_time_ms,
        "Stress": result.stress_time_ms,
    }
    separate = {name: time for name, time in times.items() if time is not None}
    if separate:
        yield "Component timing:"
    for name, time in separate.items():
        yield line(name, f"{time:10.4f} ms")


def _throughput(result: MDProfileResult) -> Iterator[str]:
    yield "Throughput:"
    speed, total = result.steps_per_second, result.total_time_s
    yield line("Steps/sec", f"{speed:10.1f}" if speed else "not measured")
    yield line("Total time", f"{total:10.2f} s" if total else "not measured")


def _memory(result: MDProfileResult) -> Iterator[str]:
    yield "Memory (GiB):"
    if not result.memory_measured:
        yield line("Status", "not measured")
        return
    yield line("Initial", f"{result.memory_initial_gb:10.4f}")
    yield line("Final", f"{result.memory_final_gb:10.4f}")
    yield line("Delta", f"{result.memory_delta_gb:+10.4f}")
    yield line("Peak", f"{result.memory_peak_gb:10.4f}")
    change = abs(result.memory_delta_gb) * MIB_PER_GIB
    if result.memory_stable:
        yield line("Status", "stable (last sample within 10 MiB of the first)")
    elif result.memory_delta_gb > 0:
        yield line("Status", f"WARNING: memory increased by {change:.2f} MiB, possibly a leak")
    else:
        yield line("Status", f"not stable: memory decreased by {change:.2f} MiB")
