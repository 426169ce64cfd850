"""Timing of functions and device code, as users of the MLFF-Distiller profiler know it."""

import json
import mmap
import subprocess
import sys
import time

import numpy as np
import pytest

from instrumented_calc import (
    BenchmarkResult,
    CUDATimer,
    benchmark_function,
    benchmark_md_trajectory,
    compare_implementations,
    print_comparison_table,
    timer_context,
)
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.mlff_distiller import benchmark

MIB = 2**20


def result_of(times, **changes):
    found = {"name": "b", "n_calls": len(times), "times_ms": times, "device": "cpu"}
    found |= {"memory_before_gb": 1.0, "memory_after_gb": 1.5, "peak_memory_gb": 2.0}
    return BenchmarkResult(**(found | changes))


@pytest.fixture(params=[None, "cpu", "torch.device('cpu')"])
def device(request):
    """Give no device, and the CPU by name and as torch's own object."""
    if request.param is None or request.param == "cpu":
        return request.param
    return pytest.importorskip("torch").device("cpu")


def new_memory() -> mmap.mmap:
    """Return a new mebibyte: memory freed by other tests would be reused, and the process would not grow."""
    pages = mmap.mmap(-1, MIB)
    pages.write(b"x" * MIB)
    return pages


class TestTimer:
    def test_it_measures_one_stretch_after_another_in_ms(self, device):
        timer = CUDATimer(device)
        for seconds in (0.01, 0.02):
            timer.start()
            time.sleep(seconds)
            assert timer.stop() >= 1000 * seconds
        assert timer.device is device

    def test_a_timer_that_was_not_started_reports_it(self):
        with pytest.raises(ExperimentError, match=r"call start\(\) first"):
            CUDATimer("cpu").stop()

    def test_on_the_cpu_no_event_of_a_device_is_used(self):
        torch = pytest.importorskip("torch")
        assert CUDATimer(torch.device("cpu")).use_cuda is False
        assert CUDATimer().use_cuda is torch.cuda.is_available()

    def test_it_never_imports_torch(self):
        code = (
            "import sys\n"
            "from instrumented_calc import CUDATimer, benchmark_function\n"
            "timer = CUDATimer('cuda')\n"
            "timer.start(), timer.stop()\n"
            "assert benchmark_function(int, n_calls=1, device='cuda').device == 'cpu'\n"
            "sys.exit('torch' in sys.modules)\n"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_a_block_is_timed_and_its_time_printed_even_if_it_fails(self, capsys):
        with pytest.raises(ArithmeticError), timer_context("block"):
            raise ArithmeticError
        assert capsys.readouterr().out.startswith("block: ")
        with timer_context(verbose=False) as timer:
            assert timer.stop() >= 0
        assert capsys.readouterr().out == ""


class TestResult:
    def test_its_statistics_match_its_times(self):
        result = result_of([1.0] * 49 + [100.0])
        assert (result.mean_ms, result.median_ms, result.min_ms, result.max_ms) == (2.98, 1.0, 1.0, 100.0)
        assert (result.p95_ms, result.p99_ms) == (1.0, 100.0)
        assert result.std_ms == pytest.approx(np.std(result.times_ms, ddof=1))
        assert result.memory_delta_gb == 0.5
        assert result.total_time_s == pytest.approx(0.149)
        assert result.calls_per_second == pytest.approx(50 / 0.149)

    def test_its_dictionary_has_the_groups_and_keys_of_the_other_profiler(self):
        found = json.loads(json.dumps(result_of([1.0, 3.0]).to_dict()))
        assert list(found) == ["name", "n_calls", "device", "latency_ms", "throughput", "memory_gb"]
        assert set(found["latency_ms"]) == {"mean", "std", "median", "min", "max", "p95", "p99"}
        assert found["throughput"] == {"calls_per_second": 500.0, "total_time_s": 0.004}
        assert found["memory_gb"] == {"before": 1.0, "after": 1.5, "delta": 0.5, "peak": 2.0}

    def test_its_summary_has_a_line_for_each_figure(self):
        reported = [line.split() for line in result_of([1.0, 3.0]).summary().splitlines()]
        for words in (
            ["Benchmark:", "b"],
            ["Device:", "cpu"],
            ["Calls:", "2"],
            ["Mean:", "2.0000", "ms", "+-", "1.4142"],
            ["Median:", "2.0000", "ms"],
            ["Max:", "3.0000", "ms"],
            ["P99:", "3.0000", "ms"],
            ["Calls/sec:", "500.0"],
            ["Delta:", "0.5000"],
            ["Peak:", "2.0000"],
        ):
            assert words in reported

    def test_without_times_there_is_no_result(self):
        with pytest.raises(ExperimentError, match="'b' has no times"):
            result_of([])


class TestBenchmarks:
    def test_a_function_is_called_as_often_as_asked_and_warm_up_is_not_counted(self, device):
        seen = []
        result = benchmark_function(
            lambda *args, **options: seen.append((args, options)),
            1,
            n_warmup=3,
            n_calls=5,
            device=device,
            key=2,
        )
        assert seen == [((1,), {"key": 2})] * 8
        assert (result.n_calls, len(result.times_ms), result.name, result.device) == (5, 5, "Function", "cpu")
        assert 0 < result.memory_before_gb <= result.peak_memory_gb

    @pytest.mark.parametrize("n_calls", [0, -1])
    def test_no_calls_are_refused_in_one_line(self, n_calls):
        with pytest.raises(ExperimentError, match=f"n_calls must be an integer from 1 to .*, not {n_calls}"):
            benchmark_function(int, n_calls=n_calls)
        with pytest.raises(ExperimentError, match=r"number of inputs must be an integer from 1 to .*, not 0"):
            benchmark_md_trajectory(int, [])

    def test_a_trajectory_is_one_call_for_each_input(self, device):
        seen = []
        result = benchmark_md_trajectory(seen.append, [1, 2, 3], n_warmup=2, device=device)
        assert seen == [1, 2, 1, 2, 3]
        assert (result.n_calls, result.name) == (3, "MD Trajectory")

    def test_memory_of_the_host_that_grows_all_along_is_warned_of(self):
        kept = []
        with pytest.warns(RuntimeWarning, match=r"memory grew by \d+\.\d\d MiB in 40 calls"):
            result = benchmark_md_trajectory(lambda _: kept.append(new_memory()), list(range(40)))
        assert result.memory_delta_gb * 1024 > 30
        assert result.peak_memory_gb >= result.memory_after_gb

    @pytest.mark.parametrize(
        ("options", "grows"),
        [
            ({"check_memory_leak": False}, lambda _: True),
            ({"leak_tolerance_mb": 1000.0}, lambda _: True),
            ({}, lambda number: number == 10),
        ],
    )
    def test_no_warning_by_default_below_the_tolerance_or_for_a_single_rise(self, options, grows):
        kept = []

        def call(number):
            if grows(number):
                kept.append(np.ones(20 * MIB // 8 if not options else MIB // 8))

        benchmark_md_trajectory(call, list(range(40)), n_warmup=0, **options)  # a warning would be an error
        assert kept

    def test_implementations_are_compared_and_printed(self, capsys):
        results = compare_implementations({"one": int, "two": float}, "3", n_warmup=1, n_calls=2)
        assert [each.name for each in results.values()] == ["one", "two"]
        assert capsys.readouterr().out == ""
        print_comparison_table({"one": result_of([2.0, 2.0]), "two": result_of([1.0, 1.0])})
        head, one, two = capsys.readouterr().out.splitlines()
        assert head.split()[0] == "Implementation"
        assert one.split() == ["one", "2.0000", "0.0000", "2.0000", "500.0", "2.0000", "1.00x"]
        assert two.split()[-1] == "2.00x"
        print_comparison_table({})

    def test_the_benchmarks_own_storage_is_not_a_leak(self):
        result = benchmark_function(int, n_warmup=0, n_calls=20_000)
        assert result.n_calls == 20_000
        assert benchmark.GIB * result.memory_delta_gb < 10 * MIB
