"""API Gateway in front of the functions: a REST API with Lambda proxy integration, and its limits.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import json
import re
import threading
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local.functions import PayloadTooLargeError
from infra.local.runtime_api import FunctionError, FunctionTimeoutError
from infra.local.server import MAX_BODY_BYTES

from .openapi import Api, GatewayResponse, Route
from .proxy import Request, proxy_event

Invoke = Callable[[Any], Any]
#: What the gateway says where the template says nothing else.
_DEFAULT_STATUS = {
    "MISSING_AUTHENTICATION_TOKEN": (403, "Missing Authentication Token"),
    "REQUEST_TOO_LARGE": (413, "Request Too Long"),
    "INTEGRATION_FAILURE": (504, "Internal server error"),
    "INTEGRATION_TIMEOUT": (504, "Endpoint request timed out"),
    "API_CONFIGURATION_ERROR": (500, "Internal server error"),
}
_CONTEXT = re.compile(r"\$context\.([\w.]+)")


@contextmanager
def gateway(api: Api, functions: Mapping[str, Invoke]) -> Iterator[str]:
    """Serves an API on the loopback interface until the context ends; yields its URL.

    Args:
        api: its paths.
        functions: logical id -> function.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, api, functions))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def __init__(self, api: Api, functions: Mapping[str, Invoke], *arguments: object) -> None:
        self._api, self._functions = api, functions
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        """Nothing: the functions log their requests."""

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client hung up
            super().handle()

    def _serve(self) -> None:
        request_id = str(uuid.uuid4())
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path, _, query = self.path.partition("?")
        stage, slash, rest = path.removeprefix("/").partition("/")
        found = self._api.route(self.command, slash + rest) if stage == self._api.stage else None
        if length > MAX_BODY_BYTES:
            self._refuse("REQUEST_TOO_LARGE", request_id)
        elif found is None:
            self._refuse("MISSING_AUTHENTICATION_TOKEN", request_id)
        else:
            route, variables = found
            request = Request(
                self.command, stage, slash + rest, query, self.headers.items(), body, request_id
            )
            self._integrate(route, variables, request)

    # The base class looks for a method by each verb's name.
    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = _serve  # noqa: N815

    def _integrate(self, route: Route, variables: Mapping[str, str], request: Request) -> None:
        if route.function is None:
            self._mock(route)
            return
        is_binary = self._api.is_binary(self.headers.get("Content-Type", ""))
        try:
            answer = self._functions[route.function](proxy_event(request, route.path, variables, is_binary))
            self._hand_on(answer)
        except PayloadTooLargeError:
            self._refuse("REQUEST_TOO_LARGE", request.request_id)
        except FunctionTimeoutError:
            self._refuse("INTEGRATION_TIMEOUT", request.request_id)
        except (FunctionError, _MalformedError):
            self._refuse("INTEGRATION_FAILURE", request.request_id, HTTPStatus.BAD_GATEWAY)

    def _hand_on(self, answer: Any) -> None:
        if not isinstance(answer, dict) or not isinstance(answer.get("statusCode"), int):
            raise _MalformedError
        content = answer.get("body") or ""
        # Binary answers are decoded for those alone who ask for such a type.
        if answer.get("isBase64Encoded") and self._api.is_binary(self.headers.get("Accept", "")):
            body = b64decode(content)
        else:
            body = content.encode()
        headers = [(name, str(value)) for name, value in (answer.get("headers") or {}).items()]
        several = (answer.get("multiValueHeaders") or {}).items()
        headers += [(name, str(value)) for name, values in several for value in values]
        self._send(answer["statusCode"], headers, body)

    def _mock(self, route: Route) -> None:
        """A mock integration's answer: what preflight requests get."""
        response = route.integration["responses"]["default"]
        parameters = response.get("responseParameters", {}).items()
        headers = [
            (name.removeprefix("method.response.header."), value.strip("'")) for name, value in parameters
        ]
        self._send(int(response["statusCode"]), headers, b"")

    def _refuse(self, kind: str, request_id: str, status: HTTPStatus | None = None) -> None:
        default, message = _DEFAULT_STATUS[kind]
        default = status or default
        declared = self._api.responses.get(kind) or self._api.responses.get(f"DEFAULT_{default // 100}XX")
        if declared is None:
            declared = GatewayResponse(
                default, {}, {"application/json": '{"message":$context.error.messageString}'}
            )
        [(content_type, template)] = list(declared.templates.items())[:1] or [("application/json", "{}")]
        values = {
            "error.messageString": json.dumps(message), "error.message": message,
            "error.responseType": kind, "requestId": request_id,
        }  # fmt: skip
        body = _CONTEXT.sub(lambda match: values.get(match[1], ""), template)
        headers = {"Content-Type": content_type, "x-amzn-RequestId": request_id, **declared.headers}
        self._send(declared.status or default, list(headers.items()), body.encode())

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _MalformedError(Exception):
    """A function's answer is none that the gateway could hand on."""
