"""A server that answers as a test wants it to, for the real S3 client."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

#: An answer whose body ends before its length.
BROKEN = 0


@dataclass(slots=True)
class Script:
    """What the server says.

    Attributes:
        objects: bytes by path; another path is 404.
        turns: the answers for an object's path, in turn, before its bytes: HTTP statuses, or BROKEN.
        requests: path and Authorization header of each request so far.
    """

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    turns: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def scripted() -> Iterator[Script]:
    """Runs the server on the loopback interface."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            script.requests.append((self.path, self.headers.get("Authorization", "")))
            turns, body = script.turns[self.path], script.objects.get(self.path)
            turn = turns.pop(0) if turns else 200
            if body is None or turn not in (200, BROKEN):
                return self._answer(404 if body is None else turn, b"<Error><Code>Scripted</Code></Error>")
            if wanted := self.headers.get("Range"):
                first = int(wanted.removeprefix("bytes=").partition("-")[0])
                return self._answer(206, body[first:], f"bytes {first}-{len(body) - 1}/{len(body)}")
            return self._answer(200, body, sent=len(body) // 2 if turn == BROKEN else None)

        def _answer(self, status: int, body: bytes, part: str = "", sent: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"tag"')
            if part:
                self.send_header("Content-Range", part)
            self.end_headers()
            self.wfile.write(body[:sent])
            self.close_connection = sent is not None

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
