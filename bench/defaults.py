"""Which defaults train well: candidates beside one another, on the same data and seeds.

    python -m bench.defaults                    handwritten digits of scikit-learn, from scratch
    python -m bench.defaults --images FOLDER    a folder of images for each class, from scratch
    ... --pretrained                            mobilenet_v2 instead, from ImageNet weights
    ... --brief                                 the defaults alone, and torchvision's recipe

Torchvision's recipe trains the same model on the same splits. Accuracies are of the validation split,
means over the seeds. The last line is one of JSON.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from bench.peers import torchvision_recipe
from bench.training.protocol import Case
from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.manifest import Entry, pack, unpack
from training_job.classification import set_up
from training_job.config import available_cores, given
from training_job.engine import fit
from training_job.figures import NullSink
from training_job.group import Group
from training_job.manifest import Manifest
from training_job.split import split_of
from training_job.weights import checkpoint_dir

PRETRAINED: list[Mapping[str, Any]] = [
    {},
    {"emaDecay": 0},
    {"learningRate": 2.5e-3, "backboneRate": 0.2},
    {"learningRate": 2.5e-3, "backboneRate": 0.2, "emaDecay": 0},
    {"learningRate": 5e-4, "backboneRate": 1.0},
    {"learningRate": 3e-4, "backboneRate": 1.0},
    {"optimizer": "sgd"},
    {"freezeBackbone": True},
]
SCRATCH: list[Mapping[str, Any]] = [
    {},
    {"learningRate": 1e-3},
    {"learningRate": 5e-3},
    {"weightDecay": 0.01},
    {"warmupEpochs": 1},
    {"optimizer": "sgd"},
]
RECIPE = "torchvision's recipe"

#: Accuracies after each epoch with these parameters.
Train = Callable[["Pictures", Mapping[str, Any]], list[float]]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Files in memory, as a source of images and as a manifest."""

    files: Mapping[str, bytes]
    manifest: Manifest

    def get(self, image_id: str) -> bytes:
        return self.files[image_id]

    @classmethod
    def of(cls, labelled: Iterator[tuple[str, bytes]]) -> "Pictures":
        files, entries = {}, []
        for index, (label, body) in enumerate(labelled):
            entry = _entry(f"{index:026d}", label, body)
            files[entry.image_id] = body
            entries.append(entry)
        packed = pack(entries)
        return cls(files, Manifest(tuple(unpack(packed.content, packed.dataset_hash)), packed.dataset_hash))


def _entry(image_id: str, label: str, body: bytes) -> Entry:
    with Image.open(BytesIO(body)) as image:
        width, height = image.size
    return Entry(
        image_id=image_id, label=label, file_name=image_id, sha256=sha256(body).hexdigest(),
        size_bytes=len(body), width=width, height=height,
    )  # fmt: skip


def digits() -> Iterator[tuple[str, bytes]]:
    """1,797 images of 8 x 8 pixels."""
    data = load_digits()
    for pixels, label in zip(data.images, data.target, strict=True):
        buffer = BytesIO()
        Image.fromarray((pixels * (255 / 16)).astype(np.uint8)).save(buffer, "PNG")
        yield str(label), buffer.getvalue()


def folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(each for each in path.glob("*/*") if each.is_file()):
        yield file.parent.name, file.read_bytes()


def accuracies(pictures: Pictures, parameters: Mapping[str, Any]) -> list[float]:
    """Of the validation split after each epoch, the head's (0) first where there is one."""
    config, device, group = (
        TrainingConfig.from_json(parameters).resolved(),
        torch.device("cpu"),
        Group.alone(),
    )
    setup = set_up(config, pictures.manifest, checkpoint_dir(), pictures, device, group, lambda _: None)
    result = fit(setup.model, setup.task, setup.source, config, NullSink(), group=group)
    return [each.val_accuracy for each in result.history]


def torchvision_accuracies(pictures: Pictures, parameters: Mapping[str, Any]) -> list[float]:
    """The same of torchvision's recipe: the same model, split and batch size, its own rates and crops."""
    config = TrainingConfig.from_json(parameters).resolved()
    split = split_of(pictures.manifest.entries, share=config.validation_split, seed=config.seed)
    with TemporaryDirectory() as folder:
        for name, entries in (("train", split.train), ("val", split.val)):
            for entry in entries:
                path = Path(folder, name, str(entry.label), f"{entry.image_id}.png")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(pictures.get(entry.image_id))
        torch.manual_seed(config.seed)
        case = Case(
            data=folder, out=folder, model=given(config.architecture), size=given(config.image_size),
            batch=given(config.batch_size), epochs=given(config.epochs), pretrained=config.pretrained,
            workers=0,
        )  # fmt: skip
        return list(torchvision_recipe.run(case))


def measure(
    pictures: Pictures, parameters: Mapping[str, Any], seeds: int, train: Train = accuracies
) -> dict[str, float]:
    start = time.process_time()
    runs = [train(pictures, {**parameters, "seed": seed}) for seed in range(seeds)]
    return {
        "first": fmean(each[0] for each in runs),
        "second": fmean(each[1] for each in runs),
        "lowest": fmean(min(each) for each in runs),
        "last": fmean(each[-1] for each in runs),
        "best": fmean(max(each) for each in runs),
        "cpu_seconds": (time.process_time() - start) / seeds,
    }


def rows(
    pictures: Pictures, shared: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]], seeds: int
) -> Iterator[tuple[str, dict[str, float]]]:
    for own in candidates:
        name = ", ".join(f"{key} {value}" for key, value in own.items()) or "the defaults"
        yield name, measure(pictures, {**shared, **own}, seeds)
    yield RECIPE, measure(pictures, shared, seeds, torchvision_accuracies)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path)
    parser.add_argument("--pretrained", action="store_true")
    parser.add_argument("--size", type=int, default=0, help="side of the images, in pixels")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--brief", action="store_true", help="the defaults alone, beside torchvision's recipe"
    )
    options = parser.parse_args()
    torch.set_num_threads(available_cores())
    shared = {
        "architecture": "mobilenet_v2" if options.pretrained else "mobilenet_v3_small",
        "pretrained": options.pretrained,
        "imageSize": options.size or (96 if options.images else 32),
        "epochs": options.epochs,
        "horizontalFlip": bool(options.images),
    }
    pictures = Pictures.of(folder(options.images) if options.images else digits())
    table = {}
    print(
        f"{'':<42}" + "".join(f"{each:>9}" for each in ("first", "second", "lowest", "last", "best", "CPU s"))
    )
    candidates = PRETRAINED if options.pretrained else SCRATCH
    for name, figures in rows(pictures, shared, candidates[: 1 if options.brief else None], options.seeds):
        *shares, seconds = figures.values()
        print(f"{name:<42}" + "".join(f"{each:>9.3f}" for each in shares) + f"{seconds:>9.1f}", flush=True)
        table[name] = figures
    print(json.dumps({"parameters": shared, "images": len(pictures.files), "candidates": table}))


if __name__ == "__main__":
    main()
