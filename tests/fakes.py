"""In-memory ports, as small as they can be while they honour every condition of services/*ports.py."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import count
from typing import Any

from chalicelib.bootstrap import Ports
from chalicelib.contract.errors import (
    RejectedImageError,
    UnauthenticatedError,
    UnavailableError,
)
from chalicelib.contract.ids import ulid
from chalicelib.contract.records import (
    Session,
)
from chalicelib.contract.tables import CONFIGURATIONS, IMAGES, LABELS, METRICS, SESSIONS
from chalicelib.services.account_ports import AccessClaims, RefreshClaims
from chalicelib.services.ports import ANY_TYPE, Picture, PostPolicy, SortKey, StoredObject
from chalicelib.services.run_ports import JobSeen
from tests.fake_attempts import FakeAttempts, FakePseudonyms
from tests.fake_images import FakeArrivals, FakeImages, FakeLabels, FakeUploads
from tests.fake_job_logs import FakeJobLogs
from tests.fake_keys import FakeApiKeys
from tests.fake_predictor import FakePredictor
from tests.fake_tables import (
    FakeAdmissionReader,
    FakeConfigurations,
    FakeIdempotencyKeys,
    FakeMetrics,
    FakeProjects,
    FakeSessions,
    FakeUsers,
)
from tests.fake_transfers import FakeLargeObjects, FakeTransferJobs, FakeTransfers
from tests.fake_versions import FakeVersions


class FakeClock:
    """Stands still until it is advanced."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.advance(seconds=seconds)

    def advance(self, **by: float) -> None:
        """By the arguments of `timedelta`."""
        self.moment += timedelta(**by)


class FakeIds:
    """The same ids in every test, each later than the one before."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self) -> str:
        return ulid(1_769_000_000_000 + next(self._numbers), 0)


class FakeHasher:
    """Counts the work: hashing and verifying cost the same."""

    def __init__(self) -> None:
        self.hashings = 0

    def hash(self, password: str) -> str:
        self.hashings += 1
        return f"hash of {password}"

    def verify(self, password_hash: str | None, password: str) -> bool:
        return self.hash(password) == password_hash


class FakeTokens:
    """Tokens that are looked up rather than signed."""

    access_seconds = 900
    refresh_seconds = 30 * 24 * 3600

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._given: dict[str, tuple[Any, datetime]] = {}

    def access(self, claims: AccessClaims) -> str:
        return self._give(claims, self.access_seconds)

    def refresh(self, claims: RefreshClaims) -> str:
        return self._give(claims, self.refresh_seconds)

    def read_access(self, token: str) -> AccessClaims:
        return self._read(token, AccessClaims)

    def read_refresh(self, token: str) -> RefreshClaims:
        return self._read(token, RefreshClaims)

    def _give(self, claims: Any, seconds: int) -> str:
        token = f"token-{len(self._given)}"
        self._given[token] = claims, self._clock.now() + timedelta(seconds=seconds)
        return token

    def _read(self, token: str, kind: type) -> Any:
        claims, expires = self._given.get(token, (None, self._clock.now()))
        if not isinstance(claims, kind) or expires <= self._clock.now():
            raise UnauthenticatedError("this token isn't valid")
        return claims


class FakeSigningSecret:
    """A secret's versions; `made_current` lists the ids in their order."""

    def __init__(self, text: str = '{"kid": "1", "key": "0123456789abcdef0123456789abcdef"}') -> None:
        self.text = text
        self.made_current: list[str] = []
        self._pending: dict[str, str] = {}

    def current(self) -> str:
        return self.text

    def pending(self, version: str) -> str | None:
        return self._pending.get(version)

    def put_pending(self, version: str, text: str) -> None:
        self._pending = {version: text}

    def make_current(self, version: str) -> None:
        self.text = self._pending[version]
        self.made_current.append(version)


class FakeJobs:
    """AWS Batch without machines; set `error` to have SubmitJob fail, `loses_answer` to have it work too."""

    def __init__(self, max_nodes: int = 1) -> None:
        self.max_nodes = max_nodes
        self.seen: dict[str, JobSeen] = {}
        self.submitted: list[tuple[Session, int]] = []
        self.names: dict[str, str] = {}
        self.error: UnavailableError | None = None
        self.loses_answer = False

    def submit(self, session: Session, timeout_seconds: int) -> str:
        if self.error and not self.loses_answer:
            raise self.error
        batch_job_id = f"job-{len(self.seen):04}"
        self.submitted.append((session, timeout_seconds))
        self.names[batch_job_id] = session.session_id
        self.seen[batch_job_id] = JobSeen(batch_job_id, "RUNNABLE")
        if self.error:
            raise self.error
        return batch_job_id

    def terminate(self, batch_job_id: str, reason: str) -> None:
        job = self.seen.get(batch_job_id)
        if job and job.status not in ("SUCCEEDED", "FAILED"):
            self.seen[batch_job_id] = replace(job, status="FAILED", reason=reason)

    def find(self, session_id: str) -> Sequence[JobSeen]:
        return [self.seen[each] for each, name in self.names.items() if name == session_id]

    def describe(self, batch_job_ids: Sequence[str]) -> Mapping[str, JobSeen]:
        return {each: self.seen[each] for each in batch_job_ids if each in self.seen}


class FakeStore:
    def __init__(self, clock: FakeClock | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.modified: dict[str, datetime] = {}
        #: Keys of the multipart uploads in progress.
        self.multiparts: list[str] = []
        self._clock = clock or FakeClock()
        self.policies_signed = 0

    def sign_post(self, prefix: str, max_bytes: int, seconds: int) -> PostPolicy:
        self.policies_signed += 1
        return PostPolicy("https://store.example/", {"policy": f"{prefix} {max_bytes} {seconds}"})

    def sign_get(
        self, key: str, seconds: int, file_name: str | None = None, content_type: str = ANY_TYPE
    ) -> str:
        return f"https://store.example/{key}?expires={seconds}&name={file_name or ''}&type={content_type}"

    def origins(self) -> frozenset[str]:
        return frozenset({"https://store.example"})

    def put(self, key: str, content: bytes, content_type: str) -> str:
        self.objects[key] = content
        self.modified[key] = self._clock.now()
        return md5(content).hexdigest()

    def get(self, key: str, max_bytes: int) -> bytes | None:
        content = self.objects.get(key)
        if content is not None and len(content) > max_bytes:
            raise RejectedImageError("too large", code="file-too-large")
        return content

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.objects.pop(key, None)

    def abort_uploads(self, prefix: str) -> int:
        gone = [each for each in self.multiparts if each.startswith(prefix)]
        self.multiparts = [each for each in self.multiparts if each not in gone]
        return len(gone)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for key in sorted(each for each in tuple(self.objects) if each.startswith(prefix)):
            if key in self.objects:
                yield StoredObject(key, len(self.objects[key]), self.modified.get(key, self._clock.now()))


class FakeInspector:
    """Takes any file that begins with b"image" for one of 8 x 6 pixels."""

    def inspect(self, content: bytes) -> Picture:
        if not content.startswith(b"image"):
            raise RejectedImageError("no image", code="unsupported-format")
        return Picture("image/png", 8, 6, b"thumbnail of " + content, md5(content).hexdigest())


class FakeTelemetry:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.warnings: list[str] = []

    def count(self, name: str, value: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + value

    def warn(self, message: str, **context: Any) -> None:
        self.warnings.append(message)


class FakeRows:
    """The rows of the other fakes, by table.

    Args:
        ports: the other fakes, by the names of their ports.
    """

    def __init__(self, ports: Mapping[str, Any]) -> None:
        self._ports = ports

    def keys(self, table: str, partition: str) -> Iterator[SortKey]:
        if table == METRICS:
            return iter([each.epoch for each in self._ports["metrics"].list(partition)])
        held = [key for rows in self._tables(table) for key in rows]
        return iter(sorted(sort_key for owner, sort_key in held if owner == partition))

    def delete(self, table: str, partition: str, keys: Sequence[SortKey]) -> None:
        if table == METRICS:
            rows = self._ports["metrics"].rows
            rows[:] = [each for each in rows if each.session_id != partition or each.epoch not in keys]
            return
        for held in self._tables(table):
            for each in keys:
                held.pop((partition, each), None)

    def _tables(self, table: str) -> list[dict[Any, Any]]:
        """All that shares a table, each with keys of (partition, sort key)."""
        names = {
            IMAGES: ("images", "uploads", "versions", "transfers"),
            LABELS: ("labels",),
            CONFIGURATIONS: ("configurations",),
            SESSIONS: ("sessions",),
        }[table]
        marks = [self._ports["images"].hashes] if table == IMAGES else []
        return [self._ports[name].rows for name in names] + marks


def fake_ports(**overrides: Any) -> Ports:
    """A world of its own; what is given stands in place of the fake of that name, for the others too."""
    own: dict[str, Any] = {
        "clock": FakeClock(),
        "users": FakeUsers(),
        "projects": FakeProjects(),
        "labels": FakeLabels(),
    } | overrides
    own = {"images": FakeImages(own["labels"]), "sessions": FakeSessions(own["projects"])} | own
    rest = {
        "ids": FakeIds(),
        "admission_reader": FakeAdmissionReader(own["users"], own["projects"], own["sessions"]),
        "hasher": FakeHasher(),
        "common_passwords": frozenset({"password1"}),
        "attempts": FakeAttempts(),
        "pseudonyms": FakePseudonyms(),
        "api_keys": FakeApiKeys(own["users"]),
        "tokens": FakeTokens(own["clock"]),
        "signing_secret": FakeSigningSecret(),
        "arrivals": FakeArrivals(own["projects"], own["images"]),
        "uploads": FakeUploads(own["images"]),
        "versions": FakeVersions(),
        "configurations": FakeConfigurations(own["projects"]),
        "metrics": FakeMetrics(),
        "jobs": FakeJobs(),
        "job_logs": FakeJobLogs(),
        "store": FakeStore(own["clock"]),
        "inspector": FakeInspector(),
        "predictor": FakePredictor(),
        "idempotency": FakeIdempotencyKeys(),
        "transfers": FakeTransfers(),
        "transfer_jobs": FakeTransferJobs(),
        "telemetry": FakeTelemetry(),
    }
    made = rest | own
    made = {"large_objects": FakeLargeObjects(made["store"])} | made
    return Ports(**({"rows": FakeRows(made)} | made))
