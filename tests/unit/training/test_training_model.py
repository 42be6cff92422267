from typing import get_args

import pytest
import torch
from tiny import make_config
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchvision.models import get_model

from chalicelib.contract.config import Classifier as Architecture
from chalicelib.contract.errors import TrainingError
from training_job.model import MEAN, STD, Classifier, build_model
from training_job.optim import make_optimizer


def normalised(images: Tensor) -> Tensor:
    return (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def torchvisions(architecture: str, num_classes: int, image_size: int = 32) -> nn.Module:
    """Torchvision's own model, with statistics that aren't those of a new one."""
    sized = {"image_size": image_size} if architecture == "vit_b_16" else {}
    model = get_model(architecture, weights=None, num_classes=num_classes, **sized)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.1, 0.1)
    return model


@pytest.fixture(scope="module", params=get_args(Architecture))
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, Classifier]:
    """Torchvision's model of five classes, and ours of three, made of the other's weights."""
    theirs = torchvisions(request.param, 5)
    weights = theirs.state_dict()
    return theirs, build_model(request.param, 3, seed=0, image_size=32, pretrained=weights)


def test_pretrained_model_is_torchvisions_but_for_the_head(pair: tuple[nn.Module, Classifier]) -> None:
    """With torchvision's weights, the features under torchvision's head give torchvision's logits."""
    # In double precision, since in channels_last the sums are made in another order.
    theirs, ours = pair[0].eval().double(), pair[1].eval().double()
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    with torch.inference_mode():
        logits = theirs.get_submodule(ours.head_name)(ours.features(images))
        wanted = theirs(normalised(images))
    for model in pair:
        model.float()
    torch.testing.assert_close(logits, wanted)


def test_features_are_what_goes_into_the_head(pair: tuple[nn.Module, Classifier]) -> None:
    """The head's layer on the features gives the logits, and nothing stays hooked to it."""
    model, images = pair[1].eval(), torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        features, logits = model.features(images), model(images)
        torch.testing.assert_close(model.head(features), logits)
    assert features.shape == (2, model.head.in_features)
    assert logits.shape == (2, 3)
    assert not model.head._forward_pre_hooks


def test_steps_change_head_and_body(pair: tuple[nn.Module, Classifier]) -> None:
    """Every parameter of each architecture is in the optimizer, and two steps change head and body."""
    model = pair[1].train()
    optimizer = make_optimizer(model, make_config(optimizer="sgd", momentum=0))  # keeps no copies of weights
    before = [each.detach().clone() for each in (*model.head_parameters(), model.body_parameters()[0])]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(2):  # a transformer's head begins at zero: the first step moves the head alone
            cross_entropy(model(torch.rand(2, 3, 32, 32)), torch.tensor([0, 2])).backward()
            optimizer.step()
    after = (*model.head_parameters(), model.body_parameters()[0])
    assert not any(torch.equal(*each) for each in zip(before, after, strict=True))
    assert {norm.momentum for norm in model.norms()} <= {0.1}
    held = sum(len(group["params"]) for group in optimizer.param_groups)
    assert held == len(list(model.parameters()))


def test_transformer_takes_weights_of_another_image_size() -> None:
    """The positions of vit_b_16 are stretched from the grid of its weights to that of its images."""
    weights = torchvisions("vit_b_16", 5, image_size=64).state_dict()
    model = build_model("vit_b_16", 2, seed=0, image_size=32, pretrained=weights)
    positions = model.state_dict()["backbone.encoder.pos_embedding"]
    assert positions.shape == (1, 1 + 2 * 2, 768)
    torch.testing.assert_close(positions[:, 0], weights["encoder.pos_embedding"][:, 0])
    assert model(torch.rand(1, 3, 32, 32)).shape == (1, 2)


@pytest.mark.parametrize(
    ("architecture", "weights"),
    [("resnet18", {}), ("resnet18", {"conv1.weight": torch.zeros(1)}), ("vit_b_16", {})],
)
def test_weights_of_another_architecture_are_refused(architecture: str, weights: dict[str, Tensor]) -> None:
    """Weights that don't fit are refused, never loaded in part."""
    with pytest.raises(TrainingError, match="don't fit") as caught:
        build_model(architecture, 2, seed=0, image_size=32, pretrained=weights)
    assert caught.value.code == "weights-corrupt"


def test_seed_decides_the_weights() -> None:
    """The same seed gives the same weights, another seed others; torch's own generator stays as it was."""
    state = torch.random.get_rng_state()
    first, again, other = (build_model("resnet18", 2, seed=seed).head.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_convolutions_are_channels_last() -> None:
    """Kernels lie in memory as the batches do: no convolution has to turn them around."""
    weight = build_model("resnet18", 2, seed=0).state_dict()["backbone.conv1.weight"]
    assert weight.is_contiguous(memory_format=torch.channels_last)
