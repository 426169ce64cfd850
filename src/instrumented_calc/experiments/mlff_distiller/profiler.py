"""Profiles a calculator on a trajectory: the interface of the MLFF-Distiller profiler, with our recording."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.api import is_switched_off, profiled, recording
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.mlff_distiller.from_journal import result_from_journal
from instrumented_calc.experiments.mlff_distiller.timer import device_type
from instrumented_calc.experiments.ranges import MOST_STEPS, check_whole
from instrumented_calc.experiments.replay import check_frames, check_properties, replay

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from instrumented_calc.experiments.mlff_distiller.recorded_result import RecordedProfile
    from instrumented_calc.experiments.mlff_distiller.result import MDProfileResult

ENERGY_AND_FORCES = ("energy", "forces")
UNLIMITED = 10**15  # bytes: a trajectory in memory never has enough frames for thinning


class MDProfiler:
    """Replays trajectories through calculators.

    ```python
    result = MDProfiler(warmup_steps=5).profile_calculator(calc, trajectory)
    print(result.summary())
    ```

    Args:
        device: The device on which the model is expected, as a `torch.device` or its name. Nothing is moved;
            the notes of a result say if the model was elsewhere.
        profile_memory: Whether results have memory figures.
        warmup_steps: Number of frames run first and excluded from the figures: those after the first frame,
            backwards, so that the trajectory then starts where they end. At most the number of frames.
        journal_dir: Folder for the journals; by default a new temporary folder, which is not removed.

    Raises:
        ExperimentError: `warmup_steps` is out of range.
    """

    def __init__(
        self,
        device: Any = None,
        profile_memory: bool = True,
        warmup_steps: int = 10,
        *,
        journal_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        check_whole("warmup_steps", warmup_steps, 0, MOST_STEPS)
        self.device = device
        self.profile_memory = profile_memory
        self.warmup_steps = warmup_steps
        self.journal_dir = None if journal_dir is None else Path(journal_dir)

    def profile_calculator(
        self,
        calculator: Any,
        trajectory: Sequence[Any],
        properties: Sequence[str] = ENERGY_AND_FORCES,
        check_memory_leak: bool = True,
        name: str | None = None,
    ) -> RecordedProfile:
        """Profile one calculator.

        The most expensive property is requested first for each frame, as dynamics does, so that a calculator
        computes the frame once; frames are not changed.

        Args:
            calculator: Any ASE calculator, not wrapped.
            trajectory: ASE atoms.
            properties: Properties to request for each frame.
            check_memory_leak: Whether to warn, with a RuntimeWarning, if memory keeps growing to the end.
            name: Name of the result; the model's name by default.

        Raises:
            ExperimentError: There are no frames, or the calculator lacks a property or failed; the message
                names the frame, and the journal with the frames before it.
        """
        trajectory = list(trajectory)
        check_frames(trajectory, "the trajectory")
        asked = check_properties(calculator, list(properties))
        if is_switched_off():
            message = "INSTRUMENTED_CALC=off: nothing would be recorded; unset it to profile"
            raise ExperimentError(message)
        before = trajectory[min(self.warmup_steps, len(trajectory) - 1) : 0 : -1]
        path, ends = self._record(calculator, [*before, *trajectory], asked)
        result = result_from_journal(
            path, name=name, ends=ends, warmup=len(before), memory=self.profile_memory
        )
        self._compare_device(result)
        if check_memory_leak:
            warn_of_growth(result)
        return result

    def compare_calculators(
        self,
        calculators: Mapping[str, Any],
        trajectory: Sequence[Any],
        properties: Sequence[str] = ENERGY_AND_FORCES,
    ) -> dict[str, RecordedProfile]:
        """Profile several calculators on one trajectory; `comparison_table` shows the results.

        A failing one is skipped with a RuntimeWarning.
        """
        results = {}
        for name, calculator in calculators.items():
            try:
                results[name] = self.profile_calculator(calculator, trajectory, properties, name=name)
            except ExperimentError as error:  # noqa: PERF203 - one failure must not end the others
                warnings.warn(f"{name} was skipped: {error}", RuntimeWarning, stacklevel=2)
        return results

    def _record(self, calculator: Any, frames: list[Any], asked: list[str]) -> tuple[Path, list[int]]:
        folder = self.journal_dir or Path(tempfile.mkdtemp(prefix="instrumented-calc-"))
        folder.mkdir(parents=True, exist_ok=True)
        ends: list[int] = []
        journal = folder / "run.jsonl"
        with profiled(calculator, journal, summary=False, trace="off", max_journal=UNLIMITED) as wrapped:
            handle = recording(wrapped)
            try:
                replay(frames, wrapped, asked, lambda _: ends.append(handle.calls or 0))
            except ExperimentError as error:
                message = f"{error}; the measurements so far are in {handle.run.path}"
                raise ExperimentError(message) from error
            path = handle.run.path
        if path is None:
            message = f"{type(calculator).__name__} made no recordable calculation"
            raise ExperimentError(message)
        return path, ends

    def _compare_device(self, result: RecordedProfile) -> None:
        if self.device is None or device_type(self.device) == device_type(result.device):
            return
        words = f"device {str(self.device)!r} was given, but the model was not found there"
        result.notes = f"{words}; {result.notes}"


def profile_md_trajectory(
    calculator: Any,
    trajectory: Sequence[Any],
    device: Any = None,
    properties: Sequence[str] = ENERGY_AND_FORCES,
    output_file: str | os.PathLike[str] | None = None,
) -> RecordedProfile:
    """Profile a calculator on a trajectory.

    Args:
        calculator: Any ASE calculator, not wrapped.
        trajectory: ASE atoms.
        device: The device on which the model is expected, see `MDProfiler`.
        properties: Properties to request for each frame.
        output_file: File for the result as JSON.

    Raises:
        ExperimentError: As `MDProfiler.profile_calculator` does.
    """
    result = MDProfiler(device=device).profile_calculator(calculator, trajectory, properties)
    if output_file is not None:
        result.save_json(output_file)
    return result


def warn_of_growth(result: RecordedProfile) -> None:
    """Warn, with a RuntimeWarning in the caller's caller, if memory keeps growing to the end."""
    if result.memory_verdict.startswith("flagged"):
        warnings.warn(
            f"{result.name}: {result.memory_source} memory grows: {result.memory_verdict}",
            RuntimeWarning,
            stacklevel=3,
        )


def comparison_table(results: Mapping[str, MDProfileResult]) -> str:
    """Return results as a table of plain text; speed-ups are ratios of the mean latency to the first one."""
    lines = [
        f"{'Calculator':<24}{'Mean ms':>12}{'P95 ms':>12}{'Steps/s':>12}{'Memory GiB':>12}{'Speedup':>10}"
    ]
    first = next(iter(results.values()), None)
    for name, result in results.items():
        speed = f"{result.steps_per_second:.2f}" if result.steps_per_second else "-"
        memory = f"{result.memory_peak_gb:.3f}" if result.memory_measured else "-"
        mean = result.mean_latency_ms
        faster = f"{first.mean_latency_ms / mean:.2f}x" if first and mean else "-"
        lines.append(
            f"{name:<24}{mean:>12.3f}{result.p95_latency_ms:>12.3f}{speed:>12}{memory:>12}{faster:>10}"
        )
    return "\n".join(lines)
