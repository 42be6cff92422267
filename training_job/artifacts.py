"""The files of a trained model, and how to read them back.

All take plain images: RGB, float, 0 to 1, stretched to the input size; the normalisation is part
of the model, so whoever runs it can't forget it or get it wrong. All give logits.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import safetensors.torch
import torch

from chalicelib.contract.config import TrainingConfig

from .config import given
from .model import MEAN, STD, Classifier


def describe(
    architecture: str, class_names: Sequence[str], config: TrainingConfig, dataset_hash: str
) -> dict[str, Any]:
    """What is needed to rebuild the model and to use it: model.json."""
    return {
        "architecture": architecture,
        "classes": list(class_names),
        "inputSize": [3, given(config.image_size), given(config.image_size)],
        "input": {"layout": "NCHW", "channels": "RGB", "range": [0, 1], "resize": "stretch"},
        "normalisation": {"mean": list(MEAN), "std": list(STD), "insideModel": True},
        "output": "logits",
        "datasetHash": dataset_hash,
        "training": config.to_json(),
    }


def to_safetensors(model: Classifier) -> bytes:
    """The weights; unlike a pickled checkpoint, reading them can't run code."""
    state_dict = {name: value.contiguous() for name, value in model.state_dict().items()}
    return safetensors.torch.save(state_dict)


def from_safetensors(description: Mapping[str, Any], weights: bytes) -> Classifier:
    """The model that `to_safetensors` and `describe` wrote, in eval mode."""
    model = Classifier(description["architecture"], len(description["classes"]))
    model.load_state_dict(safetensors.torch.load(weights))
    return model.eval()


def to_onnx(model: Classifier, image_size: int) -> bytes:
    """ONNX with a free batch size: `images` float (batch, 3, size, size) to `logits` (batch, classes)."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        # The exporter that is to replace this one takes thirty times as long.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model.eval(),
            (torch.zeros(1, 3, image_size, image_size),),
            buffer,  # type: ignore[arg-type] # this exporter does take a stream
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    return buffer.getvalue()


def to_json_bytes(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
