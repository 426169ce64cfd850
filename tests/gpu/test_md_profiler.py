"""Timing and memory on a CUDA device with the interface of the MLFF-Distiller profiler."""

import pytest

from instrumented_calc import CUDATimer, benchmark_function

torch = pytest.importorskip("torch", reason="torch is not installed")
if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)


@pytest.mark.parametrize("device", [None, "cuda", "cuda:0", torch.device("cuda")])
def test_a_timer_waits_for_work_queued_on_the_device(device):
    matrix = torch.ones(4096, 4096, device="cuda")
    timer = CUDATimer(device)
    assert timer.use_cuda
    timer.start()
    for _ in range(20):
        matrix = matrix @ matrix
    elapsed = timer.stop()
    assert torch.cuda.current_stream().query()
    assert elapsed > 0


@pytest.mark.parametrize("device", [None, "cuda", torch.device("cuda")])
def test_a_benchmark_has_the_memory_of_the_device(device):
    result = benchmark_function(lambda: torch.ones(2**28, device="cuda").sum(), n_calls=3, device=device)
    assert result.device == "cuda"
    assert result.peak_memory_gb >= result.memory_after_gb + 0.9  # 2^28 numbers of 4 bytes are 1 GiB
