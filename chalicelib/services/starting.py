"""Starting a run once, however often it is asked for, and only where there is room for it.

The session's id is decided first, and kept with the idempotency key. Whoever comes with the key after the
first has died goes on with that session: with its row, with its job. docs/adr/0023-starting-once.md
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from ..contract.errors import NotFoundError, RequestError, TooManyRequestsError, UnavailableError
from ..contract.records import Failure, Session
from ..contract.states import Status
from .adoption import Adoption
from .ports import Begun, Clock, IdempotencyKeys, Ids, Telemetry
from .run_ports import JobGateway, Limits, Refusal, Sessions
from .times import rfc3339

#: On top of the run's own limit: downloading before it, evaluating and exporting after it.
JOB_MARGIN_SECONDS = 3600
#: AWS said no, so there is no job; anything else that goes wrong leaves that open.
SUBMIT_REFUSED = "submit-refused"
#: Likewise, but only because it had too much to do.
SUBMIT_BUSY = "submit-busy"
_NO_JOB = (SUBMIT_REFUSED, SUBMIT_BUSY)
#: A run takes minutes at least.
_RETRY_AFTER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Started:
    session_id: str
    status: Status
    replayed: bool  # an earlier request with the same idempotency key had started it


class Starting:
    def __init__(
        self,
        sessions: Sessions,
        jobs: JobGateway,
        idempotency: IdempotencyKeys,
        telemetry: Telemetry,
        clock: Clock,
        ids: Ids,
        limits: Limits,
    ) -> None:
        self._sessions = sessions
        self._jobs = jobs
        self._idempotency = idempotency
        self._telemetry = telemetry
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._adoption = Adoption(sessions, jobs, telemetry)

    def start(self, draft: Callable[[str], Session]) -> Started:
        """Starts the session that `draft` makes of an id; raises as `once`, and what `draft` raises."""
        return self._begin(draft(self._ids.new()))

    def once(self, project_id: str, key: str, request_hash: str, draft: Callable[[str], Session]) -> Started:
        """The same, but once for all requests with the same key.

        Raises:
            UnprocessableError: the key was used for another request.
            ConflictError: a request with this key is still being carried out.
            TooManyRequestsError: as many runs as are allowed aren't over.
            UnavailableError: AWS Batch refused the job; the session is `failed`, and the key free.
        """
        name = f"start#{project_id}#{key}"
        begun = self._idempotency.begin(name, request_hash, self._clock.now(), {"sessionId": self._ids.new()})
        if begun.answer is not None:
            return Started(begun.answer["sessionId"], Status(begun.answer["status"]), replayed=True)
        try:
            started = self._carry_out(project_id, begun, draft)
        except RequestError:
            self._idempotency.abandon(name, begun.lock)
            raise
        except UnavailableError as error:
            give_up = self._idempotency.abandon if error.code in _NO_JOB else self._idempotency.release
            give_up(name, begun.lock)
            raise
        self._note(name, started)
        return started

    def _note(self, name: str, started: Started) -> None:
        try:
            self._idempotency.finish(name, {"sessionId": started.session_id, "status": started.status})
        except UnavailableError:
            # It has started all the same; a repetition finds the session by its id, in a minute.
            self._telemetry.warn("the answer wasn't kept with its key", sessionId=started.session_id)

    def _carry_out(self, project_id: str, begun: Begun, draft: Callable[[str], Session]) -> Started:
        session_id: str = begun.plan["sessionId"]
        session = self._sessions.get(project_id, session_id) if begun.is_again else None
        return self._begin(draft(session_id)) if session is None else self._resume(session)

    def _resume(self, session: Session) -> Started:
        """Goes on where an earlier request left a session: perhaps before its job, perhaps after it."""
        is_left = not (session.is_over or session.batch_job_id or session.attempt)
        if is_left and not self._adoption.adopt(session):
            self._submit(session)
        return Started(session.session_id, session.status, replayed=True)

    def _begin(self, session: Session) -> Started:
        if refusal := self._sessions.add(session, self._limits):
            self._refuse(refusal)
        self._submit(session)
        self._telemetry.count("SessionsStarted")
        return Started(session.session_id, session.status, replayed=False)

    def _refuse(self, refusal: Refusal) -> NoReturn:
        if refusal is Refusal.GONE:
            raise NotFoundError("no such project", code="project-not-found")
        self._telemetry.count("StartsOverLimit")
        limit = self._limits.per_project if refusal is Refusal.PROJECT_FULL else self._limits.per_user
        whose = "this project has" if refusal is Refusal.PROJECT_FULL else "you have"
        raise TooManyRequestsError(
            f"{whose} {limit} runs that aren't over, which is as many as there may be",
            code="too-many-sessions",
            hint="Wait until one of them is over, or stop one.",
            retry_after_seconds=_RETRY_AFTER_SECONDS,
        )

    def _submit(self, session: Session) -> None:
        """Submits the job; what isn't known of it then, its events tell, or the sweep finds by its name."""
        seconds = session.config["maxRuntimeMinutes"] * 60 + JOB_MARGIN_SECONDS
        try:
            batch_job_id = self._jobs.submit(session, seconds)
        except UnavailableError as error:
            if error.code not in _NO_JOB:
                self._telemetry.warn("the answer of SubmitJob was lost", sessionId=session.session_id)
                return
            failure = Failure(code=error.code, message=error.detail)
            self._sessions.end(session, Status.FAILED, rfc3339(self._clock.now()), failure)
            raise
        self._set_job(session, batch_job_id)

    def _set_job(self, session: Session, batch_job_id: str) -> None:
        try:
            is_its_own = self._sessions.set_job(session, batch_job_id)
        except UnavailableError:
            # After an error the client would ask again at once, see no such job yet, and get one more.
            self._telemetry.warn("the job wasn't noted", sessionId=session.session_id)
            return
        if not is_its_own:
            self._jobs.terminate(batch_job_id, "its session ended before it began, or has another job")
