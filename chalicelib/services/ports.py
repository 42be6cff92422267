"""What the use-cases need from the world, one narrow Protocol a need.

`tests/fakes.py` and `chalicelib/adapters` both implement them; tests/contract runs the same tests
against the two.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from ..contract.records import (
    ApiKey,
    Configuration,
    EpochMetrics,
    Failure,
    Project,
    RefreshToken,
    Session,
    User,
)
from ..contract.states import Status


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


class PasswordHasher(Protocol):
    def hash(self, password: str) -> str: ...

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Without a hash, which is for nobody: the same work, and False."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    user_id: str
    token_version: int


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    user_id: str
    token_version: int
    family: str
    token_id: str


class Tokens(Protocol):
    """Signs and checks tokens.

    The two `read_` methods raise `UnauthenticatedError` for anything but a valid, unexpired token
    of their own kind.
    """

    access_seconds: int
    refresh_seconds: int

    def access(self, claims: AccessClaims) -> str: ...

    def refresh(self, claims: RefreshClaims) -> str: ...

    def read_access(self, token: str) -> AccessClaims: ...

    def read_refresh(self, token: str) -> RefreshClaims: ...


class SigningSecret(Protocol):
    """The secret that holds the signing keys, in its versions."""

    def current(self) -> str: ...

    def pending(self, version: str) -> str | None:
        """What a rotation has put into a version of this id; None where it hasn't yet."""

    def put_pending(self, version: str, text: str) -> None: ...

    def make_current(self, version: str) -> None:
        """Makes a pending version the current one."""


class Users(Protocol):
    def add(self, user: User) -> None:
        """Raises `ConflictError` (email-taken, username-taken), compared case-folded."""

    def get(self, user_id: str) -> User | None: ...

    def get_by_login(self, login: str) -> User | None:
        """By email address or username, case-folded."""

    def end_all_logins(self, user_id: str, token_version: int) -> None:
        """Raises the token version, unless it isn't this any more: tokens given out so far stop working."""

    def change_password(self, user: User, password_hash: str) -> User | None:
        """Sets the password and raises the token version; None where either has changed since."""

    def add_login(self, token: RefreshToken) -> None: ...

    def rotate_login(self, family: str, old_token_id: str, token: RefreshToken) -> bool:
        """Replaces the newest token of a login; False where `old_token_id` isn't the newest."""

    def get_login(self, family: str) -> RefreshToken | None:
        """The newest token of a login."""

    def end_login(self, family: str) -> None: ...


class ApiKeys(Protocol):
    """API keys, in the rows of their users."""

    def add(self, user_id: str, key: ApiKey, most: int) -> bool:
        """False where the user has `most` keys already."""

    def revoke(self, user_id: str, key_id: str) -> None:
        """What is gone already stays gone."""

    def note_use(self, user_id: str, key_id: str, at: str, unless_since: str) -> None:
        """Sets when a key was last used, unless it is gone, or a use since `unless_since` is noted."""


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


class Configurations(Protocol):
    def add(self, configuration: Configuration) -> None:
        """Adds a version and makes it the project's current one, in one transaction."""

    def get(self, project_id: str, config_id: str) -> Configuration | None: ...


@dataclass(frozen=True, slots=True)
class JobSeen:
    """What AWS Batch says of a job."""

    batch_job_id: str
    status: str
    reason: str | None = None
    exit_code: int | None = None
    started_at: datetime | None = None  # of the present attempt


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sessions that aren't over there may be at a time; 0 is no limit."""

    per_project: int = 0
    per_user: int = 0


NO_LIMITS = Limits()


class Refusal(Enum):
    """Why a session may not begin."""

    PROJECT_FULL = "project"
    USER_FULL = "user"
    GONE = "gone"  # the project was deleted a moment ago


class Sessions(Protocol):
    """Every change states its condition and returns whether it held."""

    def add(self, session: Session, limits: Limits = NO_LIMITS) -> Refusal | None:
        """Puts a session, once, where its project and its user have room for it.

        However many are added at the same time, no limit is passed; those that are over don't count.

        Raises:
            ContendedError: too many of the same user are added at this moment.
        """

    def get(self, project_id: str, session_id: str) -> Session | None: ...

    def list(self, project_id: str, limit: int, before: str | None) -> Sequence[Session]:
        """Newest first."""

    def active(self) -> Iterator[Session]:
        """Every session that isn't over, from an index: a moment old, and without all attributes."""

    def set_job(self, session: Session, batch_job_id: str) -> bool:
        """Holds while the session isn't over and has no other job."""

    def advance(self, session: Session, status: Status) -> bool:
        """To `provisioning`: holds where that is a legal move."""

    def request_stop(self, session: Session, at: str) -> bool:
        """Holds while the session isn't over."""

    def end(
        self,
        session: Session,
        status: Status,
        at: str,
        failure: Failure | None = None,
        only_from: Iterable[Status] | None = None,
        only_without_job: bool = False,
    ) -> bool:
        """To a terminal state: holds where that is a legal move, and under the other conditions given."""


class Metrics(Protocol):
    def list(self, session_id: str) -> Sequence[EpochMetrics]:
        """Every epoch, in order."""


class JobGateway(Protocol):
    max_nodes: int  # machines that one training may take here

    def submit(self, session: Session, timeout_seconds: int) -> str:
        """Starts a job named by the session and returns its AWS Batch id.

        Raises:
            UnavailableError: whether the job was made isn't known; with the codes `submit-refused` and
                `submit-busy` AWS said no, so that it wasn't.
        """

    def terminate(self, batch_job_id: str, reason: str) -> None:
        """Ends a job in whatever state; a job that is over stays as it is."""

    def find(self, session_id: str) -> Sequence[JobSeen]:
        """Jobs of that name, oldest first."""

    def describe(self, batch_job_ids: Sequence[str]) -> Mapping[str, JobSeen]:
        """Those that AWS Batch still knows (it forgets a job about seven days after its end)."""


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
