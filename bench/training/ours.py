"""Our side: what the container does with a session, on folders in the place of AWS."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.manifest import Entry, pack, unpack
from training_job.figures import EpochFigures, NullSink
from training_job.manifest import Manifest
from training_job.repeat import FolderImages, FolderReports, Original, repeat

from .protocol import Case, say_epoch, say_saved


class SaidSink(NullSink):
    """Every epoch as a mark."""

    def on_epoch(self, figures: EpochFigures) -> None:
        say_epoch(figures.epoch, figures.val_accuracy)


def image_paths(data: str) -> dict[str, Path]:
    """Files by the ids that they get here: their numbers in order."""
    paths = sorted(Path(data).glob("*/*/*"))  # a split, a class, a file
    return {f"{index:026d}": path for index, path in enumerate(paths)}


def manifest_of(paths: Mapping[str, Path]) -> Manifest:
    """As Lambda would have written it: of each file its split and its class, by its folders."""
    packed = pack(_entries(paths))
    return Manifest(tuple(unpack(packed.content, packed.dataset_hash)), packed.dataset_hash)


def _entries(paths: Mapping[str, Path]) -> Iterator[Entry]:
    for image_id, path in paths.items():
        body, folders = path.read_bytes(), path.parent
        with Image.open(path) as image:
            width, height = image.size
        split: Any = folders.parent.name
        yield Entry(
            image_id=image_id, file_name=path.name, label=folders.name, split=split,
            sha256=hashlib.sha256(body).hexdigest(), size_bytes=len(body), width=width, height=height,
        )  # fmt: skip


def config_of(case: Case) -> TrainingConfig:
    """Our defaults, but for what is everyone's."""
    return TrainingConfig.from_json(
        {
            "architecture": case.model,
            "imageSize": case.size,
            "batchSize": case.batch,
            "epochs": case.epochs,
            "pretrained": case.pretrained,
        }
    ).resolved()


def original_of(case: Case) -> Original:
    """The case as a run that is trained again."""
    paths = image_paths(case.data)
    config = config_of(case).to_json()
    run = {"config": config, "devices": 1, "device": case.device, "threads": case.workers}
    return Original(run=run, manifest=manifest_of(paths), images=FolderImages(paths), results=None)


def main() -> None:
    case = Case.from_argument()
    repeat(original_of(case), FolderReports(Path(case.out)), SaidSink())
    say_saved()


if __name__ == "__main__":
    main()
