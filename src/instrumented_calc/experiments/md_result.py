"""The result of a profiled trajectory, with the fields that users of the MLFF-Distiller profiler know."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.md_text import result_text

if TYPE_CHECKING:
    import os

STABLE_MIB = 10.0
MIB_PER_GIB = 1024


@dataclass
class MDProfileResult:
    """Latency, components and memory of one calculator on one trajectory.

    The fields up to `notes` are those of the MLFF-Distiller profiler. Milliseconds are host time; GB are GiB
    (2^30 bytes). None is what was not measured or, for the parts, what cannot be told apart.

    Attributes:
        name: What the user called it.
        model_name: The calculator's model, as its integration knows it, else its class.
        n_steps: Frames of the trajectory.
        device: Where the model is; `cpu` where nothing else is known.
        latencies_ms: One a frame, warm-up and frames in which something was compiled apart.
        mean_latency_ms: Their mean.
        median_latency_ms: Their median.
        std_latency_ms: Their standard deviation (n - 1), 0 for a single one.
        min_latency_ms: The shortest.
        max_latency_ms: The longest.
        p95_latency_ms: 95th percentile, a value that occurred.
        p99_latency_ms: 99th percentile, likewise: with fewer than 100 frames the longest.
        energy_time_ms: Mean time in parts that are wholly the energy's, where a model has such.
        forces_time_ms: Likewise for the forces.
        stress_time_ms: Likewise for the stress.
        memory_initial_gb: First sample, of `memory_source`.
        memory_final_gb: Last sample.
        memory_peak_gb: Largest sample.
        memory_per_step_gb: All samples.
        n_atoms: The true number; None where frames differ.
        system_size: Formula of the first frame.
        total_time_s: From the first frame's start to the last one's end.
        steps_per_second: Frames per second of that.
        timestamp: UTC, ISO 8601.
        notes: What the reader should know.
        memory_source: What the memory is: `host resident` or `device allocated`.
        memory_verdict: Whether it grows: `flagged`, `clear` or `not enough evidence`, with the reason.
        calculations: Real calculations for the frames.
        cache_hits: Questions that were answered without one.
        first_call_ms: The very first calculation.
        warmup_frames: Frames before, none of them in any figure above.
        warmup_ms: Their time.
        compiled_frames: Frames in which something was compiled.
        compiled_ms: Their time.
        slowest_frame: Number of the frame with the longest latency.
        parts_ms: Mean time in each timed part a frame; with `other` they add up to the mean of all frames
            that are counted.
        journal: The journal that all this was read from.
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
    memory_initial_gb: float | None = None
    memory_final_gb: float | None = None
    memory_peak_gb: float | None = None
    memory_per_step_gb: list[float] = field(default_factory=list)
    n_atoms: int | None = None
    system_size: Any = None
    total_time_s: float | None = None
    steps_per_second: float | None = None
    timestamp: str = ""
    notes: str = ""
    memory_source: str = ""
    memory_verdict: str = ""
    calculations: int | None = None
    cache_hits: int | None = None
    first_call_ms: float | None = None
    warmup_frames: int | None = None
    warmup_ms: float | None = None
    compiled_frames: int | None = None
    compiled_ms: float | None = None
    slowest_frame: int | None = None
    parts_ms: dict[str, float] = field(default_factory=dict)
    journal: str = ""

    @property
    def memory_delta_gb(self) -> float | None:
        """Last sample less the first, GiB. Legacy: see `memory_verdict`."""
        if self.memory_final_gb is None or self.memory_initial_gb is None:
            return None
        return self.memory_final_gb - self.memory_initial_gb

    @property
    def memory_stable(self) -> bool | None:
        """Whether the two differ by less than 10 MiB. Legacy: see `memory_verdict`."""
        delta = self.memory_delta_gb
        return None if delta is None else abs(delta * MIB_PER_GIB) < STABLE_MIB

    @property
    def us_per_atom(self) -> float | None:
        """Mean latency over the number of atoms, us; None where frames differ in size."""
        return self.mean_latency_ms * 1e3 / self.n_atoms if self.n_atoms else None

    def summary(self) -> str:
        """Return the figures as a block of text, 80 columns wide."""
        return result_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields by name; properties are none."""
        return asdict(self)

    def save_json(self, path: str | os.PathLike[str]) -> None:
        """Write the fields as JSON, making folders as needed."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load_json(cls, path: str | os.PathLike[str]) -> MDProfileResult:
        """Read what `save_json` wrote, ours or the MLFF-Distiller profiler's; unknown keys are left out.

        Raises:
            ExperimentError: The file cannot be read or is no profile.
        """
        try:
            stored = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}; give the path of a saved profile"
            raise ExperimentError(message) from error
        except ValueError as error:
            message = f"{path} is no JSON ({error}): give the path of a saved profile"
            raise ExperimentError(message) from error
        known = {each.name for each in fields(cls)}
        found = (
            {key: value for key, value in stored.items() if key in known} if isinstance(stored, dict) else {}
        )
        try:
            return cls(**found)
        except TypeError as error:
            message = f"{path} is no profile of a trajectory: {str(error).partition(' ')[2]}"
            raise ExperimentError(message) from error
