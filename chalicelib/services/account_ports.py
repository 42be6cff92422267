"""What accounts, logins and API keys need from the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..contract.records import ApiKey, LoginAttempts, RefreshToken, User


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


class CommonPasswords(Protocol):
    def __contains__(self, folded: str) -> bool:
        """Whether a password, folded as names are, is among those that everybody tries."""


class Pseudonyms(Protocol):
    def of(self, text: str) -> Sequence[str]:
        """What a text is called by each key that is in use, the newest key's name first."""


class Attempts(Protocol):
    """Counts of attempts to log in, by pseudonym."""

    def get(self, names: Sequence[str]) -> Mapping[str, LoginAttempts]:
        """Those that are there, by name."""

    def replace(self, seen: LoginAttempts | None, new: LoginAttempts) -> bool:
        """Writes a count; False where it isn't as it was seen any more (None: wasn't there)."""

    def forgive(self, name: str) -> None:
        """Takes back one of the failures, if there is one."""

    def remember(self, new: LoginAttempts) -> None:
        """Writes the count of an address that is known from now on."""
