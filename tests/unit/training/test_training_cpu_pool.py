import pytest
import torch
from torch import Tensor, nn

from training_job.cpu.pool import Pool, quicken_pools


def quick(size: int, stride: int, padding: int) -> nn.Sequential:
    model = nn.Sequential(nn.MaxPool2d(size, stride, padding))
    quicken_pools(model)
    assert type(model[0]) is Pool
    return model


def run(pool: nn.Module, images: Tensor) -> list[Tensor]:
    """The maxima, and the gradient of what they are taken from."""
    images = images.clone(memory_format=torch.preserve_format).requires_grad_()
    out = pool(images)
    torch.manual_seed(1)
    return [out, *torch.autograd.grad(out, images, torch.randn(out.shape))]


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 2, 1), (2, 2, 0), (3, 1, 1), (3, 3, 0)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_pool_stays_the_same(size: int, stride: int, padding: int, layout: torch.memory_format) -> None:
    """Maxima and gradient are torch's to the last bit, with many equal values, in both layouts."""
    torch.manual_seed(0)
    images = torch.randn(3, 5, 9, 8).round().contiguous(memory_format=layout)
    plain = run(nn.MaxPool2d(size, stride, padding), images)
    ours = run(quick(size, stride, padding), images)
    assert torch.equal(ours[0], plain[0])
    torch.testing.assert_close(ours[1], plain[1])


def test_threads_and_nan_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads give what one gives; a NaN comes out of every window that it is in."""
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    images = torch.rand(3, 4, 8, 8)
    images[1, 2, 3, 3] = torch.nan
    expected, found = nn.MaxPool2d(3, 2, 1)(images), quick(3, 2, 1)(images)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_little_is_kept_for_the_gradient() -> None:
    """A byte an output, where torch keeps its input too."""
    kept = []
    images = torch.rand(2, 64, 32, 32, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda each: kept.append(each.nbytes) or each, lambda each: each
    ):
        out = quick(3, 2, 1)(images)
    assert sum(kept) == out.numel()


def test_others_are_left_alone() -> None:
    """What isn't a plain window of a square is torch's; so is every pool in eval mode."""
    others = nn.Sequential(
        nn.MaxPool2d((3, 2)),
        nn.MaxPool2d(3, dilation=2),
        nn.MaxPool2d(3, ceil_mode=True),
        nn.MaxPool2d(3, return_indices=True),
    )
    quicken_pools(others)
    assert {type(each) for each in others} == {nn.MaxPool2d}
    images = torch.rand(1, 2, 8, 8, requires_grad=True)
    assert "MaxPool2D" in quick(3, 2, 1).eval()(images).grad_fn.name()
