"""In-memory ports, as small as they can be while they honour every condition of services/ports.py."""

from collections.abc import Iterable, Mapping, Sequence
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
from chalicelib.services.ports import (
    AccessClaims,
    JobSeen,
    Picture,
    PostPolicy,
    RefreshClaims,
)
from tests.fake_images import FakeImages, FakeLabels, FakeUploads
from tests.fake_tables import (
    FakeAdmissionReader,
    FakeConfigurations,
    FakeIdempotencyKeys,
    FakeMetrics,
    FakeProjects,
    FakeSessions,
    FakeUsers,
)


class FakeClock:
    """Stands still until it is advanced."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

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

    def verify(self, password_hash: str, password: str) -> bool:
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


class FakeJobs:
    """AWS Batch without machines; set `error` to have SubmitJob fail, `loses_answer` to have it work too."""

    def __init__(self) -> None:
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
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.policies_signed = 0

    def sign_post(self, prefix: str, max_bytes: int, seconds: int) -> PostPolicy:
        self.policies_signed += 1
        return PostPolicy("https://store.example/", {"policy": f"{prefix} {max_bytes} {seconds}"})

    def sign_get(self, key: str, seconds: int, file_name: str | None = None) -> str:
        return f"https://store.example/{key}?expires={seconds}&name={file_name or ''}"

    def put(self, key: str, content: bytes, content_type: str) -> str:
        self.objects[key] = content
        return md5(content).hexdigest()

    def get(self, key: str, max_bytes: int) -> bytes | None:
        content = self.objects.get(key)
        if content is not None and len(content) > max_bytes:
            raise RejectedImageError("too large", code="file-too-large")
        return content

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.objects.pop(key, None)


class FakeInspector:
    """Takes any file that begins with b"image" for one of 8 x 6 pixels."""

    def inspect(self, content: bytes) -> Picture:
        if not content.startswith(b"image"):
            raise RejectedImageError("no image", code="unsupported-format")
        return Picture("image/png", 8, 6, b"thumbnail of " + content)


class FakeTelemetry:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.warnings: list[str] = []

    def count(self, name: str, value: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + value

    def warn(self, message: str, **context: Any) -> None:
        self.warnings.append(message)


def fake_ports(**overrides: Any) -> Ports:
    """A world of its own; what is given stands in place of the fake of that name, for the others too."""
    own: dict[str, Any] = {
        "clock": FakeClock(),
        "users": FakeUsers(),
        "projects": FakeProjects(),
        "labels": FakeLabels(),
        "sessions": FakeSessions(),
    } | overrides
    own = {"images": FakeImages(own["labels"])} | own
    rest = {
        "ids": FakeIds(),
        "admission_reader": FakeAdmissionReader(own["users"], own["projects"], own["sessions"]),
        "hasher": FakeHasher(),
        "tokens": FakeTokens(own["clock"]),
        "uploads": FakeUploads(own["images"]),
        "configurations": FakeConfigurations(own["projects"]),
        "metrics": FakeMetrics(),
        "jobs": FakeJobs(),
        "store": FakeStore(),
        "inspector": FakeInspector(),
        "idempotency": FakeIdempotencyKeys(),
        "telemetry": FakeTelemetry(),
    }
    return Ports(**(rest | own))
