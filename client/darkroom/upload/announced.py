"""Batches of files that the API knows of: announcing them, and going on with those of before."""

import time
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from .. import endpoints
from ..errors import ConflictError, NotFoundError
from ..models import Image, OpenUpload, UploadStatus
from .journal import Batch, Journal
from .pictures import Picture

if TYPE_CHECKING:
    from ..project import Project

#: Files that are announced together, of the API's 10,000.
BATCH_FILES = 5000
#: How long after a kill a file may still arrive that was on its way; only then it is sent again.
ARRIVAL_SECONDS = 10.0
_PAUSE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Open:
    """A batch with its signed form, which is None where nothing of it is to be sent."""

    batch: Batch
    form: OpenUpload | None
    to_send: list[Picture]


class Announcer:
    """Announces the files of one upload.

    Args:
        project: to which they go.
        journal: where it is noted.
    """

    def __init__(self, project: "Project", journal: Journal) -> None:
        self._project = project
        self._transport = project.client.transport
        self._journal = journal

    def new(self, pictures: list[Picture]) -> Iterator[Open]:
        """Announces files, some thousands at a time."""
        for start in range(0, len(pictures), BATCH_FILES):
            some = pictures[start : start + BATCH_FILES]
            files = [(each.name, each.size_bytes, each.content_type, each.sha256) for each in some]
            batch = Batch(str(uuid4()), files)
            self._journal.add(batch)
            form = self._announce(batch)
            yield Open(batch, form, [each for each in some if each.sha256 in batch.ids])

    def _announce(self, batch: Batch) -> OpenUpload:
        files = [
            {"fileName": name, "sizeBytes": size, "contentType": kind} for name, size, kind, _ in batch.files
        ]
        form = self._transport.call(
            endpoints.OPEN_UPLOAD, body={"files": files}, once=batch.key, project=self._project.id
        )
        taken = iter(form.images)
        refused = {each.file_name for each in form.rejected}
        # Both lists are in the order of the announcement; names of a folder are not twice in it.
        ids = {sha256: next(taken).image_id for name, _, _, sha256 in batch.files if name not in refused}
        self._journal.opened(batch, form.upload_id, ids)
        return form

    def unfinished(self, wanted: Mapping[str, Picture], known: AbstractSet[str]) -> Iterator[Open]:
        """What is left of the batches of an earlier, interrupted upload.

        Args:
            wanted: the folder's pictures by hash.
            known: hashes that the project has.
        """
        for batch in list(self._journal.batches):
            try:
                yield self._resumed(batch, wanted, known)
            except (NotFoundError, ConflictError):  # too old to go on: what is missing is announced anew
                self._journal.forget(batch)

    def _resumed(self, batch: Batch, wanted: Mapping[str, Picture], known: AbstractSet[str]) -> Open:
        if batch.upload_id is None:
            self._announce(batch)
        missing = self._missing(batch)
        to_send = [
            sha256
            for sha256, image_id in batch.ids.items()
            if image_id in missing and sha256 in wanted and sha256 not in known
        ]
        form = self._form(batch) if to_send else None
        if form is None:
            return Open(batch, None, [])
        # What has arrived since has no key in the form.
        keys = {each.image_id for each in form.images}
        return Open(batch, form, [wanted[each] for each in to_send if batch.ids[each] in keys])

    def drop_deleted(self, batch: Batch, known: Mapping[str, Image]) -> None:
        """Takes out of an earlier batch what isn't in the project any more, so that it is announced anew.

        Args:
            batch: of an interrupted upload.
            known: accepted images by hash, as far as they were listed.
        """
        status = self.status(batch)
        rejected = {each.file_name for each in status.rejected_files}
        refused = {sha256 for name, _, _, sha256 in batch.files if name in rejected}
        pending = {each.image_id for each in status.pending_files}
        kept = {sha256 for sha256, image_id in batch.ids.items() if sha256 in refused or image_id in pending}
        kept |= {sha256 for sha256, image in known.items() if batch.ids.get(sha256) == image.image_id}
        if batch.ids.keys() - kept - known.keys():
            there = self._accepted(batch, {each.image_id for each in known.values()})
            kept |= {sha256 for sha256, image_id in batch.ids.items() if image_id in there}
        batch.ids = {sha256: image_id for sha256, image_id in batch.ids.items() if sha256 in kept}

    def _accepted(self, batch: Batch, known: AbstractSet[str]) -> set[str]:
        """The batch's ids of accepted images, and of duplicates of some that are."""
        query = {"uploadId": batch.upload_id or ""}
        ids = {each.image_id for each in self._project.images(**query, status="accepted")}
        others = self._project.images(**query, status="duplicate")
        return ids | {each.image_id for each in others if each.duplicate_of in ids | known}

    def _form(self, batch: Batch) -> OpenUpload | None:
        """A fresh form; None where everything has arrived since."""
        try:
            return self.renewed(batch)
        except ConflictError as error:
            if error.code != "upload-complete":
                raise
            return None

    def _missing(self, batch: Batch) -> set[str]:
        """The ids that haven't been sent; those whose sending began are given time to arrive."""
        status = self.status(batch)
        pending = {each.image_id for each in status.pending_files}
        if status.expired == status.pending:
            return pending  # none of them is on its way
        while pending & (batch.begun - batch.sent) and time.time() < self._journal.left_at + ARRIVAL_SECONDS:
            time.sleep(_PAUSE_SECONDS)
            pending = {each.image_id for each in self.status(batch).pending_files}
        return pending - batch.sent

    def renewed(self, batch: Batch) -> OpenUpload:
        """A fresh form for what hasn't arrived.

        Raises:
            ConflictError: nothing is left to be sent, or the upload is too old.
        """
        return self._transport.call(
            endpoints.RENEW_UPLOAD, project=self._project.id, upload=batch.upload_id or ""
        )

    def status(self, batch: Batch) -> UploadStatus:
        """The reconciliation."""
        return self._transport.call(endpoints.UPLOAD, project=self._project.id, upload=batch.upload_id or "")
