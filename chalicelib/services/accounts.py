"""Registering, logging in and out."""

from dataclasses import dataclass

from ..contract.errors import UnauthenticatedError
from ..contract.records import RefreshToken, User
from .ports import AccessClaims, Clock, Ids, PasswordHasher, RefreshClaims, Tokens, Users
from .times import rfc3339


@dataclass(frozen=True, slots=True)
class Login:
    access_token: str
    refresh_token: str
    expires_in: int  # seconds, of the access token


class Accounts:
    def __init__(self, users: Users, hasher: PasswordHasher, tokens: Tokens, clock: Clock, ids: Ids) -> None:
        self._users = users
        self._hasher = hasher
        self._tokens = tokens
        self._clock = clock
        self._ids = ids

    def register(self, username: str, email: str, password: str) -> User:
        """Adds a user.

        Raises:
            ConflictError: the email address or the username is taken.
        """
        user = User(
            user_id=self._ids.new(),
            username=username,
            email=email,
            password_hash=self._hasher.hash(password),
            token_version=1,
            created_at=rfc3339(self._clock.now()),
        )
        self._users.add(user)
        return user

    def log_in(self, login: str, password: str) -> Login:
        """Starts a login by email address or username.

        Raises:
            UnauthenticatedError: it doesn't say which of the two is wrong.
        """
        user = self._users.get_by_login(login)
        if user is None:
            # Costs what verifying costs: the time of the answer tells nothing.
            self._hasher.hash(password)
        if user is None or not self._hasher.verify(user.password_hash, password):
            raise UnauthenticatedError("wrong login or password", code="wrong-credentials")
        family, token_id = self._ids.new(), self._ids.new()
        self._users.add_login(self._record(user.user_id, family, token_id))
        return self._give(user, family, token_id)

    def refresh(self, refresh_token: str) -> Login:
        """Exchanges a refresh token for new tokens; each works once.

        Raises:
            UnauthenticatedError: it isn't valid, or was used before. A second use means that
                somebody has a copy, so the whole login ends.
        """
        claims = self._tokens.read_refresh(refresh_token)
        user = self._users.get(claims.user_id)
        if user is None or user.token_version != claims.token_version:
            raise UnauthenticatedError("this login has ended", hint="Log in again.")
        token_id = self._ids.new()
        record = self._record(user.user_id, claims.family, token_id)
        if not self._users.rotate_login(claims.family, claims.token_id, record):
            self._users.end_login(claims.family)
            raise UnauthenticatedError("this refresh token was used before", code="refresh-token-reused")
        return self._give(user, claims.family, token_id)

    def log_out(self, refresh_token: str, everywhere: bool) -> None:
        """Ends a login; with `everywhere` all of the user's, access tokens included."""
        claims = self._tokens.read_refresh(refresh_token)
        self._users.end_login(claims.family)
        if everywhere:
            self._users.end_all_logins(claims.user_id)

    def _record(self, user_id: str, family: str, token_id: str) -> RefreshToken:
        expires_at = int(self._clock.now().timestamp()) + self._tokens.refresh_seconds
        return RefreshToken(user_id=family, owner_id=user_id, token_id=token_id, expires_at=expires_at)

    def _give(self, user: User, family: str, token_id: str) -> Login:
        access = AccessClaims(user.user_id, user.token_version)
        refresh = RefreshClaims(user.user_id, user.token_version, family, token_id)
        return Login(self._tokens.access(access), self._tokens.refresh(refresh), self._tokens.access_seconds)
