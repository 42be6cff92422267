"""Decoding in processes of their own: a file that ends its decoder ends nothing else.

A decoder (decoder.py) is started when the first image comes, kept, and replaced when it dies or takes
too long. It has no credentials in its environment, and what it answers is checked like a stranger's.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Lock

from ..contract.errors import RejectedImageError, UnavailableError
from ..services.ports import Picture
from ..services.turns import NotBegunError, seconds_left
from .answers import DecoderError, checked
from .concealment import conceal
from .decoder import ANSWER, EXHAUSTED, GO_ON, LARGE, LATER, LENGTH, READY, read_exactly

#: The code of a file at which the decoder died, ran out of memory or took too long.
DECODER_CRASHED = "decoder-crashed"
COMMAND = (sys.executable, "-S", "-m", "chalicelib.adapters.decoder")
#: Of processor time, for one image: the slowest formats take 3 for 40 megapixels, progressive JPEGs hours.
DECODING_SECONDS = 10
#: Seconds by the clock for one of the processor: two processes may share one.
_PATIENCE = 2.5
_START_SECONDS = 30
_MOST_PROCESSES = 8
_MAX_ANSWER_BYTES = 1_000_000
#: What a Python needs to start, and none of what AWS's SDKs read.
_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
#: Of the C library: a decoder keeps up to 128 MB of what images took, so that it needn't ask for it again.
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(128 << 20)}


class SlowError(DecoderError):
    """It took too long."""


class LargeError(Exception):
    """It is a large image, and another one's turn. Nothing was decoded, and the decoder is sound."""


class Decoder:
    """A process that decodes one image after the other.

    Args:
        command: that starts it; the seconds come after it.
        seconds: of processor time that decoding may take.

    Raises:
        UnavailableError: it doesn't start.
    """

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        self._seconds = _PATIENCE * seconds
        conceal()  # before there is anyone to look
        self._connection, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - a program of ours
                [*command, str(seconds)],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=_environment(),
            )  # fmt: skip
        self.has_decoded = False
        self.is_sound = False
        try:
            if self._answer(time.monotonic(), _START_SECONDS)[0] != READY:
                raise DecoderError("it says something else than that it is ready")
        except BaseException as error:
            self.end()
            if not isinstance(error, DecoderError):
                raise
            raise UnavailableError(f"no decoder: {error}", retry_after_seconds=5) from error
        self.is_sound = True

    def inspect(self, content: bytes, one_large: Lock, *, has_leave: bool = False) -> Picture:
        """What is in a file.

        Args:
            one_large: held while a large image is decoded; never waited for here.
            has_leave: whether the caller holds it.

        Raises:
            RejectedImageError: no image that Darkroom takes.
            DecoderError: there is no answer; the decoder must be ended.
            LargeError: it needs `one_large`, which another one has.
        """
        begin = time.monotonic()
        self.is_sound = False
        self._send(LENGTH.pack(len(content)))
        self._send(content)
        kind, body = self._answer(begin, self._seconds)
        if kind == LARGE:
            is_ours = has_leave or one_large.acquire(blocking=False)
            try:
                self._send(GO_ON if is_ours else LATER)
                if not is_ours:
                    self.is_sound = True
                    raise LargeError
                kind, body = self._answer(begin, self._seconds)
            finally:
                if is_ours and not has_leave:
                    one_large.release()
        result = checked(kind, body)
        self.has_decoded = self.is_sound = True
        if isinstance(result, RejectedImageError):
            raise result
        return result

    def end(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _send(self, content: bytes) -> None:
        self._connection.settimeout(self._seconds)
        try:
            self._connection.sendall(content)
        except TimeoutError as error:
            raise SlowError("it doesn't read") from error
        except OSError as error:
            raise self._died() from error

    def _answer(self, begin: float, seconds: float) -> tuple[int, bytes]:
        self._connection.settimeout(max(begin + seconds - time.monotonic(), 0.001))
        try:
            head = read_exactly(self._connection, ANSWER.size)
            kind, size = ANSWER.unpack(head) if head else (None, 0)
            if size > _MAX_ANSWER_BYTES:
                raise DecoderError(f"it answers with {size} bytes")
            body = read_exactly(self._connection, size)
        except TimeoutError as error:
            raise SlowError(f"it took over {seconds:g} seconds") from error
        except OSError as error:
            raise self._died() from error
        if kind is None or body is None:
            raise self._died()
        return kind, body

    def _died(self) -> DecoderError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.returncode
        if code == EXHAUSTED:
            return DecoderError("it ran out of memory")
        if code == -signal.SIGPROF:
            return SlowError("it took too long")
        name = signal.Signals(-code).name if code and code < 0 else f"code {code}"
        return DecoderError(f"it ended with {name}")


class IsolatedInspector:
    """Decodes in as many processes as there are processors; large images one at a time. For any thread.

    Args:
        command: that starts a decoder.
        processes: at most; by default as many as there are processors.
        seconds: of processor time that decoding may take.
        on_crash: told of each decoder that was lost, in a sentence.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        processes: int | None = None,
        seconds: float = DECODING_SECONDS,
        on_crash: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._command = command
        self._seconds = seconds
        self._on_crash = on_crash
        self._one_large = Lock()
        # The one that was used last comes first, so that no more are started than work at one moment.
        self._free: LifoQueue[Decoder | None] = LifoQueue()
        for _ in range(processes or min(_processors(), _MOST_PROCESSES)):
            self._free.put(None)
        weakref.finalize(self, _end_all, self._free)

    def inspect(self, content: bytes) -> Picture:
        """See `ImageInspector`.

        Raises:
            RejectedImageError: also with `decoder-crashed`, where no decoder survives the file.
            UnavailableError: no decoder can be started.
            NotBegunError: no decoder was free by the time by which to begin; see `services/turns.py`.
        """
        try:
            return self._decoded(content)
        except LargeError:
            pass
        # Waited for without a decoder, which small images may have meanwhile.
        with self._turn_of_large():
            return self._decoded(content, has_leave=True)

    def _decoded(self, content: bytes, *, has_leave: bool = False) -> Picture:
        try:
            decoder = self._free.get(timeout=seconds_left())
        except Empty:
            raise NotBegunError("no decoder was free in time") from None
        try:
            while True:
                decoder = decoder or Decoder(self._command, self._seconds)
                try:
                    return decoder.inspect(content, self._one_large, has_leave=has_leave)
                except DecoderError as error:
                    self._on_crash(str(error))
                    # What an earlier file did to a decoder may show at this one: a fresh one tells.
                    if isinstance(error, SlowError) or not decoder.has_decoded:
                        raise _crashed(error) from error
                    decoder.end()
                    decoder = None
        finally:
            if decoder and not decoder.is_sound:
                decoder.end()
                decoder = None
            self._free.put(decoder)

    @contextmanager
    def _turn_of_large(self) -> Iterator[None]:
        seconds = seconds_left()
        if not self._one_large.acquire(timeout=-1 if seconds is None else seconds):
            raise NotBegunError("other large images took too long")
        try:
            yield
        finally:
            self._one_large.release()


def _crashed(error: DecoderError) -> RejectedImageError:
    return RejectedImageError(
        "the file takes too long to decode"
        if isinstance(error, SlowError)
        else "the file brings down the program that decodes it, or takes more memory than an image may",
        code=DECODER_CRASHED,
    )


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # As this process has it: in Lambda, in a container and in a virtual environment it is another.
    path = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
    return kept | _ALLOCATOR | {"PYTHONPATH": os.pathsep.join(path)}


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_all(free: "LifoQueue[Decoder | None]") -> None:
    with suppress(Empty):
        while True:
            if decoder := free.get_nowait():
                decoder.end()
