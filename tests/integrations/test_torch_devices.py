"""A device is given as a `torch.device` or by its name, with the same result."""

import numpy as np
import pytest

from instrumented_calc.integration import Setting
from instrumented_calc_anisoap.mixed_einsum import MixedEinsum

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_a_contraction_waits_for_no_device_on_the_cpu(device):
    einsum = MixedEinsum(device=device)
    assert einsum._wait is None
    assert einsum("ij,jk->ik", np.eye(2), np.eye(2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize("device", ["cuda:1", torch.device("cuda", 1)])
def test_a_setting_keeps_the_name_of_its_device(device):
    setting = Setting("torch_mixed", device=device)
    assert setting.device == "cuda:1"
    assert setting.tag == "float64 cuda:1 eager"
