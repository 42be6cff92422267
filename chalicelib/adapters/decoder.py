"""`python -m chalicelib.adapters.decoder`: decodes one image after the other, for isolation.py.

It speaks over a socket, which is its standard input: a file comes in as its length and its bytes,
and an answer goes out as a kind, a length and bytes of JSON, never as anything that could be run.
Once it is ready it can open nothing any more, neither file nor connection.
"""

import base64
import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from ..contract.errors import RejectedImageError
from ..services.ports import Picture
from .concealment import conceal
from .pictures import PillowInspector

#: Of one image: 40 megapixels of lossless WebP take 0.9 GB, and no other format as much.
MEMORY_BYTES = 1 << 30
#: What an answer is: sent when the program is up; for leave to go on; at the end, either of two.
READY, LARGE, PICTURE, REFUSED = range(4)
LENGTH, ANSWER = struct.Struct(">I"), struct.Struct(">BI")
#: What is said to one that asks for leave.
GO_ON, LATER = b"\1", b"\0"
#: The exit code where memory didn't suffice.
EXHAUSTED = 75
#: What Pillow imports when it meets a file that needs it.
_LAZY = (
    *("BmpImagePlugin", "GifImagePlugin", "JpegImagePlugin", "MpoImagePlugin", "PngImagePlugin"),
    *("TiffImagePlugin", "WebPImagePlugin", "ImageCms", "ImageColor", "ImageOps", "ImagePalette"),
)


class _LaterError(Exception):
    """Another large image is being decoded; this one comes again."""


class _Wire:
    """The connection to the process that started this one.

    Args:
        seconds: of processor time that decoding may take: of a busy machine's none is counted.
    """

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds

    def receive(self) -> bytes | None:
        """The next file; None where there is none any more."""
        head = self._read(LENGTH.size)
        content = self._read(LENGTH.unpack(head)[0]) if head else None
        signal.setitimer(signal.ITIMER_PROF, self._seconds)  # SIGPROF ends the process
        return content

    def answer(self, kind: int, **members: Any) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        body = json.dumps(members).encode()
        self._connection.sendall(ANSWER.pack(kind, len(body)) + body)

    def wait_for_leave(self) -> None:
        self.answer(LARGE)
        leave = self._read(1)
        if leave is None:
            raise SystemExit
        if leave == LATER:
            raise _LaterError
        signal.setitimer(signal.ITIMER_PROF, self._seconds)  # SIGPROF ends the process

    def _read(self, size: int) -> bytes | None:
        return read_exactly(self._connection, size)


def read_exactly(connection: socket.socket, size: int) -> bytes | None:
    """So many bytes; None where the other side is gone."""
    buffer = bytearray(size)
    view, place = memoryview(buffer), 0
    while place < size:
        if not (count := connection.recv_into(view[place:])):
            return None
        place += count
    return bytes(buffer)


def prepare() -> None:
    """Imports all that decoding will need."""
    image = import_module("PIL.Image")
    image.preinit()
    for name in _LAZY:
        import_module(f"PIL.{name}")


def _confine() -> None:
    """From here on: nothing is opened, nothing is written but answers, and memory has a bound."""
    with suppress(OSError):  # where memory runs out on the machine, this process is what goes
        Path("/proc/self/oom_score_adj").write_text("1000")
    conceal()  # what one has decoded is no other's business
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stderr.fileno())
    os.close(silence)
    if sys.platform == "linux":  # macOS refuses some of them
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        memory = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(most, MEMORY_BYTES)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        for each in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
            resource.setrlimit(each, (0, 0))


def serve(connection: socket.socket, seconds: float) -> None:
    """Answers until the connection ends."""
    wire = _Wire(connection, seconds)
    inspector = PillowInspector(wire.wait_for_leave)
    wire.answer(READY)
    while (content := wire.receive()) is not None:
        try:
            picture = inspector.inspect(content)
        except RejectedImageError as problem:
            wire.answer(REFUSED, code=problem.code, detail=problem.detail)
        except MemoryError:
            os._exit(EXHAUSTED)
        except _LaterError:
            pass
        else:
            wire.answer(PICTURE, **_members(picture))


def _members(picture: Picture) -> dict[str, Any]:
    return {
        "content_type": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "thumbnail": base64.b64encode(picture.thumbnail).decode(),
        "perceptual_hash": picture.perceptual_hash,
    }


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends when the process that started it does
    prepare()
    _confine()
    with suppress(ConnectionError):
        serve(socket.socket(fileno=0), float(sys.argv[1]))


if __name__ == "__main__":
    main()
