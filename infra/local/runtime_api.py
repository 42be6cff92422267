"""One execution environment of Lambda: a function's process, and the Runtime API that it asks for events.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory

_PREFIX = "/2018-06-01/runtime/"
_LOOK_SECONDS = 0.05


class FunctionError(Exception):
    """A function raised, ended or took too long; the text is what Lambda would say."""


class FunctionTimeoutError(FunctionError):
    """A function took longer than it may."""


@dataclass(frozen=True, slots=True)
class _Event:
    request_id: str
    payload: bytes
    deadline: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class _Answer:
    payload: bytes
    failed: bool
    request_id: str = ""


class ExecutionEnvironment:
    """A process that handles one event at a time.

    Args:
        command: the runtime's interface client with the handler's name.
        environment: all variables but the Runtime API's address.
        folder: where the code is.
        log: what it says is added there.
        arn: of the function.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path, arn: str
    ) -> None:
        self.arn = arn
        self.events: SimpleQueue[_Event | None] = SimpleQueue()
        self.answers: SimpleQueue[_Answer] = SimpleQueue()
        self._temporary = TemporaryDirectory(prefix="function-")  # for what Lambda has in /tmp
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        thread = threading.Thread(target=self._server.serve_forever, args=(_LOOK_SECONDS,), daemon=True)
        thread.start()
        address = f"127.0.0.1:{self._server.server_port}"
        own = {"AWS_LAMBDA_RUNTIME_API": address, "TMPDIR": self._temporary.name}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, env={**environment, **own}, cwd=folder,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def invoke(self, payload: bytes, timeout_seconds: float) -> bytes:
        """The function's answer.

        Raises:
            FunctionError: there is none.
        """
        event = _Event(str(uuid.uuid4()), payload, time.time() + timeout_seconds)
        self.events.put(event)
        while True:
            try:
                answer = self.answers.get(timeout=_LOOK_SECONDS)
            except Empty:
                self._raise_if_over(event, timeout_seconds)
                continue
            if answer.failed:
                raise FunctionError(answer.payload.decode(errors="replace"))
            if answer.request_id == event.request_id:
                return answer.payload

    def close(self) -> None:
        """Ends the process and the server."""
        self.events.put(None)
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._server.shutdown()
        self._server.server_close()
        self._temporary.cleanup()

    def _raise_if_over(self, event: _Event, timeout_seconds: float) -> None:
        if not self.is_alive:
            raise FunctionError(f"Runtime exited with exit status {self.process.returncode}")
        if time.time() > event.deadline:
            raise FunctionTimeoutError(f"Task timed out after {timeout_seconds:.2f} seconds")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def __init__(self, environment: ExecutionEnvironment, *arguments: object) -> None:
        self._environment = environment
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        """Nothing: the function's own log tells enough."""

    def handle(self) -> None:
        with suppress(ConnectionError):  # the process was ended while it waited
            super().handle()

    def do_GET(self) -> None:
        if self.path != _PREFIX + "invocation/next":
            self._answer(HTTPStatus.NOT_FOUND)
            return
        event = self._environment.events.get()
        if event is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": event.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(1000 * event.deadline)),
            "Lambda-Runtime-Invoked-Function-Arn": self._environment.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        self._answer(HTTPStatus.OK, event.payload, headers)

    def do_POST(self) -> None:
        payload = self._body()
        _, _, path = self.path.partition(_PREFIX)
        if path == "init/error":
            self._environment.answers.put(_Answer(payload, failed=True))
        else:
            _, request_id, outcome = path.split("/")
            self._environment.answers.put(_Answer(payload, outcome == "error", request_id))
        self._answer(HTTPStatus.ACCEPTED)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().partition(b";")[0], 16)
        content = self.rfile.read(size)
        self.rfile.readline()
        return content

    def _answer(
        self, status: HTTPStatus, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
