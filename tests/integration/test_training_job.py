"""`python -m training_job` as a real process, against the stack of infra/template.yaml."""

import hashlib
import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from training_project import ENDLESS, NOW, TINY, Project, project_in

from chalicelib.contract.manifest import pack
from chalicelib.contract.objects import image_key, version_key
from chalicelib.contract.states import Phase, Status
from chalicelib.contract.tables import ACTIVE
from infra.local.aws import EmbeddedAws
from training_job.__main__ import claim_and_train


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
    assert [each["format"] for each in results["artifacts"]] == ["safetensors", "onnx", "config", "labels"]
    for artifact in results["artifacts"]:
        body = project.object(artifact["key"])
        assert (hashlib.sha256(body).hexdigest(), len(body)) == (artifact["sha256"], artifact["sizeBytes"])
    assert body.decode().split() == details["classes"]


def test_given_splits_are_kept_to(project: Project) -> None:
    """Images of `val` validate, those without a split train beside `train`, and `test` is for the end."""
    for split, count in (("train", 3), (None, 4), ("val", 2), ("test", 5)):
        project.add_images(count, split=split)
    project.add_session()
    assert project.run() == 0
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
    process = project.start()
    project.until(lambda session: (session.metrics or {}).get("epoch"))
    project.set(StopRequestedAt=NOW)
    assert process.wait(60) == 0
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
    project.until(lambda session: (session.metrics or {}).get("epoch"))
    project.set(StopRequestedAt=NOW)
    process.terminate()
    assert process.wait(60) == 0
    assert project.session.status is Status.STOPPED
    assert project.session.results_key is not None


def test_stop_before_training_leaves_no_results(project: Project) -> None:
    """A stop that was asked for before the first epoch ends the run with nothing to collect."""
    project.add_images()
    project.add_session(stop_requested_at=NOW)
    assert claim_and_train(project.job(), 0.0) == 0
    assert (project.session.status, project.session.results_key) == (Status.STOPPED, None)
    assert project.history == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_next_attempt_goes_on_after_a_process_ended(project: Project, number: int, code: int) -> None:
    """A reclaimed or killed process changes nothing more; the next attempt trains on the same data."""
    project.add_images()
    project.add_session(ENDLESS)
    process = project.start()
    project.until(lambda session: (session.metrics or {}).get("epoch"))
    process.send_signal(number)
    assert process.wait(30) == code
    assert (project.session.status, project.session.active) == (Status.RUNNING, ACTIVE)

    project.set(Config=TINY.resolved().to_json())
    assert project.run(attempt=2) == 0
    assert (project.session.status, project.session.attempt) == (Status.COMPLETED, 2)
    details = json.loads(project.object(project.session.results_key or ""))["modelDetails"]
    assert details["datasetHash"] == project.session.dataset_hash


def test_replaced_attempt_ends_without_a_trace(project: Project) -> None:
    """Once a second attempt has claimed the session, the first writes nothing more and ends by itself."""
    project.add_images()
    project.add_session(ENDLESS)
    process = project.start()
    project.until(lambda session: (session.metrics or {}).get("epoch"))
    project.repository(attempt=2).claim()
    claimed, epochs = project.session, len(project.history)
    assert process.wait(60) == 0
    assert project.session == claimed
    assert len(project.history) == epochs


def test_second_job_of_a_session_leaves_it_alone(project: Project) -> None:
    """A process whose claim is refused ends with 0, which Batch doesn't retry, and writes nothing."""
    project.add_session(attempt=1, status=Status.RUNNING)
    before = project.session
    assert project.run() == 0
    assert project.session == before


def test_missing_weights_fail_the_run(project: Project) -> None:
    """Asking for weights that the container doesn't have fails, and never trains from scratch."""
    project.add_session(replace(TINY, pretrained=True, architecture="resnet18"))
    assert project.run() == 1
    session = project.session
    assert (session.status, session.progress, project.history) == (Status.FAILED, 0, [])
    assert (session.failure_reason or {})["code"] == "weights-missing"
    assert "pretrained=false" in (session.failure_reason or {})["message"]


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
    assert claim_and_train(project.job(), 0.0) == 1
    session = project.session
    assert (session.status, session.active) == (Status.FAILED, None)
    assert (session.failure_reason or {})["code"] == code
    assert words in (session.failure_reason or {})["message"]
    assert session.end_time is not None
