"""API keys: what machines send instead of an access token.

A key is `dk_<keyId>_<userId>_<secret>`: it says whose it is, so that the one read of the user's row
that admits a request has all that its check needs. The secret is 256 random bits in base64url.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest

from ..contract.errors import (
    ConflictError,
    FieldError,
    NotFoundError,
    UnauthenticatedError,
    UnprocessableError,
)
from ..contract.ids import PATTERN
from ..contract.records import ApiKey, Scope, User
from .account_ports import ApiKeys
from .ports import Clock, Ids, Telemetry
from .times import parse, rfc3339

MARK = "dk_"
#: Of one user. They stand in the user's row, which every request reads.
MOST_KEYS = 20
_SECRET_BYTES = 32
_FORM = re.compile(f"{MARK}({PATTERN})_({PATTERN})_([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key as a request brings it; whether there is such a key isn't known yet."""

    key_id: str
    user_id: str
    secret: str

    @classmethod
    def read(cls, text: str) -> "PresentedKey":
        """Raises `UnauthenticatedError` for what isn't of a key's form."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise no_such_key()
        return cls(*found.groups())

    def check(self, user: User, now: datetime) -> ApiKey:
        """The key of that user that this is.

        Raises:
            UnauthenticatedError: there is no such key, the secret is another, or its time is over.
        """
        key = user.api_key(self.key_id)
        if key is None or not compare_digest(key.secret_sha256, _hashed(self.secret)):
            raise no_such_key()
        if key.expires_at is not None and parse(key.expires_at) <= now:
            raise UnauthenticatedError(
                "this API key has expired", code="key-expired", hint="Make another, and revoke this one."
            )
        return key


class KeyRegister:
    """A user's keys: made, listed, revoked."""

    def __init__(self, keys: ApiKeys, telemetry: Telemetry, clock: Clock, ids: Ids) -> None:
        self._keys = keys
        self._telemetry = telemetry
        self._clock = clock
        self._ids = ids

    def make(
        self, user: User, name: str, scopes: Sequence[Scope], expires_at: datetime | None
    ) -> tuple[ApiKey, str]:
        """Makes a key.

        Returns:
            What is kept of it, and the key itself, which can't be had again.

        Raises:
            UnprocessableError: it would have expired already.
            ConflictError: the user has 20 keys; code `too-many-keys`.
        """
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            wrong = FieldError("/expiresAt", "must be in the future")
            raise UnprocessableError("the request has wrong values", code="invalid-fields", errors=[wrong])
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        key = ApiKey(
            key_id=self._ids.new(),
            name=name,
            scopes=sorted(set(scopes)),
            secret_sha256=_hashed(secret),
            created_at=rfc3339(now),
            expires_at=rfc3339(expires_at) if expires_at else None,
        )
        if not self._keys.add(user.user_id, key, MOST_KEYS):
            raise ConflictError(
                f"a user has up to {MOST_KEYS} API keys", code="too-many-keys", hint="Revoke one first."
            )
        self._telemetry.count("ApiKeysMade")
        return key, f"{MARK}{key.key_id}_{user.user_id}_{secret}"

    def list(self, user: User) -> list[ApiKey]:
        """Newest first."""
        ids = sorted(user.api_keys or {}, reverse=True)
        return [key for each in ids if (key := user.api_key(each))]

    def revoke(self, user: User, key_id: str) -> None:
        """Ends a key: the next request that brings it is refused.

        Raises:
            NotFoundError: the user has no such key.
        """
        if user.api_key(key_id) is None:
            raise NotFoundError("no such API key", code="key-not-found")
        self._keys.revoke(user.user_id, key_id)
        self._telemetry.count("ApiKeysRevoked")


def _hashed(secret: str) -> str:
    # 256 random bits can't be guessed, so there is nothing that a slow hash would slow down.
    return sha256(secret.encode()).hexdigest()


def no_such_key() -> UnauthenticatedError:
    return UnauthenticatedError("this API key doesn't work", hint="It may have been revoked: make another.")
