"""Tokens: an API key, or a login that renews itself and may be shared by several processes."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from .errors import AuthenticationError, ConfigurationError, DarkroomError
from .files import locked, write_private
from .models import Tokens

#: An access token is renewed so long before it runs out, in seconds.
MARGIN_SECONDS = 30
_NO_LOCK = (
    "Try again when no other darkroom command runs; if that doesn't help, its file system has no locks: set "
    "XDG_CONFIG_HOME (on Windows APPDATA) to a folder on a local disk, or use DARKROOM_API_KEY."
)
_LOG_IN = "Run: darkroom auth login"
#: What the API says of a refresh token that is of no use any more.
_OVER = frozenset(("unauthenticated", "token-expired", "refresh-token-reused"))


@dataclass(frozen=True, slots=True)
class Login:
    """Tokens as they are kept; `expires_at` is in Unix seconds, of the access token."""

    access_token: str
    refresh_token: str
    expires_at: float
    user: str = ""

    @classmethod
    def of(cls, tokens: Tokens, user: str = "") -> "Login":
        return cls(tokens.access_token, tokens.refresh_token, time.time() + tokens.expires_in, user)

    @property
    def is_fresh(self) -> bool:
        return time.time() < self.expires_at - MARGIN_SECONDS


class LoginStore(Protocol):
    """Where one login is kept."""

    def held(self) -> AbstractContextManager[None]:
        """Keeps other processes from changing it meanwhile."""

    def read(self) -> Login | None: ...

    def write(self, login: Login | None) -> None:
        """None forgets it."""


class MemoryStore:
    """A login of this process alone."""

    def __init__(self, login: Login | None = None) -> None:
        self._login = login

    @contextmanager
    def held(self) -> Iterator[None]:
        yield

    def read(self) -> Login | None:
        return self._login

    def write(self, login: Login | None) -> None:
        self._login = login


class FileStore:
    """The login of one URL in a file that only its user can read.

    Tokens are kept by URL, so that they are sent nowhere else, whatever a folder's settings say.
    """

    def __init__(self, path: Path, url: str) -> None:
        self._path = path
        self._url = url

    @contextmanager
    def held(self) -> Iterator[None]:
        path = self._path.with_suffix(".lock")
        with locked(path) as is_held:
            if not is_held:  # a refresh token that two exchange ends the login
                raise ConfigurationError(f"cannot lock {path}", code="cannot-lock", hint=_NO_LOCK)
            yield

    def read(self) -> Login | None:
        found = self._all().get(self._url)
        try:
            return Login(**found) if found else None
        except TypeError:  # of a version that kept other members
            return None

    def write(self, login: Login | None) -> None:
        kept = {url: each for url, each in self._all().items() if url != self._url}
        if login:
            kept[self._url] = asdict(login)
        write_private(self._path, json.dumps(kept, indent=1))

    def _all(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"cannot read {self._path}", hint="Delete it, and log in again."
            ) from error
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that never renews."""

    key: str

    def token(self) -> str:
        return self.key

    def renew(self, refused: str) -> str:  # noqa: ARG002 - there is only the one
        raise AuthenticationError(
            "the API key is not valid", code="bad-api-key", hint="Was it revoked, or is it of another server?"
        )


class RenewingLogin:
    """The tokens of a login; a refresh token works once, so only one process at a time renews.

    Args:
        store: where the login is kept.
        refresh: exchanges a refresh token for new tokens.
    """

    def __init__(self, store: LoginStore, refresh: Callable[[str], Tokens]) -> None:
        self._store = store
        self._refresh = refresh
        self._one_at_a_time = threading.Lock()
        self._current: Login | None = None

    def token(self) -> str:
        with self._one_at_a_time:
            self._current = self._current or self._store.read()
            if self._current is None:
                raise AuthenticationError("not logged in", code="not-logged-in", hint=_LOG_IN)
            if not self._current.is_fresh:
                self._current = self._renewed(self._current.access_token)
            return self._current.access_token

    def renew(self, refused: str) -> str:
        with self._one_at_a_time:
            if self._current is None or self._current.access_token == refused:
                self._current = self._renewed(refused)
            return self._current.access_token

    def _renewed(self, refused: str) -> Login:
        with self._store.held():
            kept = self._store.read()
            if kept is None:
                raise AuthenticationError("this login has ended", code="not-logged-in", hint=_LOG_IN)
            if kept.access_token != refused and kept.is_fresh:
                return kept  # another process has renewed it
            fresh = self._exchanged(kept)
            self._store.write(fresh)
            return fresh

    def _exchanged(self, kept: Login) -> Login:
        try:
            return Login.of(self._refresh(kept.refresh_token), kept.user)
        except AuthenticationError as error:
            if not has_ended(error):
                raise
            self._store.write(None)
            raise AuthenticationError(
                "the session has expired", code=error.code, hint=_LOG_IN, status=error.status
            ) from error


def has_ended(error: DarkroomError) -> bool:
    """Whether an answer to a refresh token says that its login is over.

    A proxy's 401, or a 403 for the address that somebody is at today, says nothing about it.
    """
    kind, code = str(error.document.get("type")), error.document.get("code")
    return error.status == 401 and code in _OVER and kind == f"urn:darkroom:problem:{code}"
