"""A simulated AWS in the process: DynamoDB and S3 behind the SDK's own `before-send` event.

Everything of botocore but the socket is in use. Each call takes a set time, and is counted.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

from botocore.awsrequest import AWSResponse

from chalicelib.adapters.aws import Aws

from .bucket import Answer, Bucket
from .tables import RefusedError, Tables

#: The environment that botocore wants; nothing leaves the process.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "simulated",
    "AWS_SECRET_ACCESS_KEY": "simulated",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",  # the calls end in this process
}


class Killed(BaseException):
    """The process died at a call: nothing of ours may catch it."""


class SimulatedAws:
    """Answers a set of clients.

    Args:
        latency_seconds: what each call takes.

    Attributes:
        calls: how many there were, by operation, such as `dynamodb.Query`.
        sent: bytes of the requests' bodies.
        most_at_once: how many calls were under way at one moment, at most.
        dies_at: at which further call the process dies, from 1; None is never.
    """

    def __init__(self, latency_seconds: float = 0.01) -> None:
        self.tables = Tables()
        self.bucket = Bucket()
        self.latency_seconds = latency_seconds
        self.calls: Counter[str] = Counter()
        self.sent = self.most_at_once = self._at_once = 0
        self.dies_at: int | None = None
        self._lock = Lock()

    def attach(self, aws: Aws) -> Aws:
        """Has the simulation answer these clients; returns them."""
        for service, client in (("dynamodb", aws.dynamodb), ("s3", aws.s3)):
            client.meta.events.register_first(f"before-send.{service}", self._answer)
        return aws

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """The calls of a block."""
        before, found = Counter(self.calls), Counter[str]()
        yield found
        found.update(self.calls - before)

    def _answer(self, request: Any, event_name: str, **_: Any) -> AWSResponse:
        _before_send, service, operation = event_name.split(".")
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        self._begin(f"{service}.{operation}", len(body))
        try:
            time.sleep(self.latency_seconds)
            answer = self._ask(service, operation, request, body)
        finally:
            with self._lock:
                self._at_once -= 1
        return AWSResponse(request.url, answer.status, _Headers(answer.headers), _Raw(answer.body))

    def _begin(self, name: str, size: int) -> None:
        with self._lock:
            if self.dies_at is not None:
                self.dies_at -= 1
                if self.dies_at <= 0:
                    raise Killed
            self.calls[name] += 1
            self.sent += size
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)

    def _ask(self, service: str, operation: str, request: Any, body: bytes) -> Answer:
        if service == "s3":
            return self.bucket.answer(request.method, request.url, _text(request.headers), body)
        try:
            return Answer(200, self.tables.answer(operation, body))
        except RefusedError as refused:
            return Answer(400, refused.body)


def _text(headers: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value.decode() if isinstance(value, bytes) else str(value) for name, value in headers.items()
    }


class _Headers(dict[str, str]):
    """Header names in any case, as urllib3 has them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())


class _Raw:
    """The body of an answer, as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)

    def read(self, amount: int | None = None, **_: Any) -> bytes:
        size = len(self._body) if amount is None else amount
        part, self._body = self._body[:size], self._body[size:]
        return bytes(part)

    def stream(self, amount: int = 65_536, **_: Any) -> Iterator[bytes]:
        while part := self.read(amount):
            yield part

    def close(self) -> None:
        self._body = memoryview(b"")
