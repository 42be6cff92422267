from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from scenes import SIZE, make_config

from training_job.artifacts import exports_of, save_safetensors
from training_job.detection import export
from training_job.detection.build import build_detector

ARCHITECTURES = ["ssdlite_mobilenet_v2", "fasterrcnn_mobilenet_v3_large_320_fpn"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_onnx_gives_what_torch_does(tmp_path: Path, architecture: str) -> None:
    """Boxes and scores are the same at every batch size that the model takes; boxes are shares."""
    model, path = build_detector(architecture, 3, SIZE, seed=0).eval(), tmp_path / "model.onnx"
    exports_of(architecture).save_onnx(model, SIZE, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in export.batch_sizes(model):
        images = torch.rand(size, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(size))
        boxes, scores = session.run(["boxes", "scores"], {"images": images.numpy()})
        with torch.inference_mode():
            wanted = [each.numpy() for each in export.outputs(model, images)]
        np.testing.assert_allclose(boxes, wanted[0], atol=1e-4)
        np.testing.assert_allclose(scores, wanted[1], atol=1e-4)
        assert boxes.shape == (size, scores.shape[1], 4)
        assert scores.shape[2] == 3
        assert 0 <= boxes.min() <= boxes.max() <= 1


def test_it_is_rebuilt_from_its_files(tmp_path: Path) -> None:
    """safetensors and model.json give back a model with the same outputs."""
    config, path = make_config(), tmp_path / "model.safetensors"
    model = build_detector("ssdlite_mobilenet_v2", 2, SIZE, seed=5).eval()
    save_safetensors(model, path)
    description = export.describe("ssdlite_mobilenet_v2", ["a", "b"], config, "hash")
    again = export.load_safetensors(description, path)
    images = torch.rand(2, 3, SIZE, SIZE)
    with torch.inference_mode():
        pairs = zip(export.outputs(model, images), export.outputs(again, images), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)
    assert description["input"]["batch"] == "any"
    assert description["output"]["nms"]["scoreThreshold"] == 0.5
