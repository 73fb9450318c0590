"""What is set for a CPU or a GPU, and what is said of a full GPU."""

import os

import pytest
import torch
from small_loop import CPU

from howlow import networks
from howlow.errors import TrainingError
from howlow.training import devices

pytestmark = pytest.mark.usefixtures("one_thread")


class TestPreparation:
    @pytest.fixture(autouse=True)
    def _restore(self, monkeypatch):
        settings = [
            (torch.backends.cudnn, "deterministic"),
            (torch.backends.cudnn, "allow_tf32"),
            (torch.backends.cuda.matmul, "allow_tf32"),
            (torch.utils.deterministic, "fill_uninitialized_memory"),
        ]
        before = [getattr(owner, name) for owner, name in settings]
        mode = torch.get_deterministic_debug_mode()
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
        yield
        for (owner, name), value in zip(settings, before, strict=True):
            setattr(owner, name, value)
        torch.set_deterministic_debug_mode(mode)

    @pytest.mark.parametrize("device", ["cpu", "auto"])
    def test_of_a_cpu(self, monkeypatch, device):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cpu")  # a GPU that was not asked for
        assert devices.prepare(2, device) == CPU
        assert torch.get_num_threads() == 2
        assert torch.get_deterministic_debug_mode() == 2  # an operation that is not repeatable is an error
        assert not torch.utils.deterministic.fill_uninitialized_memory
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ

    @pytest.mark.parametrize("device", ["cuda", "auto"])
    def test_of_a_gpu(self, monkeypatch, device):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert devices.prepare(1, device) == torch.device("cuda")
        assert torch.get_deterministic_debug_mode() == 1
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"

    def test_of_a_gpu_that_is_not_there(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(TrainingError, match="device is cuda, but PyTorch sees no GPU"):
            devices.prepare(1, "cuda")

    @pytest.mark.parametrize(("width", "is_narrow"), [(1 / 32, True), (1 / 16, False)])
    def test_of_a_network(self, width, is_narrow):
        """Eight filters fill a block of oneDNN's convolutions, and four do not."""
        model = networks.build("vgg", sample_rate=12_000, n_mels=8, hop_factor=10, n_tags=2, width=width)
        devices.lay_out(model, CPU)
        assert torch.backends.mkldnn.enabled != is_narrow
        is_last = model.features[4].weight.is_contiguous(memory_format=torch.channels_last)
        assert is_last != is_narrow


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"),
            "wanted 2.00 GiB more; let",
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "for batches of 7 clips; let"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), "for batches of 7 clips; let"),
        (RuntimeError("CUDA error: out of memory"), "for batches of 7 clips; let"),
    ],
)
def test_a_full_gpu_is_told(error, message):
    with (
        pytest.raises(TrainingError, match=f"memory of the GPU .*{message}"),
        devices.out_of_memory_is_told(7),
    ):
        raise error


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("out of memory")])
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as raised, devices.out_of_memory_is_told(7):
        raise error
    assert raised.value is error
