"""What happens to an object that landed in S3. At least once, in any order: every step may repeat."""

from dataclasses import replace
from functools import lru_cache

from ..contract.errors import RejectedImageError
from ..contract.ids import is_ulid
from ..contract.objects import IncomingKey
from ..contract.records import INGEST_FAILED, ImageStatus, Upload
from .acceptance import MAX_IMAGE_BYTES, Acceptance, Candidate
from .data_ports import Images, Uploads
from .names import file_name
from .ports import Clock, ObjectStore, Telemetry
from .times import rfc3339
from .uploads import NAMES_A_PART, index_of, names_part, rejection


class Ingest:
    """Makes objects that landed in S3 into images, duplicates or rejected files."""

    def __init__(
        self,
        images: Images,
        uploads: Uploads,
        store: ObjectStore,
        acceptance: Acceptance,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._images = images
        self._store = store
        self._acceptance = acceptance
        self._telemetry = telemetry
        self._clock = clock
        # Uploads never change, and the objects of one batch of events mostly share one.
        self._get_upload = lru_cache(maxsize=32)(uploads.get)
        self._names = lru_cache(maxsize=32)(lambda upload, part: names_part(uploads, upload, part))

    def take(self, key: str) -> ImageStatus | None:
        """Takes in the object at `key` and removes it; None where there was nothing to do."""
        incoming = IncomingKey.parse(key)
        if incoming is None:
            return None
        upload = self._upload(incoming)
        index = index_of(upload, incoming.image_id) if upload else None
        if upload is None or index is None:
            # Nobody was given this key: the upload is gone, or the id is made up.
            self._telemetry.warn("object of no upload", key=key)
            self._store.delete([key])
            return None
        status = self._take(upload, incoming.image_id, index, key)
        self._store.delete([key])
        return status

    def give_up(self, key: str) -> None:
        """Notes at its file that an object can't be handled; the object and its message stay."""
        incoming = IncomingKey.parse(key)
        upload = self._upload(incoming) if incoming else None
        index = index_of(upload, incoming.image_id) if incoming and upload else None
        if incoming and upload and index is not None:
            problem = RejectedImageError("the file could not be processed; send it again", code=INGEST_FAILED)
            self._reject(upload, incoming.image_id, index, problem)

    def _upload(self, incoming: IncomingKey) -> Upload | None:
        if not (is_ulid(incoming.upload_id) and is_ulid(incoming.image_id)):
            return None
        return self._get_upload(incoming.project_id, incoming.upload_id)

    def _take(self, upload: Upload, image_id: str, index: int, key: str) -> ImageStatus | None:
        row = self._images.get(upload.project_id, image_id)
        if row is not None and not row.may_be_retried:
            return None
        try:
            stored = self._store.get(key, MAX_IMAGE_BYTES)
            if stored is None:
                return None
            name = file_name(self._name(upload, index))
            candidate = Candidate(upload.project_id, image_id, name, stored, upload.upload_id)
            image = self._acceptance.take(candidate)
        except RejectedImageError as problem:
            self._reject(upload, image_id, index, problem)
            return ImageStatus.REJECTED
        if image.status == ImageStatus.DUPLICATE:
            self._images.record(replace(image, expires_at=upload.expires_at))
        self._telemetry.count(f"Images{image.status.capitalize()}")
        return image.status

    def _reject(self, upload: Upload, image_id: str, index: int, problem: RejectedImageError) -> None:
        now = rfc3339(self._clock.now())
        self._images.record(rejection(upload, image_id, self._name(upload, index), problem, now))
        self._telemetry.count("ImagesRejected")

    def _name(self, upload: Upload, index: int) -> str:
        part, place = divmod(index, NAMES_A_PART)
        return self._names(upload, part)[place]
