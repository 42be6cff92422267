import json
from math import inf
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from finished import make_warm_model
from tiny import make_config
from torch import nn
from torchvision.models import get_model

from training_job.artifacts import (
    describe,
    load_safetensors,
    onnx_difference,
    outputs,
    save_onnx,
    save_safetensors,
    to_json_bytes,
)
from training_job.model import build_model

PICTURES = torch.randint(0, 256, (2, 32, 32, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@pytest.mark.parametrize("architecture", ["mobilenet_v3_small", "vit_b_16"])
def test_safetensors_and_description_rebuild_the_model(architecture: str, tmp_path: Path) -> None:
    """From the two files alone comes a model with the same logits, to the last bit."""
    images = torch.rand(8, 3, 32, 32)
    model = make_warm_model(make_config(architecture=architecture), 3, images)
    document = describe(architecture, ["a", "b", "c"], make_config(architecture=architecture), "hash")
    save_safetensors(model, tmp_path / "weights")
    rebuilt = load_safetensors(json.loads(to_json_bytes(document)), tmp_path / "weights")
    with torch.inference_mode():
        assert torch.equal(rebuilt(images), model(images))
        assert model(images).std() > 1e-4


@pytest.mark.parametrize("architecture", ["mobilenet_v3_small", "resnet18"])
def test_onnx_gives_the_logits_of_the_model(architecture: str, tmp_path: Path) -> None:
    """The ONNX file, on plain images and for any batch size, gives what the model gives."""
    model = build_model(architecture, 3, seed=5).eval()
    save_onnx(model, 32, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 5):
        images = torch.rand(count, 3, 32, 32)
        [logits] = session.run(["logits"], {"images": images.numpy()})
        np.testing.assert_allclose(logits, model(images).detach().numpy(), atol=1e-4)


def test_description_tells_torchvision_what_to_build() -> None:
    """With the members of model.json its registry makes a network whose tensors are those of the weights."""
    document = describe("vit_b_16", ["a", "b", "c"], make_config(architecture="vit_b_16", image_size=48), "h")
    with torch.device("meta"):  # shapes alone
        model = build_model("vit_b_16", 3, seed=0, image_size=48)
        net = get_model(document["architecture"], num_classes=3, **document["builder"])
    shapes = {name: value.shape for name, value in net.state_dict().items()}
    assert shapes == {name: value.shape for name, value in model.backbone.state_dict().items()}


def test_onnx_difference_is_the_largest(tmp_path: Path) -> None:
    """Against the model itself it is next to nothing; against one whose bias is moved, as much as that."""
    model = build_model("resnet18", 3, seed=5).eval()
    save_onnx(model, 32, tmp_path / "model.onnx")
    assert onnx_difference(lambda batch: outputs(model, batch), tmp_path / "model.onnx", PICTURES) < 1e-4
    with torch.no_grad():
        model.head.bias[1] += 0.25
    found = onnx_difference(lambda batch: outputs(model, batch), tmp_path / "model.onnx", PICTURES)
    assert found == pytest.approx(0.25, abs=1e-4)


def test_onnx_is_checked_at_two_batch_sizes(tmp_path: Path) -> None:
    """Batches of one and of three go through both, however few images there are."""
    model, sizes = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), []

    def counting(batch: torch.Tensor) -> list[torch.Tensor]:
        sizes.append(len(batch))
        return [model(batch)]

    save_onnx(model, 32, tmp_path / "model.onnx")
    onnx_difference(counting, tmp_path / "model.onnx", PICTURES)
    assert sizes == [1, 3]


@pytest.mark.parametrize("wanted", [torch.zeros(1, 2), torch.full((1, 3), torch.nan)])
def test_outputs_that_cannot_be_compared_differ_infinitely(wanted: torch.Tensor, tmp_path: Path) -> None:
    """Another shape, or what isn't a number, is no small difference."""
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    save_onnx(model, 32, tmp_path / "model.onnx")
    assert onnx_difference(lambda _: [wanted], tmp_path / "model.onnx", PICTURES, sizes=(1,)) == inf
