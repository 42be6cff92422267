"""Both ways in: files in the request itself, and files posted to S3 under one signed policy."""

import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from ..contract.errors import NotFoundError, RejectedImageError
from ..contract.ids import is_ulid, ulid_at, ulid_distance
from ..contract.objects import incoming_prefix
from ..contract.records import Image, ImageStatus, Upload
from ..contract.tables import UPLOAD_MARKER
from .acceptance import MAX_IMAGE_BYTES, Acceptance, Candidate
from .data_ports import Images, Original, Uploads
from .names import file_name
from .ports import Clock, Ids, ObjectStore, PostPolicy
from .times import parse, rfc3339

#: What a Lambda function signs works for as long as its credentials do, which may be little more.
UPLOAD_OPEN = timedelta(hours=1)
#: How long the reconciliation of an upload can be read, and a deleted image's tombstone stays.
UPLOAD_KEPT = timedelta(days=30)
#: So many names, at 255 bytes each, fit into one item of 400 KB even if they don't compress.
NAMES_A_PART = 1000
WORKERS = 4


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file in a multipart request."""

    file_name: str | None
    content: bytes


@dataclass(frozen=True, slots=True)
class AnnouncedFile:
    """A file that a client is going to post to S3."""

    file_name: str
    size_bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: an image (accepted or duplicate), or the reason why not."""

    file_name: str
    image: Image | None = None
    error: RejectedImageError | None = None


@dataclass(frozen=True, slots=True)
class OpenUpload:
    upload: Upload
    policy: PostPolicy
    images: list[tuple[str, str, str]]  # file name, image id, key
    rejected: list[Outcome]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Where each file of an upload stands: expected = accepted + duplicate + rejected + pending."""

    upload: Upload
    is_open: bool
    counts: Mapping[str, int]
    rejected: list[Image]
    pending: list[tuple[str, str]]  # file name, image id


class DirectUploads:
    """Files in the body of a request, stored at once."""

    def __init__(self, images: Images, acceptance: Acceptance, ids: Ids) -> None:
        self._images = images
        self._acceptance = acceptance
        self._ids = ids

    def store(self, project_id: str, files: Sequence[SentFile]) -> list[Outcome]:
        """Takes in each file; one outcome a file, in their order. A bad file never stops the others."""
        drafts = [self._draft(project_id, each) for each in files]
        candidates = [each for each in drafts if isinstance(each, Candidate)]
        hashes = {each.image_id: each.sha256 for each in candidates}
        firsts = {hashes[each.image_id]: each for each in reversed(candidates)}
        known = self._images.find_by_sha256(project_id, list(firsts))
        with ThreadPoolExecutor(WORKERS) as pool:
            taken = pool.map(lambda candidate: self._take(candidate, known), firsts.values())
            done = {
                candidate.image_id: outcome for candidate, outcome in zip(firsts.values(), taken, strict=True)
            }
        # A file that is twice in one request finds its first copy stored by now.
        return [
            draft if isinstance(draft, Outcome) else done.get(draft.image_id) or self._take(draft)
            for draft in drafts
        ]

    def _draft(self, project_id: str, sent: SentFile) -> Candidate | Outcome:
        try:
            name = file_name(sent.file_name)
        except RejectedImageError as error:
            return Outcome(sent.file_name or "", error=error)
        return Candidate(project_id, self._ids.new(), name, sent.content)

    def _take(self, candidate: Candidate, known: Mapping[str, Original] | None = None) -> Outcome:
        try:
            return Outcome(candidate.file_name, image=self._acceptance.take(candidate, known))
        except RejectedImageError as error:
            return Outcome(candidate.file_name, error=error)


class PostedUploads:
    """Files that clients post to S3 themselves, thousands under one signature."""

    def __init__(self, images: Images, uploads: Uploads, store: ObjectStore, clock: Clock, ids: Ids) -> None:
        self._images = images
        self._uploads = uploads
        self._store = store
        self._clock = clock
        self._ids = ids

    def open(self, project_id: str, files: Sequence[AnnouncedFile]) -> OpenUpload:
        """Announces files and signs the one policy under which all of them may be posted."""
        upload_id = self._ids.new()
        upload = self._upload(project_id, upload_id, len(files))
        prefix = incoming_prefix(project_id, upload_id)
        images, rejected = [], []
        for index, each in enumerate(files):
            image_id = ulid_at(upload_id, 1 + index)
            problem = _announcement_problem(each)
            if problem:
                row = rejection(upload, image_id, each.file_name, problem, upload.created_at)
                rejected.append(Outcome(each.file_name, row, problem))
            else:
                images.append((each.file_name, image_id, prefix + image_id))
        names = _compress([each.file_name for each in files])
        self._uploads.add(upload, names, [each.image for each in rejected if each.image])
        policy = self._store.sign_post(prefix, MAX_IMAGE_BYTES, int(UPLOAD_OPEN.total_seconds()))
        return OpenUpload(upload, policy, images, rejected)

    def reconcile(self, project_id: str, upload_id: str) -> Reconciliation:
        """Where each file stands.

        Raises:
            NotFoundError: the project has no such upload.
        """
        upload = self._uploads.get(project_id, upload_id) if is_ulid(upload_id) else None
        if upload is None:
            raise NotFoundError("no such upload", code="upload-not-found")
        last = ulid_at(upload_id, upload.expected)
        rows = {each.image_id: each for each in self._images.between(project_id, ulid_at(upload_id, 1), last)}
        counts = Counter(_counted(each) for each in rows.values())
        names = [name for part in range(upload.parts) for name in names_part(self._uploads, upload, part)]
        ids = ((name, ulid_at(upload_id, 1 + index)) for index, name in enumerate(names))
        pending = [(name, image_id) for name, image_id in ids if image_id not in rows]
        rejected = [each for each in rows.values() if each.status == ImageStatus.REJECTED]
        is_open = self._clock.now() < parse(upload.closes_at)
        return Reconciliation(upload, is_open, counts | {"pending": len(pending)}, rejected, pending)

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


def rejection(
    upload: Upload, image_id: str, name: str, problem: RejectedImageError, upload_time: str
) -> Image:
    """The row that says why a file of an upload wasn't taken."""
    return Image(
        project_id=upload.project_id,
        image_id=image_id,
        status=ImageStatus.REJECTED,
        upload_time=upload_time,
        file_name=name,
        reject_reason={"code": problem.code, "message": problem.detail},
        upload_id=upload.upload_id,
        expires_at=upload.expires_at,
    )


def names_part(uploads: Uploads, upload: Upload, part: int) -> list[str]:
    """The names of up to `NAMES_A_PART` files of an upload, in the order of their ids."""
    names: list[str] = json.loads(zlib.decompress(uploads.names(upload, part)))
    return names


def index_of(upload: Upload, image_id: str) -> int | None:
    """Which file of an upload an id is; None where the upload gave out no such id."""
    index = ulid_distance(upload.upload_id, image_id) - 1
    return index if 0 <= index < upload.expected else None


def _compress(names: list[str]) -> list[bytes]:
    parts = (names[start : start + NAMES_A_PART] for start in range(0, len(names), NAMES_A_PART))
    return [zlib.compress(json.dumps(part, ensure_ascii=False).encode(errors="replace")) for part in parts]


def _counted(image: Image) -> str:
    """What a file counts as; a deleted one as what it was before."""
    if image.status != ImageStatus.DELETED:
        return image.status
    if image.reject_reason:
        return ImageStatus.REJECTED
    return ImageStatus.DUPLICATE if image.duplicate_of else ImageStatus.ACCEPTED


def _announcement_problem(announced: AnnouncedFile) -> RejectedImageError | None:
    if announced.size_bytes > MAX_IMAGE_BYTES:
        return RejectedImageError("the file has over 50 MB", code="file-too-large")
    if announced.size_bytes == 0:
        return RejectedImageError("the file is empty", code="empty-file")
    if not announced.content_type.startswith("image/"):
        return RejectedImageError("the content type isn't an image's", code="not-an-image")
    try:
        file_name(announced.file_name)
    except RejectedImageError as error:
        return error
    return None
