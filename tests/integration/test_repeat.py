"""A run that is trained again by `python -m training_job.repeat`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from training_project import Project, project_in

from chalicelib.contract.objects import image_key, version_key
from infra.local.aws import EmbeddedAws
from training_job.repeat import main


@pytest.fixture(scope="module")
def run(stack: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A completed run of twenty images."""
    with project_in(stack, tmp_path_factory.mktemp("run")) as project:
        project.add_images()
        project.add_session()
        assert project.run() == 0
        yield project


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def files(run: Project, tmp_path: Path) -> Path:
    """What a user would fetch: run.json, the results, the manifest and the images."""
    results = _results(run)
    key = next(each["key"] for each in results["artifacts"] if each["format"] == "run")
    (tmp_path / "run.json").write_bytes(run.object(key))
    (tmp_path / "results.json").write_text(json.dumps(results))
    manifest = version_key(run.project_id, run.session.dataset_hash or "")
    (tmp_path / "manifest.jsonl.gz").write_bytes(run.object(manifest))
    (tmp_path / "images").mkdir()
    for entry in run.entries:
        body = run.object(image_key(run.project_id, entry.image_id))
        (tmp_path / "images" / entry.file_name).write_bytes(body)
    return tmp_path


def _results(run: Project) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run.object(run.session.results_key or ""))
    return document


def _arguments(folder: Path) -> list[str]:
    names = {"run": "run.json", "manifest": "manifest.jsonl.gz", "images": "images"}
    names |= {"results": "results.json", "output": "again"}
    return [part for name, path in names.items() for part in (f"--{name}", str(folder / path))]


def test_repetition_from_files_is_bit_identical(run: Project, files: Path) -> None:
    """From run.json, the manifest and a folder of images comes the same model, and the same figures."""
    assert main(_arguments(files)) == 0
    again, before = json.loads((files / "again/results.json").read_bytes()), _results(run)
    for name in ("accuracy", "loss", "confusionMatrix", "perClass", "misclassified"):
        assert again[name] == before[name]
    weights = next(each for each in before["artifacts"] if each["format"] == "safetensors")
    assert (files / "again/artifacts/model.safetensors").read_bytes() == run.object(weights["key"])


def test_repetition_from_the_bucket(run: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of the attempt's folder is enough."""
    for name, value in run.environment(attempt=1).items():
        monkeypatch.setenv(name, value)
    folder = (run.session.results_key or "").rsplit("/", 1)[0]
    assert main(["--session", f"s3://{run.bucket}/{folder}", "--output", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "results.json").read_bytes())["loss"] == _results(run)["loss"]


def test_another_seed_is_seen(files: Path) -> None:
    """A repetition that isn't one says so with its exit code."""
    document = json.loads((files / "run.json").read_text())
    document["config"]["seed"] = 1
    (files / "run.json").write_text(json.dumps(document))
    assert main(_arguments(files)) == 1


def test_changed_image_is_refused(files: Path) -> None:
    """An image whose bytes are others than the manifest's fails, by its name."""
    path = next((files / "images").iterdir())
    path.write_bytes(path.read_bytes() + b"\0")
    assert main(_arguments(files)) == 2


def test_missing_image_is_refused(files: Path) -> None:
    """An image that the folder lacks fails too: fewer images would be another run."""
    next((files / "images").iterdir()).unlink()
    assert main(_arguments(files)) == 2
