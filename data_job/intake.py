"""Taking the images of an archive in, a chunk at a time, each under the id that its place gives it."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Self

from chalicelib.contract.errors import RejectedImageError
from chalicelib.contract.ids import ulid_at
from chalicelib.contract.records import Image, ImageStatus, Upload
from chalicelib.services.acceptance import MAX_IMAGE_BYTES, Acceptance, Candidate
from chalicelib.services.data_ports import Images, Original
from chalicelib.services.names import file_name
from chalicelib.services.ports import Clock
from chalicelib.services.times import rfc3339
from chalicelib.services.uploads import rejection

from .archive import Archive
from .index import Member
from .patience import patiently

#: As many hashes as one BatchGetItem looks up, of as many bytes as may be in memory.
CHUNK_FILES, CHUNK_BYTES = 100, 32_000_000
_WORKERS = 16


class Intake:
    """A file that has a row keeps it: what an earlier attempt has done isn't done again."""

    def __init__(self, images: Images, acceptance: Acceptance, clock: Clock, upload: Upload) -> None:
        self._images = images
        self._acceptance = acceptance
        self._clock = clock
        self._upload = upload
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="take")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def take(self, archive: Archive, members: Sequence[Member]) -> list[Image]:
        """What became of each of some files that lie side by side, in their order."""
        rows = self._rows(members)
        fresh = [each for each in members if self.id_of(each) not in rows]
        candidates = []
        for each in fresh:
            read = self._read(archive, each)
            if isinstance(read, Image):
                rows[read.image_id] = self._settle(read)
            else:
                candidates.append(read)
        rows |= {each.image_id: each for each in self._take(candidates)}
        return [rows[self.id_of(each)] for each in members]

    def id_of(self, member: Member) -> str:
        return ulid_at(self._upload.upload_id, 1 + member.place)

    def _rows(self, members: Sequence[Member]) -> dict[str, Image]:
        first, last = self.id_of(members[0]), self.id_of(members[-1])
        found = self._images.between(self._upload.project_id, first, last)
        return {each.image_id: each for each in found if not each.may_be_retried}

    def _read(self, archive: Archive, member: Member) -> Candidate | Image:
        """The file, or the row that says why it can't be read."""
        image_id, annotation = self.id_of(member), member.annotation
        try:
            name = file_name(member.name)
            content = archive.read(member.path, MAX_IMAGE_BYTES)
        except RejectedImageError as problem:
            return self._rejected(image_id, member.name, problem)
        split = annotation.split if annotation else None
        project_id, upload_id = self._upload.project_id, self._upload.upload_id
        return Candidate(project_id, image_id, name, content, upload_id, split)

    def _take(self, candidates: Sequence[Candidate]) -> list[Image]:
        """Of equal files the first is taken before the others, so that every attempt keeps the same one."""
        firsts: dict[str, Candidate] = {}
        later = [each for each in candidates if firsts.setdefault(each.sha256, each) is not each]
        known = self._images.find_by_sha256(self._upload.project_id, list(firsts))
        taken = list(self._pool.map(lambda each: self._take_one(each, known), firsts.values()))
        accepted = {
            each.sha256 or "": Original(each.image_id, each.file_name or "")
            for each in taken
            if each.status == ImageStatus.ACCEPTED
        }
        by_now = {**known, **accepted}
        return taken + list(self._pool.map(lambda each: self._take_one(each, by_now), later))

    def _take_one(self, candidate: Candidate, known: Mapping[str, Original]) -> Image:
        try:
            # A partition takes 1,000 writes a second, and the SDK doesn't try a cancelled transaction again.
            image = patiently(lambda: self._acceptance.take(candidate, known))
        except RejectedImageError as problem:
            image = self._rejected(candidate.image_id, candidate.file_name, problem)
        return image if image.status == ImageStatus.ACCEPTED else self._settle(image)

    def _rejected(self, image_id: str, name: str, problem: RejectedImageError) -> Image:
        return rejection(self._upload, image_id, name, problem, rfc3339(self._clock.now()))

    def _settle(self, image: Image) -> Image:
        row = replace(image, expires_at=self._upload.expires_at)
        self._images.record(row)
        return row


def chunks(members: Iterator[Member]) -> Iterator[list[Member]]:
    """Neighbours, so many as may be in memory at a time; a large one stands alone."""
    chunk: list[Member] = []
    size = 0
    for each in members:
        if chunk and (len(chunk) == CHUNK_FILES or size + each.size_bytes > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(each)
        size += each.size_bytes
    if chunk:
        yield chunk
