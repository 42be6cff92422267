"""Batches of which some messages can't be handled, through the real queues and the real handlers."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from app import app
from chalicelib import bootstrap
from chalicelib.bootstrap import aws_ports
from chalicelib.contract.objects import image_key
from chalicelib.events.queues import MAX_RECEIVES
from chalicelib.settings import Settings
from infra.local.aws import EmbeddedAws
from infra.local.queues import event_sources, poll, queue_of
from tests.images import image
from tests.integration.conftest import Api
from tests.support import make_session, new_id

GOOD, POISON = 7, 3
BATCH = GOOD + POISON


@dataclass
class Queues:
    """A queue with its function and its dead-letter queue."""

    stack: EmbeddedAws
    name: str

    def __post_init__(self) -> None:
        self.sqs = self.stack.client("sqs")
        [self.source] = [each for each in event_sources(app, self.stack) if each.queue_url == self._url("")]
        self.dead = self._url("DeadLetter")
        for url in (self.source.queue_url, self.dead):
            self.sqs.purge_queue(QueueUrl=url)

    def _url(self, kind: str) -> str:
        return self.stack.resources[f"{self.name}{kind}Queue"]

    def held(self, url: str) -> int:
        """Messages that are there, seen or unseen."""
        return len(queue_of(url).messages)

    def send(self, bodies: list[str]) -> None:
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        self.sqs.send_message_batch(QueueUrl=self.source.queue_url, Entries=entries)

    def work(self, dead: int) -> None:
        """Hands messages to the function until none is left, and so many are dead letters."""
        stop = threading.Event()
        poller = threading.Thread(target=poll, args=(self.source, self.stack.client("sqs"), stop))
        poller.start()
        try:
            deadline = time.monotonic() + 120
            while (self.held(self.source.queue_url), self.held(self.dead)) != (0, dead):
                assert time.monotonic() < deadline, "the queue didn't drain"
                time.sleep(0.05)
        finally:
            stop.set()
            poller.join()

    def redrive(self) -> int:
        """Moves the dead letters back, as SQS's StartMessageMoveTask does, which moto lacks."""
        moved = 0
        while found := self.sqs.receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10).get("Messages"):
            self.send([each["Body"] for each in found])
            for each in found:
                self.sqs.delete_message(QueueUrl=self.dead, ReceiptHandle=each["ReceiptHandle"])
            moved += len(found)
        return moved


@dataclass
class Faults:
    """Refuses the calls that have one of these words in them, and counts all calls by the words."""

    words: list[str]
    poisoned: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)

    def __call__(self, request: Any, **_: Any) -> AWSResponse | None:
        body = request.body if isinstance(request.body, bytes) else b""
        text = request.url.encode() + body
        for word in self.words:
            if word.encode() in text and word in self.poisoned:
                self.refused[word] += 1
                return _refusal(request)
            self.passed[word] += word.encode() in text
        return None


def _refusal(request: Any) -> AWSResponse:
    kind = "com.amazonaws.dynamodb.v20120810#AccessDeniedException"
    body = json.dumps({"__type": kind, "message": "no"}).encode()
    if ".s3." in request.url or "/incoming/" in request.url:
        body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    raw = BytesIO(body)
    raw.stream = lambda **_: iter([body])  # type: ignore[attr-defined]
    return AWSResponse(request.url, 403, {}, raw)


@contextmanager
def _injected(client: Any, event: str, faults: Faults) -> Iterator[None]:
    client.meta.events.register_first(event, faults)
    try:
        yield
    finally:
        client.meta.events.unregister(event, faults)


@pytest.mark.injects(
    "an event of Batch's, three in a batch of ten, that can't be noted",
    times=3,
    soak=60,
    outcome="the other seven are applied once; after five tries it is a dead letter, which a redrive applies",
)
def test_three_bad_events_of_ten(environment: None, stack: EmbeddedAws, times: int) -> None:
    """The sessions of three jobs are out of reach, until the cause is mended."""
    ports = aws_ports(Settings.read(stack.environment), bootstrap.aws())
    queues = Queues(stack, "JobState")
    for _ in range(times // POISON):
        sessions = [make_session(batch_job_id=new_id()) for _ in range(BATCH)]
        for each in sessions:
            ports.sessions.add(each)
        row = {
            each.session_id: partial(ports.sessions.get, each.project_id, each.session_id)
            for each in sessions
        }
        good, bad = [*row][:GOOD], [*row][GOOD:]
        reads, writes = Faults([*row], set(bad)), Faults([*row])
        queues.send([_death_of(each) for each in sessions])
        dynamodb = bootstrap.aws().dynamodb
        with _injected(dynamodb, "before-send.dynamodb.UpdateItem", writes):
            with _injected(dynamodb, "before-send.dynamodb.GetItem", reads):
                queues.work(dead=POISON)
            assert reads.refused == dict.fromkeys(bad, MAX_RECEIVES)
            ended = {each: row[each]() for each in good}
            assert {each.status for each in ended.values()} == {"failed"}
            assert {row[each]().status for each in bad} == {"queued"}
            assert queues.redrive() == POISON
            queues.work(dead=0)
        assert {row[each]().status for each in bad} == {"failed"}
        assert {each: row[each]() for each in good} == ended
        assert writes.passed == dict.fromkeys(row, 1)


def _death_of(session: Any) -> str:
    environment = [
        {"name": "PROJECT_ID", "value": session.project_id},
        {"name": "GENERATION", "value": "1"},
    ]
    detail = {
        "jobId": session.batch_job_id,
        "jobName": session.session_id,
        "status": "FAILED",
        "container": {"exitCode": 1, "environment": environment},
    }
    return json.dumps({"detail": detail})


@pytest.mark.injects(
    "a file, three in a batch of ten, that can't be fetched",
    times=3,
    soak=60,
    outcome="seven become images once; after five tries it shows as rejected, until a redrive takes it in",
)
def test_three_bad_files_of_ten(api: Api, stack: EmbeddedAws, times: int) -> None:
    """The objects of three files are out of reach, until the cause is mended."""
    queues = Queues(stack, "Ingest")
    for _ in range(times // POISON):
        path, keys = _landed(api, stack)
        project_id = path.split("/")[3]
        images = {image_key(project_id, each.rpartition("/")[2]): each for each in keys}
        reads, writes = Faults(keys, set(keys[GOOD:])), Faults([*images])
        s3 = bootstrap.aws().s3
        with _injected(s3, "before-send.s3.PutObject", writes):
            with _injected(s3, "before-send.s3.GetObject", reads):
                queues.work(dead=POISON)
            assert reads.refused == dict.fromkeys(keys[GOOD:], MAX_RECEIVES)
            found = api.call("GET", path).json
            assert (found["accepted"], found["rejected"], found["pending"]) == (GOOD, POISON, 0)
            assert queues.redrive() == POISON
            queues.work(dead=0)
        found = api.call("GET", path).json
        assert (found["accepted"], found["rejected"], found["pending"]) == (BATCH, 0, 0)
        assert writes.passed == dict.fromkeys(images, 1)


def _landed(api: Api, stack: EmbeddedAws) -> tuple[str, list[str]]:
    """The path of an upload whose files have landed, and their keys; S3 tells the queue."""
    project = api.project()
    files = [
        {"fileName": f"{number}.png", "sizeBytes": 99, "contentType": "image/png"} for number in range(BATCH)
    ]
    opened = api.call("POST", f"{project}/data/uploads", {"files": files}).json
    s3 = stack.client("s3")
    for number, each in enumerate(opened["images"]):
        s3.put_object(
            Bucket=stack.outputs["Bucket"], Key=each["key"], Body=image(number), ContentType="image/png"
        )
    return f"{project}/data/uploads/{opened['uploadId']}", [each["key"] for each in opened["images"]]
