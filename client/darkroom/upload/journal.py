"""What was begun of an upload, on disk before it happens: JSON lines that survive a kill."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..errors import UploadError
from ..files import locked, make_private


@dataclass(slots=True)
class Batch:
    """Files that were announced together.

    Args:
        key: the idempotency key of the announcement: repeated, it gives the same ids.
        files: [name, size in bytes, content type, SHA-256] of each.
        upload_id: None until the announcement was answered.
        ids: SHA-256 to image id, of the files that may be sent.
        begun: ids whose sending began.
        sent: ids that S3 has said to have.
    """

    key: str
    files: list[tuple[str, int, str, str]]
    upload_id: str | None = None
    ids: dict[str, str] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)


class Journal:
    """The batches of one folder's upload to one project.

    A line is appended by one write; of a line that a crash cut off, nothing was done yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.batches: list[Batch] = list(_replayed(path))
        #: When something was last noted before now, in Unix seconds.
        self.left_at = path.stat().st_mtime if self.batches else 0.0
        make_private(path.parent)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if self.batches:
            os.write(self._handle, b"\n")  # ends a line that was cut off

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._write("batch", [batch.key, batch.files])

    def opened(self, batch: Batch, upload_id: str, ids: dict[str, str]) -> None:
        batch.upload_id, batch.ids = upload_id, ids
        self._write("opened", [batch.key, upload_id, ids])

    def begin(self, batch: Batch, image_id: str) -> None:
        self._write("begun", [batch.key, image_id])
        batch.begun.add(image_id)

    def sent(self, batch: Batch, image_id: str) -> None:
        self._write("sent", [batch.key, image_id])
        batch.sent.add(image_id)

    def forget(self, batch: Batch) -> None:
        """The server knows nothing of it any more, or it is over."""
        self.batches.remove(batch)
        self._write("over", [batch.key])

    def finish(self) -> None:
        """All of it is over."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        os.close(self._handle)

    def _write(self, kind: str, values: list[Any]) -> None:
        os.write(self._handle, json.dumps([kind, *values]).encode() + b"\n")


@contextmanager
def journal_of(state: Path, url: str, project_id: str, folder: Path) -> Iterator[Journal]:
    """The journal of a folder's upload, which one process at a time has.

    Raises:
        UploadError: another process uploads the same folder.
    """
    identity = json.dumps([url, project_id, str(folder.resolve())])
    path = state / "uploads" / f"{sha256(identity.encode()).hexdigest()[:32]}.jsonl"
    with locked(path.with_suffix(".lock"), wait=False) as is_held:
        if not is_held:
            raise UploadError(f"another process is uploading {folder}", code="already-uploading")
        journal = Journal(path)
        try:
            yield journal
        finally:
            journal.close()


def _replayed(path: Path) -> Iterator[Batch]:
    batches: dict[str, Batch] = {}
    for kind, key, *values in _lines(path):
        match kind, values:
            case "batch", [files]:
                batches[key] = Batch(key, [tuple(each) for each in files])
            case "opened", [upload_id, ids]:
                batches[key].upload_id, batches[key].ids = upload_id, ids
            case "begun", [image_id]:
                batches[key].begun.add(image_id)
            case "sent", [image_id]:
                batches[key].sent.add(image_id)
            case "over", []:
                del batches[key]
    yield from batches.values()


def _lines(path: Path) -> Iterator[list[Any]]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # cut off
            continue
