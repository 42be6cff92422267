"""Who may do what: decided here, once a request, before any view runs."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from ..contract.errors import ForbiddenError, NotFoundError, UnauthenticatedError, UnavailableError
from ..contract.ids import is_ulid
from ..contract.records import ApiKey, Project, Scope, Session, User
from .account_ports import ApiKeys, Tokens
from .api_keys import MARK, PresentedKey, no_such_key
from .ports import AdmissionReader, Clock, Seen, Telemetry
from .times import rfc3339

#: How long a use of a key stands for those after it: a write of the user's row in five minutes, at most.
_NOTED_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a request may touch. The properties hold on routes with that id in their path."""

    user: User
    seen: Seen

    @property
    def project(self) -> Project:
        if self.seen.project is None:
            raise NotFoundError("no such project", code="project-not-found")
        return self.seen.project

    @property
    def session(self) -> Session:
        if self.seen.session is None:
            raise NotFoundError("no such training session", code="session-not-found")
        return self.seen.session


class Access:
    """Checks a request's token or API key and reads its user, project and session in one round trip."""

    def __init__(
        self, tokens: Tokens, reader: AdmissionReader, keys: ApiKeys, telemetry: Telemetry, clock: Clock
    ) -> None:
        self._tokens = tokens
        self._reader = reader
        self._keys = keys
        self._telemetry = telemetry
        self._clock = clock

    def admit(
        self,
        authorization: str | None,
        project_id: str | None = None,
        session_id: str | None = None,
        scope: Scope | None = None,
    ) -> Admitted:
        """Lets a request in.

        Args:
            authorization: the header, "Bearer <access token or API key>".
            project_id: the id in the path, where the route has one.
            session_id: likewise.
            scope: which an API key must have; None where no key is enough.

        Raises:
            UnauthenticatedError: no token, or one that isn't valid (any more).
            ForbiddenError: an API key without the scope, whatever the path names.
            NotFoundError: the project or the session isn't there, or is somebody else's.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError(
                "this needs an access token", hint="Send Authorization: Bearer <token>."
            )
        # An id that isn't a ULID can't be anybody's; it isn't worth a read, and a key takes no such text.
        path_ids = _key(project_id), _key(session_id)
        if token.startswith(MARK):
            return self._by_key(token, path_ids, project_id, session_id, scope)
        claims = self._tokens.read_access(token)
        seen = self._reader.read(claims.user_id, *path_ids)
        if seen.user is None or seen.user.token_version != claims.token_version:
            raise UnauthenticatedError("this token no longer works", hint="Log in again.")
        return _admitted(seen.user, seen, project_id, session_id)

    def _by_key(
        self,
        token: str,
        path_ids: tuple[str | None, str | None],
        project_id: str | None,
        session_id: str | None,
        scope: Scope | None,
    ) -> Admitted:
        presented = PresentedKey.read(token)
        seen = self._reader.read(presented.user_id, *path_ids)
        user, key = self._checked(presented, seen.user)
        if scope not in key.scopes:
            self._telemetry.count("ApiKeyScopesMissing")
            raise _out_of_scope(scope)
        admitted = _admitted(user, seen, project_id, session_id)
        self._note_use(user, key)
        return admitted

    def _checked(self, presented: PresentedKey, user: User | None) -> tuple[User, ApiKey]:
        try:
            if user is None:
                raise no_such_key()
            return user, presented.check(user, self._clock.now())
        except UnauthenticatedError:
            self._telemetry.count("ApiKeysRefused")
            raise

    def _note_use(self, user: User, key: ApiKey) -> None:
        now = self._clock.now()
        since = rfc3339(now - _NOTED_FOR)
        if key.last_used_at is None or key.last_used_at < since:
            with suppress(UnavailableError):  # the request matters more than its note
                self._keys.note_use(user.user_id, key.key_id, rfc3339(now), since)


def _admitted(user: User, seen: Seen, project_id: str | None, session_id: str | None) -> Admitted:
    admitted = Admitted(user, _owned(seen))
    if project_id is not None:
        _ = admitted.project
    if session_id is not None:
        _ = admitted.session
    return admitted


def _out_of_scope(scope: Scope | None) -> ForbiddenError:
    if scope is None:
        return ForbiddenError(
            "no API key is enough for this", code="scope-missing", hint="Log in, and send an access token."
        )
    return ForbiddenError(
        f"this API key lacks the scope {scope}",
        code="scope-missing",
        hint=f"Make a key that has {scope} among its scopes.",
    )


def _key(path_id: str | None) -> str | None:
    return path_id if path_id is not None and is_ulid(path_id) else None


def _owned(seen: Seen) -> Seen:
    user, project = seen.user, seen.project
    if user is None or project is None or project.user_id != user.user_id or project.deleted_at:
        return Seen(user)
    return seen
