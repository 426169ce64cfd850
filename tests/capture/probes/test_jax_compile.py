"""Compilation by JAX is charged to the call that waited for it, once, and is exact to the nanosecond."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from time import perf_counter_ns
from types import SimpleNamespace

import pytest
from msgspec import UNSET

from instrumented_calc.capture.open_calls import Entry, active, span
from instrumented_calc.capture.probes.jax_compile import JaxCompileProbe

jax = pytest.importorskip("jax")
jnp = jax.numpy
internals = pytest.importorskip("jax._src.monitoring")  # jax.monitoring does not list its listeners

TRACE = "/jax/core/compile/jaxpr_trace_duration"
LOWER = "/jax/core/compile/jaxpr_to_mlir_module_duration"
COMPILE = "/jax/core/compile/backend_compile_duration"
MS = 1_000_000


@pytest.fixture
def probe():
    probe = JaxCompileProbe()
    yield probe
    probe.close()


@pytest.fixture
def report_stage(exact_clock):
    """Report a stage that has just ended, as JAX does."""

    def report_stage(stage, function, ms):
        jax.monitoring.record_event_duration_secs(stage, ms / 1000, fun_name=function)

    return report_stage


@contextmanager
def open_call(clock):
    """Open a call in this thread as a recorder does."""
    recorder = SimpleNamespace(clock=clock)
    entry = Entry(0, recorder)
    active.stack.append(entry)
    yield entry
    active.stack.remove(entry)


def listeners():
    return len(internals.get_event_duration_listeners())


def test_a_compiled_function_is_named_and_timed(probe):
    def well(x):
        return x * x + 1

    x = jnp.ones(3)
    with open_call(perf_counter_ns) as call:
        began = perf_counter_ns()
        jax.jit(well)(x)
        took = perf_counter_ns() - began
    assert list(call.extras["compile_ns"]) == ["well"]
    assert took / 10 < call.extras["compile_ns"]["well"] <= took


def test_a_warm_call_has_no_times_at_all(probe, exact_clock):
    square = jax.jit(lambda x: x * x)
    x = jnp.ones(5)
    square(x)
    with open_call(exact_clock) as call:
        square(x)
    assert call.extras is UNSET


def test_a_new_shape_compiles_again(probe, exact_clock):
    square = jax.jit(lambda x: x * x)
    square(jnp.ones(5))
    longer = jnp.ones(6)
    with open_call(exact_clock) as call:
        square(longer)
    assert list(call.extras["compile_ns"]) == ["<lambda>"]


def test_the_stages_of_a_function_are_summed(probe, report_stage, exact_clock):
    with open_call(exact_clock) as call:
        for stage, function, ms in ((TRACE, "f", 2), (LOWER, "jit(f)", 3), (COMPILE, "jit(f)", 50)):
            exact_clock.advance(ms * MS)
            report_stage(stage, function, ms)
    assert call.extras["compile_ns"] == {"f": 55 * MS}


def test_compilation_during_tracing_is_not_counted_twice(probe, report_stage, exact_clock):
    with open_call(exact_clock) as call:
        exact_clock.advance(10 * MS)
        for _ in range(2):
            exact_clock.advance(20 * MS)
            report_stage(COMPILE, "jit(table)", 20)
        exact_clock.advance(5 * MS)
        report_stage(TRACE, "model", 55)
        exact_clock.advance(7 * MS)
        report_stage(COMPILE, "jit(model)", 7)
    assert call.extras["compile_ns"] == {"table": 40 * MS, "model": 22 * MS}


def test_operations_outside_of_functions_are_counted_together(probe, exact_clock):
    odd = jnp.arange(1237.0)
    with open_call(exact_clock) as call:
        jnp.argmax(odd)
        odd[3:977].sum()
    assert list(call.extras["compile_ns"]) == ["operations"]


def test_a_span_inside_a_call_does_not_take_its_compilation(probe, report_stage, exact_clock):
    with open_call(exact_clock) as call, span("model"):
        report_stage(COMPILE, "jit(f)", 4)
    assert call.extras["compile_ns"] == {"f": 4 * MS}


def test_the_inner_of_two_calls_is_the_one_that_waited(probe, report_stage, exact_clock):
    with open_call(exact_clock) as outer, open_call(exact_clock) as inner:
        report_stage(COMPILE, "jit(f)", 4)
    assert outer.extras is UNSET
    assert inner.extras["compile_ns"] == {"f": 4 * MS}


def test_a_compilation_in_another_thread_is_not_this_calls(probe, report_stage, exact_clock):
    with open_call(exact_clock) as call:
        thread = threading.Thread(target=report_stage, args=(COMPILE, "jit(f)", 4))
        thread.start()
        thread.join()
    assert call.extras is UNSET


def test_other_durations_of_jax_are_not_compilation(probe, report_stage, exact_clock):
    with open_call(exact_clock) as call:
        report_stage("/jax/compilation_cache/cache_retrieval_time_sec", "f", 4)
        jax.monitoring.record_scalar(COMPILE, 1.7e9, fun_name="f")  # how JAX reports a start
    assert call.extras is UNSET


def test_two_runs_share_one_listener_and_the_last_one_takes_it_away(report_stage, exact_clock):
    before = listeners()
    first, second = JaxCompileProbe(), JaxCompileProbe()
    assert listeners() == before + 1
    first.close()
    first.close()
    with open_call(exact_clock) as call:
        report_stage(COMPILE, "jit(f)", 4)
    assert call.extras["compile_ns"] == {"f": 4 * MS}
    second.close()
    assert listeners() == before


def test_nothing_is_charged_when_no_run_is_recorded(report_stage, exact_clock):
    JaxCompileProbe().close()
    with open_call(exact_clock) as call:
        report_stage(COMPILE, "jit(f)", 4)
    assert call.extras is UNSET


def test_a_program_may_clear_all_listeners_while_a_run_is_recorded(monkeypatch):
    probe = JaxCompileProbe()
    monkeypatch.setattr(internals, "_event_duration_secs_listeners", [])
    probe.close()
    again = JaxCompileProbe()
    assert listeners() == 1
    again.close()


def test_an_older_jax_that_cannot_unregister_keeps_one_quiet_listener(monkeypatch, report_stage, exact_clock):
    before = listeners()
    with monkeypatch.context() as older:
        older.delattr(jax.monitoring, "unregister_event_duration_listener")
        for _ in range(3):
            JaxCompileProbe().close()
        assert listeners() == before + 1
    probe = JaxCompileProbe()
    with open_call(exact_clock) as call:
        report_stage(COMPILE, "jit(f)", 4)
    assert call.extras["compile_ns"] == {"f": 4 * MS}
    probe.close()
    assert listeners() == before


def test_the_probe_does_not_load_jax():
    script = (
        "import sys\n"
        "from instrumented_calc.capture.probes.jax_compile import JaxCompileProbe\n"
        "JaxCompileProbe().close()\n"
        "print('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout == "False\n"
