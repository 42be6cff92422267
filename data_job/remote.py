"""Objects in S3 as files: one that is read at any place, and one that is written to its end."""

import io
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor

from chalicelib.contract.errors import UnprocessableError
from chalicelib.services.transfer_ports import LargeObjects, Part

from .patience import patiently

BLOCK_BYTES = 8 << 20
#: One for the place that is read, one ahead, and one for a reader that goes back and forth, as zips do.
_BLOCKS_KEPT = 3
#: S3 takes 10,000 parts: enough for 160 GB.
PART_BYTES = 16 << 20


class RemoteFile(io.RawIOBase):
    """An object that is read by blocks, the next one ahead of its time. Memory: three blocks.

    Args:
        objects: where it is.
        key: of the object; all of it is read from the one version that is there now.
        block_bytes: of one request.

    Raises:
        UnprocessableError: it isn't there, or is replaced meanwhile; code `archive-gone`.
    """

    def __init__(self, objects: LargeObjects, key: str, block_bytes: int = BLOCK_BYTES) -> None:
        super().__init__()
        seen = objects.find(key)
        if seen is None:
            raise UnprocessableError("the archive is no longer there; import it again", code="archive-gone")
        self.size_bytes = seen.size_bytes
        self._objects, self._key, self._etag = objects, key, seen.etag
        self._block_bytes = block_bytes
        self._place = 0
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="read-ahead")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError("a place before the file's beginning")
        self._place = base + offset
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._place >= self.size_bytes:
            return 0
        number, start = divmod(self._place, self._block_bytes)
        piece = self._block(number)[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._pool.shutdown(cancel_futures=True)
            self._blocks.clear()
        super().close()

    def _block(self, number: int) -> memoryview:
        goes_on = number - 1 in self._blocks
        wanted = self._begin(number)
        if goes_on:  # not after a jump: what follows there may not be wanted
            self._begin(number + 1)
            self._blocks.move_to_end(number)
        while len(self._blocks) > _BLOCKS_KEPT:
            self._blocks.popitem(last=False)
        return memoryview(wanted.result())

    def _begin(self, number: int) -> Future[bytes]:
        start = number * self._block_bytes
        if number not in self._blocks and start < self.size_bytes:
            length = min(self._block_bytes, self.size_bytes - start)
            self._blocks[number] = self._pool.submit(self._fetch, start, length)
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        return Future()  # past the end: nobody waits for it

    def _fetch(self, start: int, length: int) -> bytes:
        # The SDK doesn't try again where a body breaks off midway.
        return patiently(lambda: self._objects.read(self._key, self._etag, start, length))


class RemoteWriter(io.RawIOBase):
    """A new object, written to its end. It is there once `finish` is called, and never if it isn't.

    Memory: the part that is filled, and the one that is on its way.
    """

    def __init__(self, objects: LargeObjects, key: str, content_type: str) -> None:
        super().__init__()
        self._objects, self._key = objects, key
        self._multipart_id = objects.begin(key, content_type)
        self._filled = bytearray()
        self._sent: list[Future[Part]] = []
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="send")
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        self._filled += data
        self.size_bytes += len(data)
        if len(self._filled) >= PART_BYTES:
            self._send()
        return len(data)

    def finish(self) -> None:
        """Makes the object of what was written."""
        self._send()
        parts = [each.result() for each in self._sent]
        self._objects.finish(self._key, self._multipart_id, parts)

    def close(self) -> None:
        if not self.closed:
            self._pool.shutdown(cancel_futures=True)
        super().close()

    def _send(self) -> None:
        if self._sent:
            self._sent[-1].result()  # one at a time, or memory would grow with a slow network
        content, self._filled = bytes(self._filled), bytearray()
        number = len(self._sent) + 1
        self._sent.append(
            self._pool.submit(self._objects.put_part, self._key, self._multipart_id, number, content)
        )
