"""The files of a trained model, and how to read them back.

All take plain images: RGB, float, 0 to 1, stretched to the input size; the normalisation is part
of the model, so whoever runs it can't forget it or get it wrong. A classifier gives logits.

There is no exported program (torch.export) among them: it took 5.3 s to make for a mobilenet_v2 on
one core, six times as long as ONNX, and runs nowhere that safetensors and model.json don't.
"""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from math import inf, isnan
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chalicelib.contract.config import TrainingConfig, task_of

from .config import given
from .model import MEAN, STD, Classifier

#: An output may differ this much from torch's. Of logits it moves no probability by over 0.0005.
ONNX_TOLERANCE = 1e-3


def describe(
    architecture: str, class_names: Sequence[str], config: TrainingConfig, dataset_hash: str
) -> dict[str, Any]:
    """What is needed to rebuild the model and to use it: model.json."""
    side = given(config.image_size)
    return {
        "architecture": architecture,
        # What torchvision's get_model needs besides the number of classes.
        "builder": {"image_size": side} if architecture == "vit_b_16" else {},
        "classes": list(class_names),
        "inputSize": [3, side, side],
        "input": {"layout": "NCHW", "channels": "RGB", "range": [0, 1], "resize": "stretch"},
        "normalisation": {"mean": list(MEAN), "std": list(STD), "insideModel": True},
        "output": "logits",
        "datasetHash": dataset_hash,
        "training": config.to_json(),
    }


def save_safetensors(model: nn.Module, path: Path) -> None:
    """The weights; unlike a pickled checkpoint, reading them can't run code."""
    safetensors.torch.save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()}, path
    )


def load_safetensors(description: Mapping[str, Any], path: Path) -> Classifier:
    """The model that `save_safetensors` and `describe` wrote, in eval mode."""
    side = description["inputSize"][-1]
    model = Classifier(description["architecture"], len(description["classes"]), side)
    model.load_state_dict(safetensors.torch.load_file(path))
    return model.to(memory_format=torch.channels_last).eval()


def save_onnx(model: nn.Module, image_size: int, path: Path) -> None:
    """ONNX with a free batch size: `images` float (batch, 3, size, size) to `logits` (batch, classes)."""
    with warnings.catch_warnings():
        # The exporter that is to replace this one takes thirty times as long.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Of Python values in the trace, such as a transformer's check of its image size: `onnx_difference`
        # finds whether one of them should have been free.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined] # documented
        torch.onnx.export(
            model.eval(),
            (torch.zeros(1, 3, image_size, image_size),),
            path,
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )


def outputs(model: nn.Module, images: Tensor) -> Sequence[Tensor]:
    """What the ONNX model gives, from torch; `images` as there."""
    return [model(images)]


def batch_sizes(model: nn.Module) -> tuple[int, ...]:  # noqa: ARG001 - a detector's depend on it
    """Those that the ONNX model is tried with."""
    return 1, 3


def exports_of(architecture: str) -> Any:
    """The module that exports an architecture: this one, or a detector's with functions of the same names."""
    name = "detection.export" if task_of(architecture) == "detection" else "artifacts"
    return import_module(f".{name}", __package__)


@torch.inference_mode()
def onnx_difference(
    outputs: Callable[[Tensor], Sequence[Tensor]], path: Path, images: Tensor, sizes: Sequence[int] = (1, 3)
) -> float:
    """The largest absolute difference of the ONNX model's outputs from torch's; infinite if shapes differ.

    Args:
        outputs: torch's, of a batch, in the ONNX model's order.
        images: uint8 (N, side, side, 3), RGB: some that it wasn't trained on, one at least.
        sizes: of the batches.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # for a few images; its threads would spin beside torch's
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    differences = []
    for size in sizes:
        batch = images[torch.arange(size) % len(images)].permute(0, 3, 1, 2).float().contiguous() / 255
        found = session.run(None, {"images": batch.numpy()})
        differences += [_difference(*pair) for pair in zip(found, outputs(batch), strict=True)]
    return max(differences)


def _difference(found: NDArray[np.float32], wanted: Tensor) -> float:
    if found.shape != wanted.shape:
        return inf
    difference = float(np.abs(found - wanted.numpy()).max(initial=0))
    return inf if isnan(difference) else difference


def to_json_bytes(document: Any, indent: int | None = None) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=indent).encode()
