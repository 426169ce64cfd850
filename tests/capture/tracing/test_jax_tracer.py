"""A trace of JAX names operations by their modules, in the component that ran them."""

from __future__ import annotations

import pytest

from instrumented_calc.capture.tracing.jax_tracer import JaxTracer
from instrumented_calc.capture.tracing.slices import RANGE
from instrumented_calc.capture.tracing.sums import sum_slices
from instrumented_calc.capture.tracing.xspace import op_names, programs_of

jax = pytest.importorskip("jax")
jnp = jax.numpy


@jax.jit
def layer(x, y):
    with jax.named_scope("dense"):
        product = jnp.einsum("ij,jk->ik", x, y)
    with jax.named_scope("order"):
        return jnp.sort(product)


@pytest.fixture
def arguments():
    found = jnp.ones((200, 200)), jnp.ones((200, 200))
    layer(*found).block_until_ready()
    return found


def traced(arguments, tracer, times=3):
    tracer.start()
    with tracer.annotate(RANGE), tracer.annotate(f"{RANGE}network"):
        for _ in range(times):
            layer(*arguments).block_until_ready()
    return tracer.stop()


def test_operations_are_reported_by_their_modules_in_their_component(arguments):
    sums = sum_slices(traced(arguments, JaxTracer()))
    found = {each.operation: each for each in sums.operations}
    assert found["dense/dot_general"].calls == 3
    assert found["dense/dot_general"].self_ns > 0
    assert found["dense/dot_general"].component == "network"
    assert any(name.startswith("order/") for name in found)
    assert found["PjitFunction(layer)"].calls == 3
    assert not any(name.startswith("end: ") or "::" in name for name in found)
    assert sums.launches is None  # operations on the CPU are not device operations


def test_the_same_tracer_traces_again(arguments):
    tracer = JaxTracer()
    for times in (1, 2):
        found = {each.operation: each for each in sum_slices(traced(arguments, tracer, times)).operations}
        assert found["dense/dot_general"].calls == times


def test_a_trace_of_the_users_own_is_seen(tmp_path):
    tracer = JaxTracer()
    assert not tracer.is_taken()
    jax.profiler.start_trace(str(tmp_path))
    assert tracer.is_taken()
    jax.profiler.stop_trace()
    assert not tracer.is_taken()


def test_nothing_stays_on_the_disk(arguments, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    traced(arguments, JaxTracer())
    jax.profiler.start_trace(str(tmp_path / "own"))
    with pytest.raises(RuntimeError):
        JaxTracer().start()
    jax.profiler.stop_trace()
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def message(*fields):
    """Encode (number, contents) as a protocol buffer."""
    encoded = b""
    for number, contents in fields:
        if isinstance(contents, int):
            encoded += bytes([number << 3]) + varint(contents)
        else:
            encoded += bytes([number << 3 | 2]) + varint(len(contents)) + contents
    return encoded


def varint(value):
    encoded = b""
    while value > 127:
        encoded += bytes([value & 127 | 128])
        value >>= 7
    return encoded + bytes([value])


def test_programs_are_found_in_a_trace_and_instructions_in_a_program():
    where = message((1, b"dot"), (2, b"jit(f)/dense/dot_general"), (4, 300))
    instruction = message((1, b"fusion.1"), (2, b"fusion"), (7, where))
    bare = message((1, b"copy.2"))
    computation = message((1, b"main"), (2, instruction), (2, bare))
    hlo = message((1, message((1, b"jit_f"), (3, computation))), (3, b"x" * 200))
    program = message((1, 70000), (2, b"jit_f(3)"), (5, message((1, 5), (6, hlo))))
    other = message((1, 2), (2, b"/host:CPU"), (3, b"line"))
    plane = message((2, b"/host:metadata"), (4, message((1, 70000), (2, program))))
    found = programs_of(message((1, other), (1, plane)))
    assert list(found) == ["jit_f(3)"]
    assert op_names(found["jit_f(3)"]) == {"fusion.1": "jit(f)/dense/dot_general"}


def test_anything_that_is_not_a_trace_is_refused():
    with pytest.raises(ValueError, match="a field of kind 3 in a trace of JAX"):
        programs_of(b"\x0b")
