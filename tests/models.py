"""Tiny models as a run leaves them: exported, described, named by results."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 8
COLOURS = ("red", "green", "blue")


def colours() -> dict[str, bytes]:
    """A classifier's objects by name: its logits are ten times the mean of each channel."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["means", "ten"], ["logits"]),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])]
    return _left(nodes, outputs, {"ten": np.float32(10)}, "logits")


def boxes(scores: Any, corners: Any, **nms: Any) -> dict[str, bytes]:
    """A detector's objects by name: it finds the same in every image.

    Args:
        scores: (N, 3), of the classes.
        corners: (N, 4), as shares of the sides.
        nms: what isn't as the container writes it.
    """
    values = {"b": np.array([corners], np.float32), "s": np.array([scores], np.float32)}
    nodes = [
        # So that the image is an input that something depends on.
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["b", "nothing"], ["boxes"]),
        helper.make_node("Add", ["s", "nothing"], ["scores"]),
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "objects", size])
        for name, size in (("boxes", 4), ("scores", 3))
    ]
    thinned = {"iou": 0.5, "each": "class", "scoreThreshold": 0.5} | nms
    return _left(nodes, outputs, values | {"zero": np.float32(0)}, {"nms": thinned})


def _left(nodes: Any, outputs: Any, values: Mapping[str, Any], output: Any) -> dict[str, bytes]:
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "model", [images], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    about = {"classes": COLOURS, "inputSize": [3, SIDE, SIDE], "output": output}
    return {"model.onnx": model.SerializeToString(), "model.json": json.dumps(about).encode()}


def results(objects: Mapping[str, bytes], prefix: str = "") -> dict[str, Any]:
    """As much of a results document as names the files, whose keys begin with a prefix."""
    kinds = {"model.onnx": "onnx", "model.json": "config"}
    return {
        "artifacts": [
            {
                "format": kinds[name], "key": prefix + name, "sizeBytes": len(body),
                "sha256": sha256(body).hexdigest(),
            }
            for name, body in objects.items()
        ]
    }  # fmt: skip


def put(s3: Any, bucket: str, prefix: str, objects: Mapping[str, bytes]) -> str:
    """Leaves a model in S3; returns the key of the results that name it."""
    document = json.dumps(results(objects, prefix)).encode()
    for name, body in {**objects, "results.json": document}.items():
        s3.put_object(Bucket=bucket, Key=prefix + name, Body=body)
    return f"{prefix}results.json"
