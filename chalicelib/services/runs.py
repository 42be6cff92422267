"""Watching, stopping and collecting a run that was started."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..contract.errors import ConflictError
from ..contract.records import EpochMetrics, Session
from ..contract.states import Status
from .gallery import sign_thumbnail
from .ports import Clock, ObjectStore
from .run_ports import JobGateway, Metrics, Sessions
from .times import rfc3339

POLL_SECONDS = 5
URL_SECONDS = 3600
MAX_RESULTS_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Watched:
    session: Session
    history: Sequence[EpochMetrics] | None


class Runs:
    def __init__(
        self, sessions: Sessions, metrics: Metrics, store: ObjectStore, jobs: JobGateway, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._metrics = metrics
        self._store = store
        self._jobs = jobs
        self._clock = clock

    def list(self, project_id: str, limit: int, before: str | None) -> Sequence[Session]:
        return self._sessions.list(project_id, limit, before)

    def watch(self, session: Session, history: bool) -> Watched:
        """How a run is doing, with every epoch of its present attempt if asked for."""
        if not history:
            return Watched(session, None)
        last = (session.metrics or {}).get("epoch", 0)
        return Watched(
            session, [each for each in self._metrics.list(session.session_id) if each.epoch <= last]
        )

    def stop(self, session: Session) -> Session:
        """Ends a run: at once before it runs, else after its current step, with the best weights so far.

        Stopping a run that is stopped, or being stopped, changes nothing.

        Raises:
            ConflictError: it has completed or failed.
        """
        now = rfc3339(self._clock.now())
        self._sessions.request_stop(session, now)
        waiting = (Status.QUEUED, Status.PROVISIONING)
        self._sessions.end(session, Status.STOPPED, now, only_from=waiting)
        # The row that the request was admitted with may be older than the job.
        current = self._sessions.get(session.project_id, session.session_id) or session
        # Also where this ended it before, and didn't live, or get an answer, to end the job as well.
        if current.status == Status.STOPPED and current.batch_job_id and not current.attempt:
            self._jobs.terminate(current.batch_job_id, "stopped by its owner")
        if current.status in (Status.COMPLETED, Status.FAILED):
            raise ConflictError(f"the run has {current.status} already", code="run-is-over")
        return current

    def results(self, session: Session) -> dict[str, Any]:
        """The results document, with a URL for each artifact.

        Raises:
            ConflictError: there are none (yet): with when to ask again, or why not.
        """
        document = self._read_results(session)
        for artifact in document["artifacts"]:
            key = artifact.pop("key")
            artifact["url"] = self._store.sign_get(key, URL_SECONDS, key.rsplit("/", 1)[1])
        for mistake in document["misclassified"]:
            mistake["thumbnailUrl"] = sign_thumbnail(self._store, session.project_id, mistake["imageId"])
        return document

    def _read_results(self, session: Session) -> dict[str, Any]:
        if session.results_key is None:
            raise no_results(session)
        content = self._store.get(session.results_key, MAX_RESULTS_BYTES)
        if content is None:
            raise ConflictError("the results were deleted", code="results-gone")
        document: dict[str, Any] = json.loads(content)
        return document


def no_results(session: Session) -> ConflictError:
    """Why a run has none, and when to ask again if it may have some."""
    if not session.is_over:
        return ConflictError(
            f"the run is {session.status}", code="run-not-over", retry_after_seconds=POLL_SECONDS
        )
    if session.status == Status.FAILED:
        reason = dict(session.failure_reason or {})
        return ConflictError(
            f"the run failed: {reason.get('message', 'for an unknown reason')}",
            code="run-failed",
            extra={"failure": reason},
        )
    return ConflictError("the run was stopped before it had a model", code="run-stopped")
