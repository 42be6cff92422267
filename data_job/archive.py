"""An archive that somebody sent: a zip, or a single annotation file. It is read as a stream."""

import zlib
from collections.abc import Iterator
from io import SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from struct import error as struct_error
from types import TracebackType
from typing import Any, BinaryIO, Self, cast
from zipfile import BadZipFile, ZipFile, ZipInfo

from chalicelib.contract.errors import RejectedImageError
from chalicelib.services.names import composed

from .archive_checks import (
    DOCUMENT_EXTENSIONS,
    HEAD_BYTES,
    IMAGE_EXTENSIONS,
    Limits,
    check_duplicates,
    check_members,
    extension,
    is_archive,
    is_folder,
    is_image,
    is_junk,
    nested,
    path_of,
    refuse,
    too_many,
)

_ZIP = (b"PK\3\4", b"PK\5\6")
_CHUNK = 64 * 1024
#: What zipfile raises at a damaged directory.
_DAMAGED = (BadZipFile, ValueError, struct_error, NotImplementedError)


class Archive:
    """Paths are as `path_of` has them, composed (NFC). What is hidden or junk of a system isn't there.

    Args:
        file: what was sent; it stays the caller's to close, and must raise ValueError at a seek
            to before its beginning, as files do.
        file_name: what its sender called it.
        limits: from which size on it is refused.

    Raises:
        UnprocessableError: it is hostile, damaged, or not an archive; nothing is taken from it.
    """

    def __init__(self, file: BinaryIO, file_name: str, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._file = file
        self._zip: ZipFile | None = None
        self.ignored = 0  # files that are hidden, or junk
        self._images: frozenset[str] = frozenset()  # those that no extension tells of
        head = _head(file)
        if head.startswith(_ZIP):
            self._open_zip()
        else:
            self._members: dict[str, ZipInfo | None] = {_single_name(file_name, head): None}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._zip:
            self._zip.close()

    def images(self) -> Iterator[tuple[str, int]]:
        """(path, bytes) of the files that say they are images, in the order in which they lie."""
        return ((path, self._size(path)) for path in self._members if path in self)

    def names(self) -> Iterator[str]:
        """The paths of all other files."""
        return (path for path in self._members if path not in self)

    def __contains__(self, path: str) -> bool:
        """Whether it is the path of an image."""
        if path not in self._members:
            return False
        return path in self._images or extension(path) in IMAGE_EXTENSIONS

    def open(self, path: str) -> BinaryIO:
        """A file of the archive: never more bytes than it declares.

        Raises:
            RejectedImageError: from here or from reading, this file is damaged.
            UnprocessableError: it is an archive itself, whatever it is called.
            KeyError: there is no such path.
        """
        member = self._members[path]
        if member is None or self._zip is None:
            self._file.seek(0)
            return cast(BinaryIO, BufferedReader(_Member(path, self._file, None), _CHUNK))
        try:
            source = self._zip.open(member)
        except (BadZipFile, NotImplementedError, RuntimeError) as error:
            raise _damaged(path) from error
        stream = BufferedReader(_Member(path, cast(BinaryIO, source), member.file_size), _CHUNK)
        if path not in self and is_archive(stream.peek(HEAD_BYTES)):
            stream.close()
            raise nested(path)
        return cast(BinaryIO, stream)

    def read(self, path: str, max_bytes: int) -> bytes:
        """A whole file.

        Raises:
            RejectedImageError: it is damaged, or larger than that.
        """
        if self._size(path) > max_bytes:
            raise RejectedImageError(f"the file has over {max_bytes:,} bytes", code="too-large")
        with self.open(path) as stream:
            return stream.read(max_bytes)

    def _size(self, path: str) -> int:
        member = self._members[path]
        return member.file_size if member else self._file.seek(0, SEEK_END)

    def _open_zip(self) -> None:
        try:
            self._zip = ZipFile(cast(Any, _Cautious(self._file, self._limits)))
        except _DAMAGED as error:
            raise refuse(
                "damaged",
                "the zip is damaged or cut off: its directory can't be read",
                "Upload it again, or make it anew.",
            ) from error
        members = self._zip.infolist()
        check_members(members, self._zip.start_dir, self._limits)
        paths = [composed(path_of(each)) for each in members]
        check_duplicates(paths)
        files = [each for each in zip(paths, members, strict=True) if not is_folder(each[0])]
        kept = [each for each in files if not is_junk(each[0])]
        self.ignored = len(files) - len(kept)
        if not kept:
            raise refuse("empty", "there is no file in the archive", "Pack the data set's files into it.")
        # Side by side in the file, so that a remote one is read from front to back.
        kept.sort(key=lambda each: each[1].header_offset)
        self._members = dict(kept)
        self._images = frozenset(path for path in self._members if self._is_hidden_image(path))

    def _is_hidden_image(self, path: str) -> bool:
        """Whether a file is an image that its name doesn't tell of."""
        if extension(path) in IMAGE_EXTENSIONS | DOCUMENT_EXTENSIONS:
            return False
        try:
            with self.open(path) as stream:
                return is_image(stream.read(HEAD_BYTES))
        except RejectedImageError:
            return False


class _Cautious:
    """A file as ZipFile reads it, which takes whatever directory into memory."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._limits = limits

    def read(self, size: int = -1) -> bytes:
        if size > self._limits.directory_bytes:
            raise too_many(self._limits)
        content = self._file.read(size)
        # So many entries; each becomes an object, whatever count the end of the archive declares.
        if content.startswith(b"PK\1\2") and content.count(b"PK\1\2") > self._limits.members:
            raise too_many(self._limits)
        return content

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        if whence == SEEK_SET and offset < 0:
            raise BadZipFile("points to before the beginning")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


class _Member(RawIOBase):
    """One file of an archive, with zipfile's errors as ours.

    Args:
        path: for errors.
        source: its bytes.
        size: that it must have, in bytes; None: the source is the whole file that was sent, and
            isn't closed with this.
    """

    def __init__(self, path: str, source: BinaryIO, size: int | None) -> None:
        self._path = path
        self._source = source
        self._size = size
        self._taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            content = self._source.read(len(buffer))
        except (BadZipFile, zlib.error, EOFError) as error:
            raise _damaged(self._path) from error
        self._taken += len(content)
        # zipfile sees to it that there are no more.
        if len(buffer) and not content and self._size not in (None, self._taken):
            raise _damaged(self._path)
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if self._size is not None and not self.closed:
            self._source.close()
        super().close()


def _damaged(path: str) -> RejectedImageError:
    return RejectedImageError(
        f"{path[:200]!r} is damaged in the archive: pack and upload it again", code="damaged-in-archive"
    )


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(HEAD_BYTES)


def _single_name(file_name: str, head: bytes) -> str:
    name = composed(file_name).replace("\\", "/").rpartition("/")[2]
    if is_archive(head) or is_image(head) or extension(name) not in DOCUMENT_EXTENSIONS:
        raise refuse(
            "not-zip",
            "the file is neither a zip nor a single annotation file",
            "Pack the data set as .zip; tar, 7z and rar aren't read. Images alone go up as an upload.",
        )
    return name
