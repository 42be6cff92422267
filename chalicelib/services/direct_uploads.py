"""Files in the body of a request, stored at once."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

from ..contract.errors import RejectedImageError
from ..contract.ids import ulid_at
from ..contract.records import Image
from .acceptance import Acceptance, Candidate
from .data_ports import Images, Original
from .names import file_name
from .ports import Clock, IdempotencyKeys, Ids

WORKERS = 4


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file in a multipart request."""

    file_name: str | None
    content: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: an image (accepted or duplicate), or the reason why not."""

    file_name: str
    image: Image | None = None
    error: RejectedImageError | None = None


class DirectUploads:
    def __init__(
        self, images: Images, acceptance: Acceptance, idempotency: IdempotencyKeys, clock: Clock, ids: Ids
    ) -> None:
        self._images = images
        self._acceptance = acceptance
        self._idempotency = idempotency
        self._clock = clock
        self._ids = ids

    def store(self, project_id: str, files: Sequence[SentFile], key: str | None = None) -> list[Outcome]:
        """Takes in each file; one outcome a file, in their order. A bad file never stops the others.

        With an idempotency key the same request again gives each file the same id, and so answers an
        image of its own as one, not as a duplicate; also one that was deleted since, which stays so.

        Raises:
            UnprocessableError: the key was used for other files.
        """
        base, made = self._begin(project_id, files, key)
        drafts = [self._draft(project_id, ulid_at(base, index), each) for index, each in enumerate(files)]
        candidates = [each for each in drafts if isinstance(each, Candidate)]
        hashes = {each.image_id: each.sha256 for each in candidates}
        firsts = {hashes[each.image_id]: each for each in reversed(candidates)}
        done = self._take_firsts(project_id, firsts, made)
        # A file that is twice in one request is a duplicate of its first copy, if that is an image.
        originals = {digest: _original(done[each.image_id]) for digest, each in firsts.items()}
        known = {digest: each for digest, each in originals.items() if each}
        return [
            draft if isinstance(draft, Outcome) else done.get(draft.image_id) or self._take(draft, known)
            for draft in drafts
        ]

    def _begin(
        self, project_id: str, files: Sequence[SentFile], key: str | None
    ) -> tuple[str, Mapping[str, Image]]:
        """The base of the files' ids, and the rows that an earlier request with the key has left."""
        base = self._ids.new()
        if key is None:
            return base, {}
        name, now = f"images#{project_id}#{key}", self._clock.now()
        fixed: str = self._idempotency.fix(name, _hash(files), now, {"baseId": base})["baseId"]
        if fixed == base:
            return base, {}
        rows = self._images.between(project_id, fixed, ulid_at(fixed, len(files) - 1))
        return fixed, {each.image_id: each for each in rows}

    def _take_firsts(
        self, project_id: str, firsts: Mapping[str, Candidate], made: Mapping[str, Image]
    ) -> dict[str, Outcome]:
        known = self._images.find_by_sha256(project_id, list(firsts))

        def take(candidate: Candidate) -> Outcome:
            earlier = made.get(candidate.image_id)
            return Outcome(candidate.file_name, earlier) if earlier else self._take(candidate, known)

        with ThreadPoolExecutor(WORKERS) as pool:
            outcomes = pool.map(take, firsts.values())
            return {each.image_id: done for each, done in zip(firsts.values(), outcomes, strict=True)}

    def _draft(self, project_id: str, image_id: str, sent: SentFile) -> Candidate | Outcome:
        try:
            name = file_name(sent.file_name)
        except RejectedImageError as error:
            return Outcome(sent.file_name or "", error=error)
        return Candidate(project_id, image_id, name, sent.content)

    def _take(self, candidate: Candidate, known: Mapping[str, Original]) -> Outcome:
        try:
            return Outcome(candidate.file_name, image=self._acceptance.take(candidate, known))
        except RejectedImageError as error:
            return Outcome(candidate.file_name, error=error)


def _original(outcome: Outcome) -> Original | None:
    image = outcome.image
    return Original(image.duplicate_of or image.image_id, outcome.file_name) if image else None


def _hash(files: Sequence[SentFile]) -> str:
    """Of names and contents: the body as it was sent has another boundary each time."""
    lines = (json.dumps([each.file_name, sha256(each.content).hexdigest()]) for each in files)
    return sha256("\n".join(lines).encode()).hexdigest()
