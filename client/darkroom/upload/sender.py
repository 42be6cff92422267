"""Posts the files of a batch to S3, several at a time, each once."""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import BinaryIO

from ..errors import UploadError
from ..models import OpenUpload
from ..storage import ExpiredError, Storage
from .journal import Batch, Journal
from .pictures import Picture
from .report import FileProblem


class Sender:
    """Sends the files of one batch.

    Args:
        storage: S3.
        journal: notes each file before and after it is sent.
        batch: to which the files belong.
        form: the signed form.
        renew: gives a fresh form.
        on_sent: told of each file that was sent.
    """

    def __init__(
        self,
        storage: Storage,
        journal: Journal,
        batch: Batch,
        form: OpenUpload,
        renew: Callable[[], OpenUpload],
        on_sent: Callable[[Picture], None],
    ) -> None:
        self._storage = storage
        self._journal = journal
        self._batch = batch
        self._form = form
        self._renew = renew
        self._on_sent = on_sent
        self._renewing = threading.Lock()
        self._writing = threading.Lock()
        self._stopped = threading.Event()
        self.problems: list[FileProblem] = []

    def send(self, pictures: Iterable[Picture], workers: int) -> None:
        """Sends files; an interruption lets those on their way end, and begins no other.

        Raises:
            ServerUnreachableError: the network is lost.
        """
        keys = {each.image_id: each.key for each in self._form.images}
        with ThreadPoolExecutor(workers, thread_name_prefix="upload") as pool:
            tasks: list[Future[None]] = []
            try:
                tasks.extend(
                    pool.submit(self._one, each, keys[self._batch.ids[each.sha256]]) for each in pictures
                )
                wait(tasks, return_when=FIRST_EXCEPTION)
            finally:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
        for task in tasks:
            if not task.cancelled():
                task.result()

    def _one(self, picture: Picture, key: str) -> None:
        if self._stopped.is_set():
            return
        image_id = self._batch.ids[picture.sha256]
        try:
            with picture.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                if (stat.st_mtime_ns, stat.st_size) != (picture.changed_ns, picture.size_bytes):
                    self._refuse(picture, "changed", "it changed while it was being uploaded")
                    return
                with self._writing:
                    self._journal.begin(self._batch, image_id)
                self._post(picture, key, file)
        except OSError as error:
            self._refuse(picture, "unreadable", error.strerror or str(error))
            return
        except UploadError as error:
            self._refuse(picture, error.code, error.detail)
            return
        with self._writing:
            self._journal.sent(self._batch, image_id)
            self._on_sent(picture)

    def _post(self, picture: Picture, key: str, file: BinaryIO) -> None:
        form = self._form
        try:
            self._storage.post(form.url, _fields(form, key, picture), picture.content_type, file)
        except ExpiredError:
            form = self._fresh(form)
            try:
                self._storage.post(form.url, _fields(form, key, picture), picture.content_type, file)
            except ExpiredError as error:
                raise UploadError(f"S3 refused it: {error.detail}") from error

    def _fresh(self, stale: OpenUpload) -> OpenUpload:
        """A form that holds; whoever comes second takes what the first was given."""
        with self._renewing:
            if self._form is stale:
                self._form = self._renew()
            return self._form

    def _refuse(self, picture: Picture, code: str, message: str) -> None:
        with self._writing:
            self.problems.append(FileProblem(picture.name, code, message))


def _fields(form: OpenUpload, key: str, picture: Picture) -> dict[str, str]:
    return {**form.fields, "key": key, "Content-Type": picture.content_type}
