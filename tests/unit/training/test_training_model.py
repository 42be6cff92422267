import json

import numpy as np
import onnxruntime
import pytest
import torch
from tiny import make_config

from training_job.artifacts import describe, from_safetensors, to_json_bytes, to_onnx, to_safetensors
from training_job.model import HEADS, MEAN, STD, build_model


@pytest.mark.parametrize("architecture", HEADS)
def test_every_architecture_classifies(architecture: str) -> None:
    """Each backbone gives one logit a class, and its BatchNorm follows the data fast enough."""
    model = build_model(architecture, 3, seed=0).eval()
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 3)
    assert {norm.momentum for norm in model.norms()} == {0.1}


def test_seed_decides_the_weights() -> None:
    """The same seed gives the same weights, another seed others; torch's own generator stays as it was."""
    state = torch.random.get_rng_state()
    first, again, other = (build_model("resnet18", 2, seed=seed).head.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_normalisation_is_inside_the_model() -> None:
    """The model normalises by ImageNet's mean and deviation itself."""
    model = build_model("resnet18", 2, seed=0).eval()
    images = torch.rand(1, 3, 32, 32)
    normalised = (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    torch.testing.assert_close(model(images), model.backbone(normalised))


def test_safetensors_and_description_rebuild_the_model() -> None:
    """From the two files alone comes a model with the same logits, to the last bit."""
    model = build_model("mobilenet_v3_small", 3, seed=4).eval()
    document = describe("mobilenet_v3_small", ["a", "b", "c"], make_config(), "hash")
    rebuilt = from_safetensors(json.loads(to_json_bytes(document)), to_safetensors(model))
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(rebuilt(images), model(images))


@pytest.mark.parametrize("architecture", ["mobilenet_v3_small", "resnet18"])
def test_onnx_gives_the_logits_of_the_model(architecture: str) -> None:
    """The ONNX file, on plain images and for any batch size, gives what the model gives."""
    model = build_model(architecture, 3, seed=5).eval()
    session = onnxruntime.InferenceSession(to_onnx(model, 32), providers=["CPUExecutionProvider"])
    for count in (1, 5):
        images = torch.rand(count, 3, 32, 32)
        [logits] = session.run(["logits"], {"images": images.numpy()})
        np.testing.assert_allclose(logits, model(images).detach().numpy(), atol=1e-4)
