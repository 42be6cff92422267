"""The tokens that logins give."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import jwt

from ..contract.errors import UnauthenticatedError
from ..contract.ids import ulid
from ..contract.signing import SigningKey
from ..services.account_ports import AccessClaims, RefreshClaims
from ..services.ports import Clock

_ISSUER = "darkroom"
_ALGORITHM = "HS256"
_REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud", "sub", "jti", "ver"]
#: Of those that a function has seen to be good, the latest; a kilobyte each.
_REMEMBERED_TOKENS = 1024


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
        # The signature of a token says the same each time, and whoever watches a run shows one often.
        self._verified = lru_cache(maxsize=_REMEMBERED_TOKENS)(self._verify)
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

    def _read(self, token: str, kind: str) -> Mapping[str, Any]:
        try:
            found = self._verified(token, kind)
            if self._keys.find(found.key_id) != found.key:  # it was retired meanwhile
                raise jwt.InvalidSignatureError("signed by no key that is in use")
        except jwt.InvalidTokenError as error:
            raise UnauthenticatedError("this token isn't valid", hint="Log in again.") from error
        expiry = found.claims["exp"]
        if not isinstance(expiry, int):  # NaN would be for ever
            raise UnauthenticatedError("this token isn't valid", hint="Log in again.")
        if expiry <= self._clock.now().timestamp():
            raise UnauthenticatedError(
                "this token has expired", code="token-expired", hint="Use the refresh token, or log in again."
            )
        return found.claims

    def _verify(self, token: str, kind: str) -> "_Verified":
        key_id = jwt.get_unverified_header(token).get("kid", "")
        key = self._keys.find(key_id) if key_id else None
        if key is None:
            raise jwt.InvalidSignatureError("signed by no key that is in use")
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=kind,
            issuer=_ISSUER,
            options={"require": _REQUIRED_CLAIMS, "verify_exp": False, "verify_iat": False},
        )
        return _Verified(key_id, key, claims)


class _Verified(NamedTuple):
    """A token that was signed by this key, whenever that was."""

    key_id: str
    key: str
    claims: Mapping[str, Any]
