"""A project in the embedded AWS, and the processes that train it: what the tests of the job work with."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import numpy as np
from PIL import Image as PilImage

from chalicelib.contract.attributes import from_item, marshal, to_item
from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.ids import ulid
from chalicelib.contract.manifest import Entry, pack
from chalicelib.contract.objects import checkpoint_prefix, image_key, version_key
from chalicelib.contract.records import EpochMetrics, Session
from chalicelib.contract.states import Status
from chalicelib.contract.tables import ACTIVE, METRICS, SESSIONS
from infra.local.aws import EmbeddedAws
from training_job.aws import Clients
from training_job.claim import claim_and_train
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


def has_epochs(count: int) -> Callable[[Session], bool]:
    """Whether a session shows so many finished epochs."""
    return lambda session: (session.metrics or {}).get("epoch", 0) >= count


@dataclass
class Project:
    """A project with a session in the embedded AWS, and the processes that train it."""

    stack: EmbeddedAws
    folder: Path
    project_id: str = field(default_factory=lambda: ulid(1))
    session_id: str = field(default_factory=lambda: ulid(2))
    batch_job_id: str = "job-1"
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.prefix, self.bucket = self.stack.outputs["TablePrefix"], self.stack.outputs["Bucket"]
        self.dynamodb, self.s3 = self.stack.client("dynamodb"), self.stack.client("s3")

    def put(self, table: str, record: Any) -> None:
        self.dynamodb.put_item(TableName=self.prefix + table, Item=to_item(record))

    def add_image(self, label: str, **attributes: Any) -> str:
        """A noisy image, bright for "day" and dark for anything else."""
        image_id, body = ulid(3), _png(200 if label == "day" else 50)
        self.s3.put_object(Bucket=self.bucket, Key=image_key(self.project_id, image_id), Body=body)
        entry = Entry(
            image_id=image_id, file_name=f"{image_id}.png", label=label, size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(), width=20, height=24,
        )  # fmt: skip
        self.entries.append(replace(entry, **attributes))
        return image_id

    def add_images(self, count: int = 10, **attributes: Any) -> None:
        """As many of each of two classes."""
        for index in range(2 * count):
            self.add_image(("day", "night")[index % 2], **attributes)

    def add_version(self) -> str:
        """The manifest of the images so far, as Lambda writes it; returns its hash."""
        packed = pack(sorted(self.entries, key=lambda entry: entry.image_id))
        key = version_key(self.project_id, packed.dataset_hash)
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=packed.content)
        return packed.dataset_hash

    def add_session(self, config: TrainingConfig = TINY, **attributes: Any) -> None:
        """A session on the images so far."""
        session = Session(
            project_id=self.project_id, session_id=self.session_id, user_id="u", config_id="c",
            config=config.resolved().to_json(), status=Status.QUEUED, start_time=NOW, active=ACTIVE,
            version_id=ulid(4), dataset_hash=self.add_version(),
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

    def remove(self, attribute: str) -> None:
        """Takes an attribute out of the session's row."""
        self.dynamodb.update_item(
            TableName=self.prefix + SESSIONS,
            Key=marshal({"ProjectID": self.project_id, "SessionID": self.session_id}),
            UpdateExpression=f"REMOVE {attribute}",
        )

    @property
    def checkpoints(self) -> list[str]:
        """The keys of those that are in the bucket."""
        prefix = checkpoint_prefix(self.project_id, self.session_id)
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"] for each in listed.get("Contents", [])]

    def object(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def repository(
        self, attempt: int, *, generation: int = 1, batch_job_id: str = "job-1"
    ) -> SessionRepository:
        return SessionRepository(
            dynamodb=self.dynamodb, table_prefix=self.prefix, project_id=self.project_id,
            session_id=self.session_id, generation=generation, attempt=attempt, batch_job_id=batch_job_id,
        )  # fmt: skip

    def epoch_metrics(self) -> EpochMetrics:
        return EpochMetrics(
            session_id=self.session_id, epoch=1, train_loss=1, train_accuracy=1, val_loss=1, val_accuracy=1,
            learning_rate=1, images_per_second=1, epoch_seconds=1, created_at=NOW, expires_at=1,
        )  # fmt: skip

    def job(self, attempt: int = 1) -> Job:
        """What the process would make of its environment, to be run in this one."""
        environment = self.environment(attempt)
        keys = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
        clients = Clients(self.dynamodb, self.s3, boto3.session.Session(*keys))
        return Job.create(JobEnvironment.read(environment), clients)

    def train(self, attempt: int = 1) -> int:
        """Does in this process, in seconds less, what `run` does in one of its own; the exit code."""
        return claim_and_train(self.job(attempt), time.monotonic())

    def environment(self, attempt: int) -> dict[str, str]:
        return self.stack.environment | {
            "PATH": os.environ["PATH"],
            "PROJECT_ID": self.project_id,
            "SESSION_ID": self.session_id,
            "GENERATION": "1",
            "AWS_BATCH_JOB_ATTEMPT": str(attempt),
            "AWS_BATCH_JOB_ID": self.batch_job_id,
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
        """Waits until the session's row meets a condition, as long as it may."""
        deadline = time.monotonic() + 90
        while not condition(session := self.session):
            assert not session.is_over, session.failure_reason
            assert time.monotonic() < deadline, f"still {session.status}, {session.phase}"
            time.sleep(0.1)
        return session

    def stop_when(self, condition: Callable[[Session], object]) -> None:
        """Asks to stop as soon as the session's row meets a condition, while this thread trains it."""

        def ask() -> None:
            self.until(condition)
            self.set(StopRequestedAt=NOW)

        Thread(target=ask, daemon=True).start()


def _png(brightness: int) -> bytes:
    pixels = np.random.default_rng().integers(brightness - 40, brightness + 40, (24, 20, 3), np.uint8)
    buffer = BytesIO()
    PilImage.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def project_in(stack: EmbeddedAws, folder: Path, *ids: str) -> Iterator[Project]:
    """A new project, or the one that the ids of it and of its session name.

    At the end its processes are gone, and this one's handler of SIGTERM is back.
    """
    handler = signal.getsignal(signal.SIGTERM)
    project = Project(stack, folder, *ids)
    try:
        yield project
    finally:
        signal.signal(signal.SIGTERM, handler)
        for process in project.processes:
            process.kill()
            process.wait()
