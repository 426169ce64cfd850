"""Planted, healthy and starved runs for the rules on processors, devices and numbers."""

from __future__ import annotations

import pytest

from instrumented_calc.journal.records import (
    Conversion,
    Conversions,
    Environment,
    Gpu,
    Machine,
    State,
    ThreadPool,
    TracedOperation,
    TraceWindow,
)

STARVED = "not enough evidence"
S = 1_000_000_000
CUDA = {"device": "cuda:0", "dtype": "float32"}
CPU = {"device": "cpu", "dtype": "float32"}


def threads(number, allowed=8, **more):
    pool = ThreadPool(library="blas", implementation="openblas", threads=number)
    return Environment(affinity=64, cgroup_cpus=float(allowed), threads_effective=[pool], **more)


def busy(run, processors):
    return run.every("cpu_ns", lambda each: int(each * 2_125_000 * processors), range(0, len(run.calls), 10))


def test_more_threads_than_the_quota_are_oversubscription(make, found):
    finding = found(busy(make(100, threads(64)), 8), "oversubscription")
    assert (finding.verdict, finding.severity) == ("flagged", "cost")
    assert finding.numbers["allowed"] == 8
    assert found(make(100, threads(8)), "oversubscription").verdict == "clear"
    assert found(make(100), "oversubscription").verdict == STARVED
    unused = found(busy(make(100, threads(64)), 1), "oversubscription")
    assert unused.severity == "info"


def test_a_quota_that_is_used_up_is_reported(make, found):
    machines = [
        Machine(time_ns=each * S, cgroup_periods=each * 100, cgroup_throttled=each * 50) for each in range(3)
    ]
    assert found(make(100, threads(8)).also(*machines), "oversubscription").verdict == "flagged"


def test_one_thread_on_many_processors_leaves_cores_idle(make, found):
    assert found(busy(make(100, threads(1)), 1), "idle-cores").verdict == "flagged"
    assert found(busy(make(100, threads(8)), 6), "idle-cores").verdict == "clear"
    assert found(make(100, threads(1)), "idle-cores").verdict == STARVED


def test_a_model_on_the_cpu_beside_a_gpu_is_reported(make, found):
    beside = Environment(torch={"devices": ["NVIDIA H200"]})
    assert found(make(100, beside, CPU), "accelerator-idle").verdict == "flagged"
    unused = Environment(torch={"unused_devices": "NVIDIA H200"})
    assert "has NVIDIA H200" in found(make(100, unused, CPU), "accelerator-idle").headline
    assert found(make(100), "accelerator-idle").verdict == "clear"
    assert found(make(100, Environment(torch={}), CPU), "accelerator-idle").verdict == STARVED
    idle = [Machine(time_ns=each * S, gpus=[Gpu(index=0, utilization_percent=1)]) for each in range(60)]
    assert found(make(100, beside, CUDA).also(*idle), "accelerator-idle").verdict == "flagged"


@pytest.mark.parametrize(("others", "expected"), [(1, "flagged"), (0, "clear"), (None, STARVED)])
def test_a_gpu_with_other_processes_is_not_comparable(make, verdict, others, expected):
    gpu = Gpu(index=0) if others is None else Gpu(index=0, other_processes=others)
    run = make(100, model=CUDA).also(*(Machine(time_ns=each * S, gpus=[gpu]) for each in range(20)))
    assert verdict(run, "shared-gpu") == expected


def test_a_hot_gpu_with_slower_calls_is_throttled(make, found):
    def clocked(late):
        gpus = [
            Gpu(index=0, sm_clock_mhz=1965 if each < 10 else late, slowed_by=["thermal"] if each > 9 else [])
            for each in range(20)
        ]
        run = make(500, model=CUDA).every("wall_ns", lambda each: 2_000_000 + 1000 * each)
        return run.also(*(Machine(time_ns=each * S, gpus=[gpu]) for each, gpu in enumerate(gpus)))

    assert found(clocked(1580), "throttling").verdict == "flagged"
    assert found(clocked(1950), "throttling").verdict == "clear"
    assert found(make(500, model=CUDA), "throttling").verdict == STARVED


def test_waiting_for_the_device_repeatedly_is_reported(make, verdict):
    def waiting(number):
        waits = Conversion(kind="sync", source="item", calls=number, ns=1000)
        return make(100, model=CUDA).also(Conversions(time_ns=1, conversions=[waits]))

    assert verdict(waiting(5000), "transfers") == "flagged"
    assert verdict(waiting(100), "transfers") == "clear"
    assert verdict(make(100, model=CUDA), "transfers") == STARVED


def test_arrays_that_are_copied_onto_the_device_count_as_copies(make, verdict):
    def copying(target):
        copies = Conversion(
            kind="numpy to torch", source="float64@cpu", target=target, calls=5000, ns=1000, bytes=1
        )
        return make(100, model=CUDA).also(Conversions(time_ns=1, conversions=[copies]))

    assert verdict(copying("float32@cuda:0"), "transfers") == "flagged"
    assert verdict(copying("float32@cpu"), "transfers") == "clear"


def test_the_copies_that_every_call_needs_pay_for_no_kernel_before_them(make, verdict):
    def copying(number):
        copies = Conversion(
            kind="device to host", source="float32@cuda:0", target="float32@cpu", calls=number, ns=10**8
        )
        return make(100, model=CUDA).also(Conversions(time_ns=1, conversions=[copies]))

    assert verdict(copying(200), "transfers") == "clear"
    assert verdict(copying(1000), "transfers") == "flagged"


def test_waits_inside_torch_are_found_in_traced_calls(make, found):
    def traced(waits):
        result = Conversion(kind="sync", source="item", calls=100, ns=1000)
        window = TraceWindow(
            window=1,
            tracer="torch.profiler",
            index=50,
            calls=2,
            start_ns=0,
            wall_ns=10**7,
            profiler_ns=0,
            operations=[TracedOperation("cudaStreamSynchronize", waits, self_ns=10**6)],
            launches=100,
            device_busy_ns=10**6,
        )
        return make(100, model=CUDA).also(Conversions(time_ns=1, conversions=[result]), window)

    finding = found(traced(80), "transfers")
    assert finding.verdict == "flagged"
    assert finding.numbers["waits_in_traced_calls"] == 40
    assert found(traced(4), "transfers").verdict == "clear"


def test_reduced_precision_is_a_note(make, found):
    reduced = Environment(torch={"float32_matmul_precision": "high"})
    nve = found(make(100, reduced, CUDA, ensemble="NVE"), "reduced-precision")
    assert (nve.verdict, nve.severity) == ("flagged", "info")
    assert nve.headline.endswith("(high), in a run that conserves energy or converges forces")
    published = {**CUDA, "precision": "float32-high (TF32 on)"}
    note = found(make(100, Environment(torch={"tf32_matmul": True}), published), "reduced-precision")
    assert (note.verdict, note.severity) == ("flagged", "info")
    exact = Environment(torch={"float32_matmul_precision": "highest", "tf32_matmul": False})
    assert found(make(100, exact, CUDA), "reduced-precision").verdict == "clear"
    assert found(make(100, reduced, CPU, ensemble="NVE"), "reduced-precision").verdict == "clear"
    assert found(make(100, Environment(), CUDA), "reduced-precision").verdict == STARVED


@pytest.mark.parametrize(
    ("device", "expected"),
    [("NVIDIA RTX A4000", "flagged"), ("NVIDIA H200", "clear"), ("Some new thing", STARVED)],
)
def test_double_precision_is_slow_on_some_gpus(make, verdict, device, expected):
    run = make(100, Environment(torch={"devices": [device]}), {"device": "cuda:0", "dtype": "float64"})
    assert verdict(run, "slow-double") == expected


def test_double_precision_on_a_cpu_is_information(make, found):
    finding = found(make(100, model={"device": "cpu", "dtype": "float64"}), "slow-double")
    assert (finding.verdict, finding.severity) == ("flagged", "info")
    assert found(make(100, model={"device": "cpu", "dtype": "float32"}), "slow-double").verdict == "clear"


def test_edges_that_vanish_as_atoms_leave_the_cell_may_make_results_wrong(make, found):
    run = make(200).every("counts", lambda each: {"edges": 3200 - 4 * each})
    assert found(run, "lost-edges").verdict == STARVED
    states = [
        State(index=each, farthest_cells=1 + each / 100, volume_a3=1000.0) for each in range(0, 200, 20)
    ]
    assert found(run.also(*states), "lost-edges").verdict == "flagged"
    even = make(200).every("counts", lambda _: {"edges": 3200})
    assert found(even, "lost-edges").verdict == "clear"


def test_a_result_that_is_not_a_number_is_first_class(make, found):
    finding = found(make(100).also(State(index=7, non_finite=["forces"])), "non-finite")
    assert (finding.verdict, finding.severity) == ("flagged", "wrong")
    assert "call 7" in finding.headline
    assert found(make(100).also(State(index=7)), "non-finite").verdict == "clear"
    assert found(make(100), "non-finite").verdict == STARVED
