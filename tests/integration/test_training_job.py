"""`python -m training_job` as a real process, against the stack of infra/template.yaml."""

import errno
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from training_project import ENDLESS, NOW, TINY, Project, has_epochs, project_in

import training_job.run
from chalicelib.contract.errors import LostClaimError, TrainingError, UnavailableError
from chalicelib.contract.manifest import pack
from chalicelib.contract.objects import image_key, version_key
from chalicelib.contract.states import Phase, Status
from infra.local.aws import EmbeddedAws
from training_job.engine import Fit, fit
from training_job.sessions import SessionRepository


@pytest.fixture
def project(stack: EmbeddedAws, tmp_path: Path) -> Iterator[Project]:
    with project_in(stack, tmp_path) as project:
        yield project


def test_completed_run(project: Project) -> None:
    """A run leaves a completed session, its epochs, results and artifacts that fit together."""
    project.add_images()
    project.add_image("single")
    project.add_session()
    assert project.run() == 0

    session, history = project.session, project.history
    assert (session.status, session.phase, session.progress) == (Status.COMPLETED, Phase.DONE, 100)
    assert session.end_time is not None
    assert session.active is session.eta_seconds is session.failure_reason is None
    assert [metrics.epoch for metrics in history] == [1, 2]
    assert session.metrics == history[-1].to_json()

    results = json.loads(project.object(session.results_key or ""))
    details = results["modelDetails"]
    assert details["datasetHash"] == session.dataset_hash
    assert results["test"] is None
    assert (details["trainImages"], details["valImages"], details["epochsTrained"]) == (17, 4, 2)
    assert details["classes"] == results["confusionMatrix"]["classes"] == ["day", "night", "single"]
    assert [sum(row) for row in results["confusionMatrix"]["matrix"]] == [2, 2, 0]
    best = history[details["bestEpoch"] - 1]
    assert (results["accuracy"], results["loss"]) == pytest.approx((best.val_accuracy, best.val_loss))
    assert "MobileNetV3" in details["summary"]
    assert any("single" in warning["examples"] for warning in results["warnings"])
    bodies = {each["format"]: project.object(each["key"]) for each in results["artifacts"]}
    assert bodies.keys() >= {"safetensors", "onnx", "config", "labels", "card", "environment", "run"}
    for artifact in results["artifacts"]:
        body = bodies[artifact["format"]]
        assert (hashlib.sha256(body).hexdigest(), len(body)) == (artifact["sha256"], artifact["sizeBytes"])
    assert bodies["labels"].decode().split() == details["classes"]
    assert (session.checkpoint, project.checkpoints) == (None, [])


def test_given_splits_are_kept_to(project: Project) -> None:
    """Images of `val` validate, those without a split train beside `train`, and `test` is for the end."""
    for split, count in (("train", 3), (None, 4), ("val", 2), ("test", 5)):
        project.add_images(count, split=split)
    project.add_session()
    assert project.train() == 0
    results = json.loads(project.object(project.session.results_key or ""))
    details = results["modelDetails"]
    assert (details["trainImages"], details["valImages"]) == (14, 4)
    assert [sum(row) for row in results["confusionMatrix"]["matrix"]] == [2, 2]
    assert results["test"]["images"] == 10
    assert 0 <= results["test"]["accuracy"] <= 1
    assert results["test"]["loss"] > 0


def test_stop_keeps_what_was_learnt(project: Project) -> None:
    """A stop in the middle of a run ends it as stopped, with results of the best weights so far."""
    project.add_images()
    project.add_session(ENDLESS)
    project.stop_when(has_epochs(1))
    assert project.train() == 0
    session = project.session
    assert (session.status, session.active) == (Status.STOPPED, None)
    results = json.loads(project.object(session.results_key or ""))
    assert results["modelDetails"]["epochsTrained"] == len(project.history) > 0
    assert "stopped" in [warning["code"] for warning in results["warnings"]]


def test_stop_and_terminate(project: Project) -> None:
    """A terminated job whose stop was asked for ends as stopped, as if the stop alone had come."""
    project.add_images()
    project.add_session(ENDLESS)
    process = project.start()
    project.until(has_epochs(1))
    project.set(StopRequestedAt=NOW)
    process.terminate()
    assert process.wait(60) == 0
    assert project.session.status is Status.STOPPED
    assert project.session.results_key is not None


def test_stop_before_training_leaves_no_results(project: Project) -> None:
    """A stop that was asked for before the first epoch ends the run with nothing to collect."""
    project.add_images()
    project.add_session(stop_requested_at=NOW)
    assert project.train() == 0
    assert (project.session.status, project.session.results_key) == (Status.STOPPED, None)
    assert project.history == []


def test_replaced_attempt_ends_without_a_trace(project: Project) -> None:
    """Once a second attempt has the session, the first writes nothing more, and ends with 0: not retried."""
    project.add_images()
    project.add_session(ENDLESS)
    process = project.start()
    project.until(has_epochs(1))
    project.repository(attempt=2).claim()
    claimed, epochs = project.session, len(project.history)
    assert process.wait(60) == 0
    assert project.session == claimed
    assert len(project.history) == epochs


def test_second_job_of_a_session_leaves_it_alone(project: Project) -> None:
    """An attempt whose claim is refused writes nothing."""
    project.add_session(attempt=1, status=Status.RUNNING)
    before = project.session
    with pytest.raises(LostClaimError):
        project.train()
    assert project.session == before


def test_missing_weights_fail_the_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for weights that the container doesn't have fails, and never trains from scratch."""
    monkeypatch.setenv("TORCH_HOME", str(project.folder))
    project.add_session(replace(TINY, pretrained=True, architecture="resnet18"))
    assert project.train() == 1
    session = project.session
    assert (session.status, session.progress, project.history) == (Status.FAILED, 0, [])
    assert (session.failure_reason or {})["code"] == "weights-missing"
    assert "pretrained=false" in (session.failure_reason or {})["message"]


def _fails_above(largest: int, sizes: list[int]) -> Callable[..., Fit]:
    """The engine, on a machine on which batches of more than `largest` don't fit."""

    def fit_if_it_fits(*arguments: Any, **options: Any) -> Fit:
        sizes.append(arguments[3].batch_size)
        if sizes[-1] > largest:
            raise TrainingError("The memory is too small.", code="out-of-memory")
        return fit(*arguments, **options)

    return fit_if_it_fits


def test_full_memory_halves_the_batch_size_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of memory, the run is tried again with half the batch size, and the results say so."""
    sizes: list[int] = []
    monkeypatch.setattr(training_job.run, "fit", _fails_above(8, sizes))
    project.add_images()
    project.add_session()
    assert project.train() == 0
    assert sizes == [16, 8]
    results = json.loads(project.object(project.session.results_key or ""))
    assert results["run"]["batchSize"] == 8
    [warning] = [each for each in results["warnings"] if each["code"] == "batch-size-halved"]
    assert "8" in warning["message"]


@pytest.mark.parametrize(
    ("parameters", "tried", "advice"),
    [({}, [16, 8], "batchSize to 4"), ({"auto_batch_size": False}, [16], "batchSize to 8")],
)
def test_full_memory_names_the_batch_size_to_try(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, Any],
    tried: list[int],
    advice: str,
) -> None:
    """Where half of it doesn't fit either, or isn't allowed, the run fails and says what may."""
    sizes: list[int] = []
    monkeypatch.setattr(training_job.run, "fit", _fails_above(2, sizes))
    project.add_images()
    project.add_session(replace(TINY, **parameters))
    assert project.train() == 1
    assert sizes == tried
    assert (project.session.failure_reason or {})["code"] == "out-of-memory"
    assert advice in (project.session.failure_reason or {})["message"]


def test_full_disk_fails_the_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the disk fills up, the session says so, and the attempt isn't repeated."""

    def fill_the_disk(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(training_job.run, "store_report", fill_the_disk)
    project.add_images()
    project.add_session()
    assert project.train() == 1
    assert (project.session.failure_reason or {})["code"] == "disk-full"


def test_unreachable_aws_leaves_the_session_to_the_next_attempt(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With AWS out of reach the process ends with 75, which Batch tries again, and nothing has failed."""

    def time_out(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="x")

    monkeypatch.setattr(training_job.run, "store_report", time_out)
    project.add_images()
    project.add_session()
    assert project.train() == 75
    assert project.session.status is Status.RUNNING
    assert project.checkpoints


def test_reason_that_cannot_be_written_is_left_to_the_next_attempt(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With AWS out of reach when the run has failed the process ends with 75: the reason isn't lost."""

    def time_out(*_: Any) -> None:
        raise UnavailableError("AWS didn't answer")

    monkeypatch.setattr(SessionRepository, "fail", time_out)
    project.add_session()
    assert project.train() == 75
    assert project.session.status is Status.RUNNING


def _no_images(project: Project) -> None:
    project.add_session()


def _no_dataset(project: Project) -> None:
    project.add_images(2)
    project.add_session(dataset_hash=None, version_id=None)


def _missing_manifest(project: Project) -> None:
    project.add_session(dataset_hash="0" * 64)


def _other_manifest(project: Project) -> None:
    project.add_images(2)
    project.add_session()
    key = version_key(project.project_id, project.session.dataset_hash or "")
    project.s3.put_object(Bucket=project.bucket, Key=key, Body=pack([]).content)


def _corrupt_manifest(project: Project) -> None:
    project.add_images(2)
    project.add_session()
    key = version_key(project.project_id, project.session.dataset_hash or "")
    project.s3.put_object(Bucket=project.bucket, Key=key, Body=project.object(key)[:-40])


def _missing_object(project: Project) -> None:
    project.add_images(2)
    image_id = project.add_image("day")
    project.s3.delete_object(Bucket=project.bucket, Key=image_key(project.project_id, image_id))
    project.add_session()


def _corrupt_config(project: Project) -> None:
    project.add_session()
    project.set(Config={"depth": 50})


@pytest.mark.parametrize(
    ("arrange", "code", "words"),
    [
        (_no_images, "no-trainable-data", "No image with a label"),
        (_no_dataset, "no-dataset", "Start again"),
        (_missing_manifest, "missing-object", "manifest"),
        (_other_manifest, "corrupt-manifest", "has the hash"),
        (_corrupt_manifest, "corrupt-manifest", "can't be read"),
        (_missing_object, "missing-object", "/images/"),
        (_corrupt_config, "corrupt-config", "depth"),
    ],
)
def test_failed_run_says_why(
    project: Project, arrange: Callable[[Project], None], code: str, words: str
) -> None:
    """What can't be trained ends as failed, with a code, a sentence, and an exit code that isn't retried."""
    arrange(project)
    assert project.train() == 1
    session = project.session
    assert (session.status, session.active) == (Status.FAILED, None)
    assert (session.failure_reason or {})["code"] == code
    assert words in (session.failure_reason or {})["message"]
    assert session.end_time is not None
