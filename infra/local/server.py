"""API Gateway and Lambda in front of the Chalice app: HTTP with their limits."""

import base64
import gzip
import json
import re
import threading
import uuid
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any

from chalice.app import Chalice, Request
from chalice.config import Config
from chalice.local import (
    ChaliceRequestHandler,
    LambdaEventConverter,
    LocalGateway,
    LocalGatewayException,
    RouteMatcher,
)

from chalicelib.routes.api import STAGE
from chalicelib.routes.headers import SECURITY

from .functions import MAX_PAYLOAD_BYTES

#: API Gateway's, for a request's body: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
MAX_BODY_BYTES = 10 * 1024 * 1024
_SMALLER = "Send many or large images through POST /api/projects/{projectId}/data/uploads."
#: Requests that are handled at one moment, as functions run in so many environments; the others wait. One
#: process gets no more done by doing more at once, and calls of AWS that wait for each other time out.
CONCURRENCY = 16
#: What hashes passwords has turns of its own, as it has a throttle of its own at API Gateway (LoginRate). The
#: application bounds it (adapters/passwords.py), and must be asked before it can refuse.
_MAX_HASHING = 256
_HASHING = {("POST", f"/{STAGE}{path}") for path in ("/auth/login", "/users", "/users/me/password")}
#: That a request waits for its turn: API Gateway's, for an answer.
_PATIENCE_SECONDS = 29
#: MinimumCompressionSize of the API in infra/functions.yaml.
MIN_COMPRESSED_BYTES = 1024
#: Where a person who types the address alone wants to go.
_CONSOLE = f"/{STAGE}/"
#: A refused body up to this size is read and thrown away, so that the client can read the answer.
_DRAINED_BYTES = 100 * 1024 * 1024


def _routed(path: str) -> str:
    """The path without the stage, as API Gateway routes it; /openapi.json is found at the root as well."""
    stage, separator, rest = path.removeprefix("/").partition("/")
    if stage == STAGE and separator:
        return f"/{rest}"
    return path if path == "/openapi.json" else "/-"


class _PerThread:
    """Chalice keeps the current request in the app: each thread is a Lambda environment of its own."""

    _state = threading.local()

    @property
    def current_request(self) -> Request | None:
        return getattr(self._state, "request", None)

    @current_request.setter
    def current_request(self, value: Request | None) -> None:
        self._state.request = value

    @property
    def lambda_context(self) -> Any:
        return getattr(self._state, "context", None)

    @lambda_context.setter
    def lambda_context(self, value: Any) -> None:
        self._state.context = value


class _Converter(LambdaEventConverter):
    """Bodies as API Gateway hands them on: base64 for the binary types, text for the others."""

    def create_lambda_event(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> dict[str, Any]:
        event = super().create_lambda_event(method, path, headers)
        kind = event["headers"].get("content-type", "").partition(";")[0].strip().lower()
        event["isBase64Encoded"] = kind in self._binary_types
        if body is not None:
            text = base64.b64encode(body) if event["isBase64Encoded"] else body
            event["body"] = text.decode("utf-8", "replace")
        return event


class Server(ThreadingHTTPServer):
    """The API's HTTP server."""

    daemon_threads = True
    request_queue_size = 1024  # clients that connect at the same moment

    def __init__(self, app: Chalice, host: str, port: int) -> None:
        if not isinstance(app, _PerThread):
            app.__class__ = type("LocalChalice", (_PerThread, type(app)), {})
        config = Config.create(lambda_timeout=29, lambda_memory_size=1024)
        self.environments = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="function")
        self.logins = ThreadPoolExecutor(_MAX_HASHING, thread_name_prefix="login")
        super().__init__((host, port), partial(_Handler, app_object=app, config=config))

    def server_close(self) -> None:
        super().server_close()
        for each in (self.environments, self.logins):
            each.shutdown(wait=False, cancel_futures=True)


class _Handler(ChaliceRequestHandler):
    disable_nagle_algorithm = True  # otherwise a kept connection waits 40 ms for each answer
    timeout = 60  # seconds that a client may take for its next bytes
    wbufsize = -1  # head and body in one packet
    close_connection: bool
    server: Server

    def __init__(
        self, request: Any, client_address: Any, server: Any, app_object: Chalice, config: Config
    ) -> None:
        self._gateway = LocalGateway(app_object, config)
        self._gateway.event_converter = _Converter(
            RouteMatcher(list(app_object.routes)), app_object.api.binary_types
        )
        super().__init__(request, client_address, server, app_object=app_object, config=config)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What Python's server refuses by itself: as a problem too, not as a page."""
        self.request_version = getattr(self, "request_version", "HTTP/1.1") or "HTTP/1.1"
        self._refuse(HTTPStatus(code), "bad-request", explain or message or HTTPStatus(code).description)

    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):  # the client hung up
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Nothing: the app logs its requests itself."""

    def _generic_handle(self) -> None:
        self.close_connection |= self.command == "HEAD"  # an answer's body would be read as the next head
        if "Transfer-Encoding" in self.headers:
            self._refuse(
                HTTPStatus.LENGTH_REQUIRED, "length-required", "Send the body with a Content-Length."
            )
            return
        length = ",".join(self.headers.get_all("Content-Length", ["0"]))
        if not re.fullmatch("[0-9]{1,18}", length):
            self._refuse(HTTPStatus.BAD_REQUEST, "malformed", "Content-Length is not one number.")
        elif int(length) > MAX_BODY_BYTES:
            self._drain(int(length))
            self._refuse_size("a request's body may have 10 MiB")
        else:
            self._invoke(self.rfile.read(int(length)) or None)

    def _invoke(self, body: bytes | None) -> None:
        if self.command == "GET" and self.path in ("/", f"/{STAGE}"):
            self._send_http_response(HTTPStatus.FOUND, {"Location": _CONSOLE}, "")
            return
        if self._payload_bytes(body) > MAX_PAYLOAD_BYTES:
            self._refuse_size("as a Lambda event, in which binary types are base64, it may have 6 MiB")
            return
        request = self.command, _routed(self.path), dict(self.headers), body
        try:
            answer = self._in_turn(request)
        except LocalGatewayException:
            self._refuse(HTTPStatus.NOT_FOUND, "not-found", "There is no such path.", close=False)
            return
        if answer is None:
            detail = "Too many requests wait already."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, close=False, retry_after_seconds=5)
            return
        if len(answer["body"] or "") > MAX_PAYLOAD_BYTES:
            self._refuse(HTTPStatus.BAD_GATEWAY, "answer-too-large", "The answer has more than 6 MiB.")
            return
        answer = self._handle_binary(answer)
        headers, content = self._compressed(answer["headers"] | answer["multiValueHeaders"], answer["body"])
        self._send_http_response(answer["statusCode"], headers, content)

    def _compressed(self, headers: dict[str, Any], body: str | bytes | None) -> tuple[dict[str, Any], Any]:
        """As API Gateway does for a client that takes gzip."""
        content = body.encode() if isinstance(body, str) else body or b""
        if len(content) < MIN_COMPRESSED_BYTES or "gzip" not in self.headers.get("Accept-Encoding", ""):
            return headers, body
        return headers | {"Content-Encoding": "gzip"}, gzip.compress(content, 6, mtime=0)

    def _in_turn(self, request: tuple[Any, ...]) -> Any:
        """The answer to a request; None where its turn doesn't come."""
        is_login = (self.command, self.path.partition("?")[0]) in _HASHING
        turns = self.server.logins if is_login else self.server.environments
        try:
            handled = turns.submit(self._gateway.handle_request, *request)
        except RuntimeError:  # the server ends
            return None
        try:
            return handled.result(_PATIENCE_SECONDS)
        except TimeoutError:
            return None if handled.cancel() else handled.result()
        except CancelledError:
            return None

    def _payload_bytes(self, body: bytes | None) -> int:
        event = {"headers": dict(self.headers), "path": self.path}
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind in self._gateway.event_converter._binary_types:
            return len(json.dumps(event)) + (len(body or b"") + 2) // 3 * 4
        text = (body or b"").decode("utf-8", "replace")
        return len(json.dumps(event)) + len(json.dumps(text, ensure_ascii=False).encode())

    def _drain(self, length: int) -> None:
        remaining = length if length <= _DRAINED_BYTES else 0
        while remaining > 0 and (chunk := self.rfile.read(min(remaining, 1 << 16))):
            remaining -= len(chunk)

    def _refuse_size(self, limit: str) -> None:
        detail = f"The request is too large: {limit}."
        self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request-too-large", detail, hint=_SMALLER)

    def _refuse(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        close: bool = True,
        hint: str = "",
        retry_after_seconds: int = 0,
    ) -> None:
        """The problem document that the API's own gateway responses have."""
        self.close_connection |= close
        request_id = str(uuid.uuid4())
        problem = {
            "type": f"urn:darkroom:problem:{code}", "title": status.phrase, "status": status.value,
            "detail": detail, "code": code, "requestId": request_id,
        }  # fmt: skip
        if hint:
            problem["hint"] = hint
        headers = {"Content-Type": "application/problem+json", "x-amzn-RequestId": request_id, **SECURITY}
        if retry_after_seconds:
            headers["Retry-After"] = str(retry_after_seconds)
        if self.close_connection:
            headers["Connection"] = "close"  # else the client sends its next request into nothing
        self._send_http_response(status, headers, json.dumps(problem))

    # The base class has bound these names to its own handler.
    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = _generic_handle  # noqa: N815

    def __getattr__(self, name: str) -> Any:
        """Any other method has a handler too: it is 405, with those that the path knows."""
        if name.startswith("do_"):
            return self._generic_handle
        raise AttributeError(name)
