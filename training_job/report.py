"""What a run leaves behind: its files, and the results document that names them."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from chalicelib.contract.objects import RESULTS, session_key
from chalicelib.contract.results import Artifact, Results, to_json

from .artifacts import exports_of, onnx_difference, save_safetensors, to_json_bytes
from .card import model_card
from .config import given
from .engine import Ending
from .environment import environment
from .memory import return_freed
from .objects import ObjectStore
from .outcome import Outcome, make_results

_JSON, _PNG, _BINARY = "application/json", "image/png", "application/octet-stream"
_TEXT, _MARKDOWN = "text/plain; charset=utf-8", "text/markdown; charset=utf-8"


class Reports(Protocol):
    """Where a run leaves its files. Each `put` returns the key that the file can be found by."""

    def put(self, name: str, body: bytes, content_type: str) -> str: ...

    def put_file(self, name: str, path: Path, content_type: str) -> str: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportStore:
    """The folder of one attempt. Each has its own, so an attempt that was replaced spoils nothing."""

    objects: ObjectStore
    project_id: str
    session_id: str
    generation: int
    attempt: int

    def key(self, name: str) -> str:
        return session_key(self.project_id, self.session_id, f"{self.generation}-{self.attempt}/{name}")

    def put(self, name: str, body: bytes, content_type: str) -> str:
        key = self.key(name)
        self.objects.put(key, body, content_type)
        return key

    def put_file(self, name: str, path: Path, content_type: str) -> str:
        """In parts where it is large: only some of them are in memory at a time."""
        key = self.key(name)
        self.objects.s3.upload_file(
            str(path), self.objects.bucket, key, ExtraArgs={"ContentType": content_type}
        )
        return key


@dataclass(frozen=True, slots=True)
class _File:
    format: str
    path: Path
    content_type: str


def store_report(outcome: Outcome, reports: Reports, variables: Mapping[str, str] = os.environ) -> str:
    """Stores the artifacts, then the results, which name them. Leaves the model on the CPU.

    Args:
        variables: of the process; see `environment.environment`.

    Returns:
        The key of the results.
    """
    outcome.setup.model.cpu().eval()
    return_freed()  # to export takes much as well: the two would add up
    with TemporaryDirectory() as name:
        folder = Path(name)
        files, results = _write_model(outcome, folder)
        files += _write_account(outcome, folder, variables)
        files += _write_plots(outcome, folder)
        results = replace(results, artifacts=[_store(file, reports) for file in files])
        card = _write(folder, "card", "README.md", model_card(outcome, results).encode(), _MARKDOWN)
        results = replace(results, artifacts=[*results.artifacts, _store(card, reports)])
    return reports.put(RESULTS, to_json_bytes(to_json(results)), _JSON)


def _store(file: _File, reports: Reports) -> Artifact:
    with file.path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    key = reports.put_file(f"artifacts/{file.path.name}", file.path, file.content_type)
    return Artifact(format=file.format, key=key, sha256=digest, size_bytes=file.path.stat().st_size)


def _write(folder: Path, kind: str, name: str, body: bytes, content_type: str) -> _File:
    (folder / name).write_bytes(body)
    return _File(kind, folder / name, content_type)


def _write_model(outcome: Outcome, folder: Path) -> tuple[list[_File], Results]:
    model, config, class_names = outcome.setup.model, outcome.config, outcome.manifest.class_names
    exports, side = exports_of(given(config.architecture)), given(config.image_size)
    weights, onnx = folder / "model.safetensors", folder / "model.onnx"
    save_safetensors(model, weights)
    exports.save_onnx(model, side, onnx)
    difference = onnx_difference(
        lambda images: exports.outputs(model, images),
        onnx,
        outcome.setup.val_images,
        exports.batch_sizes(model),
    )
    about = exports.describe(given(config.architecture), class_names, config, outcome.manifest.dataset_hash)
    names = "".join(f"{name}\n" for name in class_names)
    files = [
        _File("safetensors", weights, _BINARY),
        _File("onnx", onnx, _BINARY),
        _write(folder, "config", "model.json", to_json_bytes(about), _JSON),
        _write(folder, "labels", "labels.txt", names.encode(), _TEXT),
    ]
    return files, make_results(outcome, size_bytes=weights.stat().st_size, onnx_difference=difference)


def _write_account(outcome: Outcome, folder: Path, variables: Mapping[str, str]) -> list[_File]:
    described = environment(outcome.device, variables)
    ended_at_will = outcome.fit.ending in (Ending.STOPPED, Ending.RUNTIME)
    run = {
        "datasetHash": outcome.manifest.dataset_hash,
        "config": outcome.config.to_json(),
        "stoppedAfter": outcome.fit.epochs_trained if ended_at_will else None,
        "devices": outcome.devices,
        "device": outcome.device.type,
        "threads": described["threads"],
    }
    return [
        _write(folder, "environment", "environment.json", to_json_bytes(described, indent=1), _JSON),
        _write(folder, "run", "run.json", to_json_bytes(run, indent=1), _JSON),
    ]


def _write_plots(outcome: Outcome, folder: Path) -> list[_File]:
    from . import plots  # a second to import, at the end alone

    judgement, setup = outcome.judgement, outcome.setup
    figures = {"confusion-matrix": plots.confusion(judgement.confusion_matrix)}
    if outcome.fit.history:
        figures["curves"] = plots.curves(outcome.fit.history)
    if judgement.misclassified:
        figures["mistakes"] = plots.worst(judgement.misclassified, setup.split.val, setup.val_images)
    for kind, figure in figures.items():
        plots.save(figure, folder / f"{kind}.png")
    return [_File(kind, folder / f"{kind}.png", _PNG) for kind in figures]
