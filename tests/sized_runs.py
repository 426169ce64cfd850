"""Journals of dynamics at one size, whose time and memory are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from instrumented_calc.journal import records

if TYPE_CHECKING:
    from pathlib import Path

MS, CALLS = 1_000_000, 40


def write_run(  # noqa: PLR0913 - keyword-only but for file, size and time
    path: Path,
    n_atoms: int,
    step_ms: float,
    *,
    megabytes: float = 100.0,
    device_mb: float | None = None,
    cores: int = 8,
    timestep: float | msgspec.UnsetType = 2.0,
    threads: int = 1,
) -> None:
    """Write a run of MD: half of each step in the calculator, one busy processor, a device of 5 GB."""
    environment = records.Environment(
        affinity=cores,
        memory_bytes=10**9,
        threads_effective=[records.ThreadPool("blas", "openblas", threads)],
    )
    start = records.RunStart(
        schema=records.SCHEMA,
        run_id="r",
        started="2026-01-01T00:00:00Z",
        pid=1,
        version="0.1.0",
        before_ns=1000 * MS,
        environment=environment,
    )
    lane = records.Lane(0, "EMT", "twin", n_atoms=n_atoms)
    phase = records.Phase(0, "ase.md.verlet.VelocityVerlet", "md", 0, timestep_fs=timestep)
    step_ns = int(step_ms * MS)
    device: dict[str, int] = {}
    if device_mb is not None:
        held = int(device_mb * 1e6)
        device = {"device_allocated_bytes": held, "device_reserved_bytes": held}
        device["device_free_bytes"] = 5 * 10**9 - held
    calls = [
        records.Call(
            index=n,
            lane=0,
            phase=0,
            step=n,
            n_atoms=n_atoms,
            start_ns=500 * MS + n * step_ns,
            wall_ns=step_ns // 2,
            rss_bytes=int(megabytes * 1e6),
            cpu_ns=n * step_ns,
            **device,
        )
        for n in range(CALLS)
    ]
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (start, lane, phase, *calls)))
