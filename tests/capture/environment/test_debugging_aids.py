"""Debugging aids that are on are recorded with their settings, and nothing is loaded to look for them."""

import cProfile
import gc
import sys
import tracemalloc
from types import SimpleNamespace

import pytest

from instrumented_calc.capture.environment.debugging_aids import debugging_aids


@pytest.fixture
def nothing_else():
    """Return what the tests themselves run under, such as coverage."""
    return debugging_aids()


def new_aids(before):
    return {name: value for name, value in debugging_aids().items() if before.get(name) != value}


def test_aids_of_python_are_found_while_they_are_on(nothing_else):
    traced = tracemalloc.is_tracing()
    kept = gc.get_threshold()
    if not traced:
        tracemalloc.start(7)
    gc.set_threshold(10)
    gc.set_debug(gc.DEBUG_UNCOLLECTABLE)
    try:
        found = debugging_aids()
    finally:
        gc.set_debug(0)
        gc.set_threshold(*kept)
        if not traced:
            tracemalloc.stop()
    assert found["gc.set_threshold"] == "10"
    assert found["gc.set_debug"] == str(gc.DEBUG_UNCOLLECTABLE)
    assert found["tracemalloc"] == "7 frames" or traced
    assert new_aids(nothing_else) == {}


def test_trace_functions_and_profilers_are_named_without_their_own_code(nothing_else):
    class Tracer:
        def __getattr__(self, name):
            raise AssertionError(name)

        def __call__(self, *_):
            return None

    kept = sys.gettrace()
    sys.settrace(Tracer())
    try:
        found = debugging_aids()["sys.settrace"]
    finally:
        sys.settrace(kept)
    assert found.endswith("Tracer")
    profile = cProfile.Profile()
    profile.enable()
    try:
        found = new_aids(nothing_else)
    finally:
        profile.disable()
    assert any("cProfile" in value or "Profiler" in value for value in found.values())


def test_variables_count_where_their_library_is_loaded(nothing_else):
    variables = {
        "NUMBA_DISABLE_JIT": "1",
        "CUDA_LAUNCH_BLOCKING": "1",
        "TORCH_LOGS": "",
        "PYTHONMALLOC": "debug",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        for name in ("numba", "torch", "jax"):
            patch.delitem(sys.modules, name, raising=False)
        assert new_aids(nothing_else) == {"PYTHONMALLOC": "debug"}
        for name in ("numba", "torch"):
            patch.setitem(sys.modules, name, SimpleNamespace())  # a library that is loaded in part
        assert set(new_aids(nothing_else)) == {"PYTHONMALLOC", "NUMBA_DISABLE_JIT"}
        cuda = SimpleNamespace(is_initialized=lambda: True)
        patch.setitem(sys.modules, "torch", SimpleNamespace(is_anomaly_enabled=lambda: True, cuda=cuda))
        settings = SimpleNamespace(jax_debug_nans=True, jax_disable_jit=False)
        patch.setitem(sys.modules, "jax", SimpleNamespace(config=settings))
        found = new_aids(nothing_else)
    assert found["CUDA_LAUNCH_BLOCKING"] == "1"
    assert found["torch.autograd.set_detect_anomaly"] == found["jax_debug_nans"] == "on"
    assert "jax_disable_jit" not in found
