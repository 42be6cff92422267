"""What the use-cases need from the world, one narrow Protocol a need; others by subject, in `*_ports`.

`tests/fakes.py` and `chalicelib/adapters` both implement them; tests/contract runs the same tests
against the two.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from ..contract.records import Project, Session, User


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, in UTC."""

    def sleep(self, seconds: float) -> None: ...


class Ids(Protocol):
    def new(self) -> str:
        """A fresh ULID."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one strongly consistent read found of a request's user, project and session."""

    user: User | None
    project: Project | None = None
    session: Session | None = None


class AdmissionReader(Protocol):
    def read(self, user_id: str, project_id: str | None, session_id: str | None) -> Seen:
        """All three in one round trip."""


class Projects(Protocol):
    def add(self, project: Project) -> None: ...

    def list(self, user_id: str, limit: int, before: str | None) -> Sequence[Project]:
        """Newest first, those that aren't deleted, with ids before `before`."""

    def rename(self, project_id: str, project_name: str | None, description: str | None) -> Project: ...

    def delete(self, project_id: str, deleted_at: str) -> None:
        """Marks it deleted: no request is admitted to it any more, and its removal begins."""

    def removing(self) -> Iterator[Project]:
        """Deleted projects that aren't forgotten, longest deleted first; from an index, a moment old."""

    def forget(self, project_id: str) -> None:
        """Removes the row of a deleted project, of which nothing else is left."""


#: The second part of a row's key: an id, or an epoch's number.
SortKey = str | int


class Rows(Protocol):
    """The rows of a partition by their keys alone; tables by their names in the contract."""

    def keys(self, table: str, partition: str) -> Iterator[SortKey]:
        """A page of the query at a time."""

    def delete(self, table: str, partition: str, keys: Sequence[SortKey]) -> None:
        """ceil(n / 25) writes, in parallel; what is gone already stays gone."""


@dataclass(frozen=True, slots=True)
class PostPolicy:
    url: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    size_bytes: int
    modified: datetime


#: Of what browsers must not show or run.
ANY_TYPE = "application/octet-stream"


class ObjectStore(Protocol):
    def sign_post(self, prefix: str, max_bytes: int, seconds: int) -> PostPolicy:
        """One signature with which any number of images can be posted below a prefix."""

    def sign_get(
        self, key: str, seconds: int, file_name: str | None = None, content_type: str = ANY_TYPE
    ) -> str:
        """A URL of an object, which comes as that type whatever it is; with a file name, to be saved."""

    def origins(self) -> frozenset[str]:
        """Where the signed URLs and forms lead: `https://host`, for a page's Content-Security-Policy."""

    def put(self, key: str, content: bytes, content_type: str) -> str:
        """Stores an object and returns its ETag."""

    def get(self, key: str, max_bytes: int) -> bytes | None:
        """None where there is none.

        Raises:
            RejectedImageError: the object is larger than `max_bytes`; it isn't read.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """ceil(n / 1,000) calls, in parallel.

        Raises:
            UnavailableError: some weren't deleted.
        """

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with `prefix`, sorted by key, a page of 1,000 at a time."""

    def abort_uploads(self, prefix: str) -> int:
        """Gives up every multipart upload in progress below a prefix; returns how many those were."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that was decoded to its last pixel. Width and height are those of the upright image."""

    content_type: str
    width: int
    height: int
    thumbnail: bytes  # JPEG
    perceptual_hash: str  # 32 hexadecimal digits


class ImageInspector(Protocol):
    def inspect(self, content: bytes) -> Picture:
        """Raises `RejectedImageError` for anything that isn't an image Darkroom takes."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A request with an idempotency key.

    Attributes:
        plan: what the first request with the key had decided before it did anything.
        lock: names this claim of the key.
        is_again: an earlier request had claimed the key, and has died, or failed, on its way.
        answer: what an earlier request has answered.
    """

    plan: Mapping[str, Any]
    lock: int
    is_again: bool = False
    answer: Mapping[str, Any] | None = None


class IdempotencyKeys(Protocol):
    def begin(self, key: str, request_hash: str, now: datetime, plan: Mapping[str, Any]) -> Begun:
        """Claims a key for a request for a minute, or answers what an earlier one has.

        Args:
            key: the client's, made unique.
            request_hash: of the request's body.
            now: the time.
            plan: what this request will do, kept with the key unless an earlier request's is there.

        Raises:
            UnprocessableError: the key was used for another request.
            ConflictError: the first request with this key is still being carried out.
        """

    def finish(self, key: str, answer: Mapping[str, Any]) -> None: ...

    def fix(self, key: str, request_hash: str, now: datetime, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer of the first request with a key: this one's, unless there was one before.

        For requests that may be carried out again and again, once what they answer is fixed.

        Raises:
            UnprocessableError: the key was used for another request.
        """

    def release(self, key: str, lock: int) -> None:
        """It isn't known how far the request got: the same one may go on with its plan at once."""

    def abandon(self, key: str, lock: int) -> None:
        """The request failed, and left nothing: the key may be used again, for anything."""


class Telemetry(Protocol):
    def count(self, name: str, value: int = 1) -> None: ...

    def warn(self, message: str, **context: Any) -> None: ...
