from copy import deepcopy

import pytest
import torch
from tiny import make_config, make_model
from torch import Tensor, nn

from training_job.cpu.quicken import Dense, Depthwise, Winograd, quicken
from training_job.model import build_model

DEPTHWISE = [(24, 24, 5, stride, side) for stride in (1, 2) for side in (1, 2, 4, 7, 14)]
DEPTHWISE += [(24, 24, 3, stride, side) for stride in (1, 2) for side in (1, 2)]
DENSE = [(256, 40, 3, stride, side) for stride in (1, 2) for side in (1, 2, 3, 4, 7)]
WINOGRAD = [(64, 72, 3, 1, side) for side in (3, 4, 5, 7, 8, 18)]
KINDS = {24: Depthwise, 256: Dense, 64: Winograd}


def conv_of(channels: int, outputs: int, size: int, stride: int) -> nn.Conv2d:
    groups = channels if channels == outputs else 1
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, outputs, size, stride, size // 2, groups=groups, bias=False)
    return conv.to(memory_format=torch.channels_last)


def run(conv: nn.Module, images: Tensor, towards: Tensor) -> list[Tensor]:
    """The output, and the gradients of the input and of the weight."""
    images = images.clone(memory_format=torch.preserve_format).requires_grad_()
    out = conv(images)
    return [out, *torch.autograd.grad((out * towards).sum(), [images, conv.weight])]


@pytest.mark.parametrize(("channels", "outputs", "size", "stride", "side"), DEPTHWISE + DENSE + WINOGRAD)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_convolution_stays_the_same(
    channels: int, outputs: int, size: int, stride: int, side: int, layout: torch.memory_format
) -> None:
    """Output and gradients are those of torch's own convolution, for every stride, map size and layout."""
    conv = conv_of(channels, outputs, size, stride)
    quick = quicken(nn.Sequential(deepcopy(conv)))[0]
    assert type(quick) is KINDS[channels]
    images = torch.randn(3, channels, side, side).contiguous(memory_format=layout)
    assert quick.pays(images)
    towards = torch.randn_like(conv(images))
    for plain, fast in zip(run(conv, images, towards), run(quick, images, towards), strict=True):
        assert (fast - plain).norm() <= 2e-5 * plain.norm()


def test_groups_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images in several groups, of a map that isn't square, on two threads, give what torch gives."""
    monkeypatch.setattr("training_job.cpu.winograd._GROUP_TILES", 12)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    conv = conv_of(64, 72, 3, 1)
    images = torch.randn(5, 64, 7, 9)
    towards = torch.randn_like(conv(images))
    quick = quicken(nn.Sequential(deepcopy(conv)))[0]
    for plain, fast in zip(run(conv, images, towards), run(quick, images, towards), strict=True):
        assert (fast - plain).norm() <= 2e-5 * plain.norm()


@pytest.mark.parametrize("architecture", ["mobilenet_v3_small", "resnet18"])
def test_model_trains_the_same(architecture: str) -> None:
    """Over four steps the losses are those of the model as torchvision has it."""

    def losses(quick: bool) -> list[float]:
        model = build_model(architecture, 2, seed=0)
        model = quicken(model) if quick else model
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        torch.manual_seed(1)
        images, labels, out = torch.rand(8, 3, 64, 64), torch.arange(8) % 2, []
        for _ in range(4):
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            out.append(loss.item())
        return out

    assert losses(True) == pytest.approx(losses(False), rel=2e-3)


@pytest.mark.parametrize("architecture", ["mobilenet_v3_small", "resnet18"])
def test_same_step_gives_the_same_bits(architecture: str) -> None:
    """Two equal steps give equal gradients to the last bit: a resumed run ends with the same weights."""
    model = quicken(make_model(make_config(architecture=architecture)))
    images = torch.rand(8, 3, 32, 32)

    def gradients() -> list[Tensor]:
        torch.manual_seed(0)
        return list(torch.autograd.grad(model(images).square().sum(), list(model.parameters())))

    assert all(map(torch.equal, gradients(), gradients()))


def test_parameters_keep_their_names() -> None:
    """State dicts fit both ways, and it is the very same parameters that are trained."""
    model = build_model("mobilenet_v3_small", 2, seed=0)
    before, names = list(model.parameters()), list(model.state_dict())
    quicken(model)
    assert any(isinstance(module, Depthwise) for module in model.modules())
    assert list(model.state_dict()) == names
    assert all(old is new for old, new in zip(before, model.parameters(), strict=True))


def test_eval_is_plain() -> None:
    """In eval mode, and after it in every export, the graph holds torch's own convolution."""
    for channels, outputs, size, name in (
        (24, 24, 5, "Depthwise"),
        (256, 40, 3, "Dense"),
        (64, 72, 3, "Winograd"),
    ):
        quick = quicken(nn.Sequential(conv_of(channels, outputs, size, 1)))
        images = torch.randn(2, channels, 4, 4)
        assert name in quick(images).grad_fn.name()
        assert quick.eval()(images).grad_fn.name() == "ConvolutionBackward0"


def test_frozen_weights_get_no_gradient() -> None:
    """A frozen convolution passes the gradient on to its input, and gets none itself."""
    for channels, outputs in ((24, 24), (256, 40), (64, 72)):
        size = 5 if channels == outputs else 3
        quick = quicken(nn.Sequential(conv_of(channels, outputs, size, 1)).requires_grad_(False))
        images = torch.randn(2, channels, 4, 4, requires_grad=True)
        quick(images).sum().backward()
        assert images.grad is not None
        assert quick[0].weight.grad is None


def test_others_are_left_alone() -> None:
    """A convolution with dilation, with a bias, with automatic padding or of few channels is unchanged."""
    others = nn.Sequential(
        nn.Conv2d(256, 8, 3, padding=1),
        nn.Conv2d(256, 8, 3, padding=2, dilation=2, bias=False),
        nn.Conv2d(256, 8, 3, padding="same", bias=False),
        nn.Conv2d(64, 8, 3, padding=1, bias=False),
    )
    assert {type(module) for module in quicken(others)} == {nn.Conv2d}
