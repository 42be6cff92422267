"""Checkpoints in the bucket; the newest one's key and hash stand in the session's row.

An object is never written twice, as its key ends in its hash. First the object is there, then the row
points at it, by a write that this attempt's claim is a condition of: so an attempt that was replaced
moves nothing. The row names the one before, too, for when the newest is damaged. Older ones are deleted.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from threading import Event
from typing import Any

import torch
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.errors import UnavailableError
from chalicelib.contract.objects import checkpoint_key, checkpoint_prefix

from .checkpoint import State, decode, encode
from .objects import ObjectStore
from .patience import is_passing, patiently
from .sessions import SessionRepository

_LOG = logging.getLogger(__name__)
#: By which the bucket's lifecycle (infra/template.yaml) finds those that nobody was left to delete.
CHECKPOINT_TAG = "kind=checkpoint"
Pointer = Mapping[str, Any]


class CheckpointStore:
    """See `checkpoint.Checkpoints`.

    Args:
        identity: configuration and data of the run; a checkpoint of others is passed over.
        reclaimed: set when the machine goes.

    Attributes:
        batch_size: of what `load` gives; None where it gives nothing.
    """

    def __init__(
        self,
        objects: ObjectStore,
        sessions: SessionRepository,
        identity: Mapping[str, Any],
        reclaimed: Event,
    ) -> None:
        self.batch_size: int | None = None
        self._objects, self._sessions, self._reclaimed = objects, sessions, reclaimed
        self._identity = dict(identity)
        self._found: State | None = None
        self._pointer: Pointer | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    @property
    def urgent(self) -> bool:
        return self._reclaimed.is_set()

    @property
    def busy(self) -> bool:
        return self._writing is not None and not self._writing.done()

    def open(self, pointer: Pointer | None) -> bool:
        """Finds the newest checkpoint that can be used; the row's older one where the newest can't.

        Args:
            pointer: `Session.checkpoint`.
        """
        self._found = self.batch_size = self._pointer = None
        for each in _chain(pointer):
            if found := self._read(each):
                self._found, self._pointer = found["state"], each
                self.batch_size = found["state"]["batch_size"]
                _LOG.info("going on from %s", each["key"])
                return True
        return False

    def reopen(self) -> bool:
        """The same, for what this attempt itself has kept or gone on from."""
        self._wait()
        return self.open(self._pointer)

    def load(self) -> State | None:
        found, self._found = self._found, None
        return found

    def save(self, state: State, *, epoch: int, step: int, wait: bool = False) -> None:
        """See `checkpoint.Checkpoints`. One that is still being written is waited for.

        Raises:
            LostClaimError: this attempt no longer owns the session.
        """
        self._wait()
        if self._pointer is None or (self._pointer["epoch"], self._pointer["step"]) != (epoch, step):
            content = encode({**self._identity, "torch": str(torch.__version__), "state": state})
            self._writing = self._thread.submit(self._write, content, epoch, step)
        if wait:
            self._wait()

    def close(self) -> None:
        """Waits for what is being written. What went wrong with it has no say any more."""
        self._thread.shutdown()

    def _read(self, pointer: Pointer) -> State | None:
        try:
            return self._checked(patiently(lambda: self._objects.find(pointer["key"])), pointer["sha256"])
        except ValueError as error:
            _LOG.warning("not going on from %s: %s", pointer["key"], error)
            return None

    def _checked(self, content: bytes | None, sha256: str) -> State:
        if content is None:
            raise ValueError("it is missing")
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError("it is damaged")
        found = decode(content)
        if {name: found.get(name) for name in self._identity} != self._identity:
            raise ValueError("it is of another configuration or data set")
        return found

    def _write(self, content: BytesIO, epoch: int, step: int) -> None:
        with content.getbuffer() as view:
            sha256, size = hashlib.sha256(view).hexdigest(), len(view)
        sessions, before = self._sessions, dict(self._pointer or {})
        key = checkpoint_key(
            sessions.project_id, sessions.session_id,
            f"{sessions.generation}-{sessions.attempt}-{epoch}-{step}-{sha256[:12]}",
        )  # fmt: skip
        oldest = before.pop("previous", None)
        pointer: dict[str, Any] = {
            "key": key,
            "sha256": sha256,
            "epoch": epoch,
            "step": step,
            "sizeBytes": size,
        }
        if before:
            pointer["previous"] = before
        with _forgiving("keeping a checkpoint"):
            self._objects.s3.upload_fileobj(
                content, self._objects.bucket, key, ExtraArgs={"Tagging": CHECKPOINT_TAG}
            )
            patiently(lambda: sessions.update({"Checkpoint": pointer}), seconds=60)
            self._pointer = pointer
            if oldest:
                self._objects.s3.delete_object(Bucket=self._objects.bucket, Key=oldest["key"])

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing:
            writing.result()


def delete_checkpoints(objects: ObjectStore, sessions: SessionRepository) -> None:
    """Of a session that is over: its row points at none any more."""
    prefix = checkpoint_prefix(sessions.project_id, sessions.session_id)
    with _forgiving("deleting checkpoints"):
        listed = objects.s3.list_objects_v2(Bucket=objects.bucket, Prefix=prefix)
        for each in listed.get("Contents", []):
            objects.s3.delete_object(Bucket=objects.bucket, Key=each["Key"])


def _chain(pointer: Pointer | None) -> Iterator[Pointer]:
    while pointer:
        yield pointer
        pointer = pointer.get("previous")


@contextmanager
def _forgiving(what: str) -> Iterator[None]:
    """Goes on where AWS is busy: the next checkpoint makes up for it, and so does the next attempt."""
    try:
        yield
    except (BotoCoreError, ClientError, UnavailableError) as error:
        if not isinstance(error, UnavailableError) and not is_passing(error):
            raise
        _LOG.warning("%s: %s", what, error)
