"""In-memory repositories: dictionaries with the conditions of services/*ports.py."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock
from typing import Any

from chalicelib.contract.errors import (
    ConflictError,
    NotFoundError,
    UnprocessableError,
)
from chalicelib.contract.records import (
    Configuration,
    EpochMetrics,
    Failure,
    Project,
    RefreshToken,
    Session,
    User,
)
from chalicelib.contract.states import ACTIVE, Phase, Status, origins
from chalicelib.contract.tables import REMOVING
from chalicelib.services.names import folded
from chalicelib.services.ports import Begun, Seen
from chalicelib.services.run_ports import NO_LIMITS, Limits, Refusal


class FakeUsers:
    def __init__(self) -> None:
        self.rows: dict[str, User] = {}
        self.logins: dict[str, RefreshToken] = {}
        self._taken: dict[str, str] = {}
        self._lock = Lock()

    def add(self, user: User) -> None:
        marks = {"email-taken": folded(user.email), "username-taken": folded(user.username)}
        with self._lock:
            for code, mark in marks.items():
                if mark in self._taken:
                    raise ConflictError("taken", code=code)
            self._taken |= dict.fromkeys(marks.values(), user.user_id)
            self.rows[user.user_id] = user

    def get(self, user_id: str) -> User | None:
        return self.rows.get(user_id)

    def get_by_login(self, login: str) -> User | None:
        return self.rows.get(self._taken.get(folded(login), ""))

    def end_all_logins(self, user_id: str, token_version: int) -> None:
        with self._lock:
            user = self.rows.get(user_id)
            if user and user.token_version == token_version:
                self.rows[user_id] = replace(user, token_version=token_version + 1)

    def change_password(self, user: User, password_hash: str) -> User | None:
        with self._lock:
            row = self.rows.get(user.user_id)
            read = user.password_hash, user.token_version
            if row is None or (row.password_hash, row.token_version) != read:
                return None
            changed = replace(row, password_hash=password_hash, token_version=row.token_version + 1)
            self.rows[user.user_id] = changed
            return changed

    def add_login(self, token: RefreshToken) -> None:
        self.logins.setdefault(token.user_id, token)

    def rotate_login(self, family: str, old_token_id: str, token: RefreshToken) -> bool:
        with self._lock:
            holds = family in self.logins and self.logins[family].token_id == old_token_id
            if holds:
                self.logins[family] = token
            return holds

    def get_login(self, family: str) -> RefreshToken | None:
        return self.logins.get(family)

    def end_login(self, family: str) -> None:
        self.logins.pop(family, None)


class FakeProjects:
    def __init__(self) -> None:
        self.rows: dict[str, Project] = {}

    def add(self, project: Project) -> None:
        self.rows.setdefault(project.project_id, project)

    def list(self, user_id: str, limit: int, before: str | None) -> Sequence[Project]:
        own = [each for each in self.rows.values() if each.user_id == user_id and not each.deleted_at]
        return _newest(own, lambda each: each.project_id, limit, before)

    def rename(self, project_id: str, project_name: str | None, description: str | None) -> Project:
        changes = {"project_name": project_name, "description": description}
        row = self.rows.get(project_id)
        if row is None or row.deleted_at:
            raise NotFoundError("no such project", code="project-not-found")
        given = {name: value for name, value in changes.items() if value is not None}
        return self._set(replace(row, **given))

    def delete(self, project_id: str, deleted_at: str) -> None:
        row = self.rows.get(project_id)
        if row and not row.deleted_at:
            self._set(replace(row, deleted_at=deleted_at, removing=REMOVING))

    def removing(self) -> Iterator[Project]:
        return iter(sorted((row for row in self.rows.values() if row.removing), key=_deleted_at))

    def forget(self, project_id: str) -> None:
        self.rows.pop(project_id, None)

    def _set(self, project: Project) -> Project:
        self.rows[project.project_id] = project
        return project


def _deleted_at(project: Project) -> str:
    return project.deleted_at or ""


class FakeConfigurations:
    def __init__(self, projects: FakeProjects) -> None:
        self._projects = projects
        self.rows: dict[tuple[str, str], Configuration] = {}

    def add(self, configuration: Configuration) -> None:
        project = self._projects.rows.get(configuration.project_id)
        key = configuration.project_id, configuration.config_id
        if project and key not in self.rows:
            self.rows[key] = configuration
            changed = replace(project, current_config_id=configuration.config_id)
            self._projects.rows[project.project_id] = changed

    def get(self, project_id: str, config_id: str) -> Configuration | None:
        return self.rows.get((project_id, config_id))


class FakeSessions:
    def __init__(self, projects: FakeProjects | None = None) -> None:
        self.rows: dict[tuple[str, str], Session] = {}
        self._projects = projects or FakeProjects()
        self._lock = Lock()

    def add(self, session: Session, limits: Limits = NO_LIMITS) -> Refusal | None:
        key = session.project_id, session.session_id
        with self._lock:
            refusal = None if key in self.rows else self._refusal(session, limits)
            if refusal is None:
                self.rows.setdefault(key, session)
            return refusal

    def _refusal(self, session: Session, limits: Limits) -> Refusal | None:
        active = [each for each in tuple(self.rows.values()) if not each.is_over]
        in_project = sum(each.project_id == session.project_id for each in active)
        of_user = sum(each.user_id == session.user_id for each in active)
        project = self._projects.rows.get(session.project_id)
        if limits.per_project and (project is None or project.deleted_at):
            return Refusal.GONE
        if limits.per_project and in_project >= limits.per_project:
            return Refusal.PROJECT_FULL
        return Refusal.USER_FULL if limits.per_user and of_user >= limits.per_user else None

    def get(self, project_id: str, session_id: str) -> Session | None:
        return self.rows.get((project_id, session_id))

    def list(self, project_id: str, limit: int, before: str | None) -> Sequence[Session]:
        own = [each for each in self.rows.values() if each.project_id == project_id]
        return _newest(own, lambda each: each.session_id, limit, before)

    def active(self) -> Iterator[Session]:
        return iter([each for each in self.rows.values() if each.active])

    def set_job(self, session: Session, batch_job_id: str) -> bool:
        with self._lock:
            row = self._row(session, ACTIVE)
            holds = row is not None and row.batch_job_id in (None, batch_job_id)
            return holds and self._change(row, batch_job_id=batch_job_id)

    def advance(self, session: Session, status: Status) -> bool:
        return self._change(self._row(session, origins(status)), status=status, phase=str(status))

    def request_stop(self, session: Session, at: str) -> bool:
        row = self._row(session, ACTIVE)
        return row is not None and row.stop_requested_at is None and self._change(row, stop_requested_at=at)

    def end(
        self,
        session: Session,
        status: Status,
        at: str,
        failure: Failure | None = None,
        only_from: Iterable[Status] | None = None,
        only_without_job: bool = False,
    ) -> bool:
        allowed = set(origins(status)) & set(Status if only_from is None else only_from)
        row = self._row(session, allowed)
        if row is not None and only_without_job and row.batch_job_id:
            return False
        changes: dict[str, Any] = {"status": status, "phase": Phase.DONE, "end_time": at, "active": None}
        if failure:
            changes["failure_reason"] = failure.to_json()
        return self._change(row, **changes)

    def _row(self, session: Session, allowed: Iterable[Status]) -> Session | None:
        """The stored row, where it is in one of the states and of the same generation."""
        row = self.get(session.project_id, session.session_id)
        fits = row is not None and row.status in set(allowed) and row.generation == session.generation
        return row if fits else None

    def _change(self, row: Session | None, **changes: Any) -> bool:
        if row is not None:
            self.rows[row.project_id, row.session_id] = replace(row, **changes)
        return row is not None


class FakeMetrics:
    def __init__(self) -> None:
        self.rows: list[EpochMetrics] = []

    def list(self, session_id: str) -> Sequence[EpochMetrics]:
        own = (each for each in self.rows if each.session_id == session_id)
        return sorted(own, key=lambda each: each.epoch)


@dataclass
class _Claim:
    request_hash: str
    locked_until: int
    expires_at: float
    plan: Mapping[str, Any]
    answer: Mapping[str, Any] | None = None


class FakeIdempotencyKeys:
    def __init__(self) -> None:
        self._claims: dict[str, _Claim] = {}
        self._lock = Lock()

    def begin(self, key: str, request_hash: str, now: datetime, plan: Mapping[str, Any]) -> Begun:
        with self._lock:
            moment, earlier = int(now.timestamp()), self._claims.get(key)
            if earlier is None or earlier.expires_at < moment:
                self._claims[key] = _Claim(request_hash, moment + 60, moment + 24 * 3600, plan)
                return Begun(plan, moment + 60)
            if earlier.request_hash != request_hash:
                raise UnprocessableError("another request", code="idempotency-key-reused")
            if earlier.answer is not None:
                return Begun(plan, 0, answer=earlier.answer)
            if earlier.locked_until >= moment:
                raise ConflictError("still going on", code="request-in-flight", retry_after_seconds=2)
            earlier.locked_until = moment + 60
            return Begun(earlier.plan, moment + 60, is_again=True)

    def finish(self, key: str, answer: Mapping[str, Any]) -> None:
        with suppress(KeyError):
            self._claims[key].answer = answer

    def fix(self, key: str, request_hash: str, now: datetime, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        begun = self.begin(key, request_hash, now, {})
        if begun.answer is None:
            self.finish(key, answer)
        return answer if begun.answer is None else begun.answer

    def release(self, key: str, lock: int) -> None:
        if self._holds(key, lock):
            self._claims[key].locked_until = 0

    def abandon(self, key: str, lock: int) -> None:
        if self._holds(key, lock):
            del self._claims[key]

    def _holds(self, key: str, lock: int) -> bool:
        claim = self._claims.get(key)
        return claim is not None and claim.locked_until == lock and claim.answer is None


class FakeAdmissionReader:
    def __init__(self, users: FakeUsers, projects: FakeProjects, sessions: FakeSessions) -> None:
        self._users = users
        self._projects = projects
        self._sessions = sessions

    def read(self, user_id: str, project_id: str | None, session_id: str | None) -> Seen:
        return Seen(
            self._users.get(user_id),
            self._projects.rows.get(project_id or ""),
            self._sessions.get(project_id or "", session_id or ""),
        )


def _newest(rows: list[Any], key: Any, limit: int, before: str | None) -> list[Any]:
    older = [each for each in rows if before is None or key(each) < before]
    return sorted(older, key=key, reverse=True)[:limit]
