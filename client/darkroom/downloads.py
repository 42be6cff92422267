"""Downloads that go on where they broke off, and are checked."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from .errors import DownloadError, ServerError
from .progress import OnProgress, tell
from .retries import RetryPolicy
from .storage import ExpiredError, Storage

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """A file that is fetched.

    Args:
        identity: of its content, so that a part of another file is never gone on with.
        url: gives a signed URL; asked again when one has run out.
        target: where it is to lie; it appears when it is whole.
        size_bytes: None where that isn't known.
        sha256: None where that isn't known.
    """

    identity: str
    url: Callable[[], str]
    target: Path
    size_bytes: int | None = None
    sha256: str | None = None

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.{self.identity[:12]}.part")


def fetch(storage: Storage, download: Download, retries: RetryPolicy, on_progress: OnProgress = None) -> Path:
    """Fetches a file; what came of it in an earlier attempt is kept.

    A target that has that content already is left as it is.

    Raises:
        DownloadError: it doesn't arrive, or isn't what was promised.
    """
    if is_there(download):
        return download.target
    download.target.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):  # what is wrong in the end is fetched once more, from its beginning
        download.part.touch()
        with open(download.part, "r+b") as file:
            _fill(storage, download, retries, file, on_progress)
            is_right = _is_right(file, download)
        if is_right:
            return download.part.replace(download.target)
        download.part.unlink()
    raise DownloadError(f"{download.target.name} arrived with another SHA-256 than it should have")


def is_there(download: Download) -> bool:
    """Whether the target has the content already, as far as its SHA-256 is known."""
    if download.sha256 is None or not download.target.is_file():
        return False
    with open(download.target, "rb") as file:
        return _is_right(file, download)


def refuse_to_overwrite(downloads: Iterable[Download]) -> None:
    """Finds targets that are other files, before anything is fetched.

    Raises:
        DownloadError: there is one.
    """
    others = [each.target for each in downloads if each.target.exists() and not is_there(each)]
    refuse(others, "place with --to")


def refuse(others: Sequence[Path], place: str) -> None:
    """Says that a download would overwrite these, if any.

    Args:
        others: files that are there.
        place: what else can be named, for people.

    Raises:
        DownloadError: there is one.
    """
    if others:
        raise DownloadError(
            f"{', '.join(map(str, others))}: there already, with another content; nothing was downloaded",
            code="file-exists",
            hint=f"Overwrite with --force (in Python force=True), or name another {place}.",
        )


def _fill(
    storage: Storage, download: Download, retries: RetryPolicy, file: BinaryIO, on_progress: OnProgress
) -> None:
    """Fetches what is missing; an attempt that brought something doesn't count as failed."""
    url, attempt = download.url(), 0
    while True:
        start = file.seek(0, 2)
        if download.size_bytes is not None and start >= download.size_bytes:
            return

        def show(_: int) -> None:
            tell(on_progress, "downloading", file.tell(), download.size_bytes, "bytes")

        try:
            storage.get(url, start, file, show)
            if download.size_bytes is None or file.seek(0, 2) >= download.size_bytes:
                return
            reason = "the connection ended early"
        except ExpiredError:
            url, reason = download.url(), "the URL has run out"
        except (httpx.TransportError, ServerError) as error:
            reason = f"the download broke off ({str(error) or type(error).__name__})"
        attempt = 1 if file.seek(0, 2) > start else attempt + 1
        if not retries.pause(attempt, reason):
            raise DownloadError(reason, hint="Try the same again: it goes on where it was.")


def _is_right(file: BinaryIO, download: Download) -> bool:
    if download.size_bytes is not None and file.seek(0, 2) != download.size_bytes:
        return False
    return download.sha256 is None or sha256_of(file) == download.sha256


def sha256_of(file: BinaryIO) -> str:
    """The SHA-256 of a file's whole content, in hexadecimal."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
