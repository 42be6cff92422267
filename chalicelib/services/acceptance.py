"""Taking an image in: the one way, whether its bytes came in a request or through S3."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from ..contract.errors import RejectedImageError
from ..contract.objects import image_key, thumbnail_key
from ..contract.records import Image, ImageStatus, SplitName
from .data_ports import Images, Original
from .ports import Clock, ImageInspector, ObjectStore, Picture
from .times import rfc3339

MAX_IMAGE_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that would be an image of a project."""

    project_id: str
    image_id: str
    file_name: str
    content: bytes
    upload_id: str | None = None
    split: SplitName | None = None

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


class Acceptance:
    """Checks, stores and records one file. Every step may be repeated."""

    def __init__(self, images: Images, store: ObjectStore, inspector: ImageInspector, clock: Clock) -> None:
        self._images = images
        self._store = store
        self._inspector = inspector
        self._clock = clock

    def take(self, candidate: Candidate, known: Mapping[str, Original] | None = None) -> Image:
        """Makes a candidate an image, or says which image has its bytes already.

        Args:
            candidate: the file.
            known: hash -> image of what the project has, where the caller has read it already.

        Returns:
            The image, with status `accepted` or `duplicate`. A duplicate is not recorded here.

        Raises:
            RejectedImageError: it isn't an image that Darkroom takes.
        """
        digest = candidate.sha256
        if known is None:
            known = self._images.find_by_sha256(candidate.project_id, [digest])
        original = known.get(digest)
        if original and original.image_id != candidate.image_id:
            if original.file_name != candidate.file_name:
                self._images.add_alias(candidate.project_id, original.image_id, candidate.file_name)
            return self._duplicate(candidate, digest, original.image_id)
        picture = self._inspect(candidate.content)
        image = self._store_objects(candidate, picture, digest)
        winner = self._images.accept(image)
        if winner is None:
            return image
        if winner == candidate.image_id:
            return self._settled(candidate) or image
        # Another request won the race for these bytes.
        self._settled(candidate)
        self._images.add_alias(candidate.project_id, winner, candidate.file_name)
        return self._duplicate(candidate, digest, winner)

    def _settled(self, candidate: Candidate) -> Image | None:
        """What another handler made of the file; unless that is an image, its objects go again."""
        row = self._images.get(candidate.project_id, candidate.image_id)
        if row is None or row.status != ImageStatus.ACCEPTED:
            self._delete_objects(candidate)
        return row if row and row.status == ImageStatus.DUPLICATE else None

    def _delete_objects(self, candidate: Candidate) -> None:
        self._store.delete([image_key(candidate.project_id, candidate.image_id), self._thumbnail(candidate)])

    def _inspect(self, content: bytes) -> Picture:
        if not content:
            raise RejectedImageError("the file is empty", code="empty-file")
        if len(content) > MAX_IMAGE_BYTES:
            raise RejectedImageError("the file has over 50 MB", code="file-too-large")
        return self._inspector.inspect(content)

    def _store_objects(self, candidate: Candidate, picture: Picture, digest: str) -> Image:
        key = image_key(candidate.project_id, candidate.image_id)
        etag = self._store.put(key, candidate.content, picture.content_type)
        self._store.put(self._thumbnail(candidate), picture.thumbnail, "image/jpeg")
        return replace(
            self._outcome(candidate, digest, ImageStatus.ACCEPTED),
            file_path=key,
            content_type=picture.content_type,
            width=picture.width,
            height=picture.height,
            perceptual_hash=picture.perceptual_hash,
            etag=etag,
        )

    def _duplicate(self, candidate: Candidate, digest: str, original: str) -> Image:
        return replace(self._outcome(candidate, digest, ImageStatus.DUPLICATE), duplicate_of=original)

    def _outcome(self, candidate: Candidate, digest: str, status: ImageStatus) -> Image:
        return Image(
            project_id=candidate.project_id,
            image_id=candidate.image_id,
            status=status,
            upload_time=rfc3339(self._clock.now()),
            file_name=candidate.file_name,
            size_bytes=len(candidate.content),
            sha256=digest,
            upload_id=candidate.upload_id,
            split=candidate.split,
        )

    @staticmethod
    def _thumbnail(candidate: Candidate) -> str:
        return thumbnail_key(candidate.project_id, candidate.image_id)
