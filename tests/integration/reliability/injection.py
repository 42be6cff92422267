"""Failures of AWS, put between the SDK's own retries and the embedded AWS.

botocore's events carry them: `before-call` tells the calls apart, and `before-send`, which comes once
an attempt, fails some of a call's attempts. What the SDK makes of that is the SDK's.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from io import BytesIO
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError
from werkzeug.test import run_wsgi_app

from chalicelib.adapters.aws import Aws

Send = Callable[[Any], AWSResponse]


class Fault(StrEnum):
    THROTTLED = "throttled"
    THROUGHPUT = "provisioned throughput exceeded"
    INTERNAL = "internal error"
    TIMEOUT_BEFORE = "timeout before the request was carried out"
    TIMEOUT_AFTER = "timeout after the request was carried out"
    RESET = "connection reset"


#: service -> fault -> (status, code). The others than DynamoDB have no throughput that
#: is provisioned: what they say in its place when they have too much to do.
_ANSWERS: dict[str, dict[Fault, tuple[int, str]]] = {
    "dynamodb": {
        Fault.THROTTLED: (400, "ThrottlingException"),
        Fault.THROUGHPUT: (400, "ProvisionedThroughputExceededException"),
        Fault.INTERNAL: (500, "InternalServerError"),
    },
    "s3": {
        Fault.THROTTLED: (503, "SlowDown"),
        Fault.THROUGHPUT: (400, "RequestTimeout"),
        Fault.INTERNAL: (500, "InternalError"),
    },
    "batch": {
        Fault.THROTTLED: (429, "TooManyRequestsException"),
        Fault.THROUGHPUT: (400, "ThrottlingException"),
        Fault.INTERNAL: (500, "ServerException"),
    },
    "lambda": {
        Fault.THROTTLED: (429, "TooManyRequestsException"),
        Fault.THROUGHPUT: (502, "EC2ThrottledException"),
        Fault.INTERNAL: (500, "ServiceException"),
    },
    "logs": {
        Fault.THROTTLED: (400, "ThrottlingException"),
        Fault.THROUGHPUT: (400, "LimitExceededException"),
        Fault.INTERNAL: (503, "ServiceUnavailableException"),
    },
    "secretsmanager": {
        Fault.THROTTLED: (400, "ThrottlingException"),
        Fault.THROUGHPUT: (400, "LimitExceededException"),
        Fault.INTERNAL: (500, "InternalServiceError"),
    },
}


@dataclass(frozen=True, slots=True)
class Site:
    """One call of a request: its service, its operation, and which of several such it is, from 1."""

    service: str
    operation: str
    number: int

    @property
    def budget(self) -> int:
        """How many failures of a call the SDK absorbs, by `adapters.aws`: it asks Batch and Lambda once."""
        return 0 if self.service in ("batch", "lambda") else 3

    @property
    def counts(self) -> tuple[int, ...]:
        """One failure, as many as are absorbed, and one more."""
        return tuple(sorted({1, self.budget, self.budget + 1} - {0}))


@dataclass
class Injection:
    """Fails the first `times` attempts of the call at `site`; without a site it only notes the calls."""

    site: Site | None = None
    fault: Fault = Fault.INTERNAL
    times: int = 0
    sites: list[Site] = field(default_factory=list)
    injected: int = 0
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _here: threading.local = field(default_factory=threading.local)

    def begin(self, model: Any) -> None:
        """A call begins; its attempts follow in the same thread."""
        key = model.service_model.service_name, model.name
        with self._lock:
            self._seen[key] += 1
            self._here.site = Site(*key, self._seen[key])
            self.sites.append(self._here.site)

    def attempt(self, request: Any, send: Send) -> AWSResponse:
        if self._here.site != self.site or self.injected >= self.times:
            return send(request)
        self.injected += 1
        return self._fail(request, send)

    def _fail(self, request: Any, send: Send) -> AWSResponse:
        match self.fault:
            case Fault.TIMEOUT_BEFORE:
                raise ConnectTimeoutError(endpoint_url=request.url)
            case Fault.TIMEOUT_AFTER:
                send(request)
                raise ReadTimeoutError(endpoint_url=request.url)
            case Fault.RESET:
                raise ConnectionClosedError(endpoint_url=request.url)
        assert self.site
        return _refusal(request.url, self.site.service, *_ANSWERS[self.site.service][self.fault])


def _refusal(url: str, service: str, status: int, code: str) -> AWSResponse:
    if service == "s3":
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
        return _response(url, status, {"Content-Type": "application/xml"}, body.encode())
    return _response(url, status, {"x-amzn-errortype": code}, b'{"__type": "%s"}' % code.encode())


def _response(url: str, status: int, headers: Mapping[str, str], body: bytes) -> AWSResponse:
    raw = urllib3.HTTPResponse(BytesIO(body), preload_content=False)
    return AWSResponse(url, status, urllib3.HTTPHeaderDict(headers), raw)


class Wire:
    """Leads clients to a WSGI application without a socket: so they reach it in a forked process too.

    botocore asks all handlers of an event and takes the first answer, so this is the only one.
    """

    def __init__(self, application: Any, aws: Aws) -> None:
        self._application = application
        self._injection = Injection()
        for each in (aws.dynamodb, aws.s3, aws.batch, aws.functions, aws.secrets, aws.logs):
            each.meta.events.register("before-call", self._called)
            each.meta.events.register("before-send", self._sent)

    @contextmanager
    def under(self, injection: Injection) -> Iterator[Injection]:
        self._injection = injection
        try:
            yield injection
        finally:
            self._injection = Injection()

    def _called(self, model: Any, **_: Any) -> None:
        self._injection.begin(model)

    def _sent(self, request: Any, **_: Any) -> AWSResponse:
        return self._injection.attempt(request, self._send)

    def _send(self, request: Any) -> AWSResponse:
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        content = body.encode() if isinstance(body, str) else bytes(body)
        environ = _environ(request, content)
        chunks, status, headers = run_wsgi_app(self._application, environ, buffered=True)
        return _response(request.url, int(status.split()[0]), dict(headers), b"".join(chunks))


def _environ(request: Any, content: bytes) -> dict[str, Any]:
    url = urlsplit(request.url)
    environ = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(url.path).encode().decode("latin-1"),
        "QUERY_STRING": url.query,
        "REQUEST_URI": f"{url.path}?{url.query}",
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": str(url.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": url.netloc,
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.input": BytesIO(content),
        "wsgi.errors": BytesIO(),
        "wsgi.url_scheme": url.scheme,
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        key = name.upper().replace("-", "_")
        if key != "CONTENT_LENGTH":
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = text
    return environ
