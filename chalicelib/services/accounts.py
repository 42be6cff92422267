"""Registering, logging in and out, and changing the password."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..contract.errors import DarkroomError, FieldError, UnauthenticatedError, UnprocessableError
from ..contract.records import RefreshToken, User
from .account_ports import AccessClaims, CommonPasswords, PasswordHasher, RefreshClaims, Tokens, Users
from .login_guard import LoginGuard
from .names import folded
from .ports import Clock, Ids, Telemetry
from .times import rfc3339


@dataclass(frozen=True, slots=True)
class Login:
    access_token: str
    refresh_token: str
    expires_in: int  # seconds, of the access token


class Accounts:
    def __init__(
        self,
        users: Users,
        hasher: PasswordHasher,
        common: CommonPasswords,
        guard: LoginGuard,
        tokens: Tokens,
        telemetry: Telemetry,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._users = users
        self._hasher = hasher
        self._common = common
        self._guard = guard
        self._tokens = tokens
        self._telemetry = telemetry
        self._clock = clock
        self._ids = ids

    def register(self, username: str, email: str, password: str) -> User:
        """Adds a user.

        Raises:
            ConflictError: the email address or the username is taken.
            UnprocessableError: the password is one that everybody tries.
        """
        self._check(password, (username, email), "/password")
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

    def log_in(self, login: str, password: str, address: str) -> Login:
        """Starts a login by email address or username, from a network address.

        Raises:
            UnauthenticatedError: it doesn't say which of the two is wrong.
            TooManyRequestsError: after too many that were wrong.
        """
        user = self._users.get_by_login(login)
        with self._guarded(user.user_id if user else f"?{folded(login)}", address):
            if not self._hasher.verify(user.password_hash if user else None, password) or user is None:
                self._telemetry.count("LoginsRefused")
                raise UnauthenticatedError("wrong login or password", code="wrong-credentials")
        return self._start(user)

    def change_password(self, user: User, current: str, new: str, address: str) -> Login:
        """Sets a password, and ends every login of the user: the answer is the first new one.

        Raises:
            UnprocessableError: the current password is wrong, or the new one is one that everybody tries.
            UnauthenticatedError: the logins were ended, or the password changed, at this moment.
            TooManyRequestsError: after too many that were wrong.
        """
        self._check(new, (user.username, user.email), "/newPassword")
        with self._guarded(user.user_id, address):
            if not self._hasher.verify(user.password_hash, current):
                self._telemetry.count("LoginsRefused")
                wrong = [FieldError("/currentPassword", "wrong password")]
                raise UnprocessableError("wrong password", code="wrong-credentials", errors=wrong)
        # The tokens of before end with this write, whatever is going on beside it: each has its version.
        changed = self._users.change_password(user, self._hasher.hash(new))
        if changed is None:
            raise UnauthenticatedError("this login has ended", hint="Log in again.")
        self._telemetry.count("PasswordsChanged")
        return self._start(changed)

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
            self._end_unless_ours(claims.family, token_id)
        return self._give(user, claims.family, token_id)

    def log_out(self, refresh_token: str, everywhere: bool) -> None:
        """Ends a login; with `everywhere` all of the user's, access tokens included.

        A token from before the last time that all ended ends nothing more.
        """
        claims = self._tokens.read_refresh(refresh_token)
        self._users.end_login(claims.family)
        if everywhere:
            self._users.end_all_logins(claims.user_id, claims.token_version)

    def _check(self, password: str, names: tuple[str, ...], pointer: str) -> None:
        plain = folded(password)
        if plain in self._common or plain in {folded(each) for each in names}:
            wrong = [FieldError(pointer, "one of the passwords that are tried first")]
            raise UnprocessableError(
                "this password is too common",
                code="common-password",
                hint="Take several words, or let a password manager make one.",
                errors=wrong,
            )

    @contextmanager
    def _guarded(self, account: str, address: str) -> Iterator[None]:
        """Counts an attempt; it is a failure if the block says that the password is wrong."""
        attempt = self._guard.begin(account, address)
        try:
            yield
        except DarkroomError as error:
            if error.code != "wrong-credentials":  # too busy to look at the password
                self._guard.take_back(attempt)
            raise
        self._guard.succeed(attempt)

    def _end_unless_ours(self, family: str, token_id: str) -> None:
        """Ends the login of a token that isn't the newest, unless our own write made it so."""
        newest = self._users.get_login(family)
        if newest is not None and newest.token_id == token_id:
            return
        if newest is not None:
            self._telemetry.count("RefreshTokensReused")
        self._users.end_login(family)
        raise UnauthenticatedError("this refresh token was used before", code="refresh-token-reused")

    def _start(self, user: User) -> Login:
        family, token_id = self._ids.new(), self._ids.new()
        self._users.add_login(self._record(user.user_id, family, token_id))
        return self._give(user, family, token_id)

    def _record(self, user_id: str, family: str, token_id: str) -> RefreshToken:
        expires_at = int(self._clock.now().timestamp()) + self._tokens.refresh_seconds
        return RefreshToken(user_id=family, owner_id=user_id, token_id=token_id, expires_at=expires_at)

    def _give(self, user: User, family: str, token_id: str) -> Login:
        access = AccessClaims(user.user_id, user.token_version)
        refresh = RefreshClaims(user.user_id, user.token_version, family, token_id)
        return Login(self._tokens.access(access), self._tokens.refresh(refresh), self._tokens.access_seconds)
