"""The tokens that logins give."""

from typing import Any, Protocol

import jwt

from ..contract.errors import UnauthenticatedError
from ..contract.ids import ulid
from ..contract.signing import SigningKey
from ..services.account_ports import AccessClaims, RefreshClaims
from ..services.ports import Clock

_ISSUER = "darkroom"
_ALGORITHM = "HS256"
_REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud", "sub", "jti", "ver"]


class Keys(Protocol):
    """What signs, and by what id it is found again."""

    @property
    def current(self) -> SigningKey: ...

    def find(self, key_id: str) -> str | None: ...


class JwtTokens:
    """Access tokens that work for 15 minutes, refresh tokens for 30 days."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
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
        signing = self._keys.current
        common = {"iss": _ISSUER, "aud": kind, "iat": moment, "exp": moment + seconds}
        return jwt.encode(common | own, signing.key, _ALGORITHM, headers={"kid": signing.key_id})

    def _read(self, token: str, kind: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = jwt.decode(
                token,
                self._key_of(token),
                algorithms=[_ALGORITHM],
                audience=kind,
                issuer=_ISSUER,
                options={"require": _REQUIRED_CLAIMS, "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise UnauthenticatedError("this token isn't valid", hint="Log in again.") from error
        if not isinstance(found["exp"], int):  # NaN would be for ever
            raise UnauthenticatedError("this token isn't valid", hint="Log in again.")
        if found["exp"] <= self._clock.now().timestamp():
            raise UnauthenticatedError(
                "this token has expired", code="token-expired", hint="Use the refresh token, or log in again."
            )
        return found

    def _key_of(self, token: str) -> str:
        """The key that a token names; raises as `jwt.decode` does."""
        key_id = jwt.get_unverified_header(token).get("kid")
        key = self._keys.find(key_id) if key_id else None
        if key is None:
            raise jwt.InvalidSignatureError("signed by no key that is in use")
        return key
