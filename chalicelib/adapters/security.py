"""Passwords and tokens."""

import json
from functools import cached_property
from typing import Any

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ..contract.errors import UnauthenticatedError
from ..contract.ids import ulid
from ..services.ports import AccessClaims, Clock, RefreshClaims
from .aws import Aws, unavailable

_ISSUER = "darkroom"
_ALGORITHM = "HS256"
_MIN_KEY_BYTES = 32
_REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud", "sub", "jti", "ver"]


class Argon2Hasher:
    """argon2id with OWASP's parameters: 19 MiB, two passes, one lane.

    Source: OWASP Password Storage Cheat Sheet.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


class SigningKey:
    """The key of a stage, read from Secrets Manager when the first token is seen."""

    def __init__(self, aws: Aws, secret_id: str) -> None:
        self._aws = aws
        self._secret_id = secret_id

    @cached_property
    def current(self) -> tuple[str, str]:
        """(key id, key).

        Raises:
            RuntimeError: the key is shorter than HMAC-SHA-256 wants it (RFC 7518, 3.2).
        """
        with unavailable():
            answer = self._aws.secrets.get_secret_value(SecretId=self._secret_id)
        secret = json.loads(answer["SecretString"])
        if len(secret["key"].encode()) < _MIN_KEY_BYTES:
            raise RuntimeError(f"the signing key has under {_MIN_KEY_BYTES} bytes")
        return secret["kid"], secret["key"]


class JwtTokens:
    """Access tokens that work for 15 minutes, refresh tokens for 30 days."""

    def __init__(self, key: SigningKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self.access_seconds = 15 * 60
        self.refresh_seconds = 30 * 24 * 3600

    def access(self, claims: AccessClaims) -> str:
        moment = int(self._clock.now().timestamp())
        own = {"sub": claims.user_id, "ver": claims.token_version, "jti": ulid(1000 * moment)}
        return self._sign("access", own, moment, self.access_seconds)

    def refresh(self, claims: RefreshClaims) -> str:
        moment = int(self._clock.now().timestamp())
        own = {
            "sub": claims.user_id,
            "ver": claims.token_version,
            "jti": claims.token_id,
            "fam": claims.family,
        }
        return self._sign("refresh", own, moment, self.refresh_seconds)

    def read_access(self, token: str) -> AccessClaims:
        found = self._read(token, "access")
        return AccessClaims(found["sub"], found["ver"])

    def read_refresh(self, token: str) -> RefreshClaims:
        found = self._read(token, "refresh")
        return RefreshClaims(found["sub"], found["ver"], found["fam"], found["jti"])

    def _sign(self, kind: str, own: dict[str, Any], moment: int, seconds: int) -> str:
        key_id, key = self._key.current
        common = {"iss": _ISSUER, "aud": kind, "iat": moment, "exp": moment + seconds}
        return jwt.encode(common | own, key, _ALGORITHM, headers={"kid": key_id})

    def _read(self, token: str, kind: str) -> dict[str, Any]:
        _, key = self._key.current
        try:
            found: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=kind,
                issuer=_ISSUER,
                options={"require": _REQUIRED_CLAIMS, "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise UnauthenticatedError("this token isn't valid", hint="Log in again.") from error
        if found["exp"] <= self._clock.now().timestamp():
            raise UnauthenticatedError(
                "this token has expired", code="token-expired", hint="Use the refresh token, or log in again."
            )
        return found
