"""Who may do what: decided here, once a request, before any view runs."""

from dataclasses import dataclass

from ..contract.errors import NotFoundError, UnauthenticatedError
from ..contract.ids import is_ulid
from ..contract.records import Project, Session, User
from .ports import AdmissionReader, Seen, Tokens


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
    """Checks a request's token and reads its user, project and session in one round trip."""

    def __init__(self, tokens: Tokens, reader: AdmissionReader) -> None:
        self._tokens = tokens
        self._reader = reader

    def admit(
        self, authorization: str | None, project_id: str | None = None, session_id: str | None = None
    ) -> Admitted:
        """Lets a request in.

        Args:
            authorization: the header, "Bearer <access token>".
            project_id: the id in the path, where the route has one.
            session_id: likewise.

        Raises:
            UnauthenticatedError: no token, or one that isn't valid (any more).
            NotFoundError: the project or the session isn't there, or is somebody else's.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError(
                "this needs an access token", hint="Send Authorization: Bearer <token>."
            )
        claims = self._tokens.read_access(token)
        # An id that isn't a ULID can't be anybody's; it isn't worth a read, and a key takes no such text.
        seen = self._reader.read(claims.user_id, _key(project_id), _key(session_id))
        if seen.user is None or seen.user.token_version != claims.token_version:
            raise UnauthenticatedError("this token no longer works", hint="Log in again.")
        admitted = Admitted(seen.user, _owned(seen))
        if project_id is not None:
            _ = admitted.project
        if session_id is not None:
            _ = admitted.session
        return admitted


def _key(path_id: str | None) -> str | None:
    return path_id if path_id is not None and is_ulid(path_id) else None


def _owned(seen: Seen) -> Seen:
    user, project = seen.user, seen.project
    if user is None or project is None or project.user_id != user.user_id or project.deleted_at:
        return Seen(user)
    return seen
