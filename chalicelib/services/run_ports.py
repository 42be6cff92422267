"""What configurations, runs and their jobs need from the world."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from ..contract.records import Configuration, EpochMetrics, Failure, Session
from ..contract.states import Status


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
