"""A detector's files; see `artifacts` for a classifier's.

Every detector's ONNX model gives `boxes` and `scores`, to be thinned out by NMS: so the same few lines
use any of them.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from chalicelib.contract.config import TrainingConfig

from ..config import given
from .build import MAKES, Make, build_detector
from .evaluate import SCORE_THRESHOLD
from .model import AnchorDetector, Detector

#: Of a detector that thins out by itself: torchvision's, so that it may be done again.
_NMS_IOU = 0.5
_NAMES = ["boxes", "scores"]


class _Exported(nn.Module):
    """Boxes (B, N, 4) as shares of the image's sides, and scores (B, N, classes)."""

    def __init__(self, model: Detector) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        boxes, scores = self.model.raw(images)
        return (boxes / self.model.size).clamp(0, 1), scores


def describe(
    architecture: str, class_names: Sequence[str], config: TrainingConfig, dataset_hash: str
) -> dict[str, Any]:
    """What is needed to rebuild the model and to use it: model.json."""
    side = given(config.image_size)
    make = MAKES[architecture]
    return {
        "architecture": architecture,
        "classes": list(class_names),
        "inputSize": [3, side, side],
        "input": {
            "layout": "NCHW",
            "channels": "RGB",
            "range": [0, 1],
            "resize": "stretch",
            "batch": "any" if issubclass(make.wrapper, AnchorDetector) else 1,
        },
        "normalisation": {
            "mean": list(make.mean),
            "std": list(make.std),
            "insideModel": True,
        },
        "output": {
            "boxes": "(batch, N, 4): left, top, right, bottom as shares of the image's sides",
            "scores": "(batch, N, classes), 0 to 1",
            "nms": {"iou": _nms_iou(make), "each": "class", "scoreThreshold": SCORE_THRESHOLD},
        },
        "datasetHash": dataset_hash,
        "training": config.to_json(),
    }


def _nms_iou(make: Make) -> float:
    """That which evaluation thins out with."""
    return make.wrapper.nms_iou if issubclass(make.wrapper, AnchorDetector) else _NMS_IOU


def load_safetensors(description: Mapping[str, Any], path: Path) -> Detector:
    """The detector that `save_safetensors` and `describe` wrote, in eval mode."""
    side, classes = description["inputSize"][-1], len(description["classes"])
    model = build_detector(description["architecture"], classes, side, seed=0)
    model.load_state_dict(safetensors.torch.load_file(path))
    return model.eval()


def batch_sizes(model: nn.Module) -> tuple[int, ...]:
    """Those that the ONNX model is to be tried with: the second stage of a Faster R-CNN takes one image."""
    return (1, 3) if isinstance(model, AnchorDetector) else (1,)


def save_onnx(model: nn.Module, image_size: int, path: Path) -> None:
    """ONNX: `images` float (batch, 3, size, size) to `boxes` and `scores`; see `batch_sizes`."""
    free = {0: "batch"} if isinstance(model, AnchorDetector) else {1: "objects"}
    axes = dict.fromkeys(_NAMES, free) | ({"images": free} if 0 in free else {})
    with warnings.catch_warnings():
        # The exporter that is to replace this one can't export detectors.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Of torchvision's NMS, and of indices that could be negative, which these aren't.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        # Sizes that torchvision computes in Python: they follow from the image's, which is fixed.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined] # documented
        torch.onnx.export(
            _Exported(model).eval(),  # type: ignore[arg-type] # a detector, as `exports_of` says
            (torch.zeros(1, 3, image_size, image_size),),
            path,
            input_names=["images"],
            output_names=_NAMES,
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


def outputs(model: nn.Module, images: Tensor) -> Sequence[Tensor]:
    """What the ONNX model gives, from torch; `images` as there."""
    boxes: tuple[Tensor, Tensor] = _Exported(model)(images)  # type: ignore[arg-type]
    return boxes
