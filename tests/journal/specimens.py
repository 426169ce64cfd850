"""Journals that hold every kind of record, for damage to be done to."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
from tests.journal.buckets import bucket_of

from instrumented_calc.journal import records as r

GOLDEN = Path(__file__).parent / "golden"
MS = 1_000_000


def encoded(*made: msgspec.Struct) -> bytes:
    """Return records as lines."""
    return msgspec.json.Encoder().encode_lines(made)


def start(run_id: str = "specimen", **fields) -> r.RunStart:
    """Return the first record of a journal on a machine that says all it can."""
    environment = r.Environment(
        host="node1",
        python="CPython 3.11.7",
        cpu="a processor",
        cpu_count=8,
        affinity=4,
        cgroup_cpus=2.5,
        memory_bytes=8 * 2**30,
        threads_wanted={"OMP_NUM_THREADS": "8"},
        threads_effective=[r.ThreadPool(library="blas", implementation="openblas", threads=8)],
        torch_threads=[8, 8],
        torch={
            "default_dtype": "float32",
            "float32_matmul_precision": "high",
            "tf32_matmul": True,
            "devices": ["A100"],
        },
        libraries=[r.Library("ase", "3.26.0"), r.Library("numpy", "2.1.0")],
        scheduler={"name": "slurm", "job_id": "17"},
    )
    essential = {"schema": r.SCHEMA, "run_id": run_id, "started": "2026-01-01T00:00:00Z", "pid": 7}
    more = {"command": ["python", "md.py"], "settings": {"trace": "auto"}, "environment": environment}
    return r.RunStart(version="0.1.0", **essential, **more, **fields)


def call(index: int, **fields) -> r.Call:
    """Return a row that took a millisecond."""
    return r.Call(
        index=index, start_ns=index * 2 * MS, wall_ns=MS + index % 7, gap_ns=MS, step=index, **fields
    )


def opening() -> list[msgspec.Struct]:
    """Return the records before the rows."""
    model = {"name": "Net", "parameters": 10**6, "dtype": "float32", "device": "cuda:0", "compiled": False}
    model |= {
        "library": "torch 2.5",
        "precision": "float32-high",
        "conservative": True,
        "species": ["H", "O"],
    }
    lane = r.Lane(lane=0, calculator="net.Net", seen_by="twin", n_atoms=32, formula="Si32", model=model)
    return [
        start(),
        r.describe_fields(),
        lane,
        r.ComputedSystem(0, "Si32"),
        r.Phase(phase=0, driver="Verlet", kind="md", index=0, ensemble="NVE", timestep_fs=1.0),
    ]


def full_row(index: int) -> r.Call:
    """Return a row with most fields."""
    row = call(
        index,
        components={"graph": 400_000, "head": 300_000},
        counts={"edges": 1000 + index, "neighbour list builds": 1},
        device_ns={"graph": 200_000},
        energy_ev=-1.5 if index % 11 else math.nan,
        cpu_ns=index * 2 * MS,
        rss_bytes=2**28 + 4096 * index,
        minor_faults=index,
        major_faults=0,
        preemptions=index // 9,
        self_ns=index * 1500,
        device_allocated_bytes=2**27 + 512 * index,
        device_reserved_bytes=2**28,
        device_free_bytes=2**30,
    )
    if index % 50 == 0:
        row.lane, row.phase, row.n_atoms = 0, 0, 32
        row.properties, row.changes, row.system = ["energy", "forces"], ["positions"], 0
    if index % 13 == 0:
        row.gc_ns, row.gc_generation, row.compile_ns = 200_000, 2, {"forward": 300_000}
    if index == 40:
        row.failure = "RuntimeError"
    if 60 <= index < 64:
        row.window = 1
    return row


def beside(index: int) -> list[msgspec.Struct]:
    """Return the other records that stand behind some row."""
    time = index * 2 * MS
    looks = r.Operands(["float64[2,3]", "float64[3,4]"], 3, 3000, 3e6, "net.py:12", sampled=True)
    made = [
        r.Contraction("ij,jk->ik", "numpy", 8, "graph", operands=[looks], timed=2, ns=1000, squares_ns2=5e5),
        r.Contraction("bi,io->bo", "torch", 5, "head", operands=[r.Operands(["float32[4,8]@cuda:0"] * 2, 5)]),
        r.Contraction("ij,j->i", "jax", 2, scope="Net/embedding", einsum="ij,j->i", uncertain=True),
    ]
    converted = r.Conversion("numpy to torch", "float64@cpu", 4, 5000, "float32@cuda:0", 4096, "graph")
    return [
        r.Contractions(time_ns=time, contractions=made),
        r.Conversions(time_ns=time, conversions=[converted]),
        r.ProductTimes(time, MS, [r.ProductTime("ij,jk->ik", "numpy", ["float64[9,9]"] * 2, 800, 30)]),
        r.State(
            index=index,
            kinetic_ev=math.nan if index == 100 else 1.0,
            conserved_ev=-2.0 + 1e-6 * index,
            volume_a3=1000.0,
            farthest_cells=0.9,
            step=index,
            potential_ev=-3.0,
            temperature_k=300.0 + index % 7,
            target_k=300.0,
            centre_kinetic_ev=0.001,
            pressure_gpa=0.1,
            target_gpa=0.0,
            force_norm_ev_a=2.0,
            force_weighted_ev_a=0.5,
            largest_force_ev_a=1.0,
            largest_force_atom=index % 4,
            shortest_distance_a=2.4,
            extent_a=9.0,
            fixed_atoms=1,
            acting_constraints=["Hookean"],
        ),
        r.Machine(
            time_ns=time,
            cgroup_periods=index,
            cgroup_throttled=index // 2,
            pss_bytes=2**27 + index,
            jax_bytes=2**20 + index,
            gpus=[r.Gpu(0, 40, 1400, 2**30, ["power"], 1)],
        ),
        r.Tally(time_ns=time, counters=r.Counters(calls=index, get_property=3 * index, cache_hits=index)),
    ]


def ending(calls: int) -> list[msgspec.Struct]:
    """Return the records after the rows."""
    traced = [
        r.TracedOperation("aten::mm", 8, "graph", "[2,3] [3,4]", 9000, 8000),
        r.TracedOperation("*between operations*", 8, self_ns=500),
    ]
    return [
        r.TraceWindow(
            1, "torch.profiler", 60, 4, 60 * 2 * MS, 4 * MS, 10**6, traced, 0, 30, 5 * 10**5, "t.json"
        ),
        r.Places(
            time_ns=calls * 2 * MS,
            samples=3,
            ns=3 * 10**8,
            squares_ns2=3e16,
            lines=[r.CodeLine("dumps", "json"), r.CodeLine("Net.calculate", "", "net.py", 43)],
            stacks=[
                r.SampledStack("calculator", 2, 2 * 10**8, "graph", [0, 1], 2),
                r.SampledStack("driver", 1, 10**8),
            ],
        ),
        r.StepProfiles(
            time_ns=calls * 2 * MS,
            steps=2,
            usual_ns=4 * MS,
            profiler_ns=MS,
            functions=[
                r.ProfiledFunction("calculator", 6, 3 * MS, "Net.calculate", "", "net.py", 40),
                r.ProfiledFunction("other", 2, MS, "VelocityVerlet.step", "ase"),
            ],
            skipped={"too long": 1},
        ),
        r.Observers(
            time_ns=calls * 2 * MS,
            drivers=1,
            observers=[
                r.ObserverTime("write_frame", 15, 2 * MS, "", "md.py", 12),
                r.ObserverTime("MDLogger", 15, MS, "ase"),
            ],
        ),
        r.Finding(rule="host-growth", text="memory grows", time_ns=9, numbers={"kb_per_step": 4.0}),
        r.Notice(kind="mark", text="equilibrated", time_ns=5, details={"at": 3}),
        r.RunEnd("closed", calls * 2 * MS, "2026-01-01T01:00:00Z", r.Counters(calls=calls), "specimen"),
    ]


def whole(rows: int = 150) -> bytes:
    """Return a journal with every row in full."""
    made = opening()
    for index in range(rows):
        made.append(full_row(index))
        if index % 10 == 0:
            made += beside(index)
    return encoded(*made, *ending(rows))


def thinned(slices: int = 25) -> bytes:
    """Return a truncated journal with most calls in slices."""
    made = opening() + [full_row(index) for index in range(40)]
    for number in range(slices):
        begin = (40 + 100 * number) * 2 * MS
        made.append(
            r.Slice(
                start_ns=begin,
                end_ns=begin + 200 * MS,
                calls=100,
                nested=2,
                failed=1,
                unchanged=1,
                wall_ns=99 * MS,
                gap_ns=100 * MS,
                min_ns=MS - 100,
                max_ns=MS + 5000,
                squares_ns2=99.0 * MS * MS,
                atom_calls=3200,
                histogram=[(bucket_of(MS), 90), (bucket_of(MS + 5000), 9)],
                phase=0,
                first_step=40 + 100 * number,
                last_step=139 + 100 * number,
                components={"graph": 40 * MS, "head": 30 * MS},
                observers_ns=5 * MS,
            )
        )
        sampled = full_row(40 + 100 * number)
        sampled.sliced = True
        made += [sampled, *beside(40 + 100 * number)]
    return encoded(*made) + b'{"event":"call","index":'


def specimens() -> list[bytes]:
    """Return the journals: both of these, and those of earlier versions."""
    return [whole(), thinned(), *(path.read_bytes() for path in sorted(GOLDEN.glob("*.jsonl")))]
