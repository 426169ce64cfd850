"""Profiles a calculator on a trajectory: the interface of the MLFF-Distiller profiler, on our recording."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.md_view import result_from_journal
from instrumented_calc.experiments.replay import check_frames, check_properties, replay
from instrumented_calc.run import is_switched_off, profiled, recording

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from instrumented_calc.experiments.md_result import MDProfileResult

ENERGY_AND_FORCES = ("energy", "forces")
UNLIMITED = 10**15  # bytes: a trajectory in memory has not so many frames that its rows had to be thinned


class MDProfiler:
    """Replays trajectories through calculators.

    ```python
    result = MDProfiler(warmup_steps=5).profile_calculator(calc, trajectory)
    print(result.summary())
    ```

    Args:
        device: Where the caller believes the model to be. Nothing is moved; a result that was measured
            elsewhere says so.
        profile_memory: Whether results have memory.
        warmup_steps: Frames to begin with that are kept apart: those after the first one, backwards, so that
            the trajectory then begins where they end. No more than the trajectory has.
        journal_dir: Where the journals go; a temporary folder, which stays, by default.
    """

    def __init__(
        self,
        device: str | None = None,
        profile_memory: bool = True,
        warmup_steps: int = 10,
        *,
        journal_dir: str | os.PathLike[str] | None = None,
    ) -> None:
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
    ) -> MDProfileResult:
        """Profile one calculator.

        Each frame is asked for the property that needs most first, as dynamics asks, so that a calculator
        computes it once; frames are not changed.

        Args:
            calculator: Any ASE calculator, bare.
            trajectory: ASE atoms.
            properties: What to ask of each frame.
            check_memory_leak: Whether to warn where memory grows evenly to the end.
            name: What to call the result.

        Raises:
            ExperimentError: There are no frames, the calculator lacks a property or failed; the message names
                the frame, and the journal that has the frames before.
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
        if check_memory_leak and result.memory_verdict.startswith("flagged"):
            warnings.warn(
                f"{result.name}: {result.memory_source} memory grows: {result.memory_verdict}",
                RuntimeWarning,
                stacklevel=2,
            )
        return result

    def compare_calculators(
        self,
        calculators: Mapping[str, Any],
        trajectory: Sequence[Any],
        properties: Sequence[str] = ENERGY_AND_FORCES,
    ) -> dict[str, MDProfileResult]:
        """Profile several calculators on one trajectory; `comparison_table` shows the results.

        One that fails is left out with a RuntimeWarning.
        """
        results = {}
        for name, calculator in calculators.items():
            try:
                results[name] = self.profile_calculator(calculator, trajectory, properties, name=name)
            except ExperimentError as error:  # noqa: PERF203 - one that fails must not end the others
                warnings.warn(f"{name} is left out: {error}", RuntimeWarning, stacklevel=2)
        return results

    def _record(self, calculator: Any, frames: list[Any], asked: list[str]) -> tuple[Path, list[int]]:
        folder = self.journal_dir or Path(tempfile.mkdtemp(prefix="instrumented-calc-"))
        folder.mkdir(parents=True, exist_ok=True)
        ends: list[int] = []
        options = {"summary": False, "trace": "off", "max_journal": UNLIMITED}
        with profiled(calculator, folder / "run.jsonl", **options) as wrapped:
            handle = recording(wrapped)
            try:
                replay(frames, wrapped, asked, lambda _: ends.append(handle.calls))
            except ExperimentError as error:
                message = f"{error}; what was measured until then is in {handle.run.path}"
                raise ExperimentError(message) from error
            path = handle.run.path
        if path is None:
            message = f"{type(calculator).__name__} made no calculation that could be recorded"
            raise ExperimentError(message)
        return path, ends

    def _compare_device(self, result: MDProfileResult) -> None:
        wanted = (self.device or result.device).partition(":")[0]
        if wanted != result.device.partition(":")[0]:
            words = f"device={self.device!r} was given, but the model is on {result.device}"
            result.notes = "; ".join(filter(None, [result.notes, words]))


def profile_md_trajectory(
    calculator: Any,
    trajectory: Sequence[Any],
    device: str | None = None,
    properties: Sequence[str] = ENERGY_AND_FORCES,
    output_file: str | os.PathLike[str] | None = None,
) -> MDProfileResult:
    """Profile a calculator on a trajectory.

    Args:
        calculator: Any ASE calculator, bare.
        trajectory: ASE atoms.
        device: Where the caller believes the model to be, see `MDProfiler`.
        properties: What to ask of each frame.
        output_file: Where to save the result as JSON.

    Raises:
        ExperimentError: As `MDProfiler.profile_calculator` does.
    """
    result = MDProfiler(device=device).profile_calculator(calculator, trajectory, properties)
    if output_file is not None:
        result.save_json(output_file)
    return result


def comparison_table(results: Mapping[str, MDProfileResult]) -> str:
    """Return results as a table of plain text; speed-ups are those of the mean against the first one."""
    lines = [
        f"{'Calculator':<24}{'Mean ms':>12}{'P95 ms':>12}{'Steps/s':>12}{'Memory GiB':>12}{'Speedup':>10}"
    ]
    first = next(iter(results.values()), None)
    for name, result in results.items():
        speed = "-" if result.steps_per_second is None else f"{result.steps_per_second:.2f}"
        memory = "-" if result.memory_peak_gb is None else f"{result.memory_peak_gb:.3f}"
        faster = f"{first.mean_latency_ms / result.mean_latency_ms:.2f}x" if first else "-"
        lines.append(
            f"{name:<24}{result.mean_latency_ms:>12.3f}{result.p95_latency_ms:>12.3f}{speed:>12}{memory:>12}"
            f"{faster:>10}"
        )
    return "\n".join(lines)
