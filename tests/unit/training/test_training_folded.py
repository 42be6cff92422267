import pytest
import torch
from torch import nn

from training_job.cpu.quicken import quicken
from training_job.folded import folded
from training_job.model import build_model


@pytest.mark.parametrize(
    "architecture",
    ["resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "swin_t"],
)
def test_folded_gives_the_same(architecture: str) -> None:
    """Without one normalisation left the features stay what they were, and so does the model itself."""
    torch.manual_seed(0)
    model = quicken(build_model(architecture, 2, seed=0)).eval()
    for norm in model.norms():
        nn.init.normal_(norm.running_mean, std=0.1)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.uniform_(norm.weight, 0.5, 2)
    images = torch.rand(2, 3, 64, 64)
    before = model.features(images)
    copy = folded(model)
    assert not any(isinstance(each, nn.BatchNorm2d) for each in copy.modules())
    assert (copy.features(images) - before).norm() <= 1e-4 * before.norm()
    assert torch.equal(model.features(images), before)
