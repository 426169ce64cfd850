"""Warp's compilation of kernels is charged to the call that waited for it."""

import sys
from contextlib import contextmanager
from time import perf_counter_ns
from types import ModuleType, SimpleNamespace

import pytest
from msgspec import UNSET

from instrumented_calc.capture.open_calls import Entry, active
from instrumented_calc.capture.probes.warp_compile import MODULE, WarpCompileProbe

MS = 1_000_000


@pytest.fixture
def warp(monkeypatch, exact_clock):
    """Stand in for Warp's module, whose compilation takes 4 ms."""

    def build_cpu(path):
        """Compile for processors."""
        exact_clock.advance(4 * MS)
        return {"kernel.o": path, "other.o": path}[path]

    module = ModuleType(MODULE)
    module.build_cpu = build_cpu
    monkeypatch.setitem(sys.modules, MODULE, module)
    return module


@contextmanager
def open_call(clock):
    """Open a call in this thread as a recorder does."""
    entry = Entry(0, SimpleNamespace(clock=clock))
    active.stack.append(entry)
    yield entry
    active.stack.remove(entry)


@pytest.fixture
def probe():
    probe = WarpCompileProbe()
    yield probe
    probe.close()


def test_the_call_that_waited_for_a_compilation_carries_its_time(warp, probe, exact_clock):
    with open_call(exact_clock) as call:
        assert warp.build_cpu("kernel.o") == "kernel.o"
        warp.build_cpu("other.o")
    assert call.extras["compile_ns"] == {"Warp kernels": 8 * MS}
    with open_call(exact_clock) as call:
        pass
    assert call.extras is UNSET


def test_an_error_of_the_compiler_passes_and_its_time_counts(warp, probe, exact_clock):
    with open_call(exact_clock) as call, pytest.raises(KeyError, match=r"broken\.o"):
        warp.build_cpu("broken.o")
    assert call.extras["compile_ns"] == {"Warp kernels": 4 * MS}


def test_compilation_outside_calls_is_not_recorded(warp, probe):
    assert warp.build_cpu("kernel.o") == "kernel.o"
    assert warp.build_cpu.__doc__ == "Compile for processors."


def test_warp_may_be_loaded_during_the_run(monkeypatch, warp, exact_clock):
    with monkeypatch.context() as before:
        before.delitem(sys.modules, MODULE)
        probe = WarpCompileProbe()
    probe.look()
    with open_call(exact_clock) as call:
        warp.build_cpu("kernel.o")
    assert call.extras["compile_ns"] == {"Warp kernels": 4 * MS}
    probe.close()


def test_the_last_run_restores_warps_function(warp, exact_clock):
    real = warp.build_cpu
    first, second = WarpCompileProbe(), WarpCompileProbe()
    first.close()
    first.close()
    assert warp.build_cpu is not real
    with open_call(exact_clock) as call:
        warp.build_cpu("kernel.o")
    assert call.extras["compile_ns"] == {"Warp kernels": 4 * MS}
    second.close()
    assert warp.build_cpu is real


@pytest.mark.filterwarnings("ignore")  # those of Warp
def test_a_real_kernel_is_compiled_in_its_first_launch(tmp_path, monkeypatch):
    wp = pytest.importorskip("warp")

    @wp.kernel
    def double(x: wp.array(dtype=float)):
        i = wp.tid()
        x[i] = 2.0 * x[i]

    wp.init()
    monkeypatch.setattr(wp.config, "kernel_cache_dir", str(tmp_path))
    x = wp.ones(3, dtype=float, device="cpu")
    probe = WarpCompileProbe()
    for compiles in (True, False):
        with open_call(perf_counter_ns) as call:
            began = perf_counter_ns()
            wp.launch(double, dim=3, inputs=[x], device="cpu")
            took = perf_counter_ns() - began
        assert (call.extras is not UNSET) is compiles
        assert not compiles or 0 < call.extras["compile_ns"]["Warp kernels"] <= took
    probe.close()
    assert x.numpy().tolist() == [4.0, 4.0, 4.0]
