"""`python -m training_job` as a real process, against the stack of infra/template.yaml."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from PIL import Image as PilImage

from chalicelib.contract.attributes import from_item, marshal, to_item
from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.errors import LostClaimError
from chalicelib.contract.ids import ulid
from chalicelib.contract.objects import MANIFEST, image_key, session_key
from chalicelib.contract.records import EpochMetrics, Failure, Image, ImageStatus, Label, Session
from chalicelib.contract.states import Phase, Status
from chalicelib.contract.tables import ACTIVE, IMAGES, LABELS, METRICS, SESSIONS
from infra.local.aws import EmbeddedAws
from training_job.__main__ import claim_and_train
from training_job.aws import Clients
from training_job.config import JobEnvironment
from training_job.job import Job
from training_job.sessions import SessionRepository

ROOT = Path(__file__).parents[2]
NOW = "2026-01-01T00:00:00Z"
TINY = TrainingConfig(
    pretrained=False,
    architecture="mobilenet_v3_small",
    image_size=32,
    epochs=2,
    batch_size=16,
    learning_rate=2e-3,
)
ENDLESS = replace(TINY, epochs=1000)


@dataclass
class Project:
    """A project with a session in the embedded AWS, and the processes that train it."""

    stack: EmbeddedAws
    folder: Path
    project_id: str = field(default_factory=lambda: ulid(1))
    session_id: str = field(default_factory=lambda: ulid(2))
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.prefix, self.bucket = self.stack.outputs["TablePrefix"], self.stack.outputs["Bucket"]
        self.dynamodb, self.s3 = self.stack.client("dynamodb"), self.stack.client("s3")

    def put(self, table: str, record: Any) -> None:
        self.dynamodb.put_item(TableName=self.prefix + table, Item=to_item(record))

    def add_image(self, label: str | None, **attributes: Any) -> str:
        """A noisy image, bright for "day" and dark for anything else."""
        image_id, body = ulid(3), _png(200 if label == "day" else 50)
        key = image_key(self.project_id, image_id)
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        image = Image(
            project_id=self.project_id, image_id=image_id, status=ImageStatus.ACCEPTED, upload_time=NOW,
            file_name=f"{image_id}.png", file_path=key, sha256=hashlib.sha256(body).hexdigest(),
        )  # fmt: skip
        self.put(IMAGES, replace(image, **attributes))
        if label:
            self.put(LABELS, Label(
                project_id=self.project_id, label_id=image_id, image_id=image_id, label=label, updated_at=NOW,
            ))  # fmt: skip
        return image_id

    def add_images(self, count: int = 10) -> None:
        for index in range(2 * count):
            self.add_image(("day", "night")[index % 2])

    def add_session(self, config: TrainingConfig = TINY, **attributes: Any) -> None:
        session = Session(
            project_id=self.project_id, session_id=self.session_id, user_id="u", config_id="c",
            config=config.resolved().to_json(), status=Status.QUEUED, start_time=NOW, active=ACTIVE,
        )  # fmt: skip
        self.put(SESSIONS, replace(session, **attributes))

    @property
    def session(self) -> Session:
        key = marshal({"ProjectID": self.project_id, "SessionID": self.session_id})
        return from_item(Session, self.dynamodb.get_item(TableName=self.prefix + SESSIONS, Key=key)["Item"])

    @property
    def history(self) -> list[EpochMetrics]:
        response = self.dynamodb.query(
            TableName=self.prefix + METRICS,
            KeyConditionExpression="SessionID = :s",
            ExpressionAttributeValues=marshal({":s": self.session_id}),
        )
        return [from_item(EpochMetrics, item) for item in response["Items"]]

    def set(self, **attributes: Any) -> None:
        """Writes attributes of the session's row, as the API or another attempt would."""
        self.dynamodb.update_item(
            TableName=self.prefix + SESSIONS,
            Key=marshal({"ProjectID": self.project_id, "SessionID": self.session_id}),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
            ExpressionAttributeNames={f"#{name}": name for name in attributes},
            ExpressionAttributeValues=marshal({f":{name}": value for name, value in attributes.items()}),
        )

    def object(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def repository(self, attempt: int) -> SessionRepository:
        return SessionRepository(
            dynamodb=self.dynamodb, table_prefix=self.prefix, project_id=self.project_id,
            session_id=self.session_id, generation=1, attempt=attempt,
        )  # fmt: skip

    def epoch_metrics(self) -> EpochMetrics:
        return EpochMetrics(
            session_id=self.session_id, epoch=1, train_loss=1, train_accuracy=1, val_loss=1, val_accuracy=1,
            learning_rate=1, images_per_second=1, epoch_seconds=1, created_at=NOW, expires_at=1,
        )  # fmt: skip

    def job(self) -> Job:
        """What the process would make of its environment, to be run in this one."""
        environment = JobEnvironment.read(self.environment(attempt=1))
        return Job.create(environment, Clients(self.dynamodb, self.s3))

    def environment(self, attempt: int) -> dict[str, str]:
        return self.stack.environment | {
            "PATH": os.environ["PATH"],
            "PROJECT_ID": self.project_id,
            "SESSION_ID": self.session_id,
            "GENERATION": "1",
            "AWS_BATCH_JOB_ATTEMPT": str(attempt),
            "TORCH_HOME": str(self.folder),
        }

    def start(self, attempt: int = 1) -> subprocess.Popen[bytes]:
        command, environment = [sys.executable, "-m", "training_job"], self.environment(attempt)
        with (self.folder / f"attempt-{attempt}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        # On one core it trains with one thread: two that wait for one another are slow on a busy machine.
        os.sched_setaffinity(process.pid, {random.choice([*os.sched_getaffinity(0)])})
        self.processes.append(process)
        return process

    def run(self, attempt: int = 1) -> int:
        return self.start(attempt).wait(120)

    def until(self, condition: Callable[[Session], object]) -> Session:
        """Waits until the session's row meets a condition."""
        deadline = time.monotonic() + 90
        while not condition(session := self.session):
            assert time.monotonic() < deadline, f"still {session.status}, {session.phase}"
            time.sleep(0.1)
        return session


def _png(brightness: int) -> bytes:
    pixels = np.random.default_rng().integers(brightness - 40, brightness + 40, (24, 20, 3), np.uint8)
    buffer = BytesIO()
    PilImage.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def project(stack: EmbeddedAws, tmp_path: Path) -> Iterator[Project]:
    handler = signal.getsignal(signal.SIGTERM)
    project = Project(stack, tmp_path)
    yield project
    for process in project.processes:
        process.kill()
        process.wait()
    signal.signal(signal.SIGTERM, handler)


def test_completed_run(project: Project) -> None:
    """A run leaves a completed session, its epochs, a manifest, results and artifacts that fit together."""
    project.add_images()
    project.add_image(None)
    project.add_image("day", status=ImageStatus.DELETED)
    project.add_image("single")
    project.add_session()
    assert project.run() == 0

    session, history = project.session, project.history
    assert (session.status, session.phase, session.progress) == (Status.COMPLETED, Phase.DONE, 100)
    assert session.end_time is not None
    assert session.active is session.eta_seconds is session.failure_reason is None
    assert [metrics.epoch for metrics in history] == [1, 2]
    assert session.metrics == history[-1].to_json()

    manifest = project.object(session_key(project.project_id, project.session_id, MANIFEST))
    results = json.loads(project.object(session.results_key or ""))
    details = results["modelDetails"]
    assert len(json.loads(manifest)["images"]) == 21
    assert details["datasetHash"] == hashlib.sha256(manifest).hexdigest()
    assert (details["trainImages"], details["valImages"], details["epochsTrained"]) == (17, 4, 2)
    assert details["classes"] == results["confusionMatrix"]["classes"] == ["day", "night", "single"]
    assert [sum(row) for row in results["confusionMatrix"]["matrix"]] == [2, 2, 0]
    best = history[details["bestEpoch"] - 1]
    assert (results["accuracy"], results["loss"]) == pytest.approx((best.val_accuracy, best.val_loss))
    assert "MobileNetV3" in details["summary"]
    assert any("single" in warning for warning in results["warnings"])
    assert [each["format"] for each in results["artifacts"]] == ["safetensors", "onnx", "config", "labels"]
    for artifact in results["artifacts"]:
        body = project.object(artifact["key"])
        assert (hashlib.sha256(body).hexdigest(), len(body)) == (artifact["sha256"], artifact["sizeBytes"])
    assert body.decode().split() == details["classes"]


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
    assert any("stopped" in warning for warning in results["warnings"])


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
    """A reclaimed or killed process changes nothing more; the next attempt trains the same manifest."""
    project.add_images()
    project.add_session(ENDLESS)
    process = project.start()
    project.until(lambda session: (session.metrics or {}).get("epoch"))
    process.send_signal(number)
    assert process.wait(30) == code
    assert (project.session.status, project.session.active) == (Status.RUNNING, ACTIVE)

    manifest = project.object(session_key(project.project_id, project.session_id, MANIFEST))
    project.add_image("late")
    project.set(Config=TINY.resolved().to_json())
    assert project.run(attempt=2) == 0
    assert (project.session.status, project.session.attempt) == (Status.COMPLETED, 2)
    assert project.object(session_key(project.project_id, project.session_id, MANIFEST)) == manifest


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


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.STOPPED])
def test_session_that_is_over_is_not_claimed(project: Project, status: Status) -> None:
    """A terminal state never changes."""
    project.add_session(status=status)
    before = project.session
    with pytest.raises(LostClaimError):
        project.repository(attempt=1).claim()
    assert project.session == before


def test_second_job_of_a_session_leaves_it_alone(project: Project) -> None:
    """A process whose claim is refused ends with 0, which Batch doesn't retry, and writes nothing."""
    project.add_session(attempt=1, status=Status.RUNNING)
    before = project.session
    assert project.run() == 0
    assert project.session == before


def test_fence_holds_for_every_write(project: Project) -> None:
    """No write of an attempt that was replaced gets through: live, epoch, failure or end."""
    project.add_session()
    first, second = project.repository(attempt=1), project.repository(attempt=2)
    first.claim()
    second.claim()
    metrics = project.epoch_metrics()
    before = project.session
    writes: list[Callable[[], object]] = [
        lambda: first.update({"Progress": 50}),
        lambda: first.add_epoch(metrics, {"Progress": 50}),
        lambda: first.fail(Failure(code="x", message="x")),
        lambda: first.end(Status.COMPLETED, {}),
        first.claim,
    ]
    for write in writes:
        with pytest.raises(LostClaimError):
            write()
    assert (project.session, project.history) == (before, [])
    second.add_epoch(metrics, {"Progress": 50})
    assert (project.session.progress, len(project.history)) == (50, 1)


def test_repeated_claim_is_the_same_claim(project: Project) -> None:
    """A claim whose answer was lost, and that botocore sends again, still succeeds."""
    project.add_session()
    repository, bodies = project.repository(attempt=1), []

    def send_twice(request: Any, **_: Any) -> None:
        if not bodies:
            bodies.append(request)
            project.dynamodb._endpoint.http_session.send(request)

    project.dynamodb.meta.events.register_first("before-send.dynamodb.UpdateItem", send_twice)
    assert repository.claim().attempt == 1
    assert len(bodies) == 1


def test_conflicting_transaction_is_tried_again(project: Project) -> None:
    """A transaction that met another write of the row is repeated, and any other refusal is raised."""
    project.add_session()
    repository, codes = project.repository(attempt=1), ["TransactionConflict", "ThrottlingError"]
    repository.claim()
    error_class = project.dynamodb.exceptions.TransactionCanceledException

    def refuse(**_: Any) -> None:
        if codes:
            reasons = {"CancellationReasons": [{"Code": codes.pop(0)}], "Error": {"Code": "x"}}
            raise error_class(reasons, "TransactWriteItems")

    project.dynamodb.meta.events.register("before-call.dynamodb.TransactWriteItems", refuse)
    with pytest.raises(ClientError, match="TransactWriteItems"):
        repository.add_epoch(project.epoch_metrics(), {"Progress": 1})
    assert codes == []


def test_missing_weights_fail_the_run(project: Project) -> None:
    """Asking for weights that the container doesn't have fails, and never trains from scratch."""
    project.add_session(replace(TINY, pretrained=True, architecture="resnet18"))
    assert project.run() == 1
    session = project.session
    assert (session.status, session.progress, project.history) == (Status.FAILED, 0, [])
    assert (session.failure_reason or {})["code"] == "weights-missing"
    assert "pretrained=false" in (session.failure_reason or {})["message"]


def _no_labels(project: Project) -> None:
    project.add_image(None)
    project.add_session()


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
        (_no_labels, "no-trainable-data", "no labelled image"),
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
