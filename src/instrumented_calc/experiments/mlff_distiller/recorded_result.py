"""A profile read from a journal: the plain result, and figures that only a recording has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from instrumented_calc.experiments.mlff_distiller.result import MDProfileResult, result_text
from instrumented_calc.experiments.mlff_distiller.text import line

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class RecordedProfile(MDProfileResult):
    """An `MDProfileResult` with the figures of its journal.

    The fields below are not saved as JSON, which has the 25 keys of `MDProfileResult` only: the journal has
    them all, and the notes name it. Percentiles are latencies that occurred, and the standard deviation
    divides by n - 1 (0 for a single latency).

    Attributes:
        memory_source: Which memory was sampled: `host resident` or `device allocated`.
        memory_verdict: Whether memory grows: `flagged`, `clear` or `not enough evidence`, with the reason.
        calculations: Calculations made for the frames.
        cache_hits: Requests answered without a calculation.
        first_call_ms: Duration of the very first calculation, ms.
        warmup_frames: Frames run before the trajectory; no figure above includes them.
        warmup_ms: Duration of the warm-up frames, ms.
        compiled_frames: Frames in which something was compiled; they are not among the latencies.
        compiled_ms: Duration of those frames, ms.
        slowest_frame: Index of the frame with the longest latency.
        parts_ms: Mean time per frame in each timed part, ms; with `other` they sum to the mean latency.
        journal: Path of the journal.
    """

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

    def summary(self) -> str:
        """Return the figures as a block of text, 80 columns wide."""
        return result_text(self, self._recording(), self._parts())

    def _recording(self) -> Iterator[str]:
        yield "Recording:"
        if self.calculations is not None:
            yield line("Calls", f"{self.calculations} calculations, {self.cache_hits} cache hits")
        if self.slowest_frame is not None:
            yield line("Slowest", f"frame {self.slowest_frame}")
        if self.first_call_ms is not None:
            yield line("First call", f"{self.first_call_ms:10.4f} ms")
        if self.warmup_frames and self.warmup_ms is not None:
            yield line("Warm-up", f"{self.warmup_ms:10.4f} ms in {self.warmup_frames} frames")
        if self.compiled_frames and self.compiled_ms is not None:
            yield line("Compilation", f"{self.compiled_ms:10.4f} ms in {self.compiled_frames} frames")
        if self.memory_verdict:
            yield line("Memory", f"{self.memory_source}, growth {self.memory_verdict}")

    def _parts(self) -> Iterator[str]:
        yield "Timed parts:"
        if (self.energy_time_ms, self.forces_time_ms, self.stress_time_ms) == (None, None, None):
            yield "  energy, forces and stress are not separable"
        for name, time in self.parts_ms.items():
            yield line(name, f"{time:10.4f} ms")
