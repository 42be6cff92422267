"""What happens to an object that landed in S3. At least once, in any order: every step may repeat."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from ..contract.errors import RejectedImageError
from ..contract.ids import is_ulid
from ..contract.objects import INCOMING, IncomingKey, image_key, thumbnail_key
from ..contract.records import INGEST_FAILED, Image, ImageStatus, Upload
from .acceptance import MAX_IMAGE_BYTES, Acceptance, Candidate
from .data_ports import Arrivals, Images, Uploads
from .gate import Gate
from .names import file_name
from .ports import Clock, ObjectStore, StoredObject, Telemetry
from .times import parse, rfc3339
from .uploads import NAMES_A_PART, index_of, names_part, rejection

#: How many files are handled at once: mostly they wait for AWS.
WORKERS = 10
#: How old an object is before its event counts as lost.
LOST_AFTER = timedelta(minutes=15)
#: How long the sweep leaves a file alone that failed: one that brings the process down does so seldom.
TRIED_AGAIN_AFTER = timedelta(hours=6)
_SWEPT_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _File:
    """A file of an upload, and what became of it so far."""

    upload: Upload
    image_id: str
    index: int
    row: Image | None

    @property
    def is_settled(self) -> bool:
        return self.row is not None and not self.row.may_be_retried

    def failed_since(self, moment: datetime) -> bool:
        return self.row is not None and self.row.may_be_retried and parse(self.row.upload_time) > moment


class Ingest:
    """Makes objects that landed in S3 into images, duplicates or rejected files; from any thread."""

    def __init__(
        self,
        arrivals: Arrivals,
        images: Images,
        uploads: Uploads,
        store: ObjectStore,
        acceptance: Acceptance,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._arrivals = arrivals
        self._images = images
        self._store = store
        self._acceptance = acceptance
        self._telemetry = telemetry
        self._clock = clock
        # All threads together hold no more than one of the largest files.
        self._bytes = Gate(MAX_IMAGE_BYTES)
        # What ingest reads of an upload never changes, and a batch of events mostly shares one.
        self._get_upload = lru_cache(maxsize=32)(uploads.get)
        self._names = lru_cache(maxsize=32)(lambda upload, part: names_part(uploads, upload, part))

    def take(self, key: str, size_bytes: int = MAX_IMAGE_BYTES) -> ImageStatus | None:
        """Takes in the object at `key` and removes it; None where there was nothing to do.

        Args:
            key: where it landed.
            size_bytes: its size, as its event had it.
        """
        incoming = IncomingKey.parse(key)
        if incoming is None:
            return None
        file, taken = self._find(incoming), None
        if file is None:
            # Nobody was given this key, or its project is gone: it has no place to go.
            self._telemetry.warn("object of no upload", key=key)
        elif not file.is_settled:
            with self._bytes.enter(size_bytes):
                taken = self._take(file, key, min(size_bytes, MAX_IMAGE_BYTES))
            if taken is None:
                return None
        self._store.delete([key, *_left_behind(taken or (file.row if file else None))])
        return taken.status if taken else None

    def give_up(self, key: str) -> None:
        """Notes at its file that an object can't be handled; the object and its message stay."""
        incoming = IncomingKey.parse(key)
        file = self._find(incoming) if incoming else None
        if file:
            problem = RejectedImageError("the file could not be processed; send it again", code=INGEST_FAILED)
            self._reject(file, problem)

    def sweep(self, until: datetime) -> None:
        """Takes in the objects whose events were lost, several at once, and begins none after `until`."""
        lost = self._lost()
        with ThreadPoolExecutor(WORKERS) as pool:
            while self._clock.now() < until and (some := list(islice(lost, _SWEPT_AT_ONCE))):
                done, _ = wait([pool.submit(copy_context().run, self._recover, each, until) for each in some])
                for error in filter(None, (each.exception() for each in done)):
                    self._telemetry.warn("a lost object failed", error=repr(error))

    def _lost(self) -> Iterator[StoredObject]:
        before = self._clock.now() - LOST_AFTER
        return (each for each in self._store.list(f"{INCOMING}/") if each.modified <= before)

    def _recover(self, lost: StoredObject, until: datetime) -> None:
        if self._clock.now() >= until:
            return
        incoming = IncomingKey.parse(lost.key)
        file = self._find(incoming) if incoming else None
        if file and file.failed_since(self._clock.now() - TRIED_AGAIN_AFTER):
            return
        if file and not file.is_settled:
            # First: an object that brings the process down must not meet the next sweep again.
            self.give_up(lost.key)
        if self.take(lost.key, lost.size_bytes):
            self._telemetry.count("UploadsRecovered")

    def _find(self, incoming: IncomingKey) -> _File | None:
        """The file to which a key was given; None where nobody was given it, or its project is gone."""
        if not (is_ulid(incoming.upload_id) and is_ulid(incoming.image_id)):
            return None
        # Read each time, for a project may be deleted at any moment, and the rest seldom.
        arrival = self._arrivals.read(incoming.project_id, incoming.image_id)
        upload = self._get_upload(incoming.project_id, incoming.upload_id) if arrival else None
        index = index_of(upload, incoming.image_id) if upload else None
        if arrival is None or upload is None or index is None:
            return None
        return _File(upload, incoming.image_id, index, arrival.row)

    def _take(self, file: _File, key: str, size_bytes: int) -> Image | None:
        """What became of the file; None where it stays as it is: it isn't there, or is a larger one."""
        try:
            stored = self._store.get(key, size_bytes)
            if stored is None:
                return None
            image = self._acceptance.take(self._candidate(file, stored))
        except RejectedImageError as problem:
            if problem.code == "file-too-large" and size_bytes < MAX_IMAGE_BYTES:
                return None  # It was posted again since, and that has an event of its own.
            return self._reject(file, problem)
        if image.status == ImageStatus.DUPLICATE:
            image = self._record(replace(image, expires_at=file.upload.expires_at))
        self._telemetry.count(f"Images{image.status.capitalize()}")
        return image

    def _candidate(self, file: _File, content: bytes) -> Candidate:
        name = file_name(self._name(file))
        return Candidate(file.upload.project_id, file.image_id, name, content, file.upload.upload_id)

    def _reject(self, file: _File, problem: RejectedImageError) -> Image:
        now = rfc3339(self._clock.now())
        self._telemetry.count("ImagesRejected")
        return self._record(rejection(file.upload, file.image_id, self._name(file), problem, now))

    def _record(self, image: Image) -> Image:
        """The file's row: `image`, or what another handler made of the file at the same moment."""
        if self._images.record(image):
            return image
        return self._images.get(image.project_id, image.image_id) or image

    def _name(self, file: _File) -> str:
        part, place = divmod(file.index, NAMES_A_PART)
        return self._names(file.upload, part)[place]


def _left_behind(row: Image | None) -> list[str]:
    """What a handler may have stored before it died, of a file that became no image in the end."""
    if row is None or row.status == ImageStatus.ACCEPTED or row.may_be_retried:
        return []
    return [image_key(row.project_id, row.image_id), thumbnail_key(row.project_id, row.image_id)]
