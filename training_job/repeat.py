"""`python -m training_job.repeat`: a run again, from its manifest, configuration and seed.

    python -m training_job.repeat --session s3://BUCKET/projects/P/sessions/S/1-1 --output FOLDER
    python -m training_job.repeat --run run.json --manifest manifest.jsonl.gz --images FOLDER --output FOLDER

The first takes all it needs from the bucket; the second needs no AWS, and compares with the original
where it is given its `--results`. No session is written. On a CPU of the same kind, with the packages of
environment.json and as many processes, the weights are those of the original to the last bit.
"""

import argparse
import json
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

import torch
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.config import task_of
from chalicelib.contract.errors import DarkroomError, TrainingError
from chalicelib.contract.manifest import Entry
from chalicelib.contract.objects import RESULTS, version_key

from .config import given, read_training_config
from .dataset import ImageSource
from .engine import fit
from .figures import EpochFigures, MetricsSink, NullSink
from .group import Group
from .manifest import Manifest, read_manifest
from .objects import ImageObjects, ObjectStore
from .outcome import Outcome
from .prepare import set_up, settle
from .report import Reports, store_report

_LOG = logging.getLogger("training_job.repeat")
_WEIGHTS = "safetensors"


@dataclass(frozen=True, slots=True)
class FolderImages:
    """Images as files: `dataset.ImageSource`."""

    paths: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path, entries: Sequence[Entry]) -> "FolderImages":
        """Found by the image's id, with any suffix or none, or else by the name it was uploaded under."""
        by_name = {path.name: path for path in folder.iterdir()}
        by_stem = {path.stem: path for path in by_name.values()}
        found = {each.image_id: by_stem.get(each.image_id, by_name.get(each.file_name)) for each in entries}
        return cls({image_id: path for image_id, path in found.items() if path})

    def get(self, image_id: str) -> bytes:
        if image_id not in self.paths:
            raise TrainingError(f"The folder has no file of the image {image_id}.", code="missing-object")
        return self.paths[image_id].read_bytes()


@dataclass(frozen=True, slots=True)
class FolderReports:
    """A folder: `report.Reports`."""

    folder: Path

    def put(self, name: str, body: bytes, content_type: str) -> str:
        del content_type
        (self.folder / name).write_bytes(body)
        return name

    def put_file(self, name: str, path: Path, content_type: str) -> str:
        del content_type
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        copyfile(path, self.folder / name)
        return name


@dataclass(frozen=True, kw_only=True, slots=True)
class Original:
    """What is repeated.

    Attributes:
        run: run.json.
        results: to compare with; None where they aren't at hand.
    """

    run: Mapping[str, Any]
    manifest: Manifest
    images: ImageSource
    results: Mapping[str, Any] | None


class EpochLog(NullSink):
    """Says how each epoch went, and stops where the original was stopped."""

    def __init__(self, last_epoch: int | None) -> None:
        self._last_epoch = last_epoch

    def on_epoch(self, figures: EpochFigures) -> None:
        self.stop_requested = figures.epoch == self._last_epoch
        _LOG.info("epoch %d: loss %.4f, accuracy %.4f", figures.epoch, figures.val_loss, figures.val_accuracy)


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives the exit code: 0, the weights are the original's, or not compared; 1, others; 2, it failed."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    parsed = _parse(arguments)
    parsed.output.mkdir(parents=True, exist_ok=True)
    try:
        original = _from_bucket(*parsed.session) if parsed.session else _from_files(parsed)
        repeat(original, FolderReports(parsed.output))
    except DarkroomError as error:
        _LOG.error("%s: %s", error.code, error.detail)
        return 2
    except (OSError, BotoCoreError, ClientError) as error:  # a file, the bucket, or the way to it
        _LOG.error("%s", error)
        return 2
    if original.results is None:
        return 0
    return 0 if compare(original.results, json.loads((parsed.output / RESULTS).read_bytes())) else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training_job.repeat", description="Repeats a run.")
    parser.add_argument("--session", type=_attempt, help="the attempt's folder, where results.json is")
    parser.add_argument("--run", type=Path, help="run.json")
    parser.add_argument("--manifest", type=Path, help="of the dataset version, as it was fetched")
    parser.add_argument("--images", type=Path, help="folder of the images, by image id or file name")
    parser.add_argument("--results", type=Path, help="results.json, to compare with")
    parser.add_argument("--output", type=Path, required=True, help="folder of what the repetition leaves")
    parsed = parser.parse_args(arguments)
    if not parsed.session and not (parsed.run and parsed.manifest and parsed.images):
        parser.error("--session, or --run, --manifest and --images")
    return parsed


def _attempt(uri: str) -> tuple[str, ...]:
    """Bucket, folder and project of an attempt."""
    found = re.fullmatch(r"s3://([^/]+)/(projects/([^/]+)/sessions/[^/]+/[^/]+)/?", uri)
    if not found:
        raise argparse.ArgumentTypeError("it is like s3://BUCKET/projects/P/sessions/S/1-1")
    return found.groups()


def repeat(original: Original, reports: Reports, sink: MetricsSink | None = None) -> str:
    """Trains again; returns the key of the results.

    Args:
        sink: by default a log of the epochs, that stops where the original was stopped.

    Raises:
        TrainingError: as a run does.
    """
    run = original.run
    settle(run["threads"])
    config, group = read_training_config(run["config"]), Group.alone()
    device = device_of(run)
    if (run["devices"], run["device"]) != (group.size, device.type):
        words = "The original was trained by %d processes on %s: expect other roundings."
        _LOG.info(words, run["devices"], run["device"])
    setup = set_up(config, original.manifest, original.images, device, group, lambda _: None)
    sink = sink or EpochLog(run["stoppedAfter"])
    result = fit(setup.model, setup.task, setup.source, config, sink, group=group)
    outcome = Outcome(
        config=config,
        manifest=original.manifest,
        setup=setup,
        fit=result,
        judgement=setup.task.judge(setup.model, lambda _: None),
        test=setup.task.held_out(setup.model, lambda _: None),
        device=device,
    )
    return store_report(outcome, reports)


def device_of(run: Mapping[str, Any]) -> torch.device:
    """A GPU for a run that had one, if this machine has one too."""
    return torch.device(run["device"] if torch.cuda.is_available() else "cpu")


def compare(original: Mapping[str, Any], repeated: Mapping[str, Any]) -> bool:
    """Shows both runs' figures; whether the weights are the same to the last bit."""
    for name in ("accuracy", "loss"):
        _LOG.info("%-8s %.6f, was %.6f", name, repeated[name], original[name])
    ours, theirs = (_digest(document) for document in (repeated, original))
    _LOG.info("weights  %s, were %s: %s", ours[:12], theirs[:12], "identical" if ours == theirs else "others")
    return ours == theirs


def _digest(results: Mapping[str, Any]) -> str:
    return next(each["sha256"] for each in results["artifacts"] if each["format"] == _WEIGHTS)


def _from_files(parsed: argparse.Namespace) -> Original:
    run = json.loads(parsed.run.read_bytes())
    manifest = _manifest(run, parsed.manifest.read_bytes())
    return Original(
        run=run,
        manifest=manifest,
        images=FolderImages.of(parsed.images, manifest.entries),
        results=json.loads(parsed.results.read_bytes()) if parsed.results else None,
    )


def _from_bucket(bucket: str, folder: str, project_id: str) -> Original:
    from .aws import Clients

    clients = Clients.create()
    objects = ObjectStore(clients.s3, bucket)
    run = json.loads(_found(objects, f"{folder}/artifacts/run.json"))
    return Original(
        run=run,
        manifest=_manifest(run, _found(objects, version_key(project_id, run["datasetHash"]))),
        images=ImageObjects(clients.bucket(bucket), project_id),
        results=json.loads(_found(objects, f"{folder}/{RESULTS}")),
    )


def _found(objects: ObjectStore, key: str) -> bytes:
    body = objects.find(key)
    if body is None:
        raise TrainingError(f"The bucket has no {key}.", code="missing-object")
    return body


def _manifest(run: Mapping[str, Any], content: bytes) -> Manifest:
    architecture = given(read_training_config(run["config"]).architecture)
    return read_manifest(content, run["datasetHash"], task_of(architecture))


if __name__ == "__main__":
    sys.exit(main())
