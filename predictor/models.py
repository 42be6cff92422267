"""The models that were used last: their files on the disk, and fewer of them in memory."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from chalicelib.contract.errors import ConflictError

#: A confusion matrix of a thousand classes takes some megabytes; chalicelib/services/runs.py has the same.
_MAX_DOCUMENT_BYTES = 20_000_000
#: Files of the models in memory, where they take about twice as much while they are loaded. The largest
#: that the container exports has 345 MB (vit_b_16).
_LOADED, _LOADED_BYTES = 4, 500_000_000
#: On the disk: infra/functions.yaml gives the function 2 GB.
_DISK_BYTES = 1_500_000_000
_THREADS = 2
_Found = TypeVar("_Found")


class Store(Protocol):
    """Where runs leave their files."""

    def read(self, key: str, max_bytes: int) -> bytes | None:
        """An object's content; None where there is none.

        Raises:
            UnavailableError: S3 is busy, or didn't answer.
            ConflictError: it is larger.
        """

    def download(self, key: str, path: Path) -> str | None:
        """Writes an object to a file; its SHA-256 in hexadecimal digits, None where there is no such object.

        Raises:
            UnavailableError: S3 is busy, or didn't answer.
        """


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is ready to run.

    Attributes:
        description: model.json: see `describe` of training_job/artifacts.py and detection/export.py.
        size_bytes: of its file.
    """

    session: Any
    description: Mapping[str, Any]
    size_bytes: int

    @property
    def side(self) -> int:
        """Of the input in pixels."""
        return int(self.description["inputSize"][-1])

    @property
    def classes(self) -> list[str]:
        return list(self.description["classes"])

    def run(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """The outputs of one image, uint8 (side, side, 3), each with its batch of one."""
        batch = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
        outputs: list[NDArray[np.float32]] = self.session.run(None, {"images": batch})
        return outputs


class Models:
    """Loads models by the results that name them, and keeps the last few.

    Args:
        store: where they come from.
        folder: takes their files; it is made.
        disk_bytes: that the files may take together.
        loaded, loaded_bytes: how many are kept in memory, and of what size together.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        *,
        disk_bytes: int = _DISK_BYTES,
        loaded: int = _LOADED,
        loaded_bytes: int = _LOADED_BYTES,
    ) -> None:
        self._store, self._folder = store, folder
        self._disk_bytes, self._most, self._loaded_bytes = disk_bytes, loaded, loaded_bytes
        self._loaded: OrderedDict[str, Model] = OrderedDict()  # the one that was used last is the last
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, results_key: str) -> Model:
        """The model of a run.

        Raises:
            ConflictError: `results-gone`, `model-changed`, `model-too-large`.
            UnavailableError: S3 is busy, or didn't answer.
        """
        if results_key not in self._loaded:
            self._load(results_key)
        self._loaded.move_to_end(results_key)
        return self._loaded[results_key]

    def _load(self, results_key: str) -> None:
        results = json.loads(_there(self._store.read(results_key, _MAX_DOCUMENT_BYTES)))
        artifacts = {each["format"]: each for each in results["artifacts"]}
        description = json.loads(_there(self._store.read(artifacts["config"]["key"], _MAX_DOCUMENT_BYTES)))
        path = self._file(artifacts["onnx"])
        size = path.stat().st_size
        self._forget(size)
        self._loaded[results_key] = Model(_session(path), description, size)

    def _forget(self, size: int) -> None:
        """Makes room in memory for a model of a size in bytes."""
        while self._loaded and (
            len(self._loaded) >= self._most
            or size + sum(each.size_bytes for each in self._loaded.values()) > self._loaded_bytes
        ):
            self._loaded.popitem(last=False)

    def _file(self, artifact: Mapping[str, Any]) -> Path:
        """The artifact on the disk, under its hash."""
        path = self._folder / artifact["sha256"]
        if path.exists():
            path.touch()
            return path
        self._clear(artifact["sizeBytes"])
        partial = path.with_suffix(".partial")
        try:
            if _there(self._store.download(artifact["key"], partial)) != artifact["sha256"]:
                raise ConflictError("the model isn't the one that the run left", code="model-changed")
            return partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)

    def _clear(self, size: int) -> None:
        """Makes room on the disk for a file of a size in bytes."""
        if size > self._disk_bytes:
            raise ConflictError("the model is too large to be tried out here", code="model-too-large")
        files = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        total = sum(path.stat().st_size for path in files)
        for path in files:
            if total + size <= self._disk_bytes:
                return
            total -= path.stat().st_size
            path.unlink()


def _there(found: _Found | None) -> _Found:
    if found is None:
        raise ConflictError("the results were deleted", code="results-gone")
    return found


def _session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
