"""The predictor against the training's own evaluation: every kind of file, every exported model."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tiny import CPU, encoded
from torch import nn

from chalicelib.contract import config as contract
from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.manifest import Entry
from predictor.images import Picture, read
from predictor.models import Model, Models
from predictor.outputs import answer
from training_job import classification
from training_job.artifacts import exports_of
from training_job.detection import setup as detection
from training_job.detection.regions import RetinaNet
from training_job.evaluate import predict
from training_job.group import Group
from training_job.manifest import Manifest
from training_job.task import Setup

#: Those that cost a second or two; SOAK=1 has all of them.
CHEAP = ("mobilenet_v3_small", "ssdlite_mobilenet_v2")
SOAK = os.environ.get("SOAK") == "1"
TOLERANCE = 1e-4
SAME = 0.97  # of the detections
THRESHOLD = 0.05  # of what is compared; nothing is sure after a step
CLASSES = ("red", "green")


def _architectures(kind: Any) -> list[str]:
    return [each for each in get_args(kind) if SOAK or each in CHEAP]


def _scene(index: int) -> Image.Image:
    """A bright rectangle, red or green, on noise."""
    generator = np.random.default_rng(index)
    pixels = generator.integers(0, 90, (70 + index, 90, 3), np.uint8)
    pixels[10:50, 20:70, index % 2] = 250
    return Image.fromarray(pixels)


def _exif(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, exif=exif)


def _transparent(image: Image.Image) -> bytes:
    image = image.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return encoded(image)


def _deep(image: Image.Image) -> bytes:
    return encoded(Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257))


FILES: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda image: encoded(image.resize((900, 700)), "JPEG", quality=85),
    "png": encoded,
    "turned": lambda image: _exif(image, 6),
    "mirrored": lambda image: _exif(image, 2),
    "palette": lambda image: encoded(image.quantize(64)),
    "transparent palette": lambda image: encoded(image.quantize(64), transparency=3),
    "alpha": _transparent,
    "16 bit": _deep,
    "grey": lambda image: encoded(image.convert("L")),
    "gif": lambda image: encoded(image, "GIF"),
    "webp": lambda image: encoded(image, "WEBP", lossless=True),
}


@dataclass(frozen=True, slots=True)
class Files:
    """Image files by id: where the training reads them from."""

    bodies: Mapping[str, bytes]

    def get(self, image_id: str) -> bytes:
        return self.bodies[image_id]


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a run left, as files: where the predictor reads it from."""

    objects: Mapping[str, bytes]

    def read(self, key: str, max_bytes: int) -> bytes | None:
        return self.objects.get(key)

    def download(self, key: str, path: Path) -> str | None:
        path.write_bytes(self.objects[key])
        return sha256(self.objects[key]).hexdigest()


@dataclass(frozen=True, slots=True)
class Trained:
    """A model of the training, and the same as the predictor has it; `bodies` are the validation's files."""

    setup: Setup
    model: Model
    bodies: list[bytes]


def _train(architecture: str, side: int, folder: Path, **description: Any) -> Trained:
    """A few steps of the real training on files of every kind, and its export."""
    bodies = [make(_scene(index)) for index, make in enumerate([*FILES.values()] * 2)]
    entries, boxes = [], [20, 10, 50, 40]
    is_detector = architecture in get_args(contract.Detector)
    for index, body in enumerate(bodies):
        name = CLASSES[index % 2]
        label: Any = [{"label": name, "box": boxes}] if is_detector else name
        picture = read(body, 8)
        entries.append(
            Entry(
                image_id=f"{index:026d}", label=label, file_name=f"{index}.png", sha256="",
                size_bytes=len(body), width=picture.width, height=picture.height,
                split="train" if index < len(FILES) else "val",
            )
        )  # fmt: skip
    config = TrainingConfig(
        architecture=architecture, pretrained=False, image_size=side, batch_size=16, epochs=1
    ).resolved()  # type: ignore[arg-type]
    task = detection if is_detector else classification
    source = Files({each.image_id: body for each, body in zip(entries, bodies, strict=True)})
    manifest = Manifest(tuple(entries), "d" * 64)
    setup = task.set_up(config, manifest, folder, source, CPU, Group.alone(), lambda _: None)
    _step(setup)
    return Trained(setup, _exported(setup, config, manifest, folder, description), bodies[len(FILES) :])


def _step(setup: Setup) -> None:
    """One step, and then norms that have seen the images: at the start none differs from another."""
    model, batch = setup.model.train(), next(iter(setup.source.batches(1)))
    setup.task.step(model, batch).loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    torch.optim.SGD(model.parameters(), lr=0.01).step()
    model.eval()
    norms = [each.train() for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    if isinstance(model, RetinaNet):  # which starts sure that nothing is there
        nn.init.zeros_(model.net.get_parameter("head.classification_head.cls_logits.bias"))
    with torch.no_grad():
        model(setup.val_images.permute(0, 3, 1, 2).float() / 255)
    model.eval()


def _exported(
    setup: Setup, config: TrainingConfig, manifest: Manifest, folder: Path, description: Mapping[str, Any]
) -> Model:
    exports = exports_of(config.architecture)
    exports.save_onnx(setup.model, config.image_size, folder / "model.onnx")
    about = exports.describe(config.architecture, manifest.class_names, config, manifest.dataset_hash)
    if description:
        about["output"]["nms"] |= description
    objects = {"model.onnx": (folder / "model.onnx").read_bytes(), "model.json": json.dumps(about).encode()}
    artifacts = [
        {
            "format": kind,
            "key": key,
            "sha256": sha256(objects[key]).hexdigest(),
            "sizeBytes": len(objects[key]),
        }
        for kind, key in (("onnx", "model.onnx"), ("config", "model.json"))
    ]
    objects["results.json"] = json.dumps({"artifacts": artifacts}).encode()
    return Models(Bucket(objects), folder / "models").get("results.json")


@pytest.mark.parametrize("architecture", _architectures(contract.Classifier))
def test_a_classifier_says_what_the_evaluation_says(architecture: str, tmp_path: Path) -> None:
    """Of every kind of file, logits and probabilities are those of the training's own evaluation."""
    trained = _train(architecture, 64, tmp_path)
    logits = predict(trained.setup.model, trained.setup.task.val, lambda _: None)
    assert logits.std(0).max() > 100 * TOLERANCE  # images differ
    names = trained.model.classes
    for body, wanted in zip(trained.bodies, logits, strict=True):
        picture = read(body, trained.model.side)
        [[given]] = trained.model.run(picture.pixels)
        np.testing.assert_allclose(given, wanted, rtol=0, atol=TOLERANCE * (1 + wanted.abs().max()))
        said = answer(trained.model, picture)["predictions"]
        probabilities = dict(zip(names, wanted.softmax(0).tolist(), strict=True))
        assert {each["label"]: each["probability"] for each in said} == pytest.approx(
            probabilities, abs=TOLERANCE
        )
        assert [each["label"] for each in said] == sorted(names, key=probabilities.get, reverse=True)


@pytest.mark.parametrize("architecture", _architectures(contract.Detector))
def test_a_detector_finds_what_the_evaluation_finds(architecture: str, tmp_path: Path) -> None:
    """Of every kind of file, boxes, scores and classes are those of the training's own evaluation."""
    trained = _train(architecture, 64, tmp_path, scoreThreshold=THRESHOLD)
    found, _ = trained.setup.task._find(trained.setup.model, trained.setup.task.val, lambda _: None)
    surest = torch.stack([each.scores[0] for each in found])
    assert surest.std() > 10 * TOLERANCE  # images differ
    for body, wanted in zip(trained.bodies, found, strict=True):
        picture = read(body, trained.model.side)
        said = _rows(answer(trained.model, picture), trained.model, picture)
        evaluated = torch.cat([wanted.boxes, wanted.scores[:, None], wanted.labels[:, None]], 1).numpy()
        # What is about as sure as the last that is told may be told or not.
        floor = max([THRESHOLD, *said[99:100, 4], *evaluated[99:100, 4]]) + TOLERANCE
        sure = (evaluated[:, 4] > floor).sum()
        assert sure == (said[:, 4] > floor).sum() > 0
        # A net after one step makes much of roundings: a thousandth of a value is allowed for beside.
        same = np.isclose(said[None], evaluated[:sure, None], rtol=1e-3, atol=TOLERANCE).all(2)
        # Of two that overlap and are as good as equally sure, roundings decide which one thins out the other.
        assert same.any(1).mean() >= SAME


def _rows(said: dict[str, Any], model: Model, picture: Picture) -> NDArray[np.float64]:
    """Corners as shares of the sides, score, and class from 1."""
    rows = []
    for each in said["detections"]:
        left, top, width, height = each["box"]
        corners = np.array([left, top, left + width, top + height])
        shares = corners / ([said["width"], said["height"]] * 2)
        rows.append([*shares, each["score"], model.classes.index(each["label"]) + 1])
    assert (said["width"], said["height"]) == (picture.width, picture.height)
    return np.array(rows).reshape(-1, 6)
