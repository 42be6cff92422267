from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from training_job.cpu.blocks import Done, Norm, fuse_norms
from training_job.model import build_model

ACTIVATIONS = [nn.ReLU(), nn.ReLU6(), nn.Hardswish(), None]


def norm_with(activation: nn.Module | None, channels: int = 24) -> nn.Sequential:
    """A normalisation with weights and statistics of some run, in double precision."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.1)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    return nn.Sequential(norm, *([activation] if activation else [])).double()


def fused(plain: nn.Module) -> nn.Module:
    model = deepcopy(plain).float()
    fuse_norms(model)
    return model


def run(model: nn.Module, images: Tensor, towards: Tensor) -> list[Tensor]:
    """The output, the gradients of the input and the weights, and the buffers afterwards."""
    images = images.to(next(model.parameters()).dtype).requires_grad_()
    out = model(images)
    gradients = torch.autograd.grad(out, [images, *model.parameters()], towards.to(out.dtype))
    return [out, *gradients, *model.buffers()]


def assert_alike(model: nn.Module, plain: nn.Module, images: Tensor) -> None:
    towards = torch.randn(images.shape)
    for ours, theirs in zip(run(model, images, towards), run(plain, images, towards), strict=True):
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("shape", [(4, 24, 7, 6), (3, 24, 1, 1), (2, 24, 40, 40)], ids=str)
def test_norm_stays_the_same(activation: nn.Module | None, keeps: bool, shape: tuple[int, ...]) -> None:
    """Output, gradients and statistics are BatchNorm2d's, by the batch's statistics and by kept ones."""
    plain = norm_with(activation)
    model = fused(plain)
    assert type(model[0]) is Norm
    for each in (plain, model) if keeps else ():
        each[0].eval()
    torch.manual_seed(1)
    assert_alike(model, plain, 3 * torch.randn(shape).contiguous(memory_format=torch.channels_last))


def test_large_mean_keeps_the_variance() -> None:
    """Values far from zero have the variance that double precision finds."""
    plain = norm_with(None)
    images = 1e4 + torch.randn(8, 24, 16, 16)
    out = fused(plain)(images)
    torch.testing.assert_close(out.double(), plain(images.double()), rtol=0, atol=5e-3)


def test_nan_stays() -> None:
    """Whatever the activation, a NaN comes out as one: the trainer has to see it."""
    for activation in ACTIVATIONS:
        model = fused(norm_with(activation))
        model[0].eval()
        images = torch.zeros(2, 24, 4, 4)
        images[1, 3, 2, 2] = torch.nan
        assert torch.equal(model(images).isnan(), images.isnan())


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_blocks_stay_the_same(architecture: str) -> None:
    """Residual blocks are as near to double precision as torchvision's own are."""
    exact = build_model(architecture, 2, seed=0).backbone.layer2.double().train()
    ours, single = fused(exact), deepcopy(exact).float()
    torch.manual_seed(0)
    images = torch.randn(6, exact[0].conv1.in_channels, 8, 8)
    towards = torch.randn(6, exact[1].bn1.num_features * exact[1].expansion, 4, 4)
    results = [run(model, images, towards) for model in (exact, ours, single)]
    for right, fast, plain in zip(*([each.double() for each in result] for result in results), strict=True):
        assert (fast - right).norm() <= 3 * (plain - right).norm() + 1e-5 * right.norm()


def test_threads_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three threads sum up to what one does."""
    plain = norm_with(nn.ReLU())
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    assert_alike(fused(plain), plain, torch.randn(4, 24, 10, 10))


def test_names_and_copies_stay() -> None:
    """State dicts fit both ways; a copy is a model of its own; in eval mode it is torchvision's."""
    plain = build_model("resnet18", 2, seed=0)
    model = deepcopy(plain)
    fuse_norms(model)
    assert list(model.state_dict()) == list(plain.state_dict())
    assert any(isinstance(each, Done) for each in model.modules())
    copy = deepcopy(model).eval()
    model.train()
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(copy(images), plain.eval()(images))
    assert "NormFunction" in model.backbone.layer1[0].bn1(torch.rand(2, 64, 4, 4)).grad_fn.name()


def test_others_are_left_alone() -> None:
    """What has no weights, no running statistics or no fixed momentum stays as it was."""
    others = nn.Sequential(
        nn.BatchNorm2d(8, affine=False),
        nn.ReLU(),
        nn.BatchNorm2d(8, track_running_stats=False),
        nn.BatchNorm2d(8, momentum=None),
        nn.GroupNorm(2, 8),
        nn.ReLU(),
    )
    before = [type(each) for each in others]
    fuse_norms(others)
    assert [type(each) for each in others] == before


def test_block_with_another_norm_is_left_alone() -> None:
    """A block whose normalisations aren't all plain keeps torchvision's forward, and gives the same."""
    plain = build_model("resnet18", 2, seed=0).backbone.layer1[0].train()
    plain.bn2 = nn.GroupNorm(8, 64)
    model = deepcopy(plain)
    fuse_norms(model)
    images = torch.randn(2, 64, 8, 8)
    assert type(model) is type(plain)
    assert torch.equal(model(images), deepcopy(plain)(images))


def test_autocast_is_torchs() -> None:
    """Under autocast, where a block's inside is bfloat16, no activation is left out."""
    plain = build_model("resnet18", 2, seed=0).backbone.layer2.train()
    model = deepcopy(plain)
    fuse_norms(model)
    images = torch.randn(4, 64, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model(images), plain(images))
