"""Files that clients post to S3 themselves, thousands under one signature."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

from ..contract.errors import ConflictError, NotFoundError
from ..contract.ids import is_ulid, ulid_at
from ..contract.objects import incoming_prefix
from ..contract.records import Image, ImageStatus, Upload
from ..contract.tables import UPLOAD_MARKER
from .acceptance import MAX_IMAGE_BYTES
from .data_ports import Images, Uploads
from .direct_uploads import Outcome
from .ports import Clock, IdempotencyKeys, Ids, ObjectStore, PostPolicy
from .times import parse, rfc3339
from .uploads import (
    NAMES_A_PART,
    UPLOAD_KEPT,
    UPLOAD_OPEN,
    AnnouncedFile,
    announcement_problem,
    counted_as,
    names_part,
    packed_names,
    rejection,
)

#: An upload isn't renewed so late that its last file could outlive it.
LAST_EVENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OpenUpload:
    upload: Upload
    policy: PostPolicy
    images: list[tuple[str, str, str]]  # file name, image id, key
    rejected: list[Outcome]
    replayed: bool = False  # an earlier request with the same idempotency key had opened it


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Where each file of an upload stands: expected = accepted + duplicate + rejected + pending.

    `expired` is how many of the pending can't arrive any more, unless the upload is renewed.
    """

    upload: Upload
    counts: Mapping[str, int]
    rejected: list[Image]
    pending: list[tuple[str, str]]  # file name, image id
    expired: int


class PostedUploads:
    def __init__(
        self,
        images: Images,
        uploads: Uploads,
        store: ObjectStore,
        idempotency: IdempotencyKeys,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._images = images
        self._uploads = uploads
        self._store = store
        self._idempotency = idempotency
        self._clock = clock
        self._ids = ids

    def open(self, project_id: str, files: Sequence[AnnouncedFile], key: str | None = None) -> OpenUpload:
        """Announces files and signs the one policy under which all of them may be posted.

        With an idempotency key the same request again answers the same ids, and a fresh policy.

        Raises:
            UnprocessableError: the key was used for other files.
        """
        upload_id, replayed = self._begin(project_id, files, key)
        upload = self._upload(project_id, upload_id, len(files))
        images, rejected = _judge(upload, files)
        # The first request may have died before the upload was there.
        earlier = self._uploads.get(project_id, upload_id) if replayed else None
        if earlier:
            upload = self._extend(earlier)
        else:
            names = packed_names([each.file_name for each in files])
            self._uploads.add(upload, names, [each.image for each in rejected if each.image])
        return OpenUpload(upload, self._sign(upload), images, rejected, replayed)

    def renew(self, project_id: str, upload_id: str) -> OpenUpload:
        """Signs a fresh policy for the files that haven't arrived, under their own ids.

        Raises:
            NotFoundError: the project has no such upload, or it is kept no more.
            ConflictError: nothing is left to be sent, the upload is too old, or it is an import.
        """
        upload = self._find(project_id, upload_id)
        if upload.is_import:
            raise ConflictError("the files of an import come out of its archive", code="upload-is-import")
        if (self._clock.now() + UPLOAD_OPEN + LAST_EVENT).timestamp() > upload.expires_at:
            raise ConflictError(
                "the upload is too old to go on", code="upload-too-old", hint="Announce the files again."
            )
        settled = {each.image_id for each in self._rows(upload) if not each.may_be_retried}
        missing = self._named(upload, settled)
        if not missing:
            raise ConflictError("every file of the upload has arrived", code="upload-complete")
        upload = self._extend(upload)
        prefix = incoming_prefix(project_id, upload_id)
        images = [(name, image_id, prefix + image_id) for name, image_id in missing]
        return OpenUpload(upload, self._sign(upload), images, [])

    def reconcile(self, project_id: str, upload_id: str) -> Reconciliation:
        """Where each file stands.

        Raises:
            NotFoundError: the project has no such upload, or it is kept no more.
        """
        upload = self._find(project_id, upload_id)
        is_open = self._clock.now() < parse(upload.closes_at)
        # Before the rows: what is taken in at this moment is then seen here or there.
        arriving: set[str] = set() if is_open else self._arriving(upload)
        rows = {each.image_id: each for each in self._rows(upload)}
        counts = Counter(counted_as(each) for each in rows.values())
        pending = self._named(upload, rows.keys())
        return Reconciliation(
            upload=upload,
            counts=counts | {"pending": len(pending)},
            rejected=[each for each in rows.values() if each.status == ImageStatus.REJECTED],
            pending=pending,
            expired=0 if is_open else sum(image_id not in arriving for _, image_id in pending),
        )

    def _begin(self, project_id: str, files: Sequence[AnnouncedFile], key: str | None) -> tuple[str, bool]:
        """The upload's id, and whether an earlier request with the key was given it."""
        upload_id = self._ids.new()
        if key is None:
            return upload_id, False
        name, now = f"upload#{project_id}#{key}", self._clock.now()
        fixed: str = self._idempotency.fix(name, _hash(files), now, {"uploadId": upload_id})["uploadId"]
        return fixed, fixed != upload_id

    def _find(self, project_id: str, upload_id: str) -> Upload:
        upload = self._uploads.get(project_id, upload_id) if is_ulid(upload_id) else None
        # DynamoDB forgets rows in any order, some days late: by then the sum could be wrong.
        if upload is None or upload.expires_at <= self._clock.now().timestamp():
            raise NotFoundError("no such upload", code="upload-not-found")
        return upload

    def _rows(self, upload: Upload) -> Iterator[Image]:
        first, last = ulid_at(upload.upload_id, 1), ulid_at(upload.upload_id, upload.expected)
        return self._images.between(upload.project_id, first, last)

    def _named(self, upload: Upload, settled: AbstractSet[str]) -> list[tuple[str, str]]:
        """(file name, image id) of the files that aren't settled; reads the names that it needs alone."""
        ids = ((index, ulid_at(upload.upload_id, 1 + index)) for index in range(upload.expected))
        missing = [(index, image_id) for index, image_id in ids if image_id not in settled]
        parts = {index // NAMES_A_PART for index, _ in missing}
        names = {part: names_part(self._uploads, upload, part) for part in sorted(parts)}
        return [(names[i // NAMES_A_PART][i % NAMES_A_PART], image_id) for i, image_id in missing]

    def _arriving(self, upload: Upload) -> set[str]:
        """The files that have landed and wait to be taken in."""
        prefix = incoming_prefix(upload.project_id, upload.upload_id)
        return {each.key.removeprefix(prefix) for each in self._store.list(prefix)}

    def _extend(self, upload: Upload) -> Upload:
        closes_at = rfc3339(self._clock.now() + UPLOAD_OPEN)
        if self._uploads.extend(upload, closes_at):
            return replace(upload, closes_at=closes_at)
        return self._find(upload.project_id, upload.upload_id)  # another request has moved it further

    def _sign(self, upload: Upload) -> PostPolicy:
        prefix = incoming_prefix(upload.project_id, upload.upload_id)
        return self._store.sign_post(prefix, MAX_IMAGE_BYTES, int(UPLOAD_OPEN.total_seconds()))

    def _upload(self, project_id: str, upload_id: str, expected: int) -> Upload:
        now = self._clock.now()
        return Upload(
            project_id=project_id,
            image_id=UPLOAD_MARKER + upload_id,
            upload_id=upload_id,
            expected=expected,
            parts=-(-expected // NAMES_A_PART),
            created_at=rfc3339(now),
            closes_at=rfc3339(now + UPLOAD_OPEN),
            expires_at=int((now + UPLOAD_KEPT).timestamp()),
        )


def _judge(
    upload: Upload, files: Sequence[AnnouncedFile]
) -> tuple[list[tuple[str, str, str]], list[Outcome]]:
    """The files that may be posted, with their ids and keys, and those that are refused at once."""
    prefix = incoming_prefix(upload.project_id, upload.upload_id)
    images, rejected = [], []
    for index, each in enumerate(files):
        image_id = ulid_at(upload.upload_id, 1 + index)
        problem = announcement_problem(each)
        if problem:
            row = rejection(upload, image_id, each.file_name, problem, upload.created_at)
            rejected.append(Outcome(each.file_name, row, problem))
        else:
            images.append((each.file_name, image_id, prefix + image_id))
    return images, rejected


def _hash(files: Sequence[AnnouncedFile]) -> str:
    members = [[each.file_name, each.size_bytes, each.content_type] for each in files]
    return sha256(json.dumps(members).encode()).hexdigest()
