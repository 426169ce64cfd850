"""A JAX program on a GPU: what the driver says of the device is recorded without torch."""

import os
import subprocess
import sys

import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed")
pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")

PROGRAM = """
import jax, jax.numpy as jnp, sys
from instrumented_calc.capture.probes.machine import MachineProbe
if jax.default_backend() != "gpu":
    sys.exit(77)
jnp.ones(1000).sum().block_until_ready()
probe = MachineProbe(forked=False)
found = probe.read(0)
probe.close()
assert "torch" not in sys.modules
assert found.gpus[0].used_bytes > 0, found
"""


def test_the_device_of_a_jax_program_is_read():
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode == 77:
        pytest.skip("JAX has no GPU")
    assert ended.returncode == 0, ended.stderr
